"""All corruptions and severities of one image on a page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from PIL import Image

from robustbench_lite.report.figures.picture_grid import Picture, picture_grid


def contact_sheet(clean: Picture, rows: Mapping[str, Sequence[Picture]]) -> Image.Image:
    """Draw an image and its corruptions as a grid: a row for each corruption, a column for each severity.

    Args:
        clean: uint8 (H, W, 3), the first image of each row.
        rows: corruption -> its images in the order of severity, each uint8 (H, W, 3).

    Returns:
        An RGB picture. Small images are enlarged by a whole factor, without smoothing.
    """
    severities = max(len(images) for images in rows.values())
    titles = ["clean", *(f"severity {severity}" for severity in range(1, severities + 1))]
    return picture_grid({name.replace("_", " "): (clean, *images) for name, images in rows.items()}, titles)
