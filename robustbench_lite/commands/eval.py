"""`robust eval`: a checkpoint on a suite."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from robustbench_lite.commands._options import format_option, forward_options, names, numbers, titled

if TYPE_CHECKING:
    from robustbench_lite.results import Results


def _share(context: click.Context, parameter: click.Parameter, value: str | None) -> float | None:
    """Turn "5%" or "0.05" into 0.05."""
    if value is None:
        return None
    try:
        number = float(value.strip().removesuffix("%"))
    except ValueError:
        raise click.BadParameter(f"expected a share such as 5% or 0.05, got {value!r}") from None
    return number / 100 if value.strip().endswith("%") else number


@click.command("eval")
@click.option(
    "--model",
    "models",
    multiple=True,
    required=True,
    metavar="[TITLE=]FILE|NAME",
    help="Checkpoint file, torchvision:NAME or timm:NAME; several make a comparison.",
)
@click.option(
    "--suite",
    required=True,
    metavar="NAME",
    help="cifar10-c, cifar100-c, imagenet-c, tiny-imagenet-c, these with -p, clean ones, custom-c.",
)
@click.option(
    "--data",
    type=click.Path(path_type=Path),
    help="Folder, or .tar, of the official files [env: ROBUSTBENCH_LITE_DATA].",
)
@click.option(
    "--clean-data",
    type=click.Path(path_type=Path),
    help="Folder of the clean test set (it runs first and guards the rest), or your own images.",
)
@click.option(
    "--generate/--released",
    default=None,
    help="Make the suite from --clean-data, or read the official files; by default what is given.",
)
@click.option(
    "--profile", metavar="NAME", help="Generated images: imagenet, tiny-imagenet or cifar parameters."
)
@click.option(
    "--as-stored/--not-stored",
    default=None,
    help="Generated images: pass them through the release's JPEG; by default as the suite's.",
)
@click.option(
    "--frost",
    "textures",
    type=click.Path(path_type=Path),
    help="Generated images: folder of the frost photographs.",
)
@click.option("--classes", type=click.Path(path_type=Path), help="Your own images: class names, one a line.")
@click.option("--image-size", type=click.IntRange(min=8), help="Your own images: side to resize and crop to.")
@click.option(
    "--protocol",
    default="official",
    show_default=True,
    metavar="NAME",
    help="Input protocol: official, augmix or robustbench.",
)
@click.option("--corruptions", callback=names, metavar="A,B", help="Only these corruptions or perturbations.")
@click.option(
    "--severities", callback=numbers, metavar="1,3-5", help="Only these severities (difficulties for -P)."
)
@click.option("--allow-partial", is_flag=True, help="Go on although files are missing; prints no mean.")
@click.option(
    "--budget",
    callback=_share,
    metavar="5%",
    help="Estimate the scores from this share of each cell's images, with an interval for the whole.",
)
@click.option("--arch", metavar="NAME", help="Architecture, where the checkpoint's tensors don't tell it.")
@click.option(
    "--normalize", metavar="NAME|MEAN,STD", help="imagenet, cifar10, cifar100, half, none, or numbers."
)
@click.option(
    "--entry", metavar="NAME", help="Which of several sets of weights in the file, e.g. state_dict_ema."
)
@click.option(
    "--trust-checkpoint", is_flag=True, help="Let the file run code while it loads (pickled modules)."
)
@click.option("--ensemble", is_flag=True, help="Average the models' probabilities instead of comparing them.")
@click.option(
    "--perturbation-list",
    default="snow",
    show_default=True,
    metavar="NAME",
    help="Ten perturbations of mFP: snow (the papers') or spatter (the CIFAR-P script's).",
)
@forward_options
@click.option(
    "--seed",
    type=click.IntRange(min=0),
    default=0,
    show_default=True,
    help="Of bootstrap and generated images.",
)
@click.option(
    "--bootstrap",
    type=click.IntRange(min=0),
    default=1000,
    show_default=True,
    help="Replicates for the 95 % intervals; 0 for none.",
)
@click.option("--out", type=click.Path(path_type=Path), help="Run folder; by default runs/SUITE-MODEL-HASH.")
@click.option("--overwrite", is_flag=True, help="Start afresh in a folder that holds another run.")
@click.option("--force", is_flag=True, help="Go on although the clean error is near chance.")
@click.option("--reference", is_flag=True, help="Show the paper's own rows beside the result.")
@format_option
def evaluate_command(
    models: tuple[str, ...],
    ensemble: bool,
    out: Path | None,
    reference: bool,
    style: str,
    compiled: bool,
    no_fuse: bool,
    **options: Any,
) -> None:
    """Evaluate checkpoints on a robustness suite by the paper's protocol.

    The run folder keeps results.json, cells.csv and every prediction; the same command continues a run
    that was killed.
    """
    from robustbench_lite.commands._memory import keep_freed_memory
    from robustbench_lite.commands._progress import Bars, is_first_process
    from robustbench_lite.commands._terminal import terminal_width
    from robustbench_lite.evaluation import evaluate
    from robustbench_lite.report import results_table

    keep_freed_memory()
    options |= {"compile": compiled, "fuse": not no_fuse}
    named = [titled(model) for model in models]
    sources = tuple(source for _, source in named)
    chosen: list[tuple[str | None, Any]] = [(_title_of_all(named), sources)] if ensemble else [*named]
    folders: list[Path] = []
    results: list[Results] = []
    for title, model in chosen:
        parts = model if isinstance(model, tuple) else (model,)
        folders.append(_folder(out, parts, options, several=len(chosen) > 1))
        with Bars() as bars:
            results.append(evaluate(model, name=title, run_folder=folders[-1], progress=bars, **options))
    if is_first_process():
        click.echo(results_table(results, published=reference).render(style, terminal_width()))
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


def _folder(out: Path | None, models: tuple[str, ...], options: dict[str, Any], *, several: bool) -> Path:
    """The run folder of a command: the same command finds the same folder again."""
    stem = "+".join(Path(model).name.split(".")[0].replace(":", "-") for model in models)
    digest = hashlib.sha256()
    for model in models:
        digest.update(_digest(Path(model)) if Path(model).is_file() else model.encode())
    told = {name: value for name, value in options.items() if name not in _FREE_OPTIONS}
    digest.update(repr(sorted(told.items())).encode())
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
        "batch_size",
        "bootstrap",
        "overwrite",
        "force",
    )
)
