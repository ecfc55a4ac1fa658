"""Heatmaps of Fourier sensitivity, several on one colour scale, with perturbed images that point to cells."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from robustbench_lite.errors import InvalidInput
from robustbench_lite.report.fourier_canvas import (
    COLUMN,
    MARKED,
    NOTE_LINE,
    TEXT_WIDTH,
    blank_figure,
    draw_map,
    percent,
    wrapped,
    write_note,
)
from robustbench_lite.report.fourier_map import METRICS, Example, FourierMap
from robustbench_lite.report.plot_legend import TITLE_LINE, broken

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_TITLE: Final = 7.5
_LABEL: Final = 1.3
"""Inches that the axis's label needs, below which one map of a row carries it for all."""


def plot_fourier_heatmap(
    maps: FourierMap | Mapping[str, FourierMap],
    *,
    vmax: float | None = None,
    examples: bool = True,
    note: bool = True,
) -> Figure:
    """Heatmaps side by side on one colour scale, beside perturbed images that point to their cells.

    Args:
        maps: one map, or several by their titles, all of one metric, norm and map size.
        vmax: top of the colour scale, a fraction; by default the largest value, rounded up to 5 %.
        examples: draw the first map's perturbed images.
        note: write below how the figure is read, with norm and number of images.

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
    text = wrapped(_note(first), width) if note else ""
    with blank_figure(width) as figure:
        places = _places(figure, panels, examples=bool(shown), note=text)
        axes, pictures, bar = _axes(figure, len(panels), len(shown), places)
        images = [
            draw_map(axis, one.values, ticks=3 if places["side"] > 2 else 1, vmin=low, vmax=top)
            for axis, one in zip(axes, panels.values(), strict=True)
        ]
        for axis, title in zip(axes, _titles(panels, places["side"]), strict=True):
            axis.set_title(title, pad=3)
            axis.yaxis.tick_right()
            if places["side"] > _LABEL or axis is axes[len(axes) // 2]:
                axis.set_xlabel("horizontal (cycles/image)", labelpad=1.5)
            if axis is not axes[-1]:
                axis.set_yticklabels([])
        # On the right, where no line from an example crosses it.
        axes[-1].yaxis.set_label_position("right")
        axes[-1].set_ylabel("vertical (cycles/image)", labelpad=1)
        for axis, example in zip(pictures, shown, strict=True):
            _draw_example(figure, axis, axes[0], example)
        scale = figure.colorbar(images[0], cax=bar, extend="neither" if vmax is None else "max")
        percent(scale.ax.yaxis)
        scale.set_label(METRICS[first.metric], labelpad=2)
        write_note(figure, text)
    return figure


def checked_maps(maps: FourierMap | Mapping[str, FourierMap]) -> dict[str, FourierMap]:
    """The maps by title; a single one has none.

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


def _places(
    figure: Figure, panels: Mapping[str, FourierMap], *, examples: bool, note: str
) -> dict[str, float]:
    """Places in inches: the maps' sides and the margins; sets the figure's height."""
    rows, columns = next(iter(panels.values())).values.shape
    width = float(figure.get_figwidth())
    left, right, gap = (0.84 if examples else 0.06), 0.94, 0.08
    side = (width - left - right - gap * (len(panels) - 1)) / len(panels)
    below = 0.32 + (NOTE_LINE * (note.count("\n") + 1) + 0.05 if note else 0.0)
    tall = side * rows / columns
    lines = max(title.count("\n") for title in _titles(panels, side))
    figure.set_figheight(tall + below + (0.2 + TITLE_LINE * lines if any(panels) else 0.05))
    return {"left": left, "side": side, "tall": tall, "below": below, "gap": gap}


def _titles(panels: Mapping[str, FourierMap], side: float) -> list[str]:
    return [broken(title, side, _TITLE) for title in panels]


def _axes(
    figure: Figure, panels: int, examples: int, place: Mapping[str, float]
) -> tuple[list[Axes], list[Axes], Axes]:
    """Axes of the maps, of the example images and of the colour bar."""
    width, height = float(figure.get_figwidth()), float(figure.get_figheight())

    def at(left: float, bottom: float, wide: float, tall: float) -> Axes:
        return figure.add_axes((left / width, bottom / height, wide / width, tall / height))

    step = place["side"] + place["gap"]
    maps = [at(place["left"] + k * step, place["below"], place["side"], place["tall"]) for k in range(panels)]
    each = min(0.7, (place["tall"] - 0.08 * (examples - 1)) / examples) if examples else 0.0
    between = (place["tall"] - examples * each) / (examples - 1) if examples > 1 else 0.0
    top = place["below"] + place["tall"]
    pictures = [at(0.03, top - each - k * (each + between), each, each) for k in range(examples)]
    bar = at(width - 0.54, place["below"], 0.09, place["tall"])
    return maps, pictures, bar


def _draw_example(figure: Figure, axis: Axes, onto: Axes, example: Example) -> None:
    """A perturbed image, with a line from its right edge to its cell."""
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
