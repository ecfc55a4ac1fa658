"""The table of scores, one entry each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np

from robustbench_lite.scores.record import Array, Columns, Function, Presentation, Score

_CALIBRATION: Final = "robustbench_lite.metrics.cell_calibration:"
_TOP: Final = 5


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


def built_in(score: Score) -> bool:
    """Whether a score is one of the toolkit's own."""
    return score in _ENTRIES


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
