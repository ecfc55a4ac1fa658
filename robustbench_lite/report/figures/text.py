"""Text that fits the room it has in a figure: measured in the figure's font, then broken or shortened."""

from __future__ import annotations

import functools
import re
from bisect import bisect_left
from collections.abc import Callable
from itertools import accumulate


@functools.lru_cache(maxsize=4096)
def text_inches(text: str, size: float) -> float:
    """Return the width of one line of text in inches, in letters of `size` points."""
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import text_to_path

    width, _, _ = text_to_path.get_text_width_height_descent(text, FontProperties(size=size), ismath=False)
    return float(width) / 72


def fitted(text: str, inches: float, size: float) -> str:
    """Return the text on one line; an ellipsis replaces its middle where it is wider than `inches`."""
    if text_inches(text, size) <= inches:
        return text

    def shortened(letters: int) -> str:
        tail = letters // 2
        return f"{text[: letters - tail]}…{text[len(text) - tail :]}"

    return shortened(_most(lambda letters: text_inches(shortened(letters), size) <= inches, len(text)))


def in_lines(text: str, inches: float, size: float, most: int | None = 3) -> str:
    """Return the text in lines of at most `inches`.

    A line ends after a space, "_", "/" or "-" where one is in reach, else between any two letters.

    Args:
        text: without line breaks.
        inches: width of a line.
        size: the size of the letters in points.
        most: lines; the last one has an ellipsis in its middle where the rest is too long. None: no limit.
    """
    lines: list[str] = []
    rest = text
    while text_inches(rest, size) > inches and (most is None or len(lines) < most - 1):
        end = _line_end(rest, inches, size)
        lines.append(rest[:end].rstrip())
        rest = rest[end:]
    return "\n".join([*lines, fitted(rest, inches, size)])


def _line_end(text: str, inches: float, size: float) -> int:
    """Return how many letters of the text the first line takes: whole words, or at least one letter."""
    ends = list(accumulate(len(word) for word in re.findall(r"[^\s_/-]+[\s_/-]?|[\s_/-]", text)))
    words = _most(lambda count: _fits(text[: ends[count - 1]], inches, size), len(ends))
    if words:
        return ends[words - 1]
    return max(1, _most(lambda letters: _fits(text[:letters], inches, size), len(text)))


def _fits(text: str, inches: float, size: float) -> bool:
    return text_inches(text.rstrip(), size) <= inches


def _most(fits: Callable[[int], bool], largest: int) -> int:
    """Return the largest count from 0 to `largest` that fits."""
    return bisect_left(range(largest), True, key=lambda count: not fits(count + 1))
