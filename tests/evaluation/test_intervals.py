"""Simulations: intervals cover what they name, and comparisons of equal models give few verdicts."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import expit, logit

from robustbench_lite import metrics
from robustbench_lite.evaluation.influence import Headline, weighted_mean
from robustbench_lite.evaluation.intervals import bootstrap_intervals, sampling_interval
from robustbench_lite.evaluation.paired_tests import Pair, holm, judged
from robustbench_lite.results import CellResult
from robustbench_lite.suites import Cell

LEVEL = 0.95


def headline_of(values: np.ndarray, group: str = "suite", **fields: float) -> Headline:
    """The mean of per-image values between 0 and 1."""
    bounds = {"largest": 1.0, "least": 0.0} | fields
    return Headline(float(values.mean()), {group: values - values.mean()}, **bounds)


@pytest.mark.parametrize("expected_mistakes", [1, 2, 3, 5, 10, 29, 60])
def test_errors_of_few_mistakes_are_covered(expected_mistakes: int) -> None:
    images, samples = 1000, 400
    generator = np.random.default_rng(expected_mistakes)
    true_error, hits = expected_mistakes / images, 0
    for seed in range(samples):
        wrong = 1.0 * (generator.random(images) < true_error)
        ((low, high),) = bootstrap_intervals({"error": headline_of(wrong)}, 200, seed).values()
        assert 0 <= low <= wrong.mean() <= high <= 1
        hits += low <= true_error <= high
    assert hits / samples > LEVEL - 0.025  # 2.3 standard deviations of 400 samples


def test_no_mistake_and_nothing_but_mistakes_leave_room() -> None:
    none, all_ = headline_of(np.zeros(100)), headline_of(np.ones(100))
    intervals = bootstrap_intervals({"none": none, "all": all_}, 200, 0)
    assert intervals["none"] == pytest.approx((0, 1 - 0.025 ** (1 / 100)))
    assert intervals["all"] == pytest.approx((0.025 ** (1 / 100), 1))


@pytest.mark.parametrize("expected_mistakes", [1, 2, 4])
def test_a_relative_score_is_covered_by_a_sample_with_few_clean_mistakes(expected_mistakes: int) -> None:
    images, drawn, samples = 4000, 200, 500
    generator = np.random.default_rng(expected_mistakes)
    clean = np.zeros(images)
    clean[generator.permutation(images)[: expected_mistakes * images // drawn]] = 1
    corrupted = 1.0 * (generator.random(images) < 0.4)
    truth, hits = 1.5 * corrupted.mean() - 1.5 * clean.mean(), 0
    for _ in range(samples):
        first, second = (
            headline_of(1.5 * values[generator.permutation(images)[:drawn]], group, largest=1.5)
            for values, group in ((corrupted, "fog/1"), (clean, "clean/0"))
        )
        influence = first.influence | {"clean/0": -second.influence["clean/0"]}
        relative = Headline(first.value - second.value, influence, terms=(first, second))
        low, high = sampling_interval(relative, {"fog/1": images, "clean/0": images})
        hits += low <= truth <= high
    assert hits / samples == pytest.approx(LEVEL, abs=0.025)


def outcomes(generator: np.random.Generator, images: int, cells: int, slope: float) -> list[dict]:
    """Columns of cells that share images: what is hard, or unsure, is so in all of them."""
    ease = generator.normal(1.8, 1.2, images)
    threshold = generator.random(images)
    columns = []
    for cell in range(cells):
        confidence = np.clip(
            expit(np.abs(ease - 0.1 * cell + generator.normal(0, 0.7, images))), 0.5, 1 - 1e-9
        )
        own = generator.random(images)
        luck = np.where(generator.random(images) < 0.4, threshold, own)
        right = luck < expit(slope * logit(confidence))
        columns.append(
            {"confidence": confidence, "prediction": np.zeros(images, int), "label": (~right).astype(int)}
        )
    return columns


@pytest.mark.parametrize("slope", [1.0, 0.6])
@pytest.mark.parametrize("apart", [False, True])
def test_debiased_calibration_over_cells_is_covered(slope: float, apart: bool) -> None:
    images, cells, samples = 1000, 6, 150
    generator = np.random.default_rng([int(10 * slope), apart])
    names = ("debiased_rms_calibration_error", "debiased_expected_calibration_error")
    big = outcomes(np.random.default_rng(5), 400_000, cells, slope)
    gaps = [one["confidence"] - expit(slope * logit(one["confidence"])) for one in big]
    truth = (
        np.sqrt(np.mean([(gap**2).mean() for gap in gaps])),
        np.mean([np.abs(gap).mean() for gap in gaps]),
    )
    hits = np.zeros(2)
    for _ in range(samples):
        columns = {
            Cell("fog", severity + 1): one
            for severity, one in enumerate(outcomes(generator, images, cells, slope))
        }
        results = {cell: CellResult(cell.name, cell.severity, images, {}) for cell in columns}
        for place, name in enumerate(names):
            mean = weighted_mean(dict.fromkeys(columns, 1 / cells), columns, results, name, apart=apart)
            assert mean.interval is not None
            hits[place] += mean.interval[0] <= truth[place] <= mean.interval[1]
    # Cells that share images are treated as sharing more noise than they do, so that coverage may be higher.
    assert (hits / samples > LEVEL - 0.045).all(), hits / samples


def test_comparisons_of_equal_models_give_a_verdict_in_at_most_one_of_twenty() -> None:
    images, scores, comparisons = 300, 12, 200
    generator = np.random.default_rng(0)
    verdicts = 0
    for seed in range(comparisons):
        hard = generator.normal(0, 1, (images, 1))
        runs = [hard + generator.normal(0, 1, (images, scores)) > 0.5 for _ in range(2)]
        pairs = [Pair(str(k), *(headline_of(1.0 * run[:, k]) for run in runs)) for k in range(scores)]
        differences = holm(judged(pairs, None, 1000, seed))
        verdicts += any(one.verdict != "no evidence" for one in differences)
    assert verdicts / comparisons < 0.05 + 0.03


def test_a_run_against_itself_differs_in_nothing_that_brings_its_own_interval() -> None:
    columns = {Cell("fog", 1): outcomes(np.random.default_rng(1), 500, 1, 0.6)[0]}
    mean = weighted_mean({Cell("fog", 1): 1.0}, columns, {}, "debiased_rms_calibration_error")
    (difference,) = judged([Pair("rms", mean, mean)], None, 1000, 0)
    assert (difference.low, difference.high, difference.p) == (0, 0, 1)


def test_a_difference_takes_its_interval_from_those_of_its_terms() -> None:
    # Equal errors to both sides and no correlation: the errors add in squares.
    assert metrics.difference_interval(5, (2, 8), 1, (-3, 5)) == pytest.approx((4 - 5, 4 + 5))
    assert metrics.difference_interval(5, (2, 8), 1, (-2, 4), 1.0) == pytest.approx((4, 4))


def test_the_exact_interval_is_that_of_clopper_and_pearson() -> None:
    # Of 10 draws, 2 events; Clopper and Pearson's table gives 0.0252 to 0.5561.
    assert metrics.exact_share_interval(0.2, 10) == pytest.approx((0.0252, 0.5561), abs=5e-5)
    assert metrics.exact_share_interval(0.4, 10, 2.0) == pytest.approx((0.0504, 1.1122), abs=1e-4)
    with pytest.raises(metrics.sampling.InvalidInput, match="draws above 0"):
        metrics.exact_share_interval(0.2, 0)
