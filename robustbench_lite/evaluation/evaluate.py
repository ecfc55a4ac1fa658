"""A model on a suite: everything from the names to the results."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Sequence
from dataclasses import fields, replace
from pathlib import Path

from robustbench_lite.errors import InvalidInput, RobustBenchWarning
from robustbench_lite.evaluation.given_model import AnyModel, open_models
from robustbench_lite.evaluation.progress import EvaluationProgress, SilentEvaluation
from robustbench_lite.evaluation.run import EvaluationRun
from robustbench_lite.evaluation.settings import EvaluationSettings, ModelSettings, SuiteSettings
from robustbench_lite.evaluation.sources import CUSTOM_SUITES, open_suite
from robustbench_lite.evaluation.subset import sample_cells
from robustbench_lite.keywords import pick
from robustbench_lite.reference.names import PERTURBATION_LISTS
from robustbench_lite.results import Results
from robustbench_lite.runtime import Amp, check_amp, fixed_precision, processes, resolve_device
from robustbench_lite.suite_spec import Baseline
from robustbench_lite.suites import CLEAN, SUITES, Suite
from robustbench_lite.suites.memory import in_memory


def evaluate(
    model: AnyModel | Sequence[AnyModel],
    suite: str | Suite,
    *,
    # The suite, as in load_suite.
    data: str | Path | None = None,
    clean_data: object = None,
    generate: bool | None = None,
    protocol: str = "official",
    corruptions: Sequence[str] | None = None,
    severities: Sequence[int] | None = None,
    allow_partial: bool = False,
    profile: str | None = None,
    as_stored: bool | None = None,
    frost: str | Path | None = None,
    classes: str | Path | Sequence[str] | None = None,
    image_size: int | None = None,
    labels: str | Path | None = None,
    baseline: str | Path | Baseline | None = None,
    # The model, as in load_model.
    arch: str | None = None,
    normalize: str | None = None,
    entry: str | None = None,
    output: str | None = None,
    trust_checkpoint: bool = False,
    name: str | None = None,
    # The run.
    device: str = "auto",
    amp: Amp | None = None,
    tf32: bool = False,
    compile: bool = False,
    fuse: bool = True,
    batch_size: int | None = None,
    perturbation_list: str = "snow",
    bootstrap: int = 1000,
    seed: int = 0,
    force: bool = False,
    budget: float | None = None,
    input_size: int | None = None,
    channels: str = "rgb",
    class_order: str | Path | Sequence[str] | None = None,
    output_index: str | None = None,
    # The output.
    out: str | Path | None = None,
    overwrite: bool = False,
    progress: EvaluationProgress | None = None,
) -> Results:
    """Evaluate a model on a suite by the papers' protocol.

    Names and paths are opened with `load_model` and `load_suite`, which describe the settings of the model
    and of the suite; `EvaluationSettings` describes those of the run. An opened model or suite gives the
    same results.

    Args:
        model: a checkpoint file, a name such as "torchvision:resnet50", a module, or any callable from images
            (N, 3, H, W) in [0, 1] to logits (N, classes). A sequence of models is an ensemble, whose
            probabilities are averaged.
        suite: a name of `SUITES`; "custom", "custom-c" or "custom-p" for your own images; or a `Suite`.
        data: folder (or .tar) of the official files of the suite.
        clean_data: the matching clean test set, which then runs first and guards the rest; or your own
            images: class folders, an .npz, `(images, labels)`, a torch `Dataset`, a `DataLoader` or a
            Hugging Face data set.
        generate: whether the suite is made from the clean images; by default where only these are given.
        protocol: how official files become model inputs: "official", "augmix" or "robustbench".
        corruptions: only these corruptions or perturbations; by default the test set of the suite.
        severities: only these severities, or difficulties of -P; by default all five, for -P the first.
        allow_partial: go on although files are missing; the results are marked partial and have no means.
        profile: parameter table of generated images: "imagenet", "tiny-imagenet" or "cifar".
        as_stored: whether generated images pass through the JPEG compression of the release.
        frost: folder of the frost photographs, for generated images.
        classes: class names in the order of the model's outputs, or a file with one per line. Your own
            images have these classes; on other suites the names find the outputs.
        image_size: side in pixels to which your own photographs are resized and cropped.
        labels: table with a file name and a label in each line, for your own images in one folder.
        baseline: another model, by whose errors the scores are divided: its finished run, a CSV file, or a
            `Baseline`.
        arch: architecture of a checkpoint, where its tensors do not show it.
        normalize: input normalisation by name or as "MEAN,STD"; by default the checkpoint's own, else that
            of its architecture.
        entry: which of several sets of weights in a checkpoint to use.
        output: which of several outputs of the model are the logits, by name or number in a tuple.
        trust_checkpoint: allow a file to run code while it loads (a pickled module).
        name: name of the model in tables and records; by default that of the file, class or function.
        device: "auto" (CUDA, then MPS, then CPU), "cpu", "cuda", "cuda:1" or "mps".
        amp: autocast to "bf16" or "fp16"; None computes in float32.
        tf32: let CUDA round float32 products to TF32.
        compile: run the model through `torch.compile`.
        fuse: fold batch norm into convolutions where the logits agree to 1e-5.
        batch_size: images per forward pass; None measures the fastest size.
        perturbation_list: the ten perturbations of mFP and mFR: "snow" or "spatter".
        bootstrap: replicates of the bootstrap over images; 0 leaves the intervals out.
        seed: seed of the bootstrap, of generated images, and of the sample of a budget.
        force: go on although the clean error is near chance.
        budget: share of each cell's images, in (0, 1), from which the scores are estimated; None evaluates
            all of them.
        input_size: side in pixels to which the images are resized on the device, for a model that was made
            for another size than the suite's.
        channels: order of the colour channels that the model takes: "rgb" or "bgr".
        class_order: order of the model's outputs: "text", "numeric", "ignore-case", "wnids.txt", or the
            model's class names or a file with them; by default the names stored with the model decide.
        output_index: output, from 0, of each class of the suite: "1-1000", or a file of numbers.
        out: run folder, where results and predictions are kept; the same call continues a run that was
            killed. None keeps nothing.
        overwrite: start afresh in a folder that holds another run.
        progress: receives the events of the run. Where None, what qualifies the numbers is a
            `RobustBenchWarning`.

    Raises:
        DataError: missing, incomplete or damaged files.
        CheckpointError: a model file that can't be read.
        ModelError: a model whose outputs can't be scored, or whose clean error is near chance.
        InvalidInput: an unknown name or a value outside its range.
    """
    given = locals()
    settings = EvaluationSettings(**pick(EvaluationSettings, given))
    wanted = SuiteSettings(**pick(SuiteSettings, given))
    if wanted.classes is not None and class_order is None and output_index is None:
        settings = replace(settings, class_order=wanted.classes)
    listener = progress or SilentEvaluation()
    with processes() as team, fixed_precision(tf32=settings.tf32), contextlib.ExitStack() as stack:
        device_here = resolve_device(settings.device)
        check_amp(device_here, settings.amp)
        listener = listener if team.first else SilentEvaluation()
        opened = _opened(suite, wanted, settings, listener).to(device_here)
        classifier = open_models(
            model, opened.spec.name, ModelSettings(**pick(ModelSettings, given)), opened.spec.classes
        )
        readers = {cell: stack.enter_context(contextlib.closing(opened.open(cell))) for cell in opened.cells}
        if opened.clean is not None:
            clean = stack.enter_context(contextlib.closing(opened.clean.open(CLEAN)))
            readers = {CLEAN: clean, **readers}
        if settings.budget is not None:
            readers = sample_cells(readers, settings.budget, settings.seed)
        run = EvaluationRun(opened, classifier, readers, settings, device_here, team, listener)
        results = run.go(out, overwrite)
        if progress is None and team.first:
            for text in run.unheard:
                warnings.warn(text, RobustBenchWarning, stacklevel=2)
        return results


def _opened(
    suite: str | Suite, wanted: SuiteSettings, settings: EvaluationSettings, progress: EvaluationProgress
) -> Suite:
    """The suite that is given, or the one of that name."""
    if isinstance(suite, Suite):
        _refuse(wanted, SuiteSettings(seed=settings.seed))
        return suite
    if wanted.corruptions is None and settings.perturbation_list != EvaluationSettings.perturbation_list:
        wanted = replace(wanted, corruptions=_test_list(suite, settings.perturbation_list))
    return open_suite(suite, wanted, progress)


def _test_list(suite: str, name: str) -> tuple[str, ...] | None:
    """The perturbations of a list, for a suite that has several lists; None for every other suite."""
    if suite in CUSTOM_SUITES:
        return PERTURBATION_LISTS[name] if CUSTOM_SUITES[suite] == "perturbation" else None
    return SUITES[suite].test_lists.get(name) if suite in SUITES else None


def _refuse(wanted: SuiteSettings, usual: SuiteSettings) -> None:
    """Refuse settings of a suite beside an opened one, where they would be without effect."""
    for field in fields(SuiteSettings):
        value, default = getattr(wanted, field.name), getattr(usual, field.name)
        if value is not default and (in_memory(value) or value != default):
            raise InvalidInput(
                f"`{field.name}=...` goes with the name of a suite; this one is opened already: give it to "
                "load_suite"
            )
