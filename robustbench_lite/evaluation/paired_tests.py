"""Paired scores of two runs -> differences with intervals and p-values."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
from scipy.special import ndtr, ndtri
from scipy.stats import binom

from robustbench_lite import metrics
from robustbench_lite.evaluation.influence import Headline, deviations
from robustbench_lite.evaluation.intervals import sampling_variance
from robustbench_lite.report.tables.comparison import LEVEL, ScoreDifference

_Array = np.ndarray[Any, Any]

ROUNDING: Final = 1e-12
"""Share of a score within which two sums of the same numbers count as equal."""

_VALUES_AT_ONCE: Final = 4_000_000


@dataclass(frozen=True)
class Pair:
    """A score of both runs under one name."""

    name: str
    first: Headline
    second: Headline

    @property
    def gap(self) -> Headline:
        """B minus A."""
        return self.second.minus(self.first)


def judged(
    pairs: Sequence[Pair], populations: Mapping[str, int] | None, replicates: int, seed: int
) -> list[ScoreDifference]:
    """B minus A for every score, with a 95 % interval and a two-sided p-value, none of them adjusted.

    Args:
        pairs: scores; all are resampled together, so that equal scores get equal answers.
        populations: images there are in each group, where the runs are samples of them.
        replicates: the replicates of the bootstrap and of the swaps.
        seed: the seed of both.
    """
    if not pairs:
        return []
    gaps = [pair.gap for pair in pairs]
    spreads = _resampled(gaps, replicates, seed) if populations is None else _sampled(gaps, populations)
    return [
        ScoreDifference(pair.name, pair.first.value, pair.second.value, *spread)
        for pair, spread in zip(pairs, spreads, strict=True)
    ]


def _resampled(gaps: Sequence[Headline], replicates: int, seed: int) -> list[tuple[float, float, float]]:
    """Percentile intervals, which reach to zero where the test finds no evidence."""
    moved = deviations(gaps, replicates, seed)
    intervals = []
    for column, (gap, p) in enumerate(zip(gaps, swap_p_values(gaps, replicates, seed), strict=True)):
        if gap.interval is not None:
            intervals.append((*gap.interval, _p_value_of_interval(gap.value, gap.interval)))
            continue
        low, high = metrics.percentile_interval(gap.value + moved[:, column])
        low, high = (0.0 if abs(end) <= _rounding(gap.value) else end for end in (low, high))
        intervals.append((min(low, 0.0), max(high, 0.0), p) if p >= LEVEL else (low, high, p))
    return intervals


def _sampled(gaps: Sequence[Headline], populations: Mapping[str, int]) -> list[tuple[float, float, float]]:
    intervals = []
    for gap in gaps:
        if gap.interval is not None:
            intervals.append((*gap.interval, _p_value_of_interval(gap.value, gap.interval)))
            continue
        variance = sampling_variance(gap, populations) + _two_more(gap, populations)
        low, high = metrics.normal_interval(gap.value, variance)
        score = abs(gap.value) / math.sqrt(variance) if variance > 0 else math.inf if gap.value else 0.0
        intervals.append((low, high, float(2 * ndtr(-score))))
    return intervals


def _p_value_of_interval(value: float, interval: tuple[float, float]) -> float:
    """The two-sided p-value that belongs to a 95 % interval: 0.05 where the interval ends at 0."""
    room = value - interval[0] if value > 0 else interval[1] - value
    if value == 0 or room <= 0:
        return 1.0 if value == 0 else 0.0
    return float(2 * ndtr(ndtri(0.025) * abs(value) / room))


def _two_more(gap: Headline, populations: Mapping[str, int]) -> float:
    """What two more images on which the models differ would add to the variance; 0 for unbounded scores.

    Without them a sample in which no image differs would leave no room for a difference.

    Source: after Agresti & Coull 1998, who add two successes and two failures to a proportion.
    """
    if not math.isfinite(gap.largest):
        return 0.0
    drawn = sum(len(values) for values in gap.influence.values())
    left_out = 1 - drawn / sum(populations[group] for group in gap.influence)
    return 2 * left_out * (gap.largest / drawn) ** 2


def swap_p_values(gaps: Sequence[Headline], replicates: int, seed: int) -> list[float]:
    """How often a difference would be as large if each image's two outcomes were swapped at random.

    Where all images that differ do so by the same amount, as 0/1 outcomes do, it is the exact sign test
    (McNemar's), else a share of random swaps, the observed one among them. k differing images can't give less
    than 2 / 2^k.

    Args:
        gaps: differences of scores, each over one group of images.
        replicates: random swaps.
        seed: the seed of the swaps; gaps over equally many images are swapped alike.

    Source: Fisher 1935, section 21; McNemar 1947; Phipson & Smyth 2010 for the observed one.
    """
    columns = [_per_image(gap) for gap in gaps]
    p_values = [_sign_test(values) for values in columns]
    for size in {len(values) for values, p in zip(columns, p_values, strict=True) if p is None}:
        places = [place for place, p in enumerate(p_values) if p is None and len(columns[place]) == size]
        values = np.stack([columns[place] for place in places], axis=1)
        for place, p in zip(places, _swapped(values, replicates, seed), strict=True):
            p_values[place] = p
    return [1.0 if p is None else p for p in p_values]


def _per_image(gap: Headline) -> _Array:
    """Values whose mean is the difference; exactly zero where the models do the same."""
    (influence,) = gap.influence.values()
    values: _Array = influence + gap.value
    return np.where(np.abs(values) <= _rounding(gap.value), 0.0, values)


def _sign_test(values: _Array) -> float | None:
    """The exact two-sided p-value; None where images differ by different amounts."""
    differing = values[values != 0]
    sizes = np.abs(differing)
    if not len(differing):
        return 1.0
    if np.ptp(sizes) > 1e-9 * sizes.max():
        return None
    rarer = int(min((differing > 0).sum(), (differing < 0).sum()))
    return min(1.0, 2 * float(binom.cdf(rarer, len(differing), 0.5)))


def _swapped(values: _Array, replicates: int, seed: int) -> list[float]:
    """p-values of the columns of (images, scores)."""
    images = len(values)
    generator = np.random.Generator(np.random.Philox(seed))
    least = np.abs(values.sum(axis=0)) * (1 - 1e-9)
    as_large = np.ones(values.shape[1])
    at_once = max(1, _VALUES_AT_ONCE // images)
    for start in range(0, replicates, at_once):
        count = min(at_once, replicates - start)
        signs = 2.0 * generator.integers(0, 2, size=(count, images), dtype=np.int8) - 1.0
        as_large += (np.abs(signs @ values) >= least).sum(axis=0)
    return [float(share) for share in as_large / (replicates + 1)]


def _rounding(value: float) -> float:
    return ROUNDING * max(1.0, abs(value))


def holm(differences: Sequence[ScoreDifference]) -> tuple[ScoreDifference, ...]:
    """The same differences with p-values adjusted for their number.

    Source: Holm 1979: the k-th smallest of m p-values times m - k + 1, made monotone.
    """
    order = sorted(range(len(differences)), key=lambda place: differences[place].p)
    adjusted = [0.0] * len(differences)
    largest = 0.0
    for rank, place in enumerate(order):
        largest = max(largest, min(1.0, (len(differences) - rank) * differences[place].p))
        adjusted[place] = largest
    return tuple(replace(one, p=p) for one, p in zip(differences, adjusted, strict=True))
