"""Reliability diagrams: is the model right as often as it says?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final

from robustbench_lite.report.content import ModelRun
from robustbench_lite.report.figures.canvas import TEXT_WIDTH, percent
from robustbench_lite.report.figures.legend import legend_above, legend_height
from robustbench_lite.report.figures.severity import by_severity
from robustbench_lite.report.figures.style import INK, MUTED, Look, sheet, tidy

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FEWEST: Final = 10
"""Predictions in a bin below which its accuracy is noise and not drawn."""

_LARGEST_DOT: Final = 46.0
_SIDE: Final = 1.62
_LINE: Final = 0.125
_A_LINE: Final = 5
"""Models whose calibration errors fit a line above a panel."""


def plot_reliability(runs: Sequence[ModelRun], looks: Mapping[str, Look]) -> Figure:
    """Accuracy against confidence, a panel for the clean images and for each severity.

    Args:
        runs: with reliability curves.
        looks: of the models.
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
    """The panel's title, and under it each model's RMS calibration error beside its marker."""
    lines = -(-len(errors) // _A_LINE)
    said = f"{title}, RMS calibration error %" if errors else title
    axis.set_title(said, loc="left", pad=4 + 72 * _LINE * lines)
    for place, (look, error) in enumerate(errors):
        line, column = divmod(place, _A_LINE)
        x, y = column / _A_LINE, 1 + (0.04 + _LINE * (lines - line - 0.5)) / _SIDE
        style = {**look.line, "linestyle": "none", "markersize": 4}
        axis.plot([x + 0.02], [y], transform=axis.transAxes, clip_on=False, **style)
        text = f"{100 * error:.1f}"
        axis.text(x + 0.055, y - 0.004, text, color=INK, transform=axis.transAxes, va="center", fontsize=6.5)
