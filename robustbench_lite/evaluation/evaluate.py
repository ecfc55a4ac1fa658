"""A model on a suite: everything from the names to the results."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypedDict, Unpack

from robustbench_lite.errors import InvalidInput, RobustBenchWarning, UnknownName
from robustbench_lite.evaluation.progress import Progress, Silent
from robustbench_lite.evaluation.run import Run
from robustbench_lite.evaluation.settings import Settings
from robustbench_lite.evaluation.sources import AnyModel, Sources, open_models, open_suites
from robustbench_lite.evaluation.subset import sample_cells
from robustbench_lite.models import renamed
from robustbench_lite.reference.names import PERTURBATION_LISTS, TEST_PERTURBATIONS
from robustbench_lite.results import Results
from robustbench_lite.runtime import Amp, check_amp, fixed_precision, processes, resolve_device
from robustbench_lite.suites import CLEAN, Suite


class Options(TypedDict, total=False):
    """The fields of `Settings`, as keywords of `evaluate`."""

    device: str
    amp: Amp | None
    tf32: bool
    compile: bool
    fuse: bool
    batch_size: int | None
    perturbation_list: str
    bootstrap: int
    seed: int
    force: bool
    budget: float | None


def evaluate(
    model: AnyModel | Sequence[AnyModel],
    suite: str | Suite,
    *,
    data: str | Path | None = None,
    clean_data: str | Path | None = None,
    generate: bool | None = None,
    protocol: str = "official",
    corruptions: Sequence[str] | None = None,
    severities: Sequence[int] | None = None,
    allow_partial: bool = False,
    profile: str | None = None,
    as_stored: bool | None = None,
    textures: str | Path | None = None,
    classes: str | Path | Sequence[str] | None = None,
    image_size: int | None = None,
    arch: str | None = None,
    normalize: str | None = None,
    entry: str | None = None,
    trust_checkpoint: bool = False,
    name: str | None = None,
    run_folder: str | Path | None = None,
    overwrite: bool = False,
    progress: Progress | None = None,
    **options: Unpack[Options],
) -> Results:
    """Evaluate a model on a suite by the papers' protocol.

    Args:
        model: a checkpoint's path, a name such as "torchvision:resnet50", a module, or any callable from
            images (N, 3, H, W) in [0, 1] to logits (N, classes). A sequence of them is an ensemble: their
            probabilities are averaged.
        suite: a name of `SUITES`; "custom", "custom-c" or "custom-p" for your own images; or an opened suite.
        data: folder (or .tar) of the official files.
        clean_data: folder of the matching clean test set, which then runs first and guards the rest, or your
            own images: class folders or an .npz.
        generate: make the suite from the clean images; by default where only these are given.
        protocol: input protocol: "official", "augmix" or "robustbench".
        corruptions: the corruptions or perturbations to run; the suite's test set where None.
        severities: the severities (difficulties) to run; all five (the first) where None.
        allow_partial: go on although files are missing; the results are marked partial and carry no means.
        profile: parameter table of generated images: "imagenet", "tiny-imagenet" or "cifar".
        as_stored: whether generated images pass through the JPEG of the release; as the suite's where None.
        textures: folder of the frost photographs, for generated frost.
        classes: class names of your own images, or a file with one a line.
        image_size: side to which your own photographs are resized and cropped.
        arch: architecture of the checkpoint, where it can't be told from its tensors.
        normalize: input normalisation by name or as "MEAN,STD", where the default is not right.
        entry: which of several sets of weights in a checkpoint, for example "state_dict_ema".
        trust_checkpoint: allow a file to run code while it loads (a pickled module).
        name: of the model in tables and records; by default the file's, or that of the class or function.
        run_folder: where results and predictions are kept; the same call continues a run that was killed.
        overwrite: start afresh in a folder that holds another run.
        progress: told what happens; where None, only what qualifies the numbers is told, by `warnings`.
        **options: fields of `Settings`.

    Raises:
        DataError: missing, incomplete or damaged files.
        CheckpointError: a model file that can't be read.
        ModelError: a model whose outputs can't be scored, or whose clean error is near chance.
        InvalidInput: an unknown name or a value outside its range.
    """
    for option in options:
        if option not in Options.__annotations__:
            raise UnknownName("option", option, Options.__annotations__)
    settings = Settings(**options)
    if corruptions is None and str(suite).endswith("-p"):
        usual = PERTURBATION_LISTS[settings.perturbation_list]
        corruptions = usual if usual != TEST_PERTURBATIONS else None
    sources = Sources(
        data,
        clean_data,
        generate,
        protocol,
        corruptions,
        severities,
        allow_partial,
        profile,
        as_stored,
        textures,
        settings.seed,
        classes,
        image_size,
    )
    told, progress = progress, progress or Silent()
    with processes() as team, fixed_precision(tf32=settings.tf32), contextlib.ExitStack() as stack:
        device = resolve_device(settings.device)
        check_amp(device, settings.amp)
        heard = progress if team.first else Silent()
        if isinstance(suite, Suite):
            if replace(sources, seed=0) != Sources():
                raise InvalidInput(
                    "an opened suite brings its own files and cells; give its name to choose them"
                )
            opened, clean = suite, None
        else:
            opened, clean = open_suites(suite, sources, device, heard)
        classifier = open_models(model, opened, arch, normalize, trust_checkpoint, entry)
        classifier = classifier if name is None else renamed(classifier, name)
        readers = {cell: stack.enter_context(contextlib.closing(opened.open(cell))) for cell in opened.cells}
        if clean is not None:
            readers = {CLEAN: stack.enter_context(contextlib.closing(clean.open(CLEAN))), **readers}
        if settings.budget is not None:
            readers = sample_cells(readers, settings.budget, settings.seed)
        run = Run(opened, clean, classifier, readers, settings, device, team, heard)
        results = run.go(run_folder, overwrite)
        if told is None and team.first:
            for text in run.unheard:
                warnings.warn(text, RobustBenchWarning, stacklevel=2)
        return results
