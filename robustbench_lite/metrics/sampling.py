"""Means over a sample of a suite's images: how far they may be from the mean over all of them."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
from scipy.special import ndtri
from scipy.stats import beta

from robustbench_lite.errors import InvalidInput
from robustbench_lite.metrics.inputs import FloatArray


def systematic_sample(
    population: int, size: int, generator: np.random.Generator, labels: npt.NDArray[np.int64] | None = None
) -> npt.NDArray[np.int64]:
    """Return a random sample of image indices, sorted, with each class in its proportion.

    The images are put in random order within each class, class after class, and every (population / size)-th
    is taken from a random start: each image is as likely as any other, and a class gets its share to within
    one image, also where that is less than one.

    Args:
        population: images there are.
        size: images to take.
        generator: the randomness.
        labels: (population,), class of each image; without them the order is random alone.

    Raises:
        InvalidInput: a size outside 1 to population, or labels of another length.

    Source: Cochran 1977, chapter 8 (systematic sampling), in random order within strata.
    """
    if not 1 <= size <= population:
        raise InvalidInput(f"a sample of {population} images has 1 to {population} of them, not {size}")
    if labels is not None and len(labels) != population:
        raise InvalidInput(f"{len(labels)} labels for {population} images")
    order = generator.permutation(population)
    if labels is not None:
        order = order[np.argsort(labels[order], kind="stable")]
    places = np.floor((np.arange(size) + generator.random()) * (population / size)).astype(np.int64)
    return np.sort(order[np.minimum(places, population - 1)]).astype(np.int64)


def sampling_variance(values: npt.ArrayLike, population: int) -> float:
    """Return the variance of a systematic sample's mean around the mean of the whole population.

    Half the mean squared difference of neighbours estimates the variance that is left within classes; the
    factor 1 - n / N, for a population that is not infinite, brings it to zero when nothing is left out.

    Args:
        values: (n,), two or more, one for each image of the sample in the order of their classes.
        population: N, images there are.

    Raises:
        InvalidInput: fewer than two values, more than the population, or not finite.

    Source: Wolter 2007, section 8.2, estimator v2 (successive differences).
    """
    sample = np.asarray(values, dtype=np.float64)
    if sample.ndim != 1 or not 2 <= len(sample) <= population or not np.isfinite(sample).all():
        raise InvalidInput(f"values must be 2 to {population} finite numbers, but have shape {sample.shape}")
    n = len(sample)
    steps: FloatArray = np.diff(sample)
    return float((1 - n / population) * (steps @ steps) / (2 * n * (n - 1)))


def normal_interval(value: float, variance: float, level: float = 0.95) -> tuple[float, float]:
    """Return the central interval of a normal estimate.

    Args:
        value: the estimate.
        variance: the variance of the estimate, not negative.
        level: coverage, between 0 and 1.

    Raises:
        InvalidInput: a negative variance, or a level that is not between 0 and 1.

    Source: Cochran 1977, section 1.6 (the normal approximation).
    """
    if not variance >= 0 or not 0 < level < 1:
        raise InvalidInput(f"expected a variance from 0 and a level in (0, 1), got {variance} and {level}")
    half = float(ndtri((1 + level) / 2)) * math.sqrt(variance)
    return value - half, value + half


def share_interval(
    value: float, variance: float, fewest: float, largest: float = 1.0, level: float = 0.95
) -> tuple[float, float]:
    """Return an interval for a mean of values in [0, largest] that stays there and is honest at its ends.

    It is Wilson's interval for a proportion, with the number of independent draws that has this variance. A
    sample without a single error has no spread at all; `fewest` then says how much it knows.

    Args:
        value: the estimate.
        variance: the variance of the estimate.
        fewest: draws to believe in where the values don't vary (infinity: the whole population was seen).
        largest: the greatest value possible, with 0 the least.
        level: coverage, between 0 and 1.

    Raises:
        InvalidInput: a value outside [0, largest].

    Source: Wilson 1927; the effective number of draws as Korn & Graubard 1998 for complex samples.
    """
    share = value / largest
    if not -1e-9 <= share <= 1 + 1e-9:
        raise InvalidInput(f"value must lie between 0 and {largest}, but is {value}")
    share = min(max(share, 0.0), 1.0)
    spread = share * (1 - share)
    draws = fewest if variance <= 0 or spread <= 0 else spread / (variance / largest**2)
    z = float(ndtri((1 + level) / 2))
    shrink = 1 / (1 + z**2 / draws)
    centre = (share + z**2 / (2 * draws)) * shrink
    half = z * math.sqrt(spread / draws + z**2 / (4 * draws**2)) * shrink
    low = 0.0 if share == 0 else max(0.0, centre - half)
    high = 1.0 if share == 1 else min(1.0, centre + half)
    return low * largest, high * largest


def exact_share_interval(
    value: float, draws: float, largest: float = 1.0, level: float = 0.95
) -> tuple[float, float]:
    """Return the exact binomial interval for a mean of values in [0, largest].

    Args:
        value: the estimate.
        draws: independent draws behind the estimate; it need not be a whole number.
        largest: the greatest value possible, with 0 the least.
        level: coverage, between 0 and 1.

    Raises:
        InvalidInput: a value outside [0, largest], or no draws.

    Source: Clopper & Pearson 1934; Korn & Graubard 1998 for an effective number of draws.
    """
    share = value / largest
    if not -1e-9 <= share <= 1 + 1e-9 or not draws > 0:
        raise InvalidInput(f"expected a value from 0 to {largest} and draws above 0, got {value} and {draws}")
    share = min(max(share, 0.0), 1.0)
    events, tail = share * draws, (1 - level) / 2
    low = 0.0 if events == 0 else float(beta.ppf(tail, events, draws - events + 1))
    high = 1.0 if share == 1 else float(beta.ppf(1 - tail, events + 1, draws - events))
    return low * largest, high * largest


def difference_interval(
    first: float,
    first_interval: tuple[float, float],
    second: float,
    second_interval: tuple[float, float],
    correlation: float = 0.0,
) -> tuple[float, float]:
    """Return the interval of first - second from the intervals of the two.

    The two intervals need not reach equally far to both sides.

    Args:
        first: an estimate.
        first_interval: its interval.
        second: another estimate.
        second_interval: its interval, of the same level.
        correlation: the correlation of the two estimates, from -1 to 1.

    Raises:
        InvalidInput: a correlation outside [-1, 1].

    Source: Zou and Donner 2008, "Construction of confidence limits about effect measures", equations (7) and
        (8).
    """
    if not -1 - 1e-9 <= correlation <= 1 + 1e-9:
        raise InvalidInput(f"a correlation lies between -1 and 1, but is {correlation}")
    down, up = first - first_interval[0], first_interval[1] - first
    other_down, other_up = second - second_interval[0], second_interval[1] - second
    low = math.sqrt(max(0.0, down**2 + other_up**2 - 2 * correlation * down * other_up))
    high = math.sqrt(max(0.0, up**2 + other_down**2 - 2 * correlation * up * other_down))
    return first - second - low, first - second + high
