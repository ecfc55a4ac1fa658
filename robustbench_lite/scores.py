"""The scores of a cell, one entry each: how a score follows from the predictions, and how it is shown.

`results.json`, `cells.csv`, the headline means, their intervals, tables, comparisons and reports follow this
table. No torch here: a score that needs it is named as "module:function" and loaded when it is computed.
"""

from __future__ import annotations

import importlib
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Literal, Protocol

import numpy as np

from robustbench_lite.errors import InvalidInput

Array = np.ndarray[Any, Any]
Columns = Mapping[str, Array]
"""Per-example columns of a cell, as `predictions/NAME-SEVERITY.npz` keeps them."""

Function = Callable[[Columns], Any]

ESTIMATED: Final = "estimated_"
"""Begins the name of every headline score that was estimated from a part of the images."""

CLEAN_PREFIX: Final = "clean_"
SELECTED: Final = "selected_"
DIFFICULTY: Final = "_difficulty_"

_CALIBRATION: Final = "robustbench_lite.metrics.cell_calibration:"
_TOP: Final = 5


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
    `value` needs `influence` to have an interval.

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


def _wrong(columns: Columns) -> Array:
    wrong: Array = columns["prediction"] != columns["label"]
    return wrong


def _top_label_brier(columns: Columns) -> Array:
    squares: Array = (columns["confidence"].astype(np.float64) - ~_wrong(columns)) ** 2
    return squares


def _column(name: str) -> Function:
    return lambda columns: columns[name].astype(np.float64)


_ENTRIES: Final = (
    Score(
        "n_wrong",
        Presentation("Wrong predictions", digits=0, percent=False),
        value=lambda c: int(_wrong(c).sum()),
    ),
    Score(
        "error",
        Presentation("Error"),
        per_image=lambda columns: 1.0 * _wrong(columns),
        largest=1.0,
        headline="mean_error",
    ),
    Score("mean_confidence", Presentation("Mean confidence"), per_image=_column("confidence"), largest=1.0),
    Score(
        "rms_calibration_error",
        Presentation("RMS calibration error", "RMS calib."),
        value=_CALIBRATION + "rms_error",
        influence=_CALIBRATION + "rms_influence",
        headline="rms_calibration_error",
    ),
    Score(
        "debiased_rms_calibration_error",
        Presentation("RMS calibration, debiased", "RMS calib., debiased"),
        parts=_CALIBRATION + "debiased_rms",
        least_images=2,
        headline="debiased_rms_calibration_error",
    ),
    Score(
        "expected_calibration_error",
        Presentation("ECE"),
        value=_CALIBRATION + "expected_error",
        influence=_CALIBRATION + "expected_influence",
        headline="expected_calibration_error",
    ),
    Score(
        "debiased_expected_calibration_error",
        Presentation("ECE, debiased"),
        parts=_CALIBRATION + "debiased_expected",
        least_images=2,
        headline="debiased_expected_calibration_error",
    ),
    Score(
        "brier_score",
        Presentation("Brier (0 to 2)", "Brier (0-2)", digits=3, percent=False),
        per_image=_column("brier"),
        largest=2.0,
        headline="brier_score",
    ),
    Score(
        "top_label_brier_score",
        Presentation("Brier, top label", digits=3, percent=False),
        per_image=_top_label_brier,
        largest=1.0,
        headline="top_label_brier_score",
    ),
    Score(
        "nll",
        Presentation("NLL", digits=3, percent=False),
        per_image=_column("nll"),
        headline="nll",
    ),
    Score(
        "rms_calibration_error_released",
        Presentation("RMS calibration error (released code)", "RMS calib. (released)", hidden=True),
        value=_CALIBRATION + "released_rms_error",
        influence=_CALIBRATION + "released_rms_influence",
        least_images=200,
        headline="rms_calibration_error_released",
    ),
    Score(
        "top5_error",
        Presentation("Top-5 error"),
        per_image=lambda columns: 1.0 * (columns["label_rank"] >= _TOP),
        needs=("label_rank",),
        largest=1.0,
        headline="top5_error",
    ),
    Score(
        "flip_probability",
        Presentation("Flip probability", "FP"),
        per_image=_column("flips"),
        of="videos",
        largest=1.0,
    ),
    Score(
        "top5_distance",
        Presentation("Top-5 distance", digits=2, percent=False),
        per_image=_column("top5_distance"),
        of="videos",
        needs=("top5_distance",),
        headline="mt5d",
    ),
    Score(
        "zipf_distance",
        Presentation("Zipf distance", digits=2, percent=False),
        per_image=_column("zipf_distance"),
        of="videos",
    ),
)

