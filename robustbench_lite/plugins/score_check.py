"""A trial of a user's score on made-up predictions, before it is registered."""

from __future__ import annotations

import math
import traceback
from collections.abc import Callable
from typing import Any, Final

import numpy as np

from robustbench_lite.errors import InvalidInput
from robustbench_lite.scores import HEADLINES, SCORES, Score
from robustbench_lite.scores.record import Array, Columns

_IMAGES: Final = 240
_FRAMES: Final = 5
_OPTIONAL: Final = ("label_rank", "top5", "top5_distance")


def check_score(name: str, score: Score) -> None:
    """Try a score on the predictions of 240 made-up images or videos.

    Raises:
        InvalidInput: its name differs from the record's, its headline is taken, or a function fails or
            returns something else than numbers.
    """
    if score.name != name:
        raise InvalidInput(f"the score is registered as {name!r}, and its record has the name {score.name!r}")
    taken = {*HEADLINES, *(one.headline for one in SCORES.values() if one.name != name)}
    if score.headline is not None and score.headline in taken:
        raise InvalidInput(f"there is already a headline named {score.headline!r}; choose another name")
    columns = {
        key: values
        for key, values in _columns(score.of).items()
        if key not in _OPTIONAL or key in score.needs
    }
    lacking = [key for key in score.needs if key not in columns]
    if lacking:
        raise InvalidInput(
            f"the score {name!r} needs the columns {', '.join(lacking)}; {score.of} have "
            f"{', '.join(_columns(score.of))}"
        )
    if score.per_image is not None:
        _one_per_image(f"per_image of the score {name!r}", score.per_image, columns)
    if callable(score.influence):
        _one_per_image(f"influence of the score {name!r}", score.influence, columns)
    if score.per_image is None:
        function = score.parts if score.value is None else score.value
        value = _called(f"the score {name!r}", function, lambda: score.of_cell(columns), columns)
        if not isinstance(value, int | float | np.number) or not math.isfinite(value):
            raise InvalidInput(f"expected the score {name!r} to be a finite number, got {value!r}")
    if score.value is not None and score.headline is not None and score.influence is None:
        raise InvalidInput(
            f"the headline {score.headline!r} of the score {name!r} has an interval, which follows from "
            "influence=FUNCTION: give it, or give no headline"
        )


def _one_per_image(what: str, function: Callable[[Columns], Any], columns: Columns) -> None:
    values = np.asarray(_called(what, function, lambda: function(columns), columns))
    if values.shape != (_IMAGES,) or values.dtype.kind not in "biuf":
        raise InvalidInput(
            f"expected {what} to return one number for each image, shape ({_IMAGES},), got {values.dtype} of "
            f"shape {values.shape}"
        )


def _called(what: str, function: object, call: Callable[[], Any], columns: Columns) -> Any:
    try:
        return call()
    except Exception as error:
        file = getattr(getattr(function, "__code__", None), "co_filename", None)
        frames = traceback.extract_tb(error.__traceback__)
        frame = [one for one in frames if one.filename == file][-1:] or frames[-1:]
        hint = ""
        if isinstance(error, KeyError) and error.args[0] in _OPTIONAL:
            hint = f"; not every cell has this column: state needs=({error.args[0]!r},)"
        elif isinstance(error, KeyError):
            hint = f"; the columns are {', '.join(columns)}"
        raise InvalidInput(
            f"{what} fails at {frame[0].filename}, line {frame[0].lineno}: {type(error).__name__}: {error}"
            f"{hint}"
        ) from error


def _columns(of: str) -> dict[str, Array]:
    rng = np.random.default_rng(0)
    if of == "videos":
        predictions = rng.integers(0, 30, (_IMAGES, _FRAMES)).astype(np.uint16)
        return {
            "predictions": predictions,
            "flips": rng.random(_IMAGES, np.float32),
            "zipf_distance": rng.random(_IMAGES, np.float32),
            "top5": rng.integers(0, 30, (_IMAGES, _FRAMES, 5)).astype(np.uint16),
            "top5_distance": rng.random(_IMAGES, np.float32),
        }
    return {
        "label": rng.integers(0, 30, _IMAGES).astype(np.uint16),
        "prediction": rng.integers(0, 30, _IMAGES).astype(np.uint16),
        "confidence": rng.uniform(0.1, 1, _IMAGES).astype(np.float32),
        "nll": rng.random(_IMAGES, np.float32),
        "brier": rng.random(_IMAGES, np.float32),
        "label_rank": rng.integers(0, 30, _IMAGES).astype(np.uint16),
    }
