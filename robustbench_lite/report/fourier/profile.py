"""Fourier sensitivity against spatial frequency alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from robustbench_lite.report.figures.canvas import (
    COLUMN,
    LINES,
    blank_figure,
    note_height,
    note_lines,
    percent,
    write_note,
)
from robustbench_lite.report.figures.legend import legend_above, legend_height
from robustbench_lite.report.figures.style import looks
from robustbench_lite.report.fourier.fourier_map import METRICS, FourierMap
from robustbench_lite.report.fourier.heatmap import checked_maps

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_ROOM_BELOW: Final = 0.02
"""Share of the axis below the lowest value, so that a line at 0 is visible above the axis."""


def plot_radial_profile(maps: FourierMap | Mapping[str, FourierMap], *, note: bool = True) -> Figure:
    """Draw the metric against spatial frequency with 95 % bootstrap bands; dotted lines are clean errors.

    Args:
        maps: one map, or several by their titles, all of one metric, norm and map size.
        note: write below how to read the figure.

    Raises:
        InvalidInput: no map, or maps that can't share an axis.
    """
    panels = checked_maps(maps)
    first = next(iter(panels.values()))
    note_text = note_lines(_note(first), COLUMN) if note else ""
    names = looks(list(panels)) if len(panels) > 1 else {}
    lines = {title: replace(look, marker="", dashes="-") for title, look in names.items()}
    above = legend_height(lines, COLUMN) if lines else 0.06
    with blank_figure(COLUMN) as figure:
        bottom = 0.34 + note_height(note_text)
        height = 1.69 + above + bottom
        figure.set_figheight(height)
        axis = figure.add_axes((0.155, bottom / height, 0.815, 1 - (bottom + above) / height))
        for colour, (title, one) in zip(LINES * len(panels), panels.items(), strict=False):
            line = one.profile
            axis.fill_between(line.radius, line.low, line.high, color=colour, alpha=0.22, linewidth=0)
            axis.plot(line.radius, line.value, color=colour, linewidth=1.2, label=title)
            if one.metric == "error":
                axis.axhline(one.baseline, color=colour, linewidth=0.8, linestyle=(0, (1, 2)))
        _mark_corners(axis, first)
        axis.set_xlim(0, max(1.0, first.profile.radius[-1]))
        low = min(0.0, *(value for one in panels.values() for value in one.profile.value))
        high = axis.get_ylim()[1]
        axis.set_ylim(bottom=low - _ROOM_BELOW * (high - low))
        axis.set_xlabel("spatial frequency (cycles/image)", labelpad=1.5)
        axis.set_ylabel(METRICS[first.metric], labelpad=2)
        percent(axis.yaxis)
        axis.locator_params(axis="x", integer=True)
        for side in ("top", "right"):
            axis.spines[side].set_visible(False)
        if lines:
            legend_above(figure, lines)
        write_note(figure, note_text)
    return figure


def _mark_corners(axis: Axes, one: FourierMap) -> None:
    """Shade the rings beyond the map's edges: they hold its corners only."""
    edge, last = min(one.values.shape) / 2, one.profile.radius[-1]
    if last > edge:
        axis.axvspan(edge, last, color="0.5", alpha=0.12, linewidth=0)
        place = axis.get_xaxis_transform()
        axis.text((edge + last) / 2, 0.985, "corners", transform=place, va="top", ha="center", fontsize=6)


def _note(one: FourierMap) -> str:
    dotted = " Dotted: the error without a perturbation." if one.metric == "error" else ""
    return (
        f"The heatmap averaged over rings of equal frequency; l2 norm {one.norm:g} a channel, n = {one.n:,} "
        f"images. Bands: 95 % bootstrap intervals over images.{dotted}"
    )
