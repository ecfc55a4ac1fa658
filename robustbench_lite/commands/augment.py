"""`robust augment`: pictures of AugMix's operations, chains and mixtures on one image."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import click

SHEET_SIDE: Final = 224


@click.command("augment")
@click.argument("picture", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option(
    "--paper",
    type=click.Choice(["cifar", "imagenet"]),
    default="cifar",
    show_default=True,
    help="The paper's severity: 3 for CIFAR, 1 for ImageNet.",
)
@click.option(
    "--severity",
    type=float,
    metavar="X",
    help="The strongest level, 0.1 to 10. By default that of --paper.",
)
@click.option(
    "--width",
    type=click.IntRange(min=1),
    default=3,
    show_default=True,
    metavar="N",
    help="Chains per image.",
)
@click.option(
    "--depth",
    type=click.IntRange(min=1),
    metavar="N",
    help="Operations per chain. By default 1 to 3 at random.",
)
@click.option(
    "--alpha",
    type=float,
    default=1.0,
    show_default=True,
    metavar="X",
    help="The parameter of the Dirichlet and Beta distributions that mix the chains.",
)
@click.option("--all-ops", is_flag=True, help="Include the four operations that overlap the -C suites.")
@click.option("--seed", type=int, default=0, show_default=True, metavar="N", help="The seed of all draws.")
@click.option(
    "--image-size",
    type=click.IntRange(min=8),
    metavar="N",
    help="Resize and crop the picture to this side, in pixels.",
)
@click.option(
    "--out", type=click.Path(path_type=Path), help="Folder of the three pictures. By default that of PICTURE."
)
def augment_command(
    picture: Path,
    paper: str,
    severity: float | None,
    seed: int,
    image_size: int | None,
    out: Path | None,
    **settings: Any,
) -> None:
    """Draw how AugMix changes PICTURE.

    The command writes three pictures. "operations" shows every operation at the levels 1, 3, 5 and 10 (the
    paper's figure 10). "realisation" shows one AugMix image with its chains and their weights (figure 4).
    "mixtures" shows several AugMix images above the results of a chain alone, which drift away from the
    original (figure 3).
    """
    import torch

    from robustbench_lite.augmix.transform import PAPER_SEVERITY
    from robustbench_lite.commands.corrupt import picture_pixels, save_picture
    from robustbench_lite.evaluation.augmix_pictures import mixtures_page, operations_page, realisation_page
    from robustbench_lite.report.figures.picture_grid import picture_grid

    settings["severity"] = PAPER_SEVERITY[paper] if severity is None else severity
    pixels = picture_pixels(picture, image_size, most=SHEET_SIDE)
    image = torch.from_numpy(pixels.copy()).permute(2, 0, 1)
    pages = {
        "operations": operations_page(image, all_ops=settings["all_ops"]),
        "realisation": realisation_page(image, generator=torch.Generator().manual_seed(seed), **settings),
        "mixtures": mixtures_page(image, generator=torch.Generator().manual_seed(seed), **settings),
    }
    folder = picture.parent if out is None else out
    folder.mkdir(parents=True, exist_ok=True)
    for name, page in pages.items():
        target = folder / f"{picture.stem}-augmix-{name}.png"
        save_picture(picture_grid(page.rows, page.titles, page.captions), target)
