"""95 % intervals for a mean that can't be negative, given a normal observation of it.

Source: Feldman and Cousins 1998, "Unified approach to the classical statistical analysis of small signals".
"""

from __future__ import annotations

import functools
from typing import Final

import numpy as np
from scipy.special import ndtr, ndtri

from robustbench_lite.metrics.inputs import FloatArray

TWO_SIDED: Final = float(ndtri(0.975))
"""The normal quantile of a two-sided 95 % interval."""


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
        return score - TWO_SIDED, score + TWO_SIDED
    # Beyond the table both limits are a straight line away.
    high = np.interp(score, lower, means) if score <= lower[-1] else score + TWO_SIDED
    return float(np.interp(score, upper, means)), float(high)


def accepted(tested: FloatArray, score: FloatArray, means: FloatArray) -> tuple[float, float]:
    """Return the smallest and the largest tested value whose acceptance region holds its score.

    Args:
        tested: values in rising order, (n,).
        score: the observation, in units of its standard deviation under each tested value, (n,).
        means: the tested values in the same units, (n,).
    """
    grid, lower, upper = _acceptance()
    low = np.where(means > grid[-1], means - TWO_SIDED, np.interp(means, grid, lower))
    high = np.where(means > grid[-1], means + TWO_SIDED, np.interp(means, grid, upper))
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
