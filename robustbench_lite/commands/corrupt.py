"""`robust corrupt`: a suite from clean images on disk, one picture, or a contact sheet."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from robustbench_lite.commands._options import names, numbers

SHEET_SIDE = 224


@click.command("corrupt")
@click.argument("picture", required=False, type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option(
    "--suite", metavar="NAME", help="Write this suite: cifar10-c, imagenet-c, custom-c, the same with -p, ..."
)
@click.option(
    "--clean-data",
    type=click.Path(path_type=Path),
    help="Folder of the clean images, or an .npz of your own.",
)
@click.option(
    "--out", type=click.Path(path_type=Path), help="Where to write: a folder, or the picture's file."
)
@click.option(
    "--corruptions",
    "--corruption",
    callback=names,
    metavar="A,B",
    help="Only these; the test set by default.",
)
@click.option(
    "--severities", "--severity", callback=numbers, metavar="1,3-5", help="Only these (difficulties for -P)."
)
@click.option("--contact-sheet", is_flag=True, help="Draw all corruptions of PICTURE on one page.")
@click.option("--profile", metavar="NAME", help="Parameters: imagenet, tiny-imagenet or cifar.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Of the draws.")
@click.option("--frost", "textures", type=click.Path(path_type=Path), help="Folder of the frost photographs.")
@click.option("--classes", type=click.Path(path_type=Path), help="Your own images: class names, one a line.")
@click.option("--image-size", type=click.IntRange(min=8), help="Side to resize and crop photographs to.")
@click.option("--device", default="cpu", show_default=True, help="Where images are corrupted.")
@click.option(
    "--workers",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    help="Processes that share the work.",
)
@click.option(
    "--batch-size", type=click.IntRange(min=1), default=64, show_default=True, help="Images at once."
)
def corrupt_command(
    picture: Path | None, suite: str | None, out: Path | None, contact_sheet: bool, **options: Any
) -> None:
    """Corrupt images as ImageNet-C and CIFAR-C were made, or perturb them as the -P suites.

    With --suite, --clean-data and --out: write a suite in its official layout; the same command finishes
    what a killed one began. With PICTURE: write one corrupted picture, or a contact sheet.
    """
    if (picture is None) == (suite is None):
        raise click.UsageError("give either a PICTURE, or --suite with --clean-data and --out")
    if picture is None:
        _write_suite(str(suite), out, **options)
    elif contact_sheet:
        _draw_sheet(picture, out, **options)
    else:
        _corrupt_picture(picture, out, **options)


def _write_suite(
    suite: str, out: Path | None, device: str, workers: int, batch_size: int, **options: Any
) -> None:
    from robustbench_lite.commands._bar import bar
    from robustbench_lite.evaluation.sources import Sources
    from robustbench_lite.evaluation.write_suite import write_suite

    if out is None or options["clean_data"] is None:
        raise click.UsageError("--suite needs --clean-data and --out")
    with bar(suite) as tell:
        folder = write_suite(
            suite,
            Sources(**options),
            out,
            device=device,
            workers=workers,
            batch_size=batch_size,
            progress=tell,
        )
    click.echo(folder)


def _corrupt_picture(picture: Path, out: Path | None, **options: Any) -> None:
    from PIL import Image

    from robustbench_lite.corruptions import corrupt

    chosen, levels = options["corruptions"], options["severities"]
    if not chosen or not levels or len(chosen) != 1 or len(levels) != 1:
        raise click.UsageError("a picture needs one --corruption and one --severity, or --contact-sheet")
    pixels = picture_pixels(picture, options["image_size"])
    corrupted = corrupt(pixels[None], chosen[0], levels[0], **_drawing(options))
    out = out or picture.with_name(f"{picture.stem}-{chosen[0]}-{levels[0]}.png")
    save_picture(Image.fromarray(corrupted[0]), out)


def _draw_sheet(picture: Path, out: Path | None, **options: Any) -> None:
    from robustbench_lite.corruptions import corrupt
    from robustbench_lite.reference.names import SEVERITIES, TEST_CORRUPTIONS
    from robustbench_lite.report import contact_sheet

    pixels = picture_pixels(picture, options["image_size"], most=SHEET_SIDE)
    chosen = options["corruptions"] or TEST_CORRUPTIONS
    levels = options["severities"] or SEVERITIES
    rows = {
        name: [corrupt(pixels[None], name, level, **_drawing(options))[0] for level in levels]
        for name in chosen
    }
    save_picture(contact_sheet(pixels, rows), out or picture.with_name(f"{picture.stem}-contact-sheet.png"))


def _drawing(options: dict[str, Any]) -> dict[str, Any]:
    return {name: options[name] for name in ("profile", "seed", "textures")}


def picture_pixels(picture: Path, side: int | None, most: int | None = None) -> Any:
    """The picture as uint8 (H, W, 3): at its own size, or resized and cropped to a square."""
    from robustbench_lite.suites.decode import decode_image, resize_and_crop

    pixels = decode_image(picture.read_bytes(), str(picture))
    if side is None and most is not None and min(pixels.shape[:2]) > most:
        side = most
    return pixels if side is None else resize_and_crop(pixels, side)


def save_picture(image: Any, out: Path) -> None:
    """Write a picture and print its path."""
    from robustbench_lite.errors import DataError

    try:
        image.save(out)
    except (OSError, ValueError) as error:
        raise DataError(f"{out} can't be written: {error}") from error
    click.echo(out)
