"""Training from a data set's name, or a data set, to a classifier and its files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any, Unpack

import torch

from robustbench_lite import plugins
from robustbench_lite.augmix import overlapping_corruptions
from robustbench_lite.errors import UnknownName
from robustbench_lite.models import Classifier, load_model
from robustbench_lite.models.classifier import describe
from robustbench_lite.models.normalize import named_normalization
from robustbench_lite.runtime import Processes, check_amp, fixed_precision, processes, resolve_device
from robustbench_lite.training.data import Dataset, check_batch, check_labels, check_variety
from robustbench_lite.training.initialise import fresh_network
from robustbench_lite.training.loop import Loop
from robustbench_lite.training.methods import Method, method_of
from robustbench_lite.training.progress import Epoch, Progress, Silent
from robustbench_lite.training.recipes import Recipe, architecture_name, paper_recipe
from robustbench_lite.training.run_folder import BEST, LAST, TrainingFolder
from robustbench_lite.training.settings import Options, Settings
from robustbench_lite.training.sources import open_dataset
from robustbench_lite.training.stepper import Stepper
from robustbench_lite.training.tensorboard import Board, require_tensorboard

# They change how a run goes, not what it gives.
_FREE = ("device", "tensorboard", "save_minutes")


@dataclass(frozen=True)
class Trained:
    """What a run gives.

    Attributes:
        classifier: the network after the last epoch, in evaluation mode, normalisation inside.
        history: the log.
        last: file of that network; None where nothing was kept.
        best: file of the network at the epoch with the lowest test error, which the test set chose.
    """

    classifier: Classifier
    history: tuple[Epoch, ...]
    last: Path | None
    best: Path | None


def train(
    data: str | Path | Dataset,
    *,
    root: str | Path | None = None,
    out: str | Path | None = None,
    overwrite: bool = False,
    progress: Progress | None = None,
    **options: Unpack[Options],
) -> Trained:
    """Train a network as the AugMix paper does, by default with AugMix.

    Args:
        data: "cifar10", "cifar100", "imagenet", an image folder, an .npz, or a `Dataset` such as
            `from_arrays` makes.
        root: where the files of a named data set are.
        out: folder for the models, the log and the state; the same call continues a run that was killed. None
            keeps nothing.
        overwrite: start afresh in a folder that holds another run.
        progress: told what happens; silent where None.
        **options: fields of `Settings`, and of `Recipe` where the paper's value is not wanted.

    Returns:
        The classifier, its files and the log, in every process of several.

    Raises:
        DataError: missing or damaged files, labels out of range, or only one class.
        InvalidInput: an unknown name, a value out of its range, fewer images than a batch, a folder that
            can't be written or that holds a run with other settings.
        ModelError: the loss became NaN or infinite.

    Source: Hendrycks, Mu et al. 2020, "AugMix: A Simple Data Processing Method to Improve Robustness and
    Uncertainty".
    """
    settings, changes = _sorted(options)
    dataset = data if isinstance(data, Dataset) else open_dataset(data, root, seed=settings.seed)
    architecture = architecture_name(settings.architecture, dataset.family)
    settings = replace(settings, architecture=architecture)
    recipe = paper_recipe(dataset.family, architecture, settings.method, changes)
    method = method_of(settings.method, recipe, changes)
    check_labels(dataset.train.labels, dataset.classes, dataset.name)
    check_labels(dataset.test.labels, dataset.classes, f"the test set of {dataset.name}")
    check_variety(dataset.train.labels, dataset.name)
    device = resolve_device(settings.device)
    check_amp(device, settings.amp)
    with processes() as team:
        check_batch(len(dataset.train.labels), recipe.batch_size, team.world)
        with fixed_precision(tf32=settings.tf32):
            heard = (progress or Silent()) if team.first else Silent()
            return _train(dataset, recipe, method, settings, out, overwrite, heard, team)


def _sorted(options: Mapping[str, Any]) -> tuple[Settings, dict[str, Any]]:
    """Settings, and changes to the recipe."""
    for name in options:
        if name not in Options.__annotations__:
            raise UnknownName("training option", name, Options.__annotations__)
    told = {field.name for field in fields(Settings)}
    settings = Settings(**{name: value for name, value in options.items() if name in told})
    return settings, {name: value for name, value in options.items() if name not in told}


def _train(
    dataset: Dataset,
    recipe: Recipe,
    method: Method,
    settings: Settings,
    out: str | Path | None,
    overwrite: bool,
    progress: Progress,
    team: Processes,
) -> Trained:
    device = resolve_device(settings.device)
    architecture = str(settings.architecture)
    network = fresh_network(architecture, dataset.classes, settings.seed)
    identity: dict[str, Any] = {
        **{name: value for name, value in asdict(settings).items() if name not in _FREE},
        **asdict(recipe),
        "dataset": dataset.name,
        "data": dataset.fingerprint(),
        "classes": dataset.classes,
        "image_size": list(dataset.train.size),
        "processes": team.world,
        **plugins.identity((architecture,)),
        "overlap": list(overlapping_corruptions(recipe.all_ops)) if "all_ops" in method.uses else [],
    }
    if settings.tensorboard:
        require_tensorboard()
    if identity["overlap"]:
        progress.note(
            "trains on operations that resemble corruptions of the -C suites: mark "
            f"{', '.join(identity['overlap'])} in the results, or leave all_ops off as the paper does"
        )
    folder = TrainingFolder(Path(out), identity) if out is not None else None
    state: dict[str, Any] | None = None
    if folder is not None:
        state = team.from_first(folder.begin(overwrite=overwrite) if team.first else None)
    board = None
    if settings.tensorboard and folder is not None and team.first:
        board = Board(folder.path / "tensorboard", state["step"] if state else 0)
    stepper = Stepper(network, method, recipe, settings, dataset.classes, device, team)
    loop = Loop(dataset, stepper, recipe, settings, folder, team, progress, board)
    if state is not None:
        loop.resume(state)
        progress.note(f"continues the run in {out} after {loop.step} updates")
    history = loop.run()
    if board is not None:
        board.close()
    if folder is None:
        return Trained(_in_memory(stepper, recipe, architecture, dataset), history, None, None)
    # The first process has written the files by now; the others wait for it here.
    team.from_first(None)
    last = folder.path / LAST
    return Trained(load_model(last), history, last, folder.path / BEST)


def _in_memory(stepper: Stepper, recipe: Recipe, architecture: str, dataset: Dataset) -> Classifier:
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
