"""Error against severity, one panel for each corruption."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from statistics import NormalDist
from typing import TYPE_CHECKING, Final

from robustbench_lite.report.content import ModelRun, Section
from robustbench_lite.report.figures.canvas import TEXT_WIDTH, TITLE_LETTERS, percent, severity_axis
from robustbench_lite.report.figures.legend import legend_above, legend_height
from robustbench_lite.report.figures.style import MUTED, Look, ReportFigure, sheet, tidy
from robustbench_lite.report.figures.text import fitted

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_COLUMNS: Final = 4
_PANEL: Final = 1.28
_PANEL_WIDTH: Final = 1.45
_CAPTION: Final = (
    "Error against severity, one panel for each corruption. A band is the 95 % interval of each cell for the "
    "number of images it has. A flat line is a corruption that the model withstands."
)


def severity_figures(section: Section, looks: Mapping[str, Look]) -> list[ReportFigure]:
    """Return the figure of the errors by severity of a corruption suite."""
    figure = plot_errors_by_severity(section.runs, section.groups, looks, section.labels)
    return [ReportFigure(f"{section.suite}-severity", "Error by severity", figure, _CAPTION)]


def plot_errors_by_severity(
    runs: Sequence[ModelRun],
    groups: Mapping[str, Sequence[str]],
    looks: Mapping[str, Look],
    labels: Mapping[str, str] | None = None,
) -> Figure:
    """Draw error against severity in one panel for each corruption, one row of panels for each group.

    Args:
        runs: the models, on one corruption suite.
        groups: heading -> corruptions; a group of more than four takes several rows.
        looks: the look of each model, by its title.
        labels: corruption -> its short name; the name itself where it has none.
    """
    rows = _rows(groups)
    highest = 0.0
    shown = {run.title: looks[run.title] for run in runs}
    above = legend_height(shown, TEXT_WIDTH) + 0.2
    levels = sorted({cell.severity for run in runs for cell in run.results.cells})
    with sheet(_PANEL * len(rows) + 0.1 + above) as figure:
        axes = figure.subplots(len(rows), _COLUMNS, sharex=True, sharey=True, squeeze=False)
        for row, (heading, names) in enumerate(rows):
            for column in range(_COLUMNS):
                axis = axes[row][column]
                if column >= len(names):
                    axis.set_axis_off()
                    continue
                label = (labels or {}).get(names[column], names[column])
                axis.set_title(fitted(label, _PANEL_WIDTH, TITLE_LETTERS), loc="left")
                highest = max(highest, _errors(axis, runs, names[column], looks))
            axes[row][0].set_ylabel(f"{heading}\nerror" if heading else "error", labelpad=2)
        axes[0][0].set_ylim(0, min(1.02, max(0.1, math.ceil(highest * 10 + 0.2) / 10)))
        severity_axis(axes[0][0], levels)
        for column in range(max(len(names) for _, names in rows)):
            last = max(row for row, (_, names) in enumerate(rows) if column < len(names))
            axes[last][column].tick_params(labelbottom=True)
            axes[last][column].set_xlabel("severity", labelpad=1)
        height = float(figure.get_figheight())
        figure.subplots_adjust(
            left=0.085, right=0.99, top=1 - above / height, bottom=0.37 / height, hspace=0.3, wspace=0.1
        )
        legend_above(figure, shown)
    return figure


def _rows(groups: Mapping[str, Sequence[str]]) -> list[tuple[str, Sequence[str]]]:
    """Return rows of up to four corruptions of one group; without headings where that halves the rows."""
    rows = [
        (heading if start == 0 else "", names[start : start + _COLUMNS])
        for heading, names in groups.items()
        for start in range(0, len(names), _COLUMNS)
    ]
    every = [name for names in groups.values() for name in names]
    together: list[tuple[str, Sequence[str]]] = [
        ("", every[start : start + _COLUMNS]) for start in range(0, len(every), _COLUMNS)
    ]
    return together if 2 * len(together) <= len(rows) else rows


def _errors(axis: Axes, runs: Sequence[ModelRun], name: str, looks: Mapping[str, Look]) -> float:
    """Draw the errors on one corruption and return the largest."""
    tidy(axis)
    percent(axis.yaxis)
    largest = 0.0
    for run in runs:
        cells = {cell.severity: cell for cell in run.results.cells if cell.name in (name, "clean")}
        levels = sorted(cells)
        if set(levels) <= {0}:
            continue
        errors = [cells[level].scores["error"] for level in levels]
        ends = [wilson(cells[level].scores["error"], cells[level].n) for level in levels]
        look = looks[run.title]
        low, high = [end[0] for end in ends], [end[1] for end in ends]
        axis.fill_between(levels, low, high, color=look.colour, alpha=0.16, linewidth=0)
        axis.plot(levels, errors, **look.line)
        largest = max(largest, *errors)
    if not largest and not axis.lines:
        axis.text(0.5, 0.5, "not evaluated", transform=axis.transAxes, ha="center", va="center", color=MUTED)
    return largest


def wilson(share: float, n: int) -> tuple[float, float]:
    """Return the 95 % interval of a share of n independent draws.

    Source: Wilson 1927.
    """
    z = NormalDist().inv_cdf(0.975)
    shift = z / (2 * n)
    centre = (share + z * shift) / (1 + z * z / n)
    half = z * math.sqrt(share * (1 - share) / n + shift**2) / (1 + z * z / n)
    return max(0.0, centre - half), min(1.0, centre + half)
