"""Calibration: reliability diagrams, and calibration errors against severity."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final

from robustbench_lite.report.content import ModelRun, Section
from robustbench_lite.report.figures.canvas import TEXT_WIDTH, percent, severity_axis
from robustbench_lite.report.figures.legend import legend_above, legend_height
from robustbench_lite.report.figures.style import INK, MUTED, Look, ReportFigure, sheet, tidy
from robustbench_lite.results import Results
from robustbench_lite.scores import presentation

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FEWEST: Final = 10
"""Bins with fewer predictions are not drawn: their accuracy is noise."""

_LARGEST_DOT: Final = 46.0
_SIDE: Final = 1.62
_LINE: Final = 0.125
_A_LINE: Final = 5
"""Calibration errors that fit on one line above a panel."""

_CALIBRATION: Final = (
    "rms_calibration_error",
    "debiased_rms_calibration_error",
    "expected_calibration_error",
    "top_label_brier_score",
    "brier_score",
    "nll",
)
_COLUMNS: Final = 3
_BIASED: Final = ("rms_calibration_error", "expected_calibration_error")
"""Calibration errors whose bias depends on the number of images, so that a sample does not estimate them."""

_RELIABILITY_CAPTION: Final = (
    "Accuracy against confidence in 15 bins of equal width, over all corruptions of one severity. The area "
    "of a mark is the share of predictions in its bin; bins of fewer than 10 predictions are left out. On "
    "the dashed line accuracy equals confidence; below it the model is over-confident. RMS calibration "
    "error: adaptive bins of 100 in each cell, then the mean over the corruptions."
)
_SEVERITY_CAPTION: Final = (
    "Each value is the mean over the corruptions of that severity. RMS calibration error: adaptive bins of "
    "100 predictions; debiased: without the sampling noise of the bins. ECE: 15 bins of equal width. "
    "Brier, top label: the paper's score, from 0 to 1; the other Brier score is summed over classes, from 0 "
    "to 2. Lower is better."
)


def reliability_figures(section: Section, looks: Mapping[str, Look]) -> list[ReportFigure]:
    """Return the reliability diagrams; no figure where no run has its predictions."""
    runs = [run for run in section.runs if run.reliability]
    if not runs:
        return []
    figure = plot_reliability(runs, looks)
    return [ReportFigure(f"{section.suite}-reliability", "Reliability", figure, _RELIABILITY_CAPTION)]


def calibration_figures(section: Section, looks: Mapping[str, Look]) -> list[ReportFigure]:
    """Return the figure of the calibration by severity of a corruption suite."""
    figure = plot_calibration_by_severity(section.runs, looks)
    return [
        ReportFigure(f"{section.suite}-calibration", "Calibration by severity", figure, _SEVERITY_CAPTION)
    ]


def plot_reliability(runs: Sequence[ModelRun], looks: Mapping[str, Look]) -> Figure:
    """Draw accuracy against confidence, one panel for the clean images and for each severity.

    Args:
        runs: models with reliability curves.
        looks: the look of each model, by its title.
    """
    levels = sorted({level for run in runs for level in run.reliability})
    columns = min(3, len(levels))
    rows = -(-len(levels) // columns)
    width = TEXT_WIDTH if columns == 3 else 2.3 * columns
    shown = {run.title: looks[run.title] for run in runs}
    errors = [by_severity(run.results, "rms_calibration_error") for run in runs]
    over = 0.2 + _LINE * -(-max(sum(level in one for one in errors) for level in levels) // _A_LINE)
    top, between = legend_height(shown, width) + over, over + 0.1
    height = top + rows * _SIDE + (rows - 1) * between + 0.3
    with sheet(height, width=width) as figure:
        axes = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)
        for place, axis in enumerate(axes.flat):
            if place >= len(levels):
                axis.set_axis_off()
            else:
                _panel(axis, runs, levels[place], looks)
        for axis in axes[:, 0]:
            axis.set_ylabel("accuracy", labelpad=2)
        for axis in axes[-1]:
            axis.set_xlabel("confidence", labelpad=1)
        figure.subplots_adjust(
            left=0.47 / width,
            right=1 - 0.1 / width,
            top=1 - top / height,
            bottom=0.3 / height,
            wspace=0.08,
            hspace=between / _SIDE,
        )
        legend_above(figure, shown)
    return figure


def _panel(axis: Axes, runs: Sequence[ModelRun], level: int, looks: Mapping[str, Look]) -> None:
    from matplotlib.ticker import PercentFormatter

    tidy(axis, grid="both")
    axis.plot([0, 1], [0, 1], color=MUTED, linewidth=0.7, linestyle=(0, (2, 2)))
    errors: list[tuple[Look, float]] = []
    for run in runs:
        look = looks[run.title]
        curve = run.reliability.get(level)
        if curve is None:
            continue
        shown = [place for place, size in enumerate(curve.size) if size >= FEWEST]
        confidence = [curve.confidence[place] for place in shown]
        accuracy = [curve.accuracy[place] for place in shown]
        sizes = [max(3.0, _LARGEST_DOT * curve.size[place] / sum(curve.size)) for place in shown]
        axis.plot(confidence, accuracy, color=look.colour, linewidth=0.9, linestyle=look.dashes)
        axis.scatter(
            confidence, accuracy, s=sizes, color=look.colour, marker=look.marker, linewidths=0, zorder=3
        ).set_clip_on(False)
        error = by_severity(run.results, "rms_calibration_error").get(level)
        errors += [] if error is None else [(look, error)]
    _errors(axis, "clean" if level == 0 else f"severity {level}", errors)
    axis.set_xlim(0, 1)
    axis.set_ylim(0, 1)
    # No tick at the ends, where it would run into the next panel's.
    axis.set_xticks([0.2, 0.4, 0.6, 0.8])
    axis.xaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    percent(axis.yaxis)


def _errors(axis: Axes, title: str, errors: Sequence[tuple[Look, float]]) -> None:
    """Write the panel's title, and under it each model's RMS calibration error beside its marker."""
    lines = -(-len(errors) // _A_LINE)
    heading = f"{title}, RMS calibration error %" if errors else title
    axis.set_title(heading, loc="left", pad=4 + 72 * _LINE * lines)
    for place, (look, error) in enumerate(errors):
        line, column = divmod(place, _A_LINE)
        x, y = column / _A_LINE, 1 + (0.04 + _LINE * (lines - line - 0.5)) / _SIDE
        style = {**look.line, "linestyle": "none", "markersize": 4}
        axis.plot([x + 0.02], [y], transform=axis.transAxes, clip_on=False, **style)
        text = f"{100 * error:.1f}"
        axis.text(x + 0.055, y - 0.004, text, color=INK, transform=axis.transAxes, va="center", fontsize=6.5)


def plot_calibration_by_severity(runs: Sequence[ModelRun], looks: Mapping[str, Look]) -> Figure:
    """Draw calibration errors, both Brier scores and NLL against severity, each the mean over corruptions.

    A score that no run has takes no panel.

    Source: AugMix, figure 7, for the RMS calibration error and the top-label Brier score.
    """
    scores = [name for name in _CALIBRATION if any(by_severity(run.results, name) for run in runs)]
    shown = {run.title: looks[run.title] for run in runs}
    above = legend_height(shown, TEXT_WIDTH) + 0.2
    rows = -(-len(scores) // _COLUMNS)
    height = 1.5 * rows + above
    levels = sorted({cell.severity for run in runs for cell in run.results.cells})
    with sheet(height) as figure:
        axes = figure.subplots(rows, _COLUMNS, squeeze=False)
        for axis in axes.flat[len(scores) :]:
            axis.set_axis_off()
        for axis, score in zip(axes.flat, scores, strict=False):
            tidy(axis)
            axis.set_title(presentation(score).title, loc="left")
            top = 0.0
            for run in runs:
                values = by_severity(run.results, score) or {0: math.nan}
                axis.plot(list(values), list(values.values()), **looks[run.title].line)
                top = max(top, *(value for value in values.values() if math.isfinite(value)), 0.0)
            axis.set_ylim(0, 1.08 * top or 1.0)
            severity_axis(axis, levels)
            axis.set_xlabel("severity", labelpad=1)
            if presentation(score).percent:
                percent(axis.yaxis)
        figure.subplots_adjust(
            left=0.05, right=0.99, top=1 - above / height, bottom=0.35 / height, wspace=0.28, hspace=0.55
        )
        legend_above(figure, shown)
    return figure


def by_severity(results: Results, score: str) -> dict[int, float]:
    """Return severity -> mean of a score over the corruptions that enter the suite's mean.

    Empty for the biased calibration errors of an estimate: their bias depends on the number of images.
    """
    if results.estimate is not None and score in _BIASED:
        return {}
    counted = ("clean", *results.spec.test)
    values: dict[int, list[float]] = {}
    for cell in results.cells:
        if cell.name in counted and score in cell.scores:
            values.setdefault(cell.severity, []).append(cell.scores[score])
    return {level: math.fsum(column) / len(column) for level, column in sorted(values.items())}
