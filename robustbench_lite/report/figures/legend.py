"""The legend above a figure: it takes the rows that the models' names need."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from robustbench_lite.report.figures.text import fitted, text_inches

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from robustbench_lite.report.figures.style import Look

LETTERS: Final = 6.5
"""Points of a legend's letters."""

TITLE_LINE: Final = 0.125
"""Inches that each further line of a title takes."""

_LINE: Final = 0.14
_SAMPLE: Final = 0.32
_BETWEEN: Final = 0.18
_MARGIN: Final = 0.04


def legend_height(models: Mapping[str, Look], width: float) -> float:
    """Return the inches that the legend of these models needs at the top of a figure of this width."""
    return _LINE * -(-len(models) // _columns(models, width)) + 2 * _MARGIN


def legend_above(figure: Figure, models: Mapping[str, Look]) -> None:
    """Draw the models' names with their lines, in rows at the top of a figure."""
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
