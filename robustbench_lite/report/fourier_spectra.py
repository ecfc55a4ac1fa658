"""Where in frequency corruptions change an image."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import numpy as np

from robustbench_lite.errors import InvalidInput
from robustbench_lite.report.fourier_canvas import (
    COLUMN,
    NOTE_LINE,
    TEXT_WIDTH,
    blank_figure,
    draw_map,
    wrapped,
    write_note,
)
from robustbench_lite.report.fourier_map import Spectrum

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

DECADES: Final = 4
"""Orders of magnitude of the colour scale."""

_LEFT, _RIGHT, _TOP, _GAP, _TITLE = 0.42, 0.62, 0.2, 0.08, 0.16


def plot_spectra(spectra: Sequence[Spectrum], *, note: bool = True) -> Figure:
    """How each corruption's change is spread over frequencies: its power spectrum, on one logarithmic scale.

    Each panel is divided by its own sum, so that panels compare where the power lies and not how much it is.

    Raises:
        InvalidInput: no spectrum.

    Source: Yin et al. 2019, figure 2. Differs: power |F|^2, not the amplitude |F| (both are in the record).
    """
    if not spectra:
        raise InvalidInput("there is no spectrum to draw; name at least one corruption")
    from matplotlib.colors import LogNorm

    shares = [one.power / max(float(one.power.sum()), float(np.finfo(float).tiny)) for one in spectra]
    top = max(float(share.max()) for share in shares) or 1.0
    scale_from_to = LogNorm(top / 10**DECADES, top)
    columns = min(5, len(spectra))
    rows = -(-len(spectra) // columns)
    width = COLUMN if columns <= 2 else TEXT_WIDTH
    text = wrapped(_note(spectra), width) if note else ""
    below = 0.33 + (NOTE_LINE * (text.count("\n") + 1) + 0.05 if note else 0.0)
    with blank_figure(width, formulas=True) as figure:
        axes, bar = _axes(figure, len(spectra), rows, columns, below)
        images = []
        for axis, one, share in zip(axes, spectra, shares, strict=True):
            image = draw_map(axis, np.maximum(share, top / 10**DECADES), ticks=1, norm=scale_from_to)
            images.append(image)
            axis.set_title(f"{one.name.replace('_', ' ')} {one.severity}", pad=2.5)
        scale = figure.colorbar(images[0], cax=bar)
        scale.set_label("share of the change's power", labelpad=1)
        height = float(figure.get_figheight())
        middle = (below + height - _TOP) / 2 / height
        figure.text(0.03 / width, middle, "vertical (cycles/image)", rotation=90, va="center", ha="left")
        centre = (_LEFT + width - _RIGHT) / 2 / width
        figure.text(centre, (below - 0.29) / height, "horizontal (cycles/image)", ha="center", va="bottom")
        write_note(figure, text)
    return figure


def _axes(figure: Figure, count: int, rows: int, columns: int, below: float) -> tuple[list[Axes], Axes]:
    """Axes of the panels, row by row, and of the colour bar; sets the figure's height."""
    width = float(figure.get_figwidth())
    side = (width - _LEFT - _RIGHT - _GAP * (columns - 1)) / columns
    height = below + rows * side + (rows - 1) * (_GAP + _TITLE) + _TOP
    figure.set_figheight(height)
    axes = []
    for place in range(count):
        row, column = divmod(place, columns)
        left = _LEFT + column * (side + _GAP)
        bottom = height - _TOP - side - row * (side + _GAP + _TITLE)
        axis = figure.add_axes((left / width, bottom / height, side / width, side / height))
        axis.tick_params(labelleft=column == 0, labelbottom=place + columns >= count)
        axes.append(axis)
    tall = height - below - _TOP
    return axes, figure.add_axes((1 - 0.54 / width, below / height, 0.09 / width, tall / height))


def _note(spectra: Sequence[Spectrum]) -> str:
    return (
        f"Mean |F(corrupted - clean)|² over n = {spectra[0].n:,} images and three channels, each panel "
        "divided by its sum; severity behind the name. Frequency 0 is in the centre. Bright: frequencies "
        "that the corruption changes most."
    )
