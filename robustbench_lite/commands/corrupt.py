"""`robust corrupt`: a suite from clean images on disk, one picture, or a contact sheet."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
import cloup

from robustbench_lite.commands._options import HELP_WIDTH, PATH, names, numbers, setting
from robustbench_lite.evaluation.settings import SuiteSettings

SHEET_SIDE = 224


@cloup.command("corrupt", formatter_settings=HELP_WIDTH)
@cloup.argument("picture", required=False, type=click.Path(path_type=Path, exists=True, dir_okay=False))
@cloup.option_group(
    "Most used",
    cloup.option(
        "--suite",
        metavar="NAME",
        help="Write this suite: cifar10-c, imagenet-c, custom-c, the same with -p, ...",
    ),
    setting(SuiteSettings, "clean_data", type=PATH, metavar="PATH"),
    cloup.option("--out", type=PATH, help="Where to write: a folder, or the file of the picture."),
    setting(
        SuiteSettings,
        "corruptions",
        flags=("--corruptions", "--corruption"),
        callback=names,
        metavar="A,B",
    ),
    setting(
        SuiteSettings,
        "severities",
        flags=("--severities", "--severity"),
        callback=numbers,
        metavar="1,3-5",
    ),
)
@cloup.option_group(
    "Data",
    setting(SuiteSettings, "profile", help="The parameter table: imagenet, tiny-imagenet or cifar."),
    setting(SuiteSettings, "frost", type=PATH, metavar="PATH", help="Folder of the frost photographs."),
    setting(SuiteSettings, "classes", type=PATH, metavar="FILE"),
    setting(SuiteSettings, "image_size"),
)
@cloup.option_group(
    "Running",
    setting(SuiteSettings, "seed", help="The seed of the random draws."),
    cloup.option(
        "--device", default="cpu", show_default=True, metavar="NAME", help="Where images are corrupted."
    ),
    cloup.option(
        "--workers",
        type=click.IntRange(min=1),
        default=1,
        show_default=True,
        metavar="N",
        help="Processes that share the work.",
    ),
    cloup.option(
        "--batch-size",
        type=click.IntRange(min=1),
        default=64,
        show_default=True,
        metavar="N",
        help="Images at once.",
    ),
)
@cloup.option_group(
    "Output",
    cloup.option("--contact-sheet", is_flag=True, help="Draw all corruptions of PICTURE on one page."),
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


def _write_suite(suite: str, out: Path | None, clean_data: Path | None, **options: Any) -> None:
    from robustbench_lite.commands._bar import bar
    from robustbench_lite.evaluation.write_suite import write_suite

    if out is None or clean_data is None:
        raise click.UsageError("--suite needs --clean-data and --out")
    with bar(suite) as tell:
        folder = write_suite(suite, clean_data, out, progress=tell, **options)
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
    from robustbench_lite.reference.names import CORRUPTION_GROUPS, SEVERITIES, TEST_CORRUPTIONS
    from robustbench_lite.report import contact_sheet
    from robustbench_lite.suites.suite import expand_groups

    pixels = picture_pixels(picture, options["image_size"], most=SHEET_SIDE)
    chosen = expand_groups(options["corruptions"] or TEST_CORRUPTIONS, CORRUPTION_GROUPS)
    levels = options["severities"] or SEVERITIES
    rows = {
        name: [corrupt(pixels[None], name, level, **_drawing(options))[0] for level in levels]
        for name in chosen
    }
    save_picture(contact_sheet(pixels, rows), out or picture.with_name(f"{picture.stem}-contact-sheet.png"))


def _drawing(options: dict[str, Any]) -> dict[str, Any]:
    return {name: options[name] for name in ("profile", "seed", "frost")}


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
