"""`robust fourier`: Fourier-sensitivity heatmaps of checkpoints, and spectra of corruptions."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import cloup

from robustbench_lite.commands._options import (
    HELP_WIDTH,
    PATH,
    data_option,
    model_options,
    names,
    overwrite_option,
    run_options,
    setting,
    titled,
)
from robustbench_lite.evaluation.settings import EvaluationSettings, ModelSettings, SuiteSettings

if TYPE_CHECKING:
    from robustbench_lite.evaluation.fourier.images import ImageSet
    from robustbench_lite.report.fourier.fourier_map import FourierMap


@cloup.command("fourier", formatter_settings=HELP_WIDTH)
@cloup.option_group(
    "Most used",
    cloup.option(
        "--model",
        "models",
        multiple=True,
        metavar="[TITLE=]FILE|NAME",
        help="A checkpoint file, torchvision:NAME or timm:NAME. Several become panels on one colour scale.",
    ),
    cloup.option(
        "--dataset",
        required=True,
        metavar="NAME|PATH",
        help="cifar10, cifar100, imagenet or tiny-imagenet, with the files in --data; or a folder of "
        "images or "
        "an .npz.",
    ),
    data_option,
    cloup.option(
        "--metric",
        type=click.Choice(["error", "flip", "confidence"]),
        default="error",
        show_default=True,
        help="The error against the labels, the share of predictions that change, or the loss of confidence.",
    ),
    cloup.option(
        "--out", type=PATH, default=Path("fourier"), show_default=True, help="Folder of the results."
    ),
)
@cloup.option_group(
    "What to evaluate",
    cloup.option(
        "--norm",
        type=float,
        metavar="X",
        help="l2 norm of a channel's perturbation. By default 4 at 32 pixels, 15.7 at 224.",
    ),
    cloup.option(
        "--size",
        type=int,
        metavar="N",
        help="Rows and columns of the map. By default all up to 64 pixels, else the 63 lowest.",
    ),
    cloup.option(
        "--spectrum",
        callback=names,
        metavar="A,B",
        help="Also draw the power spectra of what these corruptions change.",
    ),
    cloup.option(
        "--severity",
        type=click.IntRange(1, 5),
        metavar="1-5",
        default=3,
        show_default=True,
        help="The severity of the corruptions in --spectrum.",
    ),
)
@cloup.option_group(
    "Data",
    cloup.option("--limit", type=int, metavar="N", help="Use this many images, drawn at random by --seed."),
    setting(SuiteSettings, "classes", type=PATH, metavar="FILE"),
    setting(SuiteSettings, "image_size"),
    cloup.option("--frost", type=PATH, help="Folder of the frost photographs, for --spectrum frost."),
)
@cloup.option_group("Model", *model_options(ModelSettings))
@cloup.option_group(
    "Running",
    *run_options(
        EvaluationSettings,
        bootstrap="Number of bootstrap replicates for the bands of the radial profile. 0 leaves them out.",
        seed="The seed of the signs of the perturbations, of the sample and of the bootstrap.",
    ),
    overwrite_option,
)
@cloup.option_group(
    "Output",
    cloup.option(
        "--vmax",
        type=click.FloatRange(0, 1, min_open=True),
        metavar="X",
        help="The top of the colour scale, as a fraction.",
    ),
)
def fourier_command(
    models: tuple[str, ...],
    dataset: str,
    data: Path | None,
    classes: Path | None,
    image_size: int | None,
    limit: int | None,
    spectrum: tuple[str, ...] | None,
    severity: int,
    frost: Path | None,
    vmax: float | None,
    out: Path,
    **options: Any,
) -> None:
    """Map how sensitive models are to each spatial frequency.

    Writes heatmap.png, .pdf, .npy, .csv and .json, and profile.png; the same command continues a sweep that
    was killed. With --spectrum also spectrum.png, .pdf, .npy, .csv and .json, for which no model is needed.
    """
    if not models and spectrum is None:
        raise click.UsageError("Give --model, --spectrum, or both.")
    sources = _titled(models)
    folders = _folders(sources, out)
    from robustbench_lite.commands._memory import keep_freed_memory
    from robustbench_lite.evaluation.fourier.images import open_images

    keep_freed_memory()
    images = open_images(
        dataset, data, classes=classes, image_size=image_size, limit=limit, seed=options["seed"]
    )
    if spectrum is not None:
        _spectra(images, spectrum, severity, frost, out, options)
    if models:
        maps = _sweeps(sources, folders, images, options)
        _draw(maps, out, vmax)


def _titled(models: tuple[str, ...]) -> dict[str, str]:
    """Models by title: the one given as TITLE=FILE, else the file's name without its endings."""
    sources: dict[str, str] = {}
    for model in models:
        title, source = titled(model)
        stem = title or Path(source).name.partition(".")[0].replace(":", "-")
        if stem in sources:
            raise click.UsageError(f"Two models are called {stem!r}; give them names with TITLE=FILE.")
        sources[stem] = source
    return sources


