"""The error of every cell, corruption by severity, and the difference of two models."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

from robustbench_lite.report.content import ModelRun, Section
from robustbench_lite.report.figures.canvas import TEXT_WIDTH, TICK_LETTERS, TITLE_LETTERS
from robustbench_lite.report.figures.legend import TITLE_LINE
from robustbench_lite.report.figures.style import PAPER, Look, ReportFigure, sheet
from robustbench_lite.report.figures.text import fitted, in_lines

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_PANELS: Final = 3
_CELL: Final = 0.158
_DARK: Final = "#010101"
_BRIGHT: Final = "#fdfdfd"

_LEFT: Final = 0.5
_CAPTION: Final = "The error of every cell in percent. Yellow is a large error."
_DIFFERENCE_CAPTION: Final = (
    " The last panel is the second model minus the first, in points: purple where the second is better, "
    "orange where it is worse. Single cells are noisy; the table below lists which differences are evidence."
)

Floats = npt.NDArray[np.float64]


def heatmap_figures(section: Section, looks: Mapping[str, Look]) -> list[ReportFigure]:
    """Return the figure of every cell's error on a corruption suite."""
    figure = plot_error_heatmap(section.runs, section.groups, section.labels)
    caption = _CAPTION + (_DIFFERENCE_CAPTION if len(section.runs) == 2 else "")
    return [ReportFigure(f"{section.suite}-heatmap", "Corruption x severity", figure, caption)]


def plot_error_heatmap(
    runs: Sequence[ModelRun],
    groups: Mapping[str, Sequence[str]],
    labels: Mapping[str, str] | None = None,
) -> Figure:
    """Draw the error of every cell in percent, one panel for each model and one for the difference of two.

    Args:
        runs: the models, on one corruption suite.
        groups: heading -> corruptions, in order.
        labels: corruption -> its short name; the name itself where it has none.
    """
    levels = sorted({cell.severity for run in runs for cell in run.results.cells} - {0})
    names = [name for group in groups.values() for name in group]
    panels = [_errors(run, names, levels) for run in runs]
    if len(runs) == 2:
        panels.append(panels[1] - panels[0])
    rows = -(-len(panels) // _PANELS)
    columns = min(len(panels), _PANELS)
    side = _CELL * len(names)
    breaks = np.cumsum([len(group) for group in groups.values()])[:-1]
    width = TEXT_WIDTH if columns > 1 else 3.6
    room = (0.995 * width - _LEFT) / (columns + 0.05 * (columns - 1))
    titles = [in_lines(run.title, room, TITLE_LETTERS) for run in runs]
    titles += ["difference (second - first)"] if len(runs) == 2 else []
    over = 0.2 + TITLE_LINE * max(title.count("\n") for title in titles)
    height = rows * (side + over + 0.22) + 0.1
    with sheet(height, width=width) as figure:
        axes = figure.subplots(rows, columns, squeeze=False)
        for axis in axes.flat[len(panels) :]:
            axis.set_axis_off()
        for place, (axis, values, title) in enumerate(zip(axes.flat, panels, titles, strict=False)):
            _panel(axis, values, levels, difference=len(runs) == 2 and place == 2)
            for edge in breaks:
                axis.axhline(edge, color=PAPER, linewidth=2.5)
            shown = [] if place % columns else [_row_label(name, labels) for name in names]
            axis.set_yticks(np.arange(len(shown)) + 0.5, shown)
            axis.set_title(title, loc="left", fontsize=TITLE_LETTERS)
        figure.subplots_adjust(
            left=_LEFT / width,
            right=0.995,
            top=1 - over / height,
            bottom=0.3 / height,
            wspace=0.05,
            hspace=(over + 0.22) / side,
        )
    return figure


def _row_label(name: str, labels: Mapping[str, str] | None) -> str:
    return fitted((labels or {}).get(name, name), _LEFT - 0.05, TICK_LETTERS)


def _errors(run: ModelRun, names: Sequence[str], levels: Sequence[int]) -> Floats:
    """Return the errors (corruptions, severities); NaN where a cell was not evaluated."""
    errors = {(cell.name, cell.severity): cell.scores["error"] for cell in run.results.cells}
    return np.array([[errors.get((name, level), np.nan) for level in levels] for name in names])


def _panel(axis: Axes, values: Floats, levels: Sequence[int], *, difference: bool) -> None:
    largest = max(0.05, float(np.nanmax(np.abs(values)))) if np.isfinite(values).any() else 1.0
    scale: dict[str, Any] = {"cmap": "viridis", "vmin": 0, "vmax": max(0.5, largest)}
    if difference:
        scale = {"cmap": "PuOr_r", "vmin": -largest, "vmax": largest}
    mesh = axis.pcolormesh(values, edgecolors=PAPER, linewidth=0.8, **scale)
    axis.invert_yaxis()
    axis.set_xticks(np.arange(len(levels)) + 0.5, list(map(str, levels)))
    axis.set_xlabel("severity", labelpad=1)
    axis.tick_params(length=0, pad=2)
    for spine in axis.spines.values():
        spine.set_visible(False)
    shades = np.asarray(mesh.to_rgba(values))
    for (row, column), value in np.ndenumerate(values):
        if np.isfinite(value):
            shade = shades[row, column]
            bright = 0.299 * shade[0] + 0.587 * shade[1] + 0.114 * shade[2] < 0.5
            text = f"{100 * value:{'+' if difference else ''}z.0f}"
            axis.text(
                column + 0.5,
                row + 0.52,
                text,
                ha="center",
                va="center",
                fontsize=5.8,
                color=_BRIGHT if bright else _DARK,
            )
