"""Debiased calibration errors: no bias for calibrated models, and intervals that cover the true value."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from scipy.special import expit, logit

from robustbench_lite import metrics
from robustbench_lite.errors import InvalidInput
from robustbench_lite.metrics.debiased_calibration import (
    debiased_expected_calibration_estimate,
    debiased_rms_calibration_estimate,
)
from robustbench_lite.metrics.unified_intervals import unified_interval

Array = np.ndarray
MODELS: dict[str, Callable[[Array], Array]] = {
    "calibrated": lambda confidence: confidence,
    "slightly over-confident": lambda confidence: expit(0.9 * logit(confidence)),
    "over-confident": lambda confidence: expit(0.6 * logit(confidence) - 0.15),
    "over- and under-confident": lambda confidence: expit(0.6 * logit(confidence) + 0.6),
}
"""Probability that a prediction of this confidence is right."""


def confidences(generator: np.random.Generator, count: int) -> Array:
    return np.clip(expit(np.abs(generator.normal(2.2, 2.0, count))), 0.5, 1 - 1e-9)


def predictions(model: str, generator: np.random.Generator, count: int) -> tuple[Array, Array]:
    confidence = confidences(generator, count)
    return confidence, generator.random(count) < MODELS[model](confidence)


def true_errors(model: str) -> tuple[float, float]:
    confidence = confidences(np.random.default_rng(99), 2_000_000)
    gap = confidence - MODELS[model](confidence)
    return float(np.sqrt((gap**2).mean())), float(np.abs(gap).mean())


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize(("count", "samples"), [(500, 1200), (5000, 500), (50_000, 120)])
def test_the_intervals_cover_the_true_value_in_95_percent_of_the_samples(
    model: str, count: int, samples: int
) -> None:
    generator = np.random.default_rng([count, len(model)])
    true_rms, true_ece = true_errors(model)
    rms, ece = 0, 0
    for _ in range(samples):
        confidence, correct = predictions(model, generator, count)
        interval = debiased_rms_calibration_estimate(confidence, correct)
        rms += interval.low <= true_rms <= interval.high
        interval = debiased_expected_calibration_estimate(confidence, correct)
        ece += interval.low <= true_ece <= interval.high
    # The true coverage lies between .93 and .97; 24 shares of this many samples are within 2.5 deviations.
    room = 2.5 * np.sqrt(0.05 * 0.95 / samples)
    assert 0.93 - room <= rms / samples <= 0.97 + room
    assert 0.93 - room <= ece / samples <= 0.97 + room


@pytest.mark.parametrize("count", [2000, 50_000])
def test_a_calibrated_model_shows_its_bins_without_and_next_to_nothing_with_the_correction(
    count: int,
) -> None:
    generator = np.random.default_rng(1)
    plain, debiased = [], []
    for _ in range(20):
        confidence, correct = predictions("calibrated", generator, count)
        plain.append(metrics.rms_calibration_error(confidence, correct))
        debiased.append(metrics.debiased_rms_calibration_error(confidence, correct))
    assert np.mean(plain) > 0.02
    assert np.mean(debiased) < np.mean(plain) / 3


def test_the_squared_error_is_unbiased_where_all_of_a_bin_have_one_confidence() -> None:
    # Ten confidences, 100 predictions each, accuracy 0.1 below: the true RMS error is 0.1 exactly.
    generator = np.random.default_rng(2)
    confidence = np.repeat(np.linspace(0.5, 0.95, 10), 100)
    squares, weights = [], np.full(10, 0.1)
    for _ in range(4000):
        correct = generator.random(1000) < confidence - 0.1
        gaps = (confidence - correct).reshape(10, 100)
        squares.append(weights @ (gaps.mean(axis=1) ** 2 - gaps.var(axis=1, ddof=1) / 100))
    value = metrics.debiased_rms_calibration_error(confidence, correct, bin_size=50)
    assert np.mean(squares) == pytest.approx(0.01, abs=3e-4)
    assert value == pytest.approx(np.sqrt(_literal_square(confidence, correct, 50)))


def _literal_square(confidence: Array, correct: Array, size: int) -> float:
    """The definition bin by bin, for sorted confidences whose number is a multiple of the bin's."""
    total = 0.0
    for start in range(0, len(confidence), size):
        gaps = (confidence - correct)[start : start + size]
        total += size / len(confidence) * (gaps.mean() ** 2 - gaps.var(ddof=1) / size)
    return max(total, 0.0)


@pytest.mark.parametrize(
    ("observation", "low", "high"),
    [(-3.0, 0.0, 0.42), (-1.0, 0.0, 1.10), (0.0, 0.0, 1.96), (1.0, 0.0, 2.96), (2.0, 0.35, 3.96)],
)
def test_the_unified_interval_is_the_published_one(observation: float, low: float, high: float) -> None:
    # Feldman and Cousins 1998, Table X, 95 % confidence.
    assert unified_interval(observation) == pytest.approx((low, high), abs=0.006)


def test_far_from_the_bound_the_unified_interval_is_the_usual_one() -> None:
    assert unified_interval(25.0) == pytest.approx((25 - 1.96, 25 + 1.96), abs=1e-3)
    assert unified_interval(9.9) == pytest.approx((9.9 - 1.96, 9.9 + 1.96), abs=1e-3)


@pytest.mark.parametrize(
    "estimate", [debiased_rms_calibration_estimate, debiased_expected_calibration_estimate]
)
def test_an_estimate_depends_on_the_set_of_predictions_and_lies_in_its_interval(
    estimate: Callable[..., tuple[float, float, float]],
) -> None:
    generator = np.random.default_rng(3)
    for count in (2, 3, 11, 150, 2001):
        confidence, correct = predictions("over-confident", generator, count)
        order = generator.permutation(count)
        value, low, high = estimate(confidence, correct)
        assert 0 <= low <= high <= 1
        assert low - 1e-12 <= value
        assert estimate(confidence[order], correct[order]) == pytest.approx((value, low, high), abs=1e-9)


@pytest.mark.parametrize("score", ["debiased_rms_calibration_error", "debiased_expected_calibration_error"])
def test_predictions_without_noise_have_an_exact_error(score: str) -> None:
    # All right at a confidence of 0.75: every difference is -0.25, and nothing is random.
    value = getattr(metrics, score)(np.full(400, 0.75), np.ones(400, bool))
    assert value == pytest.approx(0.25)


@pytest.mark.parametrize("score", ["debiased_rms_calibration_error", "debiased_expected_calibration_error"])
def test_one_prediction_and_bins_of_one_are_refused(score: str) -> None:
    with pytest.raises(InvalidInput, match="needs 2 predictions, got 1"):
        getattr(metrics, score)([0.5], [True])
    with pytest.raises(InvalidInput, match="bin_size must be at least 2, but is 1"):
        getattr(metrics, score)([0.5, 0.6], [True, False], bin_size=1)
