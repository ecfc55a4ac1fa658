"""Calibration errors without the upward bias of their bins, with intervals that cover the true value.

A bin's gap between accuracy and confidence contains sampling noise. Squaring the gap, or taking its absolute
value, turns that noise into error: a perfectly calibrated model shows an RMS calibration error of about 4 %
with bins of 100, however many images there are. The functions here subtract what the noise adds.
"""

from __future__ import annotations

import functools
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.special import ndtr, ndtri

from robustbench_lite.errors import InvalidInput
from robustbench_lite.metrics.calibration import BIN_SIZE
from robustbench_lite.metrics.inputs import BoolArray, FloatArray, Numbers, confidences_and_correct

LEAST_PREDICTIONS: Final = 2
"""Fewer predictions than these show no noise, so nothing can be subtracted."""

_MOST_BINS_OF_FEW: Final = 20
_SMALLEST_BIN: Final = 10
_SIGN_WINDOW: Final = 0.15
_GRID: Final = 4001
_TWO_SIDED: Final = float(ndtri(0.975))


class Estimate(NamedTuple):
    """A calibration error and its 95 % interval; fractions."""

    value: float
    low: float
    high: float


class _Bins(NamedTuple):
    """Predictions in order of confidence, cut into bins.

    Attributes:
        order: places of the predictions in order of confidence, (n,).
        place: bin of each ordered prediction, (n,).
        size: predictions in each bin.
        gaps: mean of (confidence - correct) in each bin.
        noise: unbiased estimate of each gap's sampling variance.
        own: confidence - correct of each ordered prediction, (n,).
    """

    order: npt.NDArray[np.int64]
    place: npt.NDArray[np.int64]
    size: FloatArray
    gaps: FloatArray
    noise: FloatArray
    own: FloatArray

    @property
    def weights(self) -> FloatArray:
        """Share of the predictions in each bin."""
        shares: FloatArray = self.size / self.size.sum()
        return shares

    def in_given_order(self, values: FloatArray) -> FloatArray:
        """Values of ordered predictions in the order in which the predictions were given."""
        result = np.empty_like(values)
        result[self.order] = values
        return result


def debiased_rms_calibration_error(
    confidences: Numbers, correct: Numbers, *, bin_size: int = BIN_SIZE
) -> float:
    """Return the RMS calibration error without the bias of its bins, 0 to 1.

    The squared error is the weighted mean over bins of (gap squared - sampling variance of the gap), and the
    value is its square root, or 0 where the mean is negative. The variance is that of a bin's mean of
    (confidence - correct), estimated from the spread of these differences, so a calibrated bin adds 0 on
    average.

    Args:
        confidences: (n,), softmax probability of the predicted class.
        correct: (n,), whether the prediction is right.
        bin_size: predictions in a bin of neighbouring confidences; the last bin takes the remainder. Fewer
            than 20 * bin_size predictions are cut into 20 bins of at least 10 instead, because wide bins
            hide errors of opposite sign.

    Raises:
        InvalidInput: fewer than two predictions, lengths differ, or confidences outside [0, 1].

    Source: Kumar, Liang and Ma 2019, "Verified uncertainty calibration", section 5 (the debiased estimator
        of the squared error); Bröcker 2012, "Estimating reliability and resolution of probability forecasts".
    Differs: their variance is accuracy * (1 - accuracy) / (size - 1), which also counts how the accuracy
        varies with the confidence inside a bin; the spread of the differences leaves that out.
    """
    return debiased_rms_calibration_estimate(confidences, correct, bin_size=bin_size).value


def debiased_expected_calibration_error(
    confidences: Numbers, correct: Numbers, *, bin_size: int = BIN_SIZE
) -> float:
    """Return the expected calibration error without the bias of its bins, 0 to 1.

    A bin's gap counts with the sign of the mean gap of the neighbouring bins, which its own noise did not
    influence, instead of its own sign: a calibrated bin then adds 0 on average, and a bin whose neighbours
    err in the same direction adds its gap. The value is 0 where the sum is negative. Bins are those of
    `debiased_rms_calibration_error`, not the 15 of equal width of `expected_calibration_error`.

    Args:
        confidences: (n,), softmax probability of the predicted class.
        correct: (n,), whether the prediction is right.
        bin_size: as in `debiased_rms_calibration_error`.

    Raises:
        InvalidInput: fewer than two predictions, lengths differ, or confidences outside [0, 1].

    Source: Guo et al. 2017, equation (3), in bins of equal count; the sign from other data is sample
        splitting (Cox 1975). No estimator of a mean absolute value is unbiased without such an assumption of
        smoothness (Cai and Low 2011).
    """
    return debiased_expected_calibration_estimate(confidences, correct, bin_size=bin_size).value


