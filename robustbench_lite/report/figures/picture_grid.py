"""Pictures on a page: a row for each name, a title above each column, a caption below each picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, TypeAlias

import numpy as np
from PIL import Image, ImageDraw, ImageFont

Picture: TypeAlias = np.ndarray[Any, Any]

_GAP: Final = 4
_LEAST_TILE: Final = 96
_INK: Final = (0, 0, 0)
_PAPER: Final = (255, 255, 255)


def picture_grid(
    rows: Mapping[str, Sequence[Picture]],
    titles: Sequence[str] = (),
    captions: Mapping[str, Sequence[str]] | None = None,
) -> Image.Image:
    """Draw pictures of one size as a grid.

    Args:
        rows: name, printed to the left -> its pictures, each uint8 (H, W, 3).
        titles: line above each column.
        captions: name of a row -> line below each of its pictures; a row without them has none.

    Returns:
        An RGB picture; small pictures are enlarged by a whole factor, without smoothing.
    """
    captions = captions or {}
    first = next(iter(rows.values()))[0]
    factor = max(1, _LEAST_TILE // first.shape[0])
    height, width = first.shape[0] * factor, first.shape[1] * factor
    font = ImageFont.load_default(max(12, height // 11))
    small = _font_within(
        width, [text for texts in captions.values() for text in texts], max(11, height // 13)
    )
    letters, line = max(12, height // 11), (max(11, height // 13) + 2 * _GAP if captions else 0)
    left = 1 + int(max(font.getlength(name) for name in rows)) + 3 * _GAP
    top = letters + 3 * _GAP if titles else _GAP
    heights = [height + _GAP + (line if name in captions else 0) for name in rows]
    columns = max(len(titles), *(len(pictures) for pictures in rows.values()))
    page = Image.new("RGB", (left + columns * (width + _GAP), top + sum(heights)), _PAPER)
    draw = ImageDraw.Draw(page)
    for column, title in enumerate(titles):
        middle = left + column * (width + _GAP) + width / 2
        draw.text((middle, top / 2), title, fill=_INK, font=font, anchor="mm")
    y = top
    for (name, pictures), row_height in zip(rows.items(), heights, strict=True):
        draw.text((left - 2 * _GAP, y + height / 2), name, fill=_INK, font=font, anchor="rm")
        for column, pixels in enumerate(pictures):
            tile = Image.fromarray(pixels).resize((width, height), Image.Resampling.NEAREST)
            page.paste(tile, (left + column * (width + _GAP), y))
        for column, text in enumerate(captions.get(name, ())):
            middle = left + column * (width + _GAP) + width / 2
            draw.text((middle, y + height + line / 2), text, fill=_INK, font=small, anchor="mm")
        y += row_height
    return page


def _font_within(width: int, texts: Sequence[str], size: int) -> Any:
    """The largest font up to `size` in which every text fits the width; not below 8 pixels."""
    for letters in range(size, 8, -1):
        font = ImageFont.load_default(letters)
        if all(font.getlength(text) <= width for text in texts):
            return font
    return ImageFont.load_default(8)