SCORES: dict[str, Score] = {score.name: score for score in _ENTRIES}
"""Every score by name, in the order of `results.json`. Add an entry for a score of your own."""

HEADLINES: Final[Mapping[str, Presentation]] = {
    "mce": Presentation("mCE"),
    "relative_mce": Presentation("Relative mCE"),
    "baseline_mce": Presentation("Mean CE"),
    "baseline_relative_mce": Presentation("Relative mean CE"),
    "mean_error": Presentation("Mean error"),
    "mfr": Presentation("mFR"),
    "mean_flip_rate": Presentation("Mean FR"),
    "mfp": Presentation("mFP"),
    "mean_flip_probability": Presentation("Mean FP"),
    "mt5d": Presentation("Top-5 distance", digits=2, percent=False),
}
"""The headlines with a name of their own; the others are called as the score of which they are the mean."""


_CELL_SCORE: Final = {
    "mean_error": "error",
    "mean_flip_probability": "flip_probability",
    "mfp": "flip_probability",
}
"""The mean of a selection of cells has no name of its own: it is called as the cells' score."""


def scores_of(columns: Columns, count: int) -> dict[str, float]:
    """The scores of one cell.

    Args:
        columns: Per-example columns of images or of videos.
        count: The images (or videos) of the cell.
    """
    kind = "videos" if "flips" in columns else "images"
    return {
        name: score.of_cell(columns)
        for name, score in SCORES.items()
        if score.of == kind and score.defined(columns, count)
    }


def own_presentations(names: Iterable[str]) -> dict[str, Presentation]:
    """How scores that a user added are printed, by their names and by the names of their headlines."""
    own = [SCORES[name] for name in names if name in SCORES and SCORES[name] not in _ENTRIES]
    return {score.name: score.shown for score in own} | {
        score.headline: score.shown for score in own if score.headline
    }


def presentation(key: str, recorded: Mapping[str, Presentation] | None = None) -> Presentation:
    """How a headline or a cell's score is printed.

    Args:
        key: Its name in `Results.summary`, or a score's. The prefixes `estimated_`, `clean_` and `selected_`
            and the suffix `_difficulty_N` are understood.
        recorded: Presentations that a results record brings along, for scores that are not in `SCORES`.
    """
    bare, _, difficulty = key.removeprefix(ESTIMATED).partition(DIFFICULTY)
    clean, bare = bare.startswith(CLEAN_PREFIX), bare.removeprefix(CLEAN_PREFIX)
    selected, bare = bare.startswith(SELECTED), bare.removeprefix(SELECTED)
    shown = _of_score(bare, recorded or {})
    if selected and bare in _CELL_SCORE:
        shown = SCORES[_CELL_SCORE[bare]].shown
    heading = shown.heading or shown.title
    if clean:
        shown = replace(shown, title=f"Clean {_lowered(shown.title)}", heading=f"Clean {_lowered(heading)}")
    if selected:
        shown = replace(shown, title=f"{shown.title} of the selection", heading=f"{heading} of the selection")
    if difficulty:
        shown = replace(shown, title=f"{shown.title}, difficulty {difficulty}")
    return replace(shown, heading=shown.heading or shown.title)


def _of_score(name: str, recorded: Mapping[str, Presentation]) -> Presentation:
    if name in recorded:
        return recorded[name]
    if name in HEADLINES:
        return HEADLINES[name]
    by_headline = {score.headline: score for score in SCORES.values() if score.headline}
    score = SCORES.get(name) or by_headline.get(name)
    return score.shown if score is not None else Presentation(name.replace("_", " ").capitalize())


def _lowered(title: str) -> str:
    """A title behind another word: "Error" becomes "error", "ECE" and "Brier" stay."""
    first = title.split(" ")[0].rstrip(",")
    return title[0].lower() + title[1:] if first in ("Error", "Mean", "Top-5", "Flip") else title


def headline_order(keys: Iterable[str]) -> list[str]:
    """Headline names in the order of the tables.

    The clean error comes first, then the suite's means and its other scores, then those of the clean images.
    """
    places = [*HEADLINES, *(score.headline for score in SCORES.values() if score.headline)]

    def place(key: str) -> tuple[int, int, str]:
        bare, _, difficulty = key.removeprefix(ESTIMATED).partition(DIFFICULTY)
        clean = bare.startswith(CLEAN_PREFIX)
        bare = bare.removeprefix(CLEAN_PREFIX).removeprefix(SELECTED)
        rank = places.index(bare) if bare in places else len(places)
        first = clean and bare in ("error", "top5_error")
        return (0 if first else 2 if clean else 1, rank, difficulty)

    return sorted(keys, key=place)
