"""Train a network from a data set or its name, and write its files."""

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

# These settings do not change the weights.
_FREE = ("device", "tensorboard", "save_minutes")


@dataclass(frozen=True)
class Trained:
    """The result of a training.

    Attributes:
        classifier: The network after the last epoch, in evaluation mode, with its normalisation inside.
        history: The rows of the log.
        last: The file of that network; None without a run folder.
        best: The file of the network at the epoch with the lowest test error. The test set chooses this
            epoch.
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
    warmup_lr: float | None = None,
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
        data: The folder of the files of a named data set.
        test_data: The test images of images in memory, in any of their forms. By default a part of the images
            is kept for testing.
        download: Let torchvision fetch CIFAR into `data`.
        image_size: The side of the crops of an image folder, in pixels.
        extra_train: The further folders of training images with the same classes.
        test_fraction: The share of the images kept for testing where the data have no test part.
        model: A network of your own, from normalised images (N, 3, H, W) to logits (N, classes), with its
            present weights; a copy of it is trained.
        arch: The architecture of a fresh network; by default the paper's first choice.
        init: A checkpoint (or "torchvision:NAME") whose weights the training starts from. Where the number of
            classes differs, the last layer starts fresh.
        method: Training method, a name of `METHODS`.
        epochs: Passes over the training images.
        batch_size: Images per step, over all processes together.
        lr: Highest learning rate.
        min_lr: Learning rate where the cosine ends.
        schedule: "cosine", or "thirds": divided by 10 after each third of the epochs.
        warmup_epochs: Epochs over which the learning rate rises linearly.
        warmup_lr: The learning rate at which the warm-up begins.
        momentum: The momentum of SGD.
        nesterov: Whether the momentum is Nesterov's.
        weight_decay: The weight decay of all parameters.
        padding: Zero pixels around small images before the random crop.
        flip: Whether half of the images are mirrored.
        normalization: Input normalisation by name.
        severity: The severity of the operations of AugMix and of random augmentation.
        width: AugMix chains per view.
        depth: Operations per chain; None draws 1 to 3.
        alpha: The parameter of the Dirichlet and Beta distributions that mix the chains.
        all_ops: Whether the four operations that overlap the -C suites are added.
        jsd_weight: The weight of the Jensen-Shannon loss.
        cutout_size: The side of Cutout's square, in pixels.
        mixup_alpha: The parameter of Mixup's Beta distribution.
        cutmix_alpha: The parameter of CutMix's Beta distribution.
        cutmix_probability: The share of batches that CutMix mixes.
        policy: The policy of AutoAugment*: "cifar" or "imagenet".
        patch_size: The side of Patch Uniform's square, in pixels.
        patch_strength: The strength of Patch Uniform's noise, for pixels in [0, 1].
        attack_radius: The radius of the l-infinity ball of the attack, for pixels in [0, 1].
        attack_step: The length of a step of the attack.
        attack_steps: The number of steps of the attack.
        seed: The seed of the first weights, of the order of the images and of all random draws.
        device: "auto" (CUDA, then MPS, then CPU), "cpu", "cuda", "cuda:1" or "mps".
        amp: Autocast to "bf16" or "fp16"; None trains in float32.
        tf32: Let CUDA round float32 products to TF32.
        compile: Run the network through `torch.compile`.
        channels_last: Keep images and weights in the memory layout that tensor cores read.
        clip_grad: The largest norm of the gradient; None does not clip it.
        ema: The decay of an average of the weights, which is then tested and kept; None keeps no average.
        tensorboard: Write TensorBoard's files beside the CSV log.
        save_minutes: Minutes between two saves of the state within an epoch.
        out: Run folder for the models, the log and the state; the same call continues a run that was killed.
            None keeps nothing.
        overwrite: Start afresh in a folder that holds another run.
        progress: The receiver of progress events; None shows nothing.

    Returns:
        The classifier, its files and the log, in every process.

    Raises:
        DataError: Files are missing or damaged, labels are out of range, or there is only one class.
        InvalidInput: A name is unknown, a value is out of its range, the images do not fill a batch, or the
            folder can't be written or holds a run with other settings.
        CheckpointError: The weights of `init` can't be read.
        ModelError: The loss became NaN or infinite, or the outputs of `model` are not the classes.

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
    training_method = method_of(settings.method, recipe, changes)
    check_labels(images.train.labels, images.classes, images.name)
    check_labels(images.test.labels, images.classes, f"the test set of {images.name}")
    check_variety(images.train.labels, images.name)
    check_amp(resolve_device(settings.device), settings.amp)
    with processes() as team:
        check_batch(len(images.train.labels), recipe.batch_size, team.world)
        with fixed_precision(tf32=settings.tf32):
            listener = (progress or SilentTraining()) if team.first else SilentTraining()
            return _train(images, start, recipe, training_method, settings, out, overwrite, listener, team)


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
    # The first process has written the files; the other processes wait for it here.
    team.from_first(None)
    last, best = folder.path / LAST, folder.path / BEST
    if start.own:  # No name can build this network again.
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
    """Return the facts that all starts of one run have in common, with the names of version 0.1."""
    shared = {name: value for name, value in asdict(settings).items() if name not in _FREE}
    architecture = shared.pop("arch")
    code = parse_reference(start.architecture)
    return {
        "architecture": architecture,
        **shared,
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
