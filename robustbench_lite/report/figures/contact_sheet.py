"""All corruptions and severities of one image on a page, for the eye."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
from PIL import Image, ImageDraw, ImageFont

_GAP: Final = 4
_LEAST_TILE: Final = 96


def contact_sheet(
    clean: np.ndarray[Any, Any], rows: Mapping[str, Sequence[np.ndarray[Any, Any]]]
) -> Image.Image:
    """Draw an image and its corruptions as a grid: a row a corruption, a column a severity.

    Args:
        clean: uint8 (H, W, 3), shown first in each row.
        rows: corruption -> its images in the order of severity, each uint8 (H, W, 3).

    Returns:
        An RGB picture; small images are enlarged by a whole factor, without smoothing.
    """
    factor = max(1, _LEAST_TILE // clean.shape[0])
    height, width = clean.shape[0] * factor, clean.shape[1] * factor
    letters = max(12, height // 11)
    font = ImageFont.load_default(letters)
    left = 1 + int(max(font.getlength(name.replace("_", " ")) for name in rows)) + 3 * _GAP
    top = letters + 3 * _GAP
    columns = 1 + max(len(images) for images in rows.values())
    page = Image.new(
        "RGB", (left + columns * (width + _GAP), top + len(rows) * (height + _GAP)), (255, 255, 255)
    )
    draw = ImageDraw.Draw(page)
    for column in range(columns):
        title = "clean" if column == 0 else f"severity {column}"
        middle = left + column * (width + _GAP) + width / 2
        draw.text((middle, top / 2), title, fill=(0, 0, 0), font=font, anchor="mm")
    for row, (name, images) in enumerate(rows.items()):
        y = top + row * (height + _GAP)
        text = (left - 2 * _GAP, y + height / 2)
        draw.text(text, name.replace("_", " "), fill=(0, 0, 0), font=font, anchor="rm")
        for column, pixels in enumerate((clean, *images)):
            tile = Image.fromarray(pixels).resize((width, height), Image.Resampling.NEAREST)
            page.paste(tile, (left + column * (width + _GAP), y))
    return page
