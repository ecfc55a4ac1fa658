from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from robustbench_lite.errors import InvalidInput
from robustbench_lite.metrics import (
    difference_interval,
    normal_interval,
    sampling_variance,
    share_interval,
    systematic_sample,
)


def generator(seed=0):
    return np.random.default_rng(seed)


@given(st.integers(1, 60), st.integers(1, 60), st.integers(0, 5))
def test_a_sample_has_the_size_asked_for_and_no_image_twice(population, size, seed):
    size = min(size, population)
    sample = systematic_sample(population, size, generator(seed))
    assert len(np.unique(sample)) == size
    assert (np.diff(sample) > 0).all()
    assert 0 <= sample[0] <= sample[-1] < population


@given(st.lists(st.integers(0, 4), min_size=10, max_size=80), st.integers(0, 5))
def test_every_class_gets_its_share_to_within_one_image(labels, seed):
    labels = np.array(labels)
    size = len(labels) // 3
    sample = systematic_sample(len(labels), size, generator(seed), labels)
    for label in np.unique(labels):
        share = (labels == label).sum() * size / len(labels)
        assert abs((labels[sample] == label).sum() - share) < 1 + 1e-9


def test_every_image_is_as_likely_as_any_other():
    labels = np.array([0] * 3 + [1] * 7 + [2] * 20)
    draws = 4000
    counts = np.zeros(30)
    for seed in range(draws):
        counts[systematic_sample(30, 7, generator(seed), labels)] += 1
    expected = draws * 7 / 30
    assert abs(counts - expected).max() < 5 * math.sqrt(expected)


def test_a_sample_of_everything_is_everything_and_knows_it():
    assert systematic_sample(9, 9, generator()).tolist() == list(range(9))
    assert sampling_variance([0.0, 1.0, 1.0], 3) == 0


def test_the_variance_of_two_values_is_worked_out_by_hand():
    # (1 - 2/10) * (3 - 1)^2 / (2 * 2 * 1)
    assert sampling_variance([1.0, 3.0], 10) == pytest.approx(0.8)


def test_the_variance_is_that_of_many_samples_and_smaller_where_classes_differ():
    random = generator(1)
    labels = np.repeat(np.arange(5), 40)
    values = labels + random.normal(0, 0.5, 200)
    means, told = [], []
    for seed in range(1500):
        sample = systematic_sample(200, 40, generator(seed), labels)
        ordered = values[sample][np.argsort(labels[sample], kind="stable")]
        means.append(ordered.mean())
        told.append(sampling_variance(ordered, 200))
    assert np.mean(means) == pytest.approx(values.mean(), abs=0.01)
    assert np.mean(told) == pytest.approx(np.var(means), rel=0.45)
    assert np.mean(told) < 0.5 * (1 - 40 / 200) * values.var() / 40


def test_a_normal_interval_is_1_96_standard_errors_to_either_side():
    low, high = normal_interval(0.5, 0.01)
    assert (low, high) == pytest.approx((0.5 - 0.195996, 0.5 + 0.195996), abs=1e-5)


def test_a_share_of_independent_draws_has_wilson_s_interval():
    # 10 of 100: (0.0552, 0.1744), as tabulated for Wilson's interval
    low, high = share_interval(0.1, 0.1 * 0.9 / 100, 100)
    assert (low, high) == pytest.approx((0.0552, 0.1744), abs=1e-4)


def test_no_error_in_the_sample_does_not_mean_none_anywhere():
    low, high = share_interval(0.0, 0.0, 50)
    assert low == 0
    assert high == pytest.approx(1.959964**2 / (50 + 1.959964**2))


def test_an_interval_scales_with_the_largest_value_and_stays_inside():
    low, high = share_interval(1.9, 0.01, 10, largest=2.0)
    assert (low, high) == pytest.approx(tuple(2 * end for end in share_interval(0.95, 0.0025, 10)))
    assert high <= 2


def test_nothing_is_uncertain_once_everything_was_seen():
    assert share_interval(0.3, 0.0, math.inf) == pytest.approx((0.3, 0.3))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: systematic_sample(5, 6, generator()), "has 1 to 5 of them, not 6"),
        (lambda: systematic_sample(5, 2, generator(), np.zeros(4, dtype=np.int64)), "4 labels for 5 images"),
        (lambda: sampling_variance([1.0], 5), "values must be 2 to 5 finite numbers"),
        (lambda: sampling_variance([1.0, math.nan], 5), "values must be 2 to 5 finite numbers"),
        (lambda: share_interval(1.2, 0.1, 5), "between 0 and 1"),
    ],
)
def test_what_makes_no_sense_is_refused(call, message):
    with pytest.raises(InvalidInput, match=message):
        call()


@pytest.mark.parametrize(("variance", "level"), [(-1.0, 0.95), (1.0, 1.0), (float("nan"), 0.95)])
def test_a_normal_interval_needs_a_variance_and_a_level(variance, level):
    with pytest.raises(InvalidInput, match="expected a variance"):
        normal_interval(0.5, variance, level)


def test_a_normal_interval_is_1_96_deviations_either_side():
    low, high = normal_interval(0.5, 0.01)
    assert (low, high) == pytest.approx((0.5 - 0.195996, 0.5 + 0.195996), abs=1e-6)


def test_a_correlation_beyond_one_is_refused():
    with pytest.raises(InvalidInput, match="a correlation lies between -1 and 1, but is 2"):
        difference_interval(1, (0, 2), 1, (0, 2), 2)
