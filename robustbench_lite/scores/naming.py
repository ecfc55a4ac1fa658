"""The names of headline scores, and how each is printed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Final

from robustbench_lite.scores.record import Presentation
from robustbench_lite.scores.table import HEADLINES, SCORES, built_in

ESTIMATED: Final = "estimated_"
"""Begins the name of every headline score that was estimated from a part of the images."""

CLEAN_PREFIX: Final = "clean_"
SELECTED: Final = "selected_"
DIFFICULTY: Final = "_difficulty_"

_CELL_SCORE: Final = {
    "mean_error": "error",
    "mean_flip_probability": "flip_probability",
    "mfp": "flip_probability",
}
"""The mean of a selection of cells has no name of its own: it is called as the cells' score."""


_PEOPLE: Final = ("Brier", "Zipf")


def own_presentations(names: Iterable[str]) -> dict[str, Presentation]:
    """How scores that a user added are printed, by their names and by the names of their headlines."""
    own = [SCORES[name] for name in names if name in SCORES and not built_in(SCORES[name])]
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
    """A title behind another word: "Error" becomes "error"; abbreviations and people's names stay."""
    first = title.split(" ")[0].rstrip(",")
    if first in _PEOPLE or first[1:] != first[1:].lower():
        return title
    return title[0].lower() + title[1:]


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
