"""`robust eval`: a checkpoint on a suite."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import cloup

from robustbench_lite.commands._options import (
    HELP_WIDTH,
    PATH,
    data_option,
    format_option,
    model_options,
    names,
    numbers,
    overwrite_option,
    run_options,
    setting,
    share,
    titled,
)
from robustbench_lite.commands._wording import in_options
from robustbench_lite.evaluation.settings import EvaluationSettings, ModelSettings, SuiteSettings

if TYPE_CHECKING:
    from robustbench_lite.models.user_code import Reference
    from robustbench_lite.results import Results


@cloup.command("eval", formatter_settings=HELP_WIDTH)
@cloup.option_group(
    "Most used",
    cloup.option(
        "--model",
        "models",
        multiple=True,
        required=True,
        metavar="[TITLE=]FILE|NAME",
        help="A checkpoint file, torchvision:NAME, timm:NAME, or your own code FILE.py:BUILDER. Several are "
        "evaluated side by side.",
    ),
    cloup.option(
        "--suite",
        required=True,
        metavar="NAME",
        help="cifar10-c, cifar100-c, imagenet-c, tiny-imagenet-c; the same with -p for perturbations, or "
        "without -c for the clean set; custom, custom-c or custom-p for your own images.",
    ),
    data_option,
    setting(SuiteSettings, "clean_data", type=PATH, metavar="PATH"),
    cloup.option("--out", type=PATH, help="Run folder. By default runs/SUITE-MODEL-HASH."),
)
@cloup.option_group(
    "What to evaluate",
    setting(SuiteSettings, "corruptions", callback=names, metavar="A,B"),
    setting(SuiteSettings, "severities", callback=numbers, metavar="1,3-5"),
    setting(EvaluationSettings, "budget", callback=share, type=str, metavar="5%"),
    setting(EvaluationSettings, "perturbation_list"),
    setting(SuiteSettings, "baseline", type=PATH, metavar="RUN|FILE"),
    cloup.option(
        "--ensemble", is_flag=True, help="Average the probabilities of the models instead of comparing them."
    ),
)
@cloup.option_group(
    "Data",
    setting(SuiteSettings, "generate", flags=("--generate/--released",)),
    setting(SuiteSettings, "profile"),
    setting(SuiteSettings, "as_stored", flags=("--as-stored/--not-stored",)),
    setting(SuiteSettings, "frost", type=PATH, metavar="PATH"),
    setting(SuiteSettings, "classes", type=PATH, metavar="FILE"),
    setting(SuiteSettings, "image_size"),
    setting(SuiteSettings, "labels", type=PATH, metavar="FILE"),
    setting(SuiteSettings, "protocol"),
    setting(SuiteSettings, "allow_partial"),
)
@cloup.option_group(
    "Model",
    *model_options(ModelSettings),
    setting(EvaluationSettings, "input_size"),
    setting(EvaluationSettings, "channels", type=click.Choice(["rgb", "bgr"]), metavar=None),
    setting(EvaluationSettings, "class_order", metavar="ORDER|FILE"),
    setting(EvaluationSettings, "output_index", metavar="A-B|FILE"),
)
@cloup.option_group(
    "Running", *run_options(EvaluationSettings), setting(EvaluationSettings, "force"), overwrite_option
)
@cloup.option_group(
    "Output",
    cloup.option("--reference", is_flag=True, help="Show the rows of the paper beside the results."),
    format_option,
)
def evaluate_command(
    models: tuple[str, ...],
    ensemble: bool,
    out: Path | None,
    reference: bool,
    style: str,
    **options: Any,
) -> None:
    """Evaluate checkpoints on a robustness suite by the paper's protocol.

    The run folder keeps results.json, cells.csv and every prediction. The same command continues a run that
    was killed.
    """
    from robustbench_lite.commands._memory import keep_freed_memory
    from robustbench_lite.commands._progress import EvaluationBars, is_first_process
    from robustbench_lite.commands._terminal import terminal_width
    from robustbench_lite.evaluation.evaluate import evaluate
    from robustbench_lite.report import results_table

    keep_freed_memory()
    named = [titled(model) for model in models]
    sources = tuple(source for _, source in named)
    chosen: list[tuple[str | None, Any]] = [(_title_of_all(named), sources)] if ensemble else [*named]
    folders: list[Path] = []
    results: list[Results] = []
    for title, model in chosen:
        parts = model if isinstance(model, tuple) else (model,)
        folders.append(_folder(out, parts, options, several=len(chosen) > 1))
        with EvaluationBars() as bars:
            results.append(evaluate(model, name=title, out=folders[-1], progress=bars, **options))
    if is_first_process():
        table = results_table(results, published=reference).render(style, terminal_width())
        click.echo(in_options(table))
        for folder in folders:
            click.echo(f"results: {folder}", err=True)


def _title_of_all(named: Sequence[tuple[str | None, str]]) -> str | None:
    """An ensemble's title, which one of its models may carry."""
    titles = [title for title, _ in named if title is not None]
    if len(titles) > 1:
        raise click.UsageError("An ensemble has one title at most: give it to one --model.")
    return titles[0] if titles else None


def _digest(path: Path) -> bytes:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").digest()


def _stem(model: str) -> str:
    """The name of a model in the name of its run folder."""
    reference = _code(model)
    if reference is not None:
        return f"{Path(reference.place).stem}-{reference.builder}"
    return Path(model).name.split(".")[0].replace(":", "-")


def _code(text: str) -> Reference | None:
    from robustbench_lite.models.user_code import parse_reference

    return None if Path(text).expanduser().exists() else parse_reference(text)


def _content(text: str) -> bytes:
    """What a model or an architecture is, as bytes: the digest of its file, or the name."""
    from robustbench_lite.models.user_code import code_sha256

    if Path(text).expanduser().is_file():
        return _digest(Path(text).expanduser())
    reference = _code(text)
    return text.encode() + (code_sha256(reference).encode() if reference is not None else b"")


def _folder(out: Path | None, models: tuple[str, ...], options: dict[str, Any], *, several: bool) -> Path:
    """The run folder of a command: the same command finds the same folder again."""
    from robustbench_lite.plugins import identity

    stem = "+".join(_stem(model) for model in models)
    digest = hashlib.sha256()
    for text in (*models, options.get("arch") or ""):
        digest.update(_content(text))
    decisive = {name: value for name, value in options.items() if name not in _FREE_OPTIONS}
    digest.update(repr(sorted(decisive.items())).encode())
    digest.update(repr(additions).encode() if (additions := identity()) else b"")
    name = f"{options['suite']}-{stem}-{digest.hexdigest()[:8]}"
    if out is None:
        return Path("runs") / name
    return out / name if several else out


_FREE_OPTIONS = frozenset(
    (
        "corruptions",
        "severities",
        "allow_partial",
        "trust_checkpoint",
        "perturbation_list",
        "baseline",
        "batch_size",
        "bootstrap",
        "overwrite",
        "force",
    )
)
