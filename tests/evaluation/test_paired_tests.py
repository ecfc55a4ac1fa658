"""Differences between two runs: p-values and intervals, where many images differ and where few do."""

from __future__ import annotations

import numpy as np
import pytest

from robustbench_lite.evaluation.influence import Headline
from robustbench_lite.evaluation.paired_tests import Pair, holm, judged, swap_p_values
from robustbench_lite.report.tables.comparison import ScoreDifference

N = 120


def headline(values: np.ndarray, group: str = "suite", largest: float = 1.0) -> Headline:
    return Headline(float(values.mean()), {group: values - values.mean()}, largest, 0.0)


def outcomes(up: int, down: int = 0, n: int = N) -> tuple[np.ndarray, np.ndarray]:
    """Errors of A and of B: both wrong on ten images, B alone on `up` and A alone on `down`."""
    first, second = np.zeros(n), np.zeros(n)
    first[:10] = second[:10] = 1
    second[10 : 10 + up] = 1
    first[10 + up : 10 + up + down] = 1
    return first, second


def compared(first: np.ndarray, second: np.ndarray, **options: int) -> ScoreDifference:
    pair = Pair("fog", headline(first), headline(second))
    (found,) = judged([pair], None, options.get("replicates", 1000), options.get("seed", 0))
    return found


@pytest.mark.parametrize("k", [1, 2, 3, 4, 5])
def test_a_few_images_that_differ_are_no_evidence(k: int) -> None:
    found = compared(*outcomes(k))
    # k fair coins all fall on the same side with probability 2 / 2^k: 1, 0.5, 0.25, 0.125, 0.0625.
    assert found.p == pytest.approx(2 / 2**k)
    assert found.verdict == "no evidence"
    assert found.low == 0 < found.high


@pytest.mark.parametrize(
    ("up", "down", "p"),
    [
        (6, 0, 2 / 64),
        (7, 1, 2 * (1 + 8) / 256),
        (0, 9, 2 / 512),
        (4, 4, 1.0),
        (0, 0, 1.0),
    ],
)
def test_one_cell_s_outcomes_are_judged_by_the_exact_sign_test(up: int, down: int, p: float) -> None:
    found = compared(*outcomes(up, down))
    assert found.p == pytest.approx(p)
    assert found.verdict == ("no evidence" if p >= 0.05 else "worse" if up > down else "better")


def test_random_swaps_agree_with_all_of_them() -> None:
    sizes = np.array([0.2, -0.2, 0.4, 0.6, 0.8, 1.0, 0.4, 0.2])
    values = np.concatenate([sizes, np.zeros(N - len(sizes))])
    signs = 1 - 2 * (np.arange(256)[:, None] >> np.arange(8) & 1)
    every = np.abs(signs @ sizes)
    expected = (every >= sizes.sum() - 1e-9).mean()
    (p,) = swap_p_values([headline(values)], 20_000, 0)
    assert p == pytest.approx(expected, abs=0.003)


def test_no_verdict_is_more_frequent_than_its_level_without_a_difference() -> None:
    random = np.random.default_rng(0)
    pairs = []
    for _ in range(600):
        pair = np.zeros((2, N))
        differing = np.flatnonzero(random.random(N) < 0.05)
        pair[random.integers(0, 2, len(differing)), differing] = random.choice([0.2, 1.0], len(differing))
        pairs.append(Pair("fog", *map(headline, pair)))
    found = judged(pairs, None, 1000, 0)
    assert np.mean([one.verdict != "no evidence" for one in found]) <= 0.05


def test_intervals_and_p_values_agree_about_zero() -> None:
    random = np.random.default_rng(1)
    for seed in range(40):
        first, second = (random.integers(0, 6, N) / 5 * (random.random(N) < 0.2) for _ in range(2))
        found = compared(first, second, seed=seed)
        if found.verdict == "no evidence":
            assert found.low <= 0 <= found.high


def estimated(sample: np.ndarray, population: int) -> ScoreDifference:
    pair = Pair("fog", headline(np.zeros(len(sample)), "fog/3"), headline(sample, "fog/3"))
    (found,) = judged([pair], {"fog/3": population}, 1000, 0)
    return found


def test_a_sample_in_which_no_image_differs_leaves_room_for_some() -> None:
    found = estimated(np.zeros(100), 10_000)
    # As if two images of the hundred differed, where 99 % were left out.
    assert found.high == pytest.approx(1.96 * np.sqrt(2 * 0.99) / 100, rel=1e-4)
    assert found.low == -found.high
    assert found.p == 1
    everything = estimated(np.zeros(100), 100)
    assert (everything.low, everything.high) == (0, 0)


@pytest.mark.parametrize("rate", [0.01, 0.02, 0.05])
def test_intervals_of_estimates_cover_rare_differences(rate: float) -> None:
    population = np.zeros(10_000)
    population[: int(rate * 10_000)] = 1
    random = np.random.default_rng(0)
    samples = [random.choice(population, 100, replace=False) for _ in range(400)]
    found = [estimated(sample, 10_000) for sample in samples]
    assert np.mean([one.low <= rate <= one.high for one in found]) >= 0.93


def difference(p: float, value: float = 0.1) -> ScoreDifference:
    return ScoreDifference("fog", 0.5, 0.5 + value, value - 0.05, value + 0.05, p)


def test_p_values_are_adjusted_as_holm_did() -> None:
    # Sorted 0.01, 0.02, 0.03: times 3, 2, 1, made monotone: 0.03, 0.04, 0.04.
    adjusted = holm([difference(0.03), difference(0.01), difference(0.02)])
    assert [one.p for one in adjusted] == pytest.approx([0.04, 0.03, 0.04])
    assert [one.p for one in holm([difference(0.6), difference(0.7)])] == [1, 1]
    assert holm([]) == ()


@pytest.mark.parametrize(
    ("p", "value", "verdict"),
    [(0.049, 0.1, "worse"), (0.049, -0.1, "better"), (0.05, 0.1, "no evidence"), (0.001, 0.0, "no evidence")],
)
def test_verdicts_are_about_b(p: float, value: float, verdict: str) -> None:
    assert difference(p, value).verdict == verdict
