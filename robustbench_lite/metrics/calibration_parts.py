"""The parts of debiased calibration errors: of one cell, and of the mean over cells."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.special import ndtr

from robustbench_lite.errors import InvalidInput
from robustbench_lite.metrics.inputs import BoolArray, FloatArray, Numbers, confidences_and_correct
from robustbench_lite.metrics.unified_intervals import TWO_SIDED, accepted, unified_interval

LEAST_PREDICTIONS: Final = 2
"""Fewer predictions than these show no noise, so nothing can be subtracted."""

_MOST_BINS_OF_FEW: Final = 20
_SMALLEST_BIN: Final = 10
_SIGN_WINDOW: Final = 0.15
_GRID: Final = 4001


class Estimate(NamedTuple):
    """A calibration error and its 95 % interval; fractions."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class SquaredGaps:
    """The debiased squared calibration error of a cell, or of the mean over cells.

    Attributes:
        square: The estimate of the squared error; it may be negative.
        noise: What sampling noise adds to the plain squared error.
        null_variance: The variance of the estimate for a calibrated model.
        growth: How much the variance grows with the squared error.
        influence: First-order influence of each prediction on the square, around 0, in the order given.
        residuals: Each prediction's difference from the mean gap of its bin, in the order given.
    """

    square: float
    noise: float
    null_variance: float
    growth: float
    influence: FloatArray
    residuals: FloatArray

    @staticmethod
    def combined(parts: Sequence[SquaredGaps], weights: Sequence[float], *, apart: bool) -> SquaredGaps:
        """The weighted mean of squared errors over cells.

        Args:
            parts: The cells.
            weights: One for each cell; they sum to 1.
            apart: Whether each cell has images of its own. Otherwise image i is the same in all of them.
        """
        shares = np.asarray(weights, dtype=np.float64)
        deviations = shares * np.sqrt([part.null_variance for part in parts])
        # Two cells share noise as far as their outcomes agree; in equal bins by the squared correlation.
        agreement = np.eye(len(parts)) if apart else _correlations([part.residuals for part in parts]) ** 2
        return SquaredGaps(
            square=float(shares @ [part.square for part in parts]),
            noise=float(shares @ [part.noise for part in parts]),
            null_variance=float(deviations @ agreement @ deviations),
            growth=float(shares**2 @ [part.growth for part in parts]),
            influence=_combined_influence([part.influence for part in parts], shares, apart=apart),
            residuals=parts[0].residuals,
        )

    def estimate(self) -> Estimate:
        """The root of the squared error with its 95 % interval."""
        value = float(np.sqrt(max(self.square, 0.0)))
        if self.null_variance == 0:  # all predictions of a bin have the same difference: there is no noise
            return Estimate(value, value, value)
        growth = self.growth
        if self.square > 0:
            first_order = float(self.influence @ self.influence) / len(self.influence) ** 2
            growth = max(growth, (first_order - 2 * self.null_variance) / self.square)
        largest = max(4 * abs(self.square), 40 * np.sqrt(self.null_variance))
        tested = np.linspace(0, 1, _GRID) ** 2 * largest
        spread = np.sqrt(self.null_variance + growth * tested)
        mean = self.noise + tested
        freedom = 2 * mean**2 / spread**2
        total = max(self.square + self.noise, np.finfo(np.float64).tiny)
        score = (np.cbrt(total / mean) - (1 - 2 / (9 * freedom))) / np.sqrt(2 / (9 * freedom))
        low, high = accepted(tested, score + tested / spread, tested / spread)
        return Estimate(value, float(np.sqrt(low)), float(np.sqrt(min(high, 1.0))))


