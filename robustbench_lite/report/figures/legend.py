"""Names in a figure: legends that take the room they need, and names shortened to the room there is."""

from __future__ import annotations

import functools
from bisect import bisect_left
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from robustbench_lite.report.figures.style import Look

LETTERS: Final = 6.5
"""Points of a legend's letters."""

TITLE_LINE: Final = 0.125
"""Inches that a further line of a title takes."""

_LINE: Final = 0.14
_SAMPLE: Final = 0.32
_BETWEEN: Final = 0.18
_MARGIN: Final = 0.04


@functools.lru_cache(maxsize=4096)
def text_inches(text: str, size: float) -> float:
    """Width of a line of text in inches, in letters of `size` points."""
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import text_to_path

    width, _, _ = text_to_path.get_text_width_height_descent(text, FontProperties(size=size), ismath=False)
    return float(width) / 72


def fitted(text: str, inches: float, size: float) -> str:
    """The text, with an ellipsis in its middle where it is wider than this."""
    if text_inches(text, size) <= inches:
        return text

    def short(kept: int) -> str:
        back = kept // 2
        return f"{text[: kept - back]}…{text[len(text) - back :]}"

    return short(_most(lambda kept: text_inches(short(kept), size) <= inches, len(text)))


def broken(text: str, inches: float, size: float, lines: int = 3) -> str:
    """The text in lines of at most this width, broken anywhere; the last has an ellipsis where it is full."""
    if lines == 1 or text_inches(text, size) <= inches:
        return fitted(text, inches, size)
    kept = max(1, _most(lambda end: text_inches(text[:end], size) <= inches, len(text)))
    return f"{text[:kept]}\n{broken(text[kept:], inches, size, lines - 1)}"


def _most(fits: Callable[[int], bool], letters: int) -> int:
    """The largest number of letters, up to so many, that fits."""
    return bisect_left(range(letters), True, key=lambda kept: not fits(kept + 1))


def legend_height(models: Mapping[str, Look], width: float) -> float:
    """Inches that the legend of these models needs at the top of a figure of this width."""
    return _LINE * -(-len(models) // _columns(models, width)) + 2 * _MARGIN


def legend_above(figure: Figure, models: Mapping[str, Look]) -> None:
    """The models' names with their lines, in rows at the top of a figure."""
    from matplotlib.lines import Line2D

    width = float(figure.get_figwidth())
    handles = [Line2D([], [], label=_label(model, width), **look.line) for model, look in models.items()]
    figure.legend(
        handles=handles,
        loc="upper left",
        bbox_to_anchor=(0.05 / width, 1 - _MARGIN / float(figure.get_figheight())),
        ncols=_columns(models, width),
        frameon=False,
        fontsize=LETTERS,
        handlelength=2.6,
        borderpad=0,
        borderaxespad=0,
    )


def _columns(models: Mapping[str, Look], width: float) -> int:
    widest = max(text_inches(_label(model, width), LETTERS) for model in models)
    return max(1, min(len(models), int((width + _BETWEEN - 0.1) / (_SAMPLE + widest + _BETWEEN))))


def _label(model: str, width: float) -> str:
    return fitted(model, width - _SAMPLE - 0.15, LETTERS)