def debiased_rms_calibration_estimate(
    confidences: Numbers, correct: Numbers, *, bin_size: int = BIN_SIZE
) -> Estimate:
    """Return `debiased_rms_calibration_error` with a 95 % interval for the true value.

    The true value is the root mean square of confidence - P(correct | confidence) over the distribution that
    the images come from. The interval holds every value whose 95 % acceptance region contains the estimate.
    The estimate of the squared error is treated as a scaled chi-squared variable, whose spread depends on the
    tested value, and the acceptance region is ordered by likelihood ratio: the interval ends at 0 where the
    data agree with perfect calibration.

    Args:
        confidences: as in `debiased_rms_calibration_error`.
        correct: as in `debiased_rms_calibration_error`.
        bin_size: as in `debiased_rms_calibration_error`.

    Raises:
        InvalidInput: as `debiased_rms_calibration_error`.

    Source: Feldman and Cousins 1998 (unified intervals at a bound); Wilson and Hilferty 1931 (the cube root
        of chi-squared is nearly normal).
    """
    bins = _bins(*confidences_and_correct(confidences, correct), bin_size)
    weights, gaps, noise = bins.weights, bins.gaps, bins.noise
    square = float(weights @ (gaps**2 - noise))
    offset, null_variance = float(weights @ noise), float(2 * (weights**2) @ (noise**2))
    if null_variance == 0:  # every prediction of a bin has the same difference: there is no noise
        exact = float(np.sqrt(max(square, 0.0)))
        return Estimate(exact, exact, exact)
    growth = 4 * float((weights**2) @ noise)
    if square > 0:
        influence = rms_influence_of(bins)
        first_order = float(influence @ influence) / len(influence) ** 2
        growth = max(growth, (first_order - 2 * null_variance) / square)
    largest = max(4 * abs(square), 40 * np.sqrt(null_variance))
    tested = np.linspace(0, 1, _GRID) ** 2 * largest
    spread = np.sqrt(null_variance + growth * tested)
    mean = offset + tested
    freedom = 2 * mean**2 / spread**2
    total = max(square + offset, np.finfo(np.float64).tiny)
    score = (np.cbrt(total / mean) - (1 - 2 / (9 * freedom))) / np.sqrt(2 / (9 * freedom))
    low, high = _accepted(tested, score + tested / spread, tested / spread)
    return Estimate(float(np.sqrt(max(square, 0.0))), float(np.sqrt(low)), float(np.sqrt(min(high, 1.0))))


def debiased_expected_calibration_estimate(
    confidences: Numbers, correct: Numbers, *, bin_size: int = BIN_SIZE
) -> Estimate:
    """Return `debiased_expected_calibration_error` with a 95 % interval for the true value.

    The true value is the mean of |confidence - P(correct | confidence)|. Signs that may be wrong make the
    estimate too small; the interval's upper end allows for what they may hide.

    Args:
        confidences: as in `debiased_rms_calibration_error`.
        correct: as in `debiased_rms_calibration_error`.
        bin_size: as in `debiased_rms_calibration_error`.

    Raises:
        InvalidInput: as `debiased_rms_calibration_error`.

    Source: as `debiased_expected_calibration_error`; Feldman and Cousins 1998 for the interval.
    """
    bins = _bins(*confidences_and_correct(confidences, correct), bin_size)
    nearby, deviation = _neighbours(bins)
    signs = np.where(nearby >= 0, 1.0, -1.0)
    value = float(bins.weights @ (signs * bins.gaps))
    influence = signs[bins.place] * bins.own - value
    # Neighbours share their signs' noise: twice the variance where no sign is certain, none where all are.
    doubt = 2 * ndtr(-np.abs(nearby) / np.maximum(deviation, np.finfo(np.float64).tiny))
    variance = float(influence @ influence) / len(influence) ** 2 * (1 + 2 * float(bins.weights @ doubt))
    if variance == 0:
        exact = max(value, 0.0)
        return Estimate(exact, exact, exact)
    error = np.sqrt(variance)
    hidden = float(bins.weights @ (np.abs(nearby) * doubt))
    low = unified_interval(value / error)[0] * error
    high = unified_interval((value + hidden) / error)[1] * error
    plain = float(bins.weights @ np.abs(bins.gaps))
    high = min(high, plain + _TWO_SIDED * error, 1.0)
    return Estimate(max(value, 0.0), float(low), float(max(low, high)))


def rms_influence_of(bins: _Bins) -> FloatArray:
    """First-order influence of each ordered prediction on the squared error, around zero mean."""
    gaps = bins.gaps[bins.place]
    influence = 2 * gaps * bins.own - gaps**2
    centred: FloatArray = influence - influence.mean()
    return centred


