"""The frequencies at which corruptions change an image."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import numpy as np

from robustbench_lite.errors import InvalidInput
from robustbench_lite.report.figures.canvas import (
    COLUMN,
    TEXT_WIDTH,
    TITLE_LETTERS,
    blank_figure,
    draw_map,
    note_height,
    note_lines,
    write_note,
)
from robustbench_lite.report.figures.text import fitted
from robustbench_lite.report.fourier.fourier_map import Spectrum
from robustbench_lite.report.fourier.grid import Grid, columns_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DECADES: Final = 4
"""Orders of magnitude of the colour scale."""

_MOST: Final = 5
"""Panels in a row."""


def plot_spectra(spectra: Sequence[Spectrum], *, note: bool = True) -> Figure:
    """Draw the power spectrum of each corruption's change on one logarithmic scale.

    Each panel is divided by the whole power of the change, including that outside a window: panels compare
    where the power lies, not how much it is.

    Raises:
        InvalidInput: no spectrum.

    Source: Yin et al. 2019, figure 2. Differs: power |F|^2, not the amplitude |F| (both are in the record).
    """
    if not spectra:
        raise InvalidInput("there is no spectrum to draw; name at least one corruption")
    from matplotlib.colors import LogNorm

    shares = [one.power / max(one.total, float(np.finfo(float).tiny)) for one in spectra]
    top = max(float(share.max()) for share in shares) or 1.0
    scale_from_to = LogNorm(top / 10**DECADES, top)
    columns = columns_of(len(spectra), _MOST)
    width = COLUMN if columns <= 2 else TEXT_WIDTH
    note_text = note_lines(_note(spectra), width) if note else ""
    grid = Grid(
        count=len(spectra),
        columns=columns,
        shape=(spectra[0].power.shape[0], spectra[0].power.shape[1]),
        width=width,
        left=0.42,
        right=0.66,
        below=0.33 + note_height(note_text),
        title=0.18,
    )
    with blank_figure(width, formulas=True) as figure:
        axes, images = grid.axes(figure, ticks="left"), []
        for axis, one, share in zip(axes, spectra, shares, strict=True):
            image = draw_map(axis, np.maximum(share, top / 10**DECADES), ticks=1, norm=scale_from_to)
            images.append(image)
            title = f"{one.name.replace('_', ' ')} {one.severity}"
            axis.set_title(fitted(title, grid.side, TITLE_LETTERS), pad=2.5)
        scale = figure.colorbar(images[0], cax=grid.bar(figure, from_right=0.58))
        scale.set_label("share of the power", labelpad=2.5)
        grid.label(figure, vertical_at=0.1)
        write_note(figure, note_text)
    return figure


def _note(spectra: Sequence[Spectrum]) -> str:
    return (
        f"Mean |F(corrupted - clean)|² over n = {spectra[0].n:,} images and three channels, each panel "
        "divided by the change's whole power; severity behind the name. Frequency 0 is in the centre. "
        "Bright: frequencies that the corruption changes most."
    )