def _folders(titles: Collection[str], out: Path) -> dict[str, Path]:
    """Each title's folder: `out` itself for a single one, else one of its own in it.

    Raises:
        UsageError: titles that no folder, or the same one, could be named after.
    """
    if len(titles) == 1:
        return dict.fromkeys(titles, out)
    folders: dict[str, Path] = {}
    owners: dict[str, str] = {}
    for title in titles:
        name = "".join(letter if letter.isalnum() or letter in "-_+." else "_" for letter in title)
        if not any(letter.isalnum() for letter in name):
            raise click.UsageError(
                f"No folder can be named after {title!r}; give a TITLE=FILE with a letter or a digit."
            )
        other = owners.setdefault(name.casefold(), title)
        if other != title:
            raise click.UsageError(
                f"{other!r} and {title!r} would share the folder {name!r}; give one another TITLE=FILE."
            )
        folders[title] = out / name
    return folders


def _sweeps(
    sources: Mapping[str, str], folders: Mapping[str, Path], images: ImageSet, options: dict[str, Any]
) -> dict[str, FourierMap]:
    from robustbench_lite.commands._bar import bar
    from robustbench_lite.commands._progress import is_first_process
    from robustbench_lite.evaluation.fourier.heatmap import fourier_heatmap

    maps: dict[str, FourierMap] = {}
    for title, model in sources.items():
        with bar(title) as tell:
            maps[title] = fourier_heatmap(
                model, images, name=title, out=folders[title], progress=tell, **options
            )
        if is_first_process():
            maps[title].save(folders[title])
    return maps


def _draw(maps: dict[str, FourierMap], out: Path, vmax: float | None) -> None:
    from robustbench_lite.commands._progress import is_first_process
    from robustbench_lite.report.figures.canvas import figure_bytes
    from robustbench_lite.report.folder import write_files
    from robustbench_lite.report.fourier.fourier_map import METRICS
    from robustbench_lite.report.fourier.heatmap import plot_fourier_heatmap
    from robustbench_lite.report.fourier.profile import plot_radial_profile

    if not is_first_process():
        return
    figures = {"heatmap": plot_fourier_heatmap(maps, vmax=vmax), "profile": plot_radial_profile(maps)}
    write_files(
        out,
        {
            f"{name}.{form}": figure_bytes(figure, form)
            for name, figure in figures.items()
            for form in ("png", "pdf")
        },
    )
    for title, one in maps.items():
        clean = f" (clean {100 * one.baseline:.2f} %)" if one.metric == "error" else ""
        what = METRICS[one.metric].lower()
        click.echo(f"{title}: mean {what} {100 * one.values.mean():.2f} %{clean}, n = {one.n}")
    click.echo(f"results: {out}", err=True)


def _spectra(
    images: ImageSet,
    corruptions: Sequence[str],
    severity: int,
    frost: Path | None,
    out: Path,
    options: Mapping[str, Any],
) -> None:
    import numpy as np

    from robustbench_lite.commands._bar import bar
    from robustbench_lite.commands._progress import is_first_process
    from robustbench_lite.evaluation.fourier.heatmap import default_size
    from robustbench_lite.evaluation.fourier.spectrum import corruption_spectra, spectra_record
    from robustbench_lite.report.figures.canvas import figure_bytes
    from robustbench_lite.report.folder import write_files
    from robustbench_lite.report.fourier.fourier_map import npy_bytes, spectra_csv
    from robustbench_lite.report.fourier.spectra import plot_spectra

    if not is_first_process():
        return
    with bar("spectra") as tell:
        spectra = corruption_spectra(
            images,
            corruptions,
            severity,
            size=default_size(images.size) if options["size"] is None else options["size"],
            seed=options["seed"],
            device=options["device"],
            frost=frost,
            progress=tell,
        )
    figure = plot_spectra(spectra)
    files = {f"spectrum.{form}": figure_bytes(figure, form) for form in ("png", "pdf")}
    record = spectra_record(spectra, images, seed=options["seed"], device=options["device"])
    files |= {
        "spectrum.npy": npy_bytes(np.stack([one.power for one in spectra])),
        "spectrum.csv": spectra_csv(spectra).encode(),
        "spectrum.json": (json.dumps(record, indent=2) + "\n").encode(),
    }
    write_files(out, files)
    click.echo(f"spectra of {', '.join(corruptions)} at severity {severity}: {out}", err=True)
