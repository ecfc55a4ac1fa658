"""95 % intervals of headline scores: over other images, and over all images where a sample was evaluated."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Final

import numpy as np

from robustbench_lite import metrics
from robustbench_lite.evaluation.influence import Headline, deviations

FEW_EVENTS: Final = 30
"""With fewer independent mistakes than these the bootstrap's interval is too short on one side."""


def bootstrap_intervals(
    headlines: Mapping[str, Headline], replicates: int, seed: int
) -> dict[str, tuple[float, float]]:
    """95 % intervals for the scores over other images of the same kind.

    Bootstrap percentiles over images, but for two cases. An estimate brings its own interval. A score that
    rests on few mistakes (or on few right answers) has the exact binomial interval, with the number of
    independent draws that have its variance.

    Source: Efron 1979; Korn and Graubard 1998, "Confidence intervals for proportions with small expected
        number of positive counts", for the effective number of draws.
    """
    if replicates == 0 or not headlines:
        return {}
    moved = deviations(list(headlines.values()), replicates, seed)
    return {
        name: _interval(headline, moved[:, column])
        for column, (name, headline) in enumerate(headlines.items())
    }


def _interval(headline: Headline, moved: np.ndarray[tuple[int], np.dtype[np.float64]]) -> tuple[float, float]:
    if headline.interval is not None:
        return headline.interval
    if math.isfinite(headline.largest) and headline.least == 0:
        draws = _independent_draws(headline)
        share = headline.value / headline.largest
        if min(share, 1 - share) * draws < FEW_EVENTS:
            return metrics.exact_share_interval(headline.value, draws, headline.largest)
    low, high = metrics.percentile_interval(moved)
    return max(headline.least, headline.value + low), min(headline.largest, headline.value + high)


def _independent_draws(headline: Headline) -> float:
    """How many independent images with values 0 or `largest` would give the score the variance it has."""
    variance = math.fsum(float(values @ values) / len(values) ** 2 for values in headline.influence.values())
    share = headline.value / headline.largest
    spread = share * (1 - share) * headline.largest**2
    images = max(map(len, headline.influence.values()))
    return spread / variance if variance > 0 and spread > 0 else float(images)


def sampling_variance(headline: Headline, populations: Mapping[str, int]) -> float:
    """Variance of a headline around its value over all images, from independent samples of the cells.

    Args:
        headline: its groups are single cells.
        populations: images there are in each group.
    """
    return math.fsum(
        metrics.sampling_variance(values, populations[group]) for group, values in headline.influence.items()
    )


def sampling_interval(headline: Headline, populations: Mapping[str, int]) -> tuple[float, float]:
    """95 % interval for the value over all images; inside the score's bounds where it has any.

    A difference of two scores, such as the relative mCE, takes its interval from theirs.

    Source: Zou and Donner 2008 for the difference.
    """
    if headline.interval is not None:
        return headline.interval
    if headline.terms is not None:
        first, second = headline.terms
        intervals = [sampling_interval(term, populations) for term in headline.terms]
        return metrics.difference_interval(first.value, intervals[0], second.value, intervals[1])
    variance = sampling_variance(headline, populations)
    if not math.isfinite(headline.largest):
        low, high = metrics.normal_interval(headline.value, variance)
        return max(low, headline.least), high
    sampled = sum(len(values) for values in headline.influence.values())
    left_out = 1 - sampled / sum(populations[group] for group in headline.influence)
    draws = sampled / left_out if left_out > 0 else math.inf
    return metrics.share_interval(headline.value, variance, draws, headline.largest)
