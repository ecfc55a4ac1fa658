"""What all figures share: page sizes, colours, letters, axes and notes.

A single map is as wide as a column (3.25 inches), several are as wide as the text (6.75). Colours are viridis
(maps) and the Okabe-Ito set (lines), which colour-blind readers can distinguish; viridis keeps its order in
grey.
"""

from __future__ import annotations

import io
import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

from robustbench_lite.report.figures.text import in_lines

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLUMN: Final = 3.25
TEXT_WIDTH: Final = 6.75
COLOURS: Final = "viridis"
LINES: Final = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
MARKED: Final = "#D55E00"
TITLE_LETTERS: Final = 7.5
"""Points of a panel title's letters."""

TICK_LETTERS: Final = 6.5
"""Points of an axis's labels."""

NOTE_LETTERS: Final = 6
"""Points of a note's letters."""

_NOTE_LINE: Final = 0.105
"""Inches between two lines of a note."""

_STYLE: Final[dict[Any, Any]] = {
    "font.family": "sans-serif",
    "font.size": 7,
    "axes.titlesize": TITLE_LETTERS,
    "axes.labelsize": 7,
    "axes.linewidth": 0.6,
    "xtick.labelsize": TICK_LETTERS,
    "ytick.labelsize": TICK_LETTERS,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.major.size": 2.5,
    "ytick.major.size": 2.5,
    "legend.fontsize": 6.5,
}
_EDGE = 0.04


@contextmanager
def blank_figure(width: float, *, formulas: bool = False) -> Iterator[Figure]:
    """Make a figure of this width in this style, whatever the caller's own matplotlib settings are.

    Args:
        width: inches.
        formulas: typeset text between dollar signs as a formula. The powers of ten of a logarithmic scale
            need it; names of models must be left as they are.
    """
    import matplotlib
    from matplotlib.figure import Figure as NewFigure

    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update({**_STYLE, "text.parse_math": formulas})
        yield NewFigure(figsize=(width, width), dpi=300)


def figure_bytes(figure: Figure, form: str) -> bytes:
    """Return the figure as a file: "png" at 300 dots per inch, or "pdf" with its text as text."""
    import matplotlib

    buffer = io.BytesIO()
    with matplotlib.rc_context({"pdf.fonttype": 42}):
        figure.savefig(buffer, format=form, dpi=300)
    return buffer.getvalue()


def draw_map(axis: Axes, values: npt.NDArray[np.float64], *, ticks: int, **options: Any) -> Any:
    """Draw a map with its frequencies on the axes; the most negative vertical one is on top, as in the array.

    Args:
        axis: where to draw.
        values: (rows, columns), zero frequency in the centre.
        ticks: the most ticks on either side of zero.
        **options: passed to `imshow`.
    """
    rows, columns = values.shape
    top, left = -(rows // 2) - 0.5, -(columns // 2) - 0.5
    image = axis.imshow(
        values,
        cmap=COLOURS,
        extent=(left, left + columns, top + rows, top),
        interpolation="nearest",
        rasterized=True,
        **options,
    )
    axis.set_xticks(_ticks(columns, ticks))
    axis.set_yticks(_ticks(rows, ticks))
    axis.tick_params(pad=1.5)
    return image


def _ticks(count: int, most: int) -> list[int]:
    """Return zero and a few round frequencies on either side, far enough from the edge for their labels."""
    reach = math.floor((count - 1) // 2 + 0.5 - _EDGE * count)
    step = next((step for step in (1, 2, 3, 5, 10, 20, 30, 50, 100) if reach // step <= most), reach or 1)
    return [k * step for k in range(-(reach // step), reach // step + 1)]


def percent(axis: Any) -> None:
    """Label an axis of fractions in percent, with the decimals that its ticks need."""
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    def label(value: float, place: int | None = None) -> str:
        ticks = axis.get_majorticklocs()
        step = 100 * float(min(np.diff(ticks), default=1.0))
        decimals = next((d for d in range(6) if math.isclose(step * 10**d, round(step * 10**d))), 6)
        return f"{100 * value:z.{decimals}f}%"

    axis.set_major_locator(MaxNLocator(6, steps=[1, 2, 5, 10]))
    axis.set_major_formatter(FuncFormatter(label))


def severity_axis(axis: Axes, levels: Sequence[int]) -> None:
    """Mark the clean images (0) and every severity up to the largest of `levels` on the horizontal axis."""
    largest = max(levels, default=1)
    axis.set_xlim(-0.3, largest + 0.3)
    axis.set_xticks(range(largest + 1), ["clean", *map(str, range(1, largest + 1))])


def note_lines(text: str, width: float) -> str:
    """Return a note in lines that fill a figure of this width in inches."""
    return in_lines(text, 0.98 * width, NOTE_LETTERS, most=None)


def note_height(note: str) -> float:
    """Return the inches that a note of these lines takes at the foot of a figure."""
    return _NOTE_LINE * (note.count("\n") + 1) + 0.05 if note else 0.0


def write_note(figure: Figure, note: str) -> None:
    """Write a note at the foot of a figure."""
    figure.text(0.01, 0.04 / figure.get_figheight(), note, va="bottom", ha="left", fontsize=NOTE_LETTERS)
