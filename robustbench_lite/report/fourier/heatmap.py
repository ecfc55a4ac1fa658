"""Heatmaps of Fourier sensitivity on one colour scale, with perturbed images that point to their cells."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from robustbench_lite.errors import InvalidInput
from robustbench_lite.report.figures.canvas import (
    COLUMN,
    MARKED,
    TEXT_WIDTH,
    TITLE_LETTERS,
    blank_figure,
    draw_map,
    note_height,
    note_lines,
    percent,
    write_note,
)
from robustbench_lite.report.figures.legend import TITLE_LINE
from robustbench_lite.report.figures.text import in_lines
from robustbench_lite.report.fourier.fourier_map import METRICS, FourierMap, PerturbedImage
from robustbench_lite.report.fourier.grid import GAP, Grid, columns_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_MOST: Final = 4
"""Maps in a row."""

_WIDE: Final = 2
"""Inches; a wider map has room for several frequencies on either side of zero."""


def plot_fourier_heatmap(
    maps: FourierMap | Mapping[str, FourierMap],
    *,
    vmax: float | None = None,
    examples: bool = True,
    note: bool = True,
) -> Figure:
    """Draw heatmaps on one colour scale, up to four in a row, with perturbed images beside their cells.

    Args:
        maps: one map, or several by their titles, all of one metric, norm and map size.
        vmax: top of the colour scale, a fraction; by default the largest value, rounded up to 5 %.
        examples: draw the first map's perturbed images.
        note: write below how to read the figure, with norm and number of images.

    Raises:
        InvalidInput: no map, or maps that can't share a scale.

    Source: Yin et al. 2019, figure 3; AugMix (Hendrycks et al. 2020), figure 9.
    """
    panels = checked_maps(maps)
    first = next(iter(panels.values()))
    top = _round_up(max(float(one.values.max()) for one in panels.values())) if vmax is None else vmax
    low = min(0.0, *(float(one.values.min()) for one in panels.values()))
    shown = first.examples if examples else ()
    width = COLUMN if len(panels) == 1 else TEXT_WIDTH
    note_text = note_lines(_note(first), width) if note else ""
    grid = _grid(panels, width, examples=bool(shown), note=note_text)
    with blank_figure(width) as figure:
        axes = grid.axes(figure, ticks="right")
        write_note(figure, note_text)
        ticks = 3 if grid.side > _WIDE else 1
        images = [
            draw_map(axis, one.values, ticks=ticks, vmin=low, vmax=top)
            for axis, one in zip(axes, panels.values(), strict=True)
        ]
        for axis, title in zip(axes, _titles(panels, grid.side), strict=True):
            axis.set_title(title, pad=3)
        # On the right, where no line from an example crosses it.
        grid.label(figure, vertical_at=width - 0.7)
        for axis, example in zip(_pictures(figure, grid, len(shown)), shown, strict=True):
            _draw_example(figure, axis, axes[0], example)
        bar = grid.bar(figure, from_right=0.6)
        scale = figure.colorbar(images[0], cax=bar, extend="neither" if vmax is None else "max")
        percent(scale.ax.yaxis)
        scale.set_label(METRICS[first.metric], labelpad=2)
    return figure


def checked_maps(maps: FourierMap | Mapping[str, FourierMap]) -> dict[str, FourierMap]:
    """Return the maps by title; a single map has no title.

    Raises:
        InvalidInput: no map, or maps that can't share a scale.
    """
    panels = {"": maps} if isinstance(maps, FourierMap) else dict(maps)
    if not panels:
        raise InvalidInput("there is no map to draw")
    kinds = {(one.metric, one.norm, one.image_size, one.values.shape) for one in panels.values()}
    if len(kinds) > 1:
        raise InvalidInput(
            "maps on one scale need the same metric, norm, image size and map size, got "
            + " and ".join(sorted(map(str, kinds)))
        )
    return panels


def _grid(panels: Mapping[str, FourierMap], width: float, *, examples: bool, note: str) -> Grid:
    """Return the places of the maps, beside the examples and above the note."""
    rows, columns = next(iter(panels.values())).values.shape
    below = 0.32 + note_height(note)
    grid = Grid(
        count=len(panels),
        columns=columns_of(len(panels), _MOST),
        shape=(rows, columns),
        width=width,
        left=0.84 if examples else 0.1,
        right=1.06,
        below=below,
        title=0.07,
    )
    lines = max(title.count("\n") for title in _titles(panels, grid.side))
    return replace(grid, title=0.2 + TITLE_LINE * lines) if any(panels) else grid


def _titles(panels: Mapping[str, FourierMap], side: float) -> list[str]:
    return [in_lines(title, side, TITLE_LETTERS) for title in panels]


def _pictures(figure: Figure, grid: Grid, count: int) -> list[Axes]:
    """Add the axes of the example images beside the first row, so that no line crosses another map."""
    if not count:
        return []
    each = min(0.7, (grid.tall - GAP * (count - 1)) / count)
    step = (grid.tall - each) / max(1, count - 1)
    top = grid.bottom(0) + grid.tall
    return [grid.at(figure, 0.05, top - each - k * step, each, each) for k in range(count)]


def _draw_example(figure: Figure, axis: Axes, onto: Axes, example: PerturbedImage) -> None:
    """Draw a perturbed image, with a line from its right edge to its cell."""
    from matplotlib.patches import ConnectionPatch

    axis.imshow(example.pixels, interpolation="nearest")
    axis.set_xticks([])
    axis.set_yticks([])
    for spine in axis.spines.values():
        spine.set_color(MARKED)
        spine.set_linewidth(0.9)
    i, j = example.frequency
    for colour, width in (("white", 1.8), (MARKED, 0.9)):
        line = ConnectionPatch(
            xyA=(1, 0.5),
            coordsA=axis.transAxes,
            xyB=(j, i),
            coordsB=onto.transData,
            color=colour,
            linewidth=width,
        )
        figure.add_artist(line)
    onto.plot([j], [i], "o", color=MARKED, markersize=3, markeredgecolor="white", markeredgewidth=0.6)


def _round_up(value: float) -> float:
    return max(0.05, math.ceil(value * 20 - 1e-9) / 20)


def _note(one: FourierMap) -> str:
    what = {
        "error": "the error",
        "flip": "the share of predictions that change",
        "confidence": "the mean fall of the predicted class's probability",
    }[one.metric]
    return (
        f"A cell is {what} over n = {one.n:,} images, when each carries the Fourier basis image of that "
        f"frequency: l2 norm {one.norm:g} a channel, signs at random, clipped to [0, 1]. Frequency 0 is in "
        "the centre, fine waves at the rim. Bright: waves that mislead the model."
    )