def unified_interval(score: float) -> tuple[float, float]:
    """Return the 95 % interval for a mean m >= 0, given one normal observation of unit variance.

    Args:
        score: the observation; it may be negative.

    Returns:
        The lower and the upper end, both at least 0; the lower is 0 for scores up to 1.645.

    Source: Feldman and Cousins 1998, section IV.B.
    """
    means, lower, upper = _acceptance()
    if score > means[-1]:
        return score - _TWO_SIDED, score + _TWO_SIDED
    # Beyond the table both limits are a straight line away.
    high = np.interp(score, lower, means) if score <= lower[-1] else score + _TWO_SIDED
    return float(np.interp(score, upper, means)), float(high)


def _accepted(tested: FloatArray, score: FloatArray, means: FloatArray) -> tuple[float, float]:
    """Smallest and largest tested value whose acceptance region holds its score."""
    grid, lower, upper = _acceptance()
    low = np.where(means > grid[-1], means - _TWO_SIDED, np.interp(means, grid, lower))
    high = np.where(means > grid[-1], means + _TWO_SIDED, np.interp(means, grid, upper))
    inside = np.flatnonzero((low <= score) & (score <= high))
    if not len(inside):
        return 0.0, 0.0
    return float(tested[inside[0]]), float(tested[inside[-1]])


@functools.cache
def _acceptance() -> tuple[FloatArray, FloatArray, FloatArray]:
    """Means m from 0 to 10, and the 95 % acceptance region of an observation for each of them.

    The region is [m - d, m + d] where it lies above 0. Below 0 its lower end x has the same likelihood ratio
    as m + d: x m - m^2 / 2 = -d^2 / 2. The half-width d makes its probability 95 %.
    """
    means = np.linspace(0, 10, 2001)
    narrow, wide = np.zeros_like(means), np.full_like(means, 4.0)
    for _ in range(60):
        half = (narrow + wide) / 2
        enough = ndtr(half) - ndtr(_lower_end(means, half) - means) >= 0.95
        narrow, wide = np.where(enough, narrow, half), np.where(enough, half, wide)
    return means, _lower_end(means, wide), means + wide


def _lower_end(means: FloatArray, half: FloatArray) -> FloatArray:
    with np.errstate(divide="ignore"):
        below = np.where(means > 0, (means**2 - half**2) / (2 * np.maximum(means, 1e-12)), -np.inf)
    ends: FloatArray = np.where(means >= half, means - half, np.maximum(below, -40.0))
    return ends


def _bins(confidence: FloatArray, right: BoolArray, bin_size: int) -> _Bins:
    """Cut predictions, sorted by confidence, into bins of equal count."""
    count = len(confidence)
    if bin_size < LEAST_PREDICTIONS:
        raise InvalidInput(f"bin_size must be at least {LEAST_PREDICTIONS}, but is {bin_size}")
    if count < LEAST_PREDICTIONS:
        raise InvalidInput(f"a debiased calibration error needs {LEAST_PREDICTIONS} predictions, got {count}")
    of_few = max(_SMALLEST_BIN, count // _MOST_BINS_OF_FEW)
    length = min(bin_size, of_few, count)
    order = np.argsort(confidence, kind="stable").astype(np.int64)
    own = (confidence - right)[order]
    index = np.minimum(np.arange(count) // length, count // length - 1)
    size = np.bincount(index).astype(np.float64)
    gaps = np.bincount(index, weights=own) / size
    spread = np.bincount(index, weights=(own - gaps[index]) ** 2) / (size - 1)
    return _Bins(order, index, size, gaps, spread / size, own)


def _neighbours(bins: _Bins) -> tuple[FloatArray, FloatArray]:
    """Mean gap of the bins around each bin, itself left out, and that mean's standard deviation."""
    count = len(bins.size)
    reach = max(2, int(_SIGN_WINDOW * count))
    place = np.arange(count)
    start, stop = np.maximum(place - reach, 0), np.minimum(place + reach + 1, count)

    def around(values: FloatArray) -> FloatArray:
        sums = np.concatenate([[0.0], np.cumsum(values)])
        total: FloatArray = sums[stop] - sums[start] - values
        return total

    if count == 1:  # a single bin has no neighbours: its sign is its own
        return bins.gaps, np.sqrt(bins.noise)
    size = around(bins.size)
    mean = around(bins.gaps * bins.size) / size
    variance = np.maximum(around(bins.noise * bins.size**2), 0.0) / size**2
    return mean, np.sqrt(variance)
