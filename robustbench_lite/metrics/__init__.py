"""The papers' scores as functions of tensors, arrays or lists; fractions in and out.

A suite's errors are a mapping corruption -> five errors; a baseline is the same, from `reference.baseline`.
"""

from __future__ import annotations

from robustbench_lite.metrics.bootstrap import bootstrap_means, percentile_interval
from robustbench_lite.metrics.brier import brier_score, top_label_brier_score
from robustbench_lite.metrics.calibration import (
    ReliabilityCurve,
    expected_calibration_error,
    expected_calibration_influence,
    reliability_curve,
    rms_calibration_error,
    rms_calibration_influence,
)
from robustbench_lite.metrics.debiased_calibration import (
    debiased_expected_calibration_error,
    debiased_expected_calibration_estimate,
    debiased_rms_calibration_error,
    debiased_rms_calibration_estimate,
)
from robustbench_lite.metrics.error import (
    corruption_error,
    error_rate,
    mean_corruption_error,
    mean_unnormalized_corruption_error,
    relative_corruption_error,
    relative_mean_corruption_error,
    unnormalized_corruption_error,
)
from robustbench_lite.metrics.flips import (
    flip_probability,
    flip_rate,
    mean_flip_probability,
    mean_flip_rate,
    mean_top5_distance,
)
from robustbench_lite.metrics.ranks import top5_distance, zipf_distance
from robustbench_lite.metrics.sampling import (
    difference_interval,
    exact_share_interval,
    normal_interval,
    sampling_variance,
    share_interval,
    systematic_sample,
)

__all__ = [
    "ReliabilityCurve",
    "bootstrap_means",
    "brier_score",
    "corruption_error",
    "debiased_expected_calibration_error",
    "debiased_expected_calibration_estimate",
    "debiased_rms_calibration_error",
    "debiased_rms_calibration_estimate",
    "difference_interval",
    "error_rate",
    "exact_share_interval",
    "expected_calibration_error",
    "expected_calibration_influence",
    "flip_probability",
    "flip_rate",
    "mean_corruption_error",
    "mean_flip_probability",
    "mean_flip_rate",
    "mean_top5_distance",
    "mean_unnormalized_corruption_error",
    "normal_interval",
    "percentile_interval",
    "relative_corruption_error",
    "relative_mean_corruption_error",
    "reliability_curve",
    "rms_calibration_error",
    "rms_calibration_influence",
    "sampling_variance",
    "share_interval",
    "systematic_sample",
    "top5_distance",
    "top_label_brier_score",
    "unnormalized_corruption_error",
    "zipf_distance",
]
