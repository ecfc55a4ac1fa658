"""Training from a data set's name, or a data set, to a classifier and its files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from robustbench_lite import plugins
from robustbench_lite.augmix import overlapping_corruptions
from robustbench_lite.keywords import pick
from robustbench_lite.models import Classifier, load_model
from robustbench_lite.models.classifier import describe
from robustbench_lite.models.normalize import named_normalization
from robustbench_lite.models.user_code import code_sha256, parse_reference
from robustbench_lite.runtime import Amp, Processes, check_amp, fixed_precision, processes, resolve_device
from robustbench_lite.training.data import Dataset, check_batch, check_labels, check_variety
from robustbench_lite.training.first_network import FirstNetwork, first_network
from robustbench_lite.training.loop import Loop
from robustbench_lite.training.methods import Method, method_of
from robustbench_lite.training.progress import Epoch, SilentTraining, TrainingProgress
from robustbench_lite.training.recipes import Family, Schedule, TrainingRecipe, paper_recipe
from robustbench_lite.training.run_folder import BEST, LAST, TrainingFolder
from robustbench_lite.training.settings import TrainingSettings
from robustbench_lite.training.sources import open_dataset
from robustbench_lite.training.stepper import Stepper
from robustbench_lite.training.tensorboard import Board, require_tensorboard

# They change how a run goes, not what it gives.
_FREE = ("device", "tensorboard", "save_minutes")


@dataclass(frozen=True)
class Trained:
    """What a run gives.

    Attributes:
        classifier: the network after the last epoch, in evaluation mode, with its normalisation inside.
        history: the log.
        last: file of that network; None where nothing was kept.
        best: file of the network at the epoch with the lowest test error, which the test set chose.
    """

    classifier: Classifier
    history: tuple[Epoch, ...]
    last: Path | None
    best: Path | None


def train(
    dataset: str | Path | Dataset | object,
    *,
    # The data, as in open_dataset.
    data: str | Path | None = None,
    test_data: object = None,
    download: bool = False,
    image_size: int | None = None,
    extra_train: Sequence[str | Path] = (),
    test_fraction: float = 0.1,
    # The network.
    model: nn.Module | None = None,
    arch: str | None = None,
    init: str | Path | None = None,
    method: str = "augmix",
    # The recipe; None takes the paper's value.
    epochs: int | None = None,
    batch_size: int | None = None,
    lr: float | None = None,
    min_lr: float | None = None,
    schedule: Schedule | None = None,
    warmup_epochs: int | None = None,
    momentum: float | None = None,
    nesterov: bool | None = None,
    weight_decay: float | None = None,
    padding: int | None = None,
    flip: bool | None = None,
    normalization: str | None = None,
    severity: float | None = None,
    width: int | None = None,
    depth: int | None = None,
    alpha: float | None = None,
    all_ops: bool | None = None,
    jsd_weight: float | None = None,
    cutout_size: int | None = None,
    mixup_alpha: float | None = None,
    cutmix_alpha: float | None = None,
    cutmix_probability: float | None = None,
    policy: Family | None = None,
    patch_size: int | None = None,
    patch_strength: float | None = None,
    attack_radius: float | None = None,
    attack_step: float | None = None,
    attack_steps: int | None = None,
    # The run.
    seed: int = 0,
    device: str = "auto",
    amp: Amp | None = None,
    tf32: bool = False,
    compile: bool = False,
    channels_last: bool = True,
    clip_grad: float | None = None,
    ema: float | None = None,
    tensorboard: bool = False,
    save_minutes: float = 10.0,
    # The output.
    out: str | Path | None = None,
    overwrite: bool = False,
    progress: TrainingProgress | None = None,
) -> Trained:
    """Train a network as the AugMix paper does, by default with AugMix.

    The settings of the recipe and of the run are described by `TrainingRecipe` and `TrainingSettings`; a
    setting of the recipe that is None has the paper's value for the data set, architecture and method.

    Args:
        dataset: "cifar10", "cifar100" or "imagenet"; an image folder or an .npz; images in memory:
            `(images, labels)`, a torch `Dataset`, a `DataLoader` or a Hugging Face data set, as for
            `load_suite`; or what `open_dataset` returns.
        data: folder of the files of a named data set.
        test_data: the test images of images in memory, in any of their forms. By default a part of the images
            is kept for testing.
        download: let torchvision fetch CIFAR into `data`.
        image_size: side of the crops of an image folder, in pixels.
        extra_train: further folders of training images with the same classes.
        test_fraction: share of the images kept for testing where the data have no test part.
        model: a network of your own, from normalised images (N, 3, H, W) to logits (N, classes), with its
            present weights; a copy of it is trained.
        arch: architecture of a fresh network; by default the paper's first choice.
        init: a checkpoint (or "torchvision:NAME") whose weights the training starts from. Where the number of
            classes differs, the last layer starts fresh.
        method: training method, a name of `METHODS`.
        epochs: passes over the training images.
        batch_size: images per step, over all processes together.
        lr: highest learning rate.
        min_lr: learning rate where the cosine ends.
        schedule: "cosine", or "thirds": divided by 10 after each third of the epochs.
        warmup_epochs: epochs over which the learning rate rises linearly.
        momentum: momentum of SGD.
        nesterov: whether the momentum is Nesterov's.
        weight_decay: weight decay of all parameters.
        padding: zero pixels around small images before the random crop.
        flip: whether half of the images are mirrored.
        normalization: input normalisation by name.
        severity: severity of the operations of AugMix and of random augmentation.
        width: AugMix chains per view.
        depth: operations per chain; None draws 1 to 3.
        alpha: parameter of the Dirichlet and Beta distributions that mix the chains.
        all_ops: whether the four operations that overlap the -C suites are added.
        jsd_weight: weight of the Jensen-Shannon loss.
        cutout_size: side of Cutout's square, in pixels.
        mixup_alpha: parameter of Mixup's Beta distribution.
        cutmix_alpha: parameter of CutMix's Beta distribution.
        cutmix_probability: share of batches that CutMix mixes.
        policy: policy of AutoAugment*: "cifar" or "imagenet".
        patch_size: side of Patch Uniform's square, in pixels.
        patch_strength: strength of Patch Uniform's noise, for pixels in [0, 1].
        attack_radius: radius of the l-infinity ball of the attack, for pixels in [0, 1].
        attack_step: length of a step of the attack.
        attack_steps: number of steps of the attack.
        seed: seed of the first weights, of the order of the images and of all random draws.
        device: "auto" (CUDA, then MPS, then CPU), "cpu", "cuda", "cuda:1" or "mps".
        amp: autocast to "bf16" or "fp16"; None trains in float32.
        tf32: let CUDA round float32 products to TF32.
        compile: run the network through `torch.compile`.
        channels_last: keep images and weights in the memory layout that tensor cores read.
        clip_grad: largest norm of the gradient; None does not clip it.
        ema: decay of an average of the weights, which is then tested and kept; None keeps no average.
        tensorboard: write TensorBoard's files beside the CSV log.
        save_minutes: minutes between two saves of the state within an epoch.
        out: run folder for the models, the log and the state; the same call continues a run that was killed.
            None keeps nothing.
        overwrite: start afresh in a folder that holds another run.
        progress: is told what happens; silent where None.

    Returns:
        The classifier, its files and the log, in every process of several.

    Raises:
        DataError: missing or damaged files, labels out of range, or only one class.
        InvalidInput: an unknown name, a value out of its range, fewer images than a batch, a folder that
            can't be written or that holds a run with other settings.
        CheckpointError: weights to start from that can't be read.
        ModelError: the loss became NaN or infinite, or the outputs of `model` are not the classes.

    Source: Hendrycks, Mu et al. 2020, "AugMix: A Simple Data Processing Method to Improve Robustness and
    Uncertainty".
    """
    given = locals()
    settings = TrainingSettings(**pick(TrainingSettings, given))
    changes = {name: value for name, value in pick(TrainingRecipe, given).items() if value is not None}
    images = dataset if isinstance(dataset, Dataset) else open_dataset(dataset, **pick(open_dataset, given))
    start = first_network(model, init, settings, images)
    settings = replace(settings, arch=start.architecture)
    changes = start.changes | changes
    recipe = paper_recipe(images.family, start.architecture, settings.method, changes)
    chosen = method_of(settings.method, recipe, changes)
    check_labels(images.train.labels, images.classes, images.name)
    check_labels(images.test.labels, images.classes, f"the test set of {images.name}")
    check_variety(images.train.labels, images.name)
    check_amp(resolve_device(settings.device), settings.amp)
    with processes() as team:
        check_batch(len(images.train.labels), recipe.batch_size, team.world)
        with fixed_precision(tf32=settings.tf32):
            listener = (progress or SilentTraining()) if team.first else SilentTraining()
            return _train(images, start, recipe, chosen, settings, out, overwrite, listener, team)


def _train(
    dataset: Dataset,
    start: FirstNetwork,
    recipe: TrainingRecipe,
    method: Method,
    settings: TrainingSettings,
    out: str | Path | None,
    overwrite: bool,
    progress: TrainingProgress,
    team: Processes,
) -> Trained:
    device = resolve_device(settings.device)
    identity = _identity(dataset, start, recipe, method, settings, team)
    if settings.tensorboard:
        require_tensorboard()
    for note in start.notes:
        progress.note(note)
    if identity["overlap"]:
        progress.note(
            "The training uses operations that resemble corruptions of the -C suites: mark "
            f"{', '.join(identity['overlap'])} in the results, or leave all_ops off as the paper does."
        )
    folder = TrainingFolder(Path(out), identity) if out is not None else None
    state: dict[str, Any] | None = None
    if folder is not None:
        state = team.from_first(folder.begin(overwrite=overwrite) if team.first else None)
    board = None
    if settings.tensorboard and folder is not None and team.first:
        board = Board(folder.path / "tensorboard", state["step"] if state else 0)
    stepper = Stepper(start.network, method, recipe, settings, dataset.classes, device, team)
    loop = Loop(dataset, stepper, recipe, settings, folder, team, progress, board)
    if state is not None:
        loop.resume(state)
        progress.note(f"The run in {out} continues after {loop.step} updates.")
    history = loop.run()
    if board is not None:
        board.close()
    if folder is None:
        return Trained(_in_memory(stepper, recipe, start.architecture, dataset), history, None, None)
    # The first process has written the files by now; the others wait for it here.
    team.from_first(None)
    last, best = folder.path / LAST, folder.path / BEST
    if start.own:  # No name builds such a network again.
        return Trained(_in_memory(stepper, recipe, start.architecture, dataset), history, last, best)
    return Trained(load_model(last, start.architecture), history, last, best)


def _identity(
    dataset: Dataset,
    start: FirstNetwork,
    recipe: TrainingRecipe,
    method: Method,
    settings: TrainingSettings,
    team: Processes,
) -> dict[str, Any]:
    """What must be the same for two starts to be one run; its names are those of version 0.1."""
    chosen = {name: value for name, value in asdict(settings).items() if name not in _FREE}
    architecture = chosen.pop("arch")
    code = parse_reference(start.architecture)
    return {
        "architecture": architecture,
        **chosen,
        **asdict(recipe),
        "dataset": dataset.name,
        "data": dataset.fingerprint(),
        "classes": dataset.classes,
        "image_size": list(dataset.train.size),
        "processes": team.world,
        **plugins.identity((start.architecture,)),
        **({} if code is None else {"code": code_sha256(code)}),
        "overlap": list(overlapping_corruptions(recipe.all_ops)) if "all_ops" in method.uses else [],
        **({} if start.weights is None else {"init": start.weights}),
    }


def _in_memory(stepper: Stepper, recipe: TrainingRecipe, architecture: str, dataset: Dataset) -> Classifier:
    network = stepper.best_guess.cpu().eval().requires_grad_(False)
    network = network.to(memory_format=torch.contiguous_format)
    info = describe(
        network,
        named_normalization(recipe.normalization, "how it was trained"),
        name=architecture,
        architecture=architecture,
        source="memory",
        sha256=None,
        format="module",
        num_classes=dataset.classes,
    )
    return Classifier(network, info)
