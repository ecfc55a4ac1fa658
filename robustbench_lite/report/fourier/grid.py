"""Panels of one size in rows of about equal length; only the outer panels have frequency labels."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

GAP: Final = 0.08
"""Inches between two panels."""


def columns_of(count: int, most: int) -> int:
    """Return the panels of a row: at most `most`, in as few rows as possible; six are 3 + 3, not 5 + 1."""
    return math.ceil(count / math.ceil(count / most))


@dataclass(frozen=True)
class Grid:
    """The places of panels in a figure; lengths in inches.

    Attributes:
        count: number of panels.
        columns: panels in a row.
        shape: (rows, columns) of cells of a panel.
        width: the width of the figure.
        left: room to the left of the panels.
        right: room to the right of the panels.
        below: room below the panels.
        title: room above each row of panels.
    """

    count: int
    columns: int
    shape: tuple[int, int]
    width: float
    left: float
    right: float
    below: float
    title: float

    @property
    def side(self) -> float:
        """Width of a panel."""
        return (self.width - self.left - self.right - GAP * (self.columns - 1)) / self.columns

    @property
    def tall(self) -> float:
        """Height of a panel."""
        return self.side * self.shape[0] / self.shape[1]

    @property
    def rows(self) -> int:
        """Rows of panels."""
        return math.ceil(self.count / self.columns)

    @property
    def height(self) -> float:
        """Height of the figure."""
        return self.below + self.rows * (self.tall + self.title) + (self.rows - 1) * GAP

    def at(self, figure: Figure, left: float, bottom: float, wide: float, tall: float) -> Axes:
        """Add axes to the figure; lengths in inches."""
        return figure.add_axes(
            (left / self.width, bottom / self.height, wide / self.width, tall / self.height)
        )

    def bottom(self, place: int) -> float:
        """Lower edge of a panel."""
        row = place // self.columns
        return self.height - (row + 1) * (self.title + self.tall) - row * GAP

    def axes(self, figure: Figure, ticks: Literal["left", "right"]) -> list[Axes]:
        """Add the axes of the panels, row by row, and set the figure's height.

        Args:
            figure: a figure as wide as the grid.
            ticks: the side of a row that has the labels of the vertical frequencies.
        """
        figure.set_figheight(self.height)
        panels = []
        for place in range(self.count):
            column = place % self.columns
            left = self.left + column * (self.side + GAP)
            axis = self.at(figure, left, self.bottom(place), self.side, self.tall)
            last = column == self.columns - 1 or place == self.count - 1
            if ticks == "right":
                axis.yaxis.tick_right()
            axis.tick_params(
                labelleft=ticks == "left" and column == 0,
                labelright=ticks == "right" and last,
                labelbottom=place + self.columns >= self.count,
            )
            panels.append(axis)
        return panels

    def label(self, figure: Figure, vertical_at: float) -> None:
        """Write one label for all horizontal axes and, at `vertical_at`, one for all vertical axes."""
        across = (self.left + self.width - self.right) / 2 / self.width
        figure.text(
            across, (self.below - 0.29) / self.height, "horizontal (cycles/image)", ha="center", va="bottom"
        )
        top = self.height - self.title
        figure.text(
            vertical_at / self.width,
            (self.below + top) / 2 / self.height,
            "vertical (cycles/image)",
            rotation=90,
            ha="center",
            va="center",
        )

    def bar(self, figure: Figure, from_right: float) -> Axes:
        """Add the axes of a colour bar, as high as all panels, `from_right` from the right edge."""
        tall = self.height - self.below - self.title
        return self.at(figure, self.width - from_right, self.below, 0.09, tall)
