"""`robust fourier`: Fourier-sensitivity heatmaps of checkpoints, and spectra of corruptions."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from robustbench_lite.commands._options import forward_options, titled

if TYPE_CHECKING:
    from robustbench_lite.evaluation.fourier.images import ImageSet
    from robustbench_lite.report.fourier.fourier_map import FourierMap


@click.command("fourier")
@click.option(
    "--model",
    "models",
    multiple=True,
    metavar="[TITLE=]FILE|NAME",
    help="Checkpoint file, torchvision:NAME or timm:NAME; several become panels on one colour scale.",
)
@click.option(
    "--data",
    type=click.Path(path_type=Path),
    required=True,
    envvar="ROBUSTBENCH_LITE_DATA",
    help="Folder of the data set, folder of images, or .npz [env: ROBUSTBENCH_LITE_DATA].",
)
@click.option(
    "--dataset",
    default="any",
    show_default=True,
    metavar="NAME",
    help="cifar10, cifar100, imagenet, tiny-imagenet; any: a folder of images or an .npz.",
)
@click.option("--classes", type=click.Path(path_type=Path), help="Class list, for class folders.")
@click.option(
    "--image-size", type=click.IntRange(min=8), help="Resize and crop the images in class folders to this."
)
@click.option(
    "--limit", type=click.IntRange(min=1), help="Use a random sample of this many images (by --seed)."
)
@click.option(
    "--norm", type=float, help="l2 norm of a channel's perturbation [default: 4 at 32 pixels, 15.7 at 224]."
)
@click.option(
    "--size", type=int, help="Rows and columns of the map [default: all up to 64 pixels, else the 63 lowest]."
)
@click.option(
    "--metric",
    type=click.Choice(["error", "flip", "confidence"]),
    default="error",
    show_default=True,
    help="Error against labels, changed predictions, or loss of confidence.",
)
@click.option("--spectrum", metavar="A,B", help="Also the power spectra of what these corruptions change.")
@click.option(
    "--severity",
    type=click.IntRange(1, 5),
    default=3,
    show_default=True,
    help="Of the corruptions in --spectrum.",
)
@click.option("--frost", type=click.Path(path_type=Path), help="Folder of the frost photographs.")
@click.option("--arch", metavar="NAME", help="Architecture, where the checkpoint's tensors don't tell it.")
@click.option(
    "--normalize", metavar="NAME|MEAN,STD", help="imagenet, cifar10, cifar100, half, none, or numbers."
)
@click.option(
    "--trust-checkpoint", is_flag=True, help="Let the file run code while it loads (pickled modules)."
)
@forward_options
@click.option(
    "--seed",
    type=click.IntRange(min=0),
    default=0,
    show_default=True,
    help="Of signs, sample and bootstrap.",
)
@click.option(
    "--bootstrap",
    type=click.IntRange(min=0),
    default=1000,
    show_default=True,
    help="Replicates for the profile's bands; 0 for none.",
)
@click.option(
    "--vmax", type=click.FloatRange(0, 1, min_open=True), help="Top of the colour scale, as a fraction."
)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    default=Path("fourier"),
    show_default=True,
    help="Folder of the results.",
)
@click.option("--overwrite", is_flag=True, help="Start afresh in a folder that holds another sweep.")
def fourier_command(
    models: tuple[str, ...],
    data: Path,
    dataset: str,
    classes: Path | None,
    image_size: int | None,
    limit: int | None,
    spectrum: str | None,
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
    if not models and not spectrum:
        raise click.UsageError("Give --model, --spectrum, or both.")
    sources = _titled(models)
    folders = _folders(sources, out)
    from robustbench_lite.commands._memory import keep_freed_memory
    from robustbench_lite.evaluation.fourier.images import open_images

    keep_freed_memory()
    images = open_images(
        data, dataset, classes=classes, image_size=image_size, limit=limit, seed=options["seed"]
    )
    if spectrum:
        names = [name.strip() for name in spectrum.split(",") if name.strip()]
        _spectra(images, names, severity, frost, out, options)
    if models:
        maps = _sweeps(sources, folders, images, options)
        _draw(maps, out, vmax)


def _titled(models: tuple[str, ...]) -> dict[str, str]:
    """Models by title: the one given as TITLE=FILE, else the file's name without its endings."""
    found: dict[str, str] = {}
    for model in models:
        title, source = titled(model)
        stem = title or Path(source).name.partition(".")[0].replace(":", "-")
        if stem in found:
            raise click.UsageError(f"Two models are called {stem!r}; tell them apart with TITLE=FILE.")
        found[stem] = source
    return found


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

    told = dict(options)
    told |= {"compile": told.pop("compiled"), "fuse": not told.pop("no_fuse")}
    maps: dict[str, FourierMap] = {}
    for title, model in sources.items():
        with bar(title) as tell:
            maps[title] = fourier_heatmap(model, images, run_folder=folders[title], progress=tell, **told)
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
    names: list[str],
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
            names,
            severity,
            size=default_size(images.size) if options["size"] is None else options["size"],
            seed=options["seed"],
            device=options["device"],
            textures=frost,
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
    click.echo(f"spectra of {', '.join(names)} at severity {severity}: {out}", err=True)
