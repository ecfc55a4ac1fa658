"""How the report's figures look: a colour and a marker for each model, and inks that a page can replace.

Figures are drawn for light paper. `inline_svg` replaces the exact colour values of ink, rules and models by
CSS variables, so that one figure serves a light page, a dark page and print. The colours are the Okabe-Ito
set; markers and line styles distinguish the models without colour.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

from robustbench_lite.report.figures.canvas import LINES, TEXT_WIDTH, blank_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INK: Final = "#000000"
MUTED: Final = "#5c636b"
RULE: Final = "#c9ced4"
PAPER: Final = "#fefefe"
RIGHT: Final = "#00704f"
WRONG: Final = "#b34700"

MARKERS: Final = ("o", "s", "^", "D", "v", "P", "X")
DASHES: Final[tuple[Any, ...]] = ("-", (0, (5, 1.5)), (0, (1.5, 1)), (0, (6, 1.5, 1.5, 1.5)))


@dataclass(frozen=True)
class ReportFigure:
    """A figure of the report.

    Attributes:
        name: the name of its files, without an ending.
        title: the heading above it.
        figure: the figure itself.
        caption: how to read it; may be empty.
    """

    name: str
    title: str
    figure: Figure
    caption: str


@dataclass(frozen=True)
class Look:
    """The colour, marker and line style of one model in every figure of a report."""

    colour: str
    marker: str
    dashes: Any

    @property
    def line(self) -> dict[str, Any]:
        """The matplotlib options of a line with markers."""
        return {
            "color": self.colour,
            "marker": self.marker,
            "linestyle": self.dashes,
            "markersize": 3,
            "markeredgewidth": 0,
            "linewidth": 1.1,
        }


def looks(models: Sequence[str]) -> dict[str, Look]:
    """Return a look for each model, in order; colours and markers repeat after seven models."""
    return {
        model: Look(LINES[place % len(LINES)], MARKERS[place % len(MARKERS)], DASHES[place % len(DASHES)])
        for place, model in enumerate(models)
    }


@contextmanager
def sheet(height: float, width: float = TEXT_WIDTH) -> Iterator[Figure]:
    """Make a figure of this height and width (inches) in the report's style."""
    import matplotlib

    with blank_figure(width) as figure:
        figure.set_figheight(height)
        matplotlib.rcParams.update({"axes.titlepad": 3, "axes.edgecolor": INK, "hatch.linewidth": 0.4})
        yield figure


def tidy(axis: Axes, *, grid: Literal["x", "y", "both"] = "y") -> None:
    """Keep only the left and the lower spine, shorten the ticks, draw a pale grid behind the data."""
    for side in ("top", "right"):
        axis.spines[side].set_visible(False)
    axis.tick_params(length=2, pad=1.5, width=0.6)
    axis.set_axisbelow(True)
    axis.grid(axis=grid, color=RULE, linewidth=0.4)
