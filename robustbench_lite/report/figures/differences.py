"""Two models against each other, name by name, with intervals and verdicts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from robustbench_lite.report.figures.style import INK, MUTED, RIGHT, WRONG, sheet, tidy
from robustbench_lite.report.tables.comparison import Comparison
from robustbench_lite.report.tables.layout import SHORT_NAMES

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_ROW: Final = 0.18
_STYLES: Final = {
    "better": (RIGHT, "<", "better"),
    "worse": (WRONG, ">", "worse"),
    "no evidence": (MUTED, "o", ""),
}


def plot_differences(comparison: Comparison) -> Figure:
    """B minus A in points with its 95 % interval, a line for each corruption or perturbation.

    Args:
        comparison: of two runs.
    """
    rows = comparison.by_name
    with sheet(_ROW * len(rows) + 0.62, width=5.2) as figure:
        axis = figure.subplots()
        tidy(axis, grid="x")
        axis.axvline(0, color=INK, linewidth=0.7)
        for place, one in enumerate(rows):
            colour, marker, said = _STYLES[one.verdict]
            axis.plot([100 * one.low, 100 * one.high], [place, place], color=colour, linewidth=1)
            axis.plot(
                [100 * one.difference],
                [place],
                marker=marker,
                color=colour,
                markersize=4.5,
                markeredgewidth=0,
            )
            axis.text(1.01, place, said, transform=axis.get_yaxis_transform(), color=colour, va="center")
        axis.set_yticks(range(len(rows)), [SHORT_NAMES.get(one.name, one.name) for one in rows])
        axis.tick_params(axis="y", length=0)
        axis.set_ylim(len(rows) - 0.4, -0.6)
        reach = max(1.0, *(100 * max(abs(one.low), abs(one.high)) for one in rows))
        axis.set_xlim(-1.05 * reach, 1.05 * reach)
        axis.set_xlabel("B - A, points", labelpad=1)
        axis.set_title("B better", loc="left", color=RIGHT)
        axis.set_title("B worse", loc="right", color=WRONG)
        height = float(figure.get_figheight())
        figure.subplots_adjust(left=0.115, right=0.91, top=1 - 0.2 / height, bottom=0.34 / height)
    return figure
