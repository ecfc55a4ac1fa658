"""The difference of two models, name by name, with intervals and verdicts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from robustbench_lite.report.content import Section
from robustbench_lite.report.figures.canvas import TICK_LETTERS
from robustbench_lite.report.figures.style import (
    INK,
    MUTED,
    RIGHT,
    WRONG,
    Look,
    ReportFigure,
    sheet,
    tidy,
)
from robustbench_lite.report.figures.text import fitted
from robustbench_lite.report.tables.comparison import Comparison

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_ROW: Final = 0.18
_WIDTH: Final = 5.2
_LEFT: Final = 0.115
_VERDICTS: Final = {
    "better": (RIGHT, "<", "better"),
    "worse": (WRONG, ">", "worse"),
    "no evidence": (MUTED, "o", ""),
}
_CAPTION: Final = (
    "A: {first}, B: {second}. Bars are 95 % intervals of each row alone, paired image by image. Green and "
    "orange are verdicts that hold for all rows together (Holm, 5 %); grey is no evidence."
)


def difference_figures(section: Section, looks: Mapping[str, Look]) -> list[ReportFigure]:
    """Return the figure of the comparison of two models; no figure where they are not compared."""
    if section.comparison is None or not section.comparison.by_name:
        return []
    caption = _CAPTION.format(first=section.comparison.first, second=section.comparison.second)
    figure = plot_differences(section.comparison, section.labels)
    return [ReportFigure(f"{section.suite}-differences", "Is the difference real?", figure, caption)]


def plot_differences(comparison: Comparison, labels: Mapping[str, str] | None = None) -> Figure:
    """Draw B minus A in points with its 95 % interval, one line for each corruption or perturbation.

    Args:
        comparison: of two runs.
        labels: corruption or perturbation -> its short name; the name itself where it has none.
    """
    rows = comparison.by_name
    with sheet(_ROW * len(rows) + 0.62, width=_WIDTH) as figure:
        axis = figure.subplots()
        tidy(axis, grid="x")
        axis.axvline(0, color=INK, linewidth=0.7)
        for place, row in enumerate(rows):
            colour, marker, verdict = _VERDICTS[row.verdict]
            axis.plot([100 * row.low, 100 * row.high], [place, place], color=colour, linewidth=1)
            point: dict[str, Any] = {
                "marker": marker,
                "color": colour,
                "markersize": 4.5,
                "markeredgewidth": 0,
            }
            axis.plot([100 * row.difference], [place], **point)
            axis.text(1.01, place, verdict, transform=axis.get_yaxis_transform(), color=colour, va="center")
        room = _LEFT * _WIDTH - 0.07
        names = [fitted((labels or {}).get(row.name, row.name), room, TICK_LETTERS) for row in rows]
        axis.set_yticks(range(len(rows)), names)
        axis.tick_params(axis="y", length=0)
        axis.set_ylim(len(rows) - 0.4, -0.6)
        reach = max(1.0, *(100 * max(abs(row.low), abs(row.high)) for row in rows))
        axis.set_xlim(-1.05 * reach, 1.05 * reach)
        axis.set_xlabel("B - A, points", labelpad=1)
        axis.set_title("B better", loc="left", color=RIGHT)
        axis.set_title("B worse", loc="right", color=WRONG)
        height = float(figure.get_figheight())
        figure.subplots_adjust(left=_LEFT, right=0.91, top=1 - 0.2 / height, bottom=0.34 / height)
    return figure
