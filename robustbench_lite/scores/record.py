"""What a score is: how it follows from the predictions of a cell, and how it is printed."""

from __future__ import annotations

import importlib
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import numpy as np

from robustbench_lite.errors import InvalidInput

Array = np.ndarray[Any, Any]
Columns = Mapping[str, Array]
"""Per-example columns of a cell, as `predictions/NAME-SEVERITY.npz` keeps them."""

Function = Callable[[Columns], Any]


@dataclass(frozen=True)
class Presentation:
    """How a score is printed.

    Attributes:
        title: Its name in a line of text, without a unit.
        heading: Its name above a narrow column, without a unit.
        digits: The decimals that are printed.
        percent: Whether a fraction is printed as a percentage.
        hidden: Whether only CSV and JSON show it.
    """

    title: str
    heading: str = ""
    digits: int = 1
    percent: bool = True
    hidden: bool = False

    @property
    def unit(self) -> str:
        """What follows the name in a heading: " %" or nothing."""
        return " %" if self.percent else ""


class ScoreParts(Protocol):
    """What the estimate of a cell's score, or of its mean over cells, is made of.

    Attributes:
        influence: How much each image moves the estimate to first order, around 0, (n,).
    """

    @property
    def influence(self) -> Array: ...  # noqa: D102

    def estimate(self) -> tuple[float, float, float]:
        """The value and the two ends of its 95 % interval; fractions."""

    @staticmethod
    def combined(parts: Any, weights: Sequence[float], *, apart: bool) -> ScoreParts:
        """The parts of the weighted mean over cells; `apart` says whether each has images of its own."""


@dataclass(frozen=True)
class Score:
    """One score of a cell; lower is better.

    A score is the mean of `per_image`, or the number that `value` gives, or what `parts` estimate. A score of
    `value` that has a headline needs `influence`, from which its interval follows.

    Attributes:
        name: Its key in `results.json` and its column in `cells.csv`.
        shown: How it is printed.
        per_image: Columns -> one number for each image (or video), float64 (n,).
        value: Columns -> the score of the cell; a function, or "module:function".
        influence: Columns -> how much each image moves the score to first order, (n,).
        parts: Columns -> the parts of an estimate that has its own 95 % interval, as `ScoreParts`.
        of: Whether it scores "images" or "videos".
        needs: The columns without which a cell lacks the score.
        least_images: The fewest images of a cell for which the score is defined.
        largest: The most that the score can be.
        headline: Its mean over the cells of a suite is a headline of this name; None where it has none.
    """

    name: str
    shown: Presentation
    per_image: Function | None = None
    value: Function | str | None = None
    influence: Function | str | None = None
    parts: Function | str | None = None
    of: Literal["images", "videos"] = "images"
    needs: tuple[str, ...] = ()
    least_images: int = 1
    largest: float = math.inf
    headline: str | None = None

    def __post_init__(self) -> None:
        if (self.per_image is None) + (self.value is None) + (self.parts is None) != 2:
            raise InvalidInput(
                f"the score {self.name!r} needs one of per_image, value and parts, and no more than one"
            )

    @property
    def is_mean(self) -> bool:
        """Whether the score is a mean over images."""
        return self.per_image is not None

    @property
    def is_estimable(self) -> bool:
        """Whether a sample of the images can estimate the score."""
        return self.per_image is not None or self.parts is not None

    def defined(self, columns: Columns, count: int) -> bool:
        """Whether a cell with these columns and so many images has the score."""
        return count >= self.least_images and all(name in columns for name in self.needs)

    def of_cell(self, columns: Columns) -> float:
        """The score of a cell, in float64."""
        if self.per_image is not None:
            return float(np.mean(self.per_image(columns), dtype=np.float64))
        if self.parts is not None:
            return self.parts_of(columns).estimate()[0]
        return _function(self.value)(columns)  # type: ignore[no-any-return]

    def influence_of(self, columns: Columns) -> Array:
        """How much each image moves the cell's score to first order, around a mean of zero: float64 (n,).

        Raises:
            InvalidInput: the score is no mean over images and says nothing of its influence.
        """
        if self.per_image is not None:
            values = np.asarray(self.per_image(columns), dtype=np.float64)
        elif self.influence is not None:
            values = np.asarray(_function(self.influence)(columns), dtype=np.float64)
        else:
            raise InvalidInput(
                f"the score {self.name!r} has no influence values, so it can't have an interval"
            )
        centred: Array = values - values.mean()
        return centred

    def parts_of(self, columns: Columns) -> ScoreParts:
        """The parts of a cell's estimate."""
        parts: ScoreParts = _function(self.parts)(columns)
        return parts


def _function(source: Function | str | None) -> Function:
    if callable(source):
        return source
    module, _, name = str(source).partition(":")
    function: Function = getattr(importlib.import_module(module), name)
    return function
