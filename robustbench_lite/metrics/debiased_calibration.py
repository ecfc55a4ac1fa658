"""Calibration errors without the upward bias of their bins, with intervals that cover the true value.

A bin's gap between accuracy and confidence contains sampling noise. Squaring the gap, or taking its absolute
value, turns that noise into error: a perfectly calibrated model shows an RMS calibration error of about 4 %
with bins of 100, however many images there are. The functions here subtract what the noise adds.
"""

from __future__ import annotations

from robustbench_lite.metrics.calibration import BIN_SIZE
from robustbench_lite.metrics.calibration_parts import Estimate, signed_gaps, squared_gaps
from robustbench_lite.metrics.inputs import Numbers


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
        bin_size: the same as in `debiased_rms_calibration_error`.

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
        confidences: the same as in `debiased_rms_calibration_error`.
        correct: the same as in `debiased_rms_calibration_error`.
        bin_size: the same as in `debiased_rms_calibration_error`.

    Raises:
        InvalidInput: as `debiased_rms_calibration_error`.

    Source: Feldman and Cousins 1998 (unified intervals at a bound); Wilson and Hilferty 1931 (the cube root
        of chi-squared is nearly normal).
    """
    return squared_gaps(confidences, correct, bin_size=bin_size).estimate()


def debiased_expected_calibration_estimate(
    confidences: Numbers, correct: Numbers, *, bin_size: int = BIN_SIZE
) -> Estimate:
    """Return `debiased_expected_calibration_error` with a 95 % interval for the true value.

    The true value is the mean of |confidence - P(correct | confidence)|. Signs that may be wrong make the
    estimate too small; the interval's upper end allows for what they may hide.

    Args:
        confidences: the same as in `debiased_rms_calibration_error`.
        correct: the same as in `debiased_rms_calibration_error`.
        bin_size: the same as in `debiased_rms_calibration_error`.

    Raises:
        InvalidInput: as `debiased_rms_calibration_error`.

    Source: as `debiased_expected_calibration_error`; Feldman and Cousins 1998 for the interval.
    """
    return signed_gaps(confidences, correct, bin_size=bin_size).estimate()
