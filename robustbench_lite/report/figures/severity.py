"""Scores against severity: errors corruption by corruption, calibration over all of them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final

from robustbench_lite.reference.names import SEVERITIES, VALIDATION_CORRUPTIONS
from robustbench_lite.report.content import ModelRun
from robustbench_lite.report.figures.canvas import TEXT_WIDTH, percent
from robustbench_lite.report.figures.legend import legend_above, legend_height
from robustbench_lite.report.figures.style import MUTED, Look, sheet, tidy
from robustbench_lite.report.tables.layout import SHORT_NAMES
from robustbench_lite.results import Results

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_COLUMNS: Final = 4
_PANEL: Final = 1.28
_CALIBRATION: Final = {
    "rms_calibration_error": "RMS calibration error",
    "expected_calibration_error": "ECE",
    "brier_score": "Brier score (0 to 2)",
    "nll": "NLL",
}
_PERCENTAGES: Final = ("rms_calibration_error", "expected_calibration_error")


def plot_errors_by_severity(
    runs: Sequence[ModelRun], groups: Mapping[str, Sequence[str]], looks: Mapping[str, Look]
) -> Figure:
    """Small multiples of error against severity, a row for each group of corruptions.

    Args:
        runs: on one -C suite.
        groups: heading -> corruptions, four at most.
        looks: of the models.
    """
    rows = _rows(groups)
    top = 0.0
    shown = {run.title: looks[run.title] for run in runs}
    above = legend_height(shown, TEXT_WIDTH) + 0.2
    with sheet(_PANEL * len(rows) + 0.1 + above) as figure:
        axes = figure.subplots(len(rows), _COLUMNS, sharex=True, sharey=True, squeeze=False)
        for row, (heading, names) in enumerate(rows):
            for column in range(_COLUMNS):
                axis = axes[row][column]
                if column >= len(names):
                    axis.set_axis_off()
                    continue
                top = max(top, _errors(axis, runs, names[column], looks))
            axes[row][0].set_ylabel(f"{heading}\nerror" if heading else "error", labelpad=2)
        axes[0][0].set_ylim(0, min(1.02, max(0.1, math.ceil(top * 10 + 0.2) / 10)))
        axes[0][0].set_xlim(-0.3, 5.3)
        axes[0][0].set_xticks(range(6), ["clean", *map(str, SEVERITIES)])
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
    """A row for each four of a group; without their headings where that takes half the rows or fewer."""
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
    """Draw one corruption; returns its largest error."""
    tidy(axis)
    axis.set_title(SHORT_NAMES.get(name, name), loc="left")
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
        axis.fill_between(
            levels,
            [low for low, _ in ends],
            [high for _, high in ends],
            color=look.colour,
            alpha=0.16,
            linewidth=0,
        )
        axis.plot(levels, errors, **look.line)
        largest = max(largest, *errors)
    if not largest and not axis.lines:
        axis.text(0.5, 0.5, "not evaluated", transform=axis.transAxes, ha="center", va="center", color=MUTED)
    return largest


def wilson(share: float, n: int) -> tuple[float, float]:
    """95 % interval of a share of n independent draws.

    Source: Wilson 1927.
    """
    z = 1.959964
    centre = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n)) / (1 + z * z / n)
    return max(0.0, centre - half), min(1.0, centre + half)


def plot_calibration_by_severity(runs: Sequence[ModelRun], looks: Mapping[str, Look]) -> Figure:
    """Calibration errors, Brier score and NLL against severity, each the mean over corruptions."""
    shown = {run.title: looks[run.title] for run in runs}
    above = legend_height(shown, TEXT_WIDTH) + 0.2
    height = 1.5 + above
    with sheet(height) as figure:
        axes = figure.subplots(1, len(_CALIBRATION))
        for axis, (score, title) in zip(axes, _CALIBRATION.items(), strict=True):
            tidy(axis)
            axis.set_title(title, loc="left")
            top = 0.0
            for run in runs:
                values = by_severity(run.results, score) or {0: math.nan}
                axis.plot(list(values), list(values.values()), **looks[run.title].line)
                top = max(top, *(value for value in values.values() if math.isfinite(value)), 0.0)
            axis.set_ylim(0, 1.08 * top or 1.0)
            axis.set_xlim(-0.3, 5.3)
            axis.set_xticks(range(6), ["clean", *map(str, SEVERITIES)])
            axis.set_xlabel("severity", labelpad=1)
            if score in _PERCENTAGES:
                percent(axis.yaxis)
        figure.subplots_adjust(
            left=0.05, right=0.99, top=1 - above / height, bottom=0.35 / height, wspace=0.28
        )
        legend_above(figure, shown)
    return figure


def by_severity(results: Results, score: str) -> dict[int, float]:
    """Severity -> mean of a score over the corruptions that have it there; validation ones never enter.

    Calibration errors of a sample are larger than those of all images, and not given.
    """
    if results.estimate is not None and score in _PERCENTAGES:
        return {}
    values: dict[int, list[float]] = {}
    for cell in results.cells:
        if cell.name not in VALIDATION_CORRUPTIONS and score in cell.scores:
            values.setdefault(cell.severity, []).append(cell.scores[score])
    return {level: math.fsum(found) / len(found) for level, found in sorted(values.items())}