@dataclass(frozen=True)
class SignedGaps:
    """The debiased mean absolute calibration error of a cell, or of the mean over cells.

    Attributes:
        total: The sum of the signed gaps; it may be negative.
        plain: The sum of the absolute gaps, with its bias.
        hidden: What wrong signs may hide.
        doubt: How uncertain the signs are: 0 where all are certain, on average 0.5 where none is.
        influence: First-order influence of each prediction on the total, around 0, in the order given.
    """

    total: float
    plain: float
    hidden: float
    doubt: float
    influence: FloatArray

    @staticmethod
    def combined(parts: Sequence[SignedGaps], weights: Sequence[float], *, apart: bool) -> SignedGaps:
        """The weighted mean over cells; arguments as in `SquaredGaps.combined`."""
        shares = np.asarray(weights, dtype=np.float64)
        return SignedGaps(
            total=float(shares @ [part.total for part in parts]),
            plain=float(shares @ [part.plain for part in parts]),
            hidden=float(shares @ [part.hidden for part in parts]),
            doubt=float(shares @ [part.doubt for part in parts]),
            influence=_combined_influence([part.influence for part in parts], shares, apart=apart),
        )

    def estimate(self) -> Estimate:
        """The mean absolute error with its 95 % interval."""
        value = max(self.total, 0.0)
        # Neighbours share the noise of their signs: twice the variance where no sign is certain.
        variance = float(self.influence @ self.influence) / len(self.influence) ** 2 * (1 + 2 * self.doubt)
        if variance == 0:
            return Estimate(value, value, value)
        error = np.sqrt(variance)
        low = unified_interval(self.total / error)[0] * error
        high = unified_interval((self.total + self.hidden) / error)[1] * error
        high = min(high, self.plain + TWO_SIDED * error, 1.0)
        return Estimate(value, float(low), float(max(low, high)))


def squared_gaps(confidences: Numbers, correct: Numbers, *, bin_size: int) -> SquaredGaps:
    """Return the parts of `debiased_rms_calibration_estimate` for one cell.

    Raises:
        InvalidInput: as `debiased_rms_calibration_error`.
    """
    bins = _bins(*confidences_and_correct(confidences, correct), bin_size)
    weights, gaps = bins.weights, bins.gaps[bins.place]
    influence = 2 * gaps * bins.own - gaps**2
    return SquaredGaps(
        square=float(weights @ (bins.gaps**2 - bins.noise)),
        noise=float(weights @ bins.noise),
        null_variance=float(2 * (weights**2) @ (bins.noise**2)),
        growth=4 * float((weights**2) @ bins.noise),
        influence=bins.in_given_order(influence - influence.mean()),
        residuals=bins.in_given_order(bins.own - gaps),
    )


def signed_gaps(confidences: Numbers, correct: Numbers, *, bin_size: int) -> SignedGaps:
    """Return the parts of `debiased_expected_calibration_estimate` for one cell.

    Raises:
        InvalidInput: as `debiased_rms_calibration_error`.
    """
    bins = _bins(*confidences_and_correct(confidences, correct), bin_size)
    nearby, deviation = _neighbours(bins)
    signs = np.where(nearby >= 0, 1.0, -1.0)
    total = float(bins.weights @ (signs * bins.gaps))
    doubt = 2 * ndtr(-np.abs(nearby) / np.maximum(deviation, np.finfo(np.float64).tiny))
    return SignedGaps(
        total=total,
        plain=float(bins.weights @ np.abs(bins.gaps)),
        hidden=float(bins.weights @ (np.abs(nearby) * doubt)),
        doubt=float(bins.weights @ doubt),
        influence=bins.in_given_order(signs[bins.place] * bins.own - total),
    )


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


def _combined_influence(influences: Sequence[FloatArray], weights: FloatArray, *, apart: bool) -> FloatArray:
    """Influence on a weighted mean: of an image that all cells share, or of the cells' own images in a row.

    The variance of a mean is the sum of squared influence values over the squared number of them. Values of
    cells in a row are scaled, so that this number may be that of all cells.
    """
    if not apart:
        shared: FloatArray = weights @ np.stack(influences)
        return shared
    count = sum(map(len, influences))
    return np.concatenate([w * count / len(one) * one for w, one in zip(weights, influences, strict=True)])


def _correlations(residuals: Sequence[FloatArray]) -> FloatArray:
    """Correlations between the cells' residuals, image by image; cells without noise have none."""
    rows = np.stack(residuals)
    lengths = np.sqrt((rows**2).sum(axis=1, keepdims=True))
    rows = rows / np.maximum(lengths, np.finfo(np.float64).tiny)
    correlations: FloatArray = rows @ rows.T
    np.fill_diagonal(correlations, 1.0)
    return correlations
