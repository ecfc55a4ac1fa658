"""Calibration of the predicted class's confidence: RMS calibration error, ECE, reliability curves."""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from robustbench_lite.errors import InvalidInput
from robustbench_lite.metrics.inputs import BoolArray, FloatArray, Numbers, confidences_and_correct

BIN_SIZE: Final = 100
"""Predictions in a bin of the RMS calibration error, in the paper."""


class ReliabilityCurve(NamedTuple):
    """Non-empty bins in order of confidence: mean confidence, accuracy, number of predictions."""

    confidence: FloatArray
    accuracy: FloatArray
    size: npt.NDArray[np.int64]


def rms_calibration_error(
    confidences: Numbers, correct: Numbers, *, bin_size: int = BIN_SIZE, drop_last_bin: bool = False
) -> float:
    """Return the root mean square gap between confidence and accuracy over bins of equal count, 0 to 1.

    Predictions are sorted by confidence (ties keep their order) and cut into bins of `bin_size`; the last bin
    takes the remainder, so it holds up to 2 * bin_size - 1, or everything where there are fewer predictions
    than one bin. For a suite: one score a cell, then the mean over cells.

    Args:
        confidences: (n,), softmax probability of the predicted class.
        correct: (n,), whether the prediction is right.
        bin_size: predictions in a bin.
        drop_last_bin: leave the most confident bin out, as the authors' released loop does; with fewer than
            2 * bin_size predictions nothing is left and the value is 0.0, as theirs.

    Raises:
        InvalidInput: empty, lengths differ, confidences outside [0, 1], or fewer than `bin_size` predictions
            with `drop_last_bin` (the released loop fails there).

    Source: AugMix (arXiv 1912.02781), formula (3), every bin in the sum; with `drop_last_bin`
        hendrycks/outlier-exposure utils/calibration_tools.py, calib_err.
    """
    confidence, right = confidences_and_correct(confidences, correct)
    index, gaps = _rms_gaps(confidence, right, bin_size, drop_last_bin)
    return float(np.sqrt((gaps**2)[index].mean()))


def expected_calibration_error(confidences: Numbers, correct: Numbers, *, bins: int = 15) -> float:
    """Return ECE: the mean absolute gap between confidence and accuracy over bins of equal width, 0 to 1.

    Args:
        confidences: (n,), softmax probability of the predicted class.
        correct: (n,), whether the prediction is right.
        bins: number of bins (low, high] that divide [0, 1]; 1.0 is in the last, 0.0 in the first.

    Raises:
        InvalidInput: empty, lengths differ, or confidences outside [0, 1].

    Source: Guo et al. 2017, equation (3), with 15 bins.
    """
    confidence, right = confidences_and_correct(confidences, correct)
    gaps = np.bincount(_equal_width_bins(confidence, bins), weights=right - confidence)
    return float(np.abs(gaps).sum() / len(right))


def reliability_curve(
    confidences: Numbers, correct: Numbers, *, bins: int = 15, bin_size: int | None = None
) -> ReliabilityCurve:
    """Return mean confidence and accuracy of each non-empty bin.

    Args:
        confidences: (n,), softmax probability of the predicted class.
        correct: (n,), whether the prediction is right.
        bins: number of bins of equal width, those of `expected_calibration_error`.
        bin_size: predictions in a bin: the bins of `rms_calibration_error` instead.

    Raises:
        InvalidInput: empty, lengths differ, or confidences outside [0, 1].

    Source: Guo et al. 2017, equations (1) and (2).
    """
    confidence, right = confidences_and_correct(confidences, correct)
    if bin_size is None:
        index = _equal_width_bins(confidence, bins)
    else:
        index = _equal_count_bins(confidence, bin_size)
    count = np.bincount(index)
    used = count > 0
    count = count[used]
    return ReliabilityCurve(
        confidence=np.bincount(index, weights=confidence)[used] / count,
        accuracy=np.bincount(index, weights=right)[used] / count,
        size=count,
    )


def rms_calibration_influence(
    confidences: Numbers, correct: Numbers, *, bin_size: int = BIN_SIZE, drop_last_bin: bool = False
) -> FloatArray:
    """Return per-prediction values whose mean is the squared RMS calibration error, for the bootstrap.

    With a bin's gap g = accuracy - confidence and a prediction's own d = correct - confidence, the value is
    2 g d - g^2: the first-order expansion of the squared error around the sample, bins held fixed. The
    squared error of a resample is then the resampled mean, clipped at 0 (`bootstrap_means`). Re-binning each
    resample instead would be biased upwards: a bin's squared gap contains its sampling variance, and
    resampling adds that variance a second time.

    Raises:
        InvalidInput: as `rms_calibration_error`.

    Source: Efron & Tibshirani 1993, chapter 22 (the infinitesimal jackknife), applied to AugMix formula (3).
    """
    confidence, right = confidences_and_correct(confidences, correct)
    index, gaps = _rms_gaps(confidence, right, bin_size, drop_last_bin)
    return (2 * (right - confidence) - gaps[index]) * gaps[index]


def expected_calibration_influence(confidences: Numbers, correct: Numbers, *, bins: int = 15) -> FloatArray:
    """Return per-prediction values whose mean is the ECE, for the bootstrap.

    The value is the prediction's own gap, correct - confidence, times the sign of its bin's: the first-order
    expansion of ECE, bins and signs held fixed. A resample's ECE is the resampled mean, clipped at 0.

    Raises:
        InvalidInput: as `expected_calibration_error`.

    Source: Efron & Tibshirani 1993, chapter 22, applied to Guo et al. 2017, equation (3).
    """
    confidence, right = confidences_and_correct(confidences, correct)
    index = _equal_width_bins(confidence, bins)
    own = right - confidence
    return np.sign(np.bincount(index, weights=own))[index] * own


def _rms_gaps(
    confidence: FloatArray, right: BoolArray, bin_size: int, drop_last_bin: bool
) -> tuple[npt.NDArray[np.int64], FloatArray]:
    """Bin of each prediction, and each bin's accuracy minus confidence (0 for a bin that is left out)."""
    if drop_last_bin and len(confidence) < bin_size:
        raise InvalidInput(
            f"drop_last_bin needs at least one bin of {bin_size} predictions, but there are {len(confidence)}"
        )
    index = _equal_count_bins(confidence, bin_size)
    gaps: FloatArray = np.bincount(index, weights=right - confidence) / np.bincount(index)
    if drop_last_bin:
        gaps[-1] = 0.0
    return index, gaps


def _equal_count_bins(confidence: FloatArray, bin_size: int) -> npt.NDArray[np.int64]:
    """Bin of each prediction, in the order given."""
    if bin_size < 1:
        raise InvalidInput(f"bin_size must be at least 1, but is {bin_size}")
    places = np.arange(len(confidence)) // bin_size
    last = max(len(confidence) // bin_size, 1) - 1
    index = np.empty(len(confidence), dtype=np.int64)
    index[np.argsort(confidence, kind="stable")] = np.minimum(places, last)
    return index


def _equal_width_bins(confidence: FloatArray, bins: int) -> npt.NDArray[np.int64]:
    if bins < 1:
        raise InvalidInput(f"bins must be at least 1, but is {bins}")
    inner_edges = np.linspace(0, 1, bins + 1)[1:-1]
    return np.searchsorted(inner_edges, confidence, side="left").astype(np.int64)
