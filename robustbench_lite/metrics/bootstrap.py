"""Bootstrap intervals over images: one resampling of the images moves every score of them together."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from robustbench_lite.errors import InvalidInput
from robustbench_lite.metrics.inputs import FloatArray

_VALUES_AT_ONCE = 4_000_000


def bootstrap_means(columns: npt.ArrayLike, *, replicates: int = 1000, seed: int = 0) -> FloatArray:
    """Return the means of per-image columns under resampling of the images with replacement.

    A row is an image and all its columns (its corrupted copies, its scores) are resampled together, so that
    differences and ratios of columns keep their correlation. The resamples depend on the number of images and
    the seed alone: calls with other columns of the same images give the same resamples.

    Args:
        columns: (images,) or (images, columns), finite per-image values: errors, CE contributions,
            Brier scores, the influence values of calibration errors.
        replicates: number of resamples.
        seed: the seed of the resampling.

    Returns:
        (replicates, columns) float64; (replicates,) for a single column.

    Raises:
        InvalidInput: empty, not finite, another shape, or fewer than one replicate.

    Source: Efron 1979; clusters as in Davison & Hinkley 1997, section 3.8.
    """
    values = np.asarray(columns, dtype=np.float64)
    if values.ndim not in (1, 2) or values.size == 0:
        raise InvalidInput(f"columns must be (images,) or (images, columns), but have shape {values.shape}")
    if not np.isfinite(values).all():
        raise InvalidInput("columns hold NaN or infinite values, so their means are undefined")
    if replicates < 1:
        raise InvalidInput(f"replicates must be at least 1, but are {replicates}")
    images = len(values)
    generator = np.random.Generator(np.random.Philox(seed))
    means = np.empty((replicates, *values.shape[1:]))
    at_once = max(1, _VALUES_AT_ONCE // images)
    for start in range(0, replicates, at_once):
        stop = min(start + at_once, replicates)
        counts = np.empty((stop - start, images))
        for row in counts:
            row[:] = np.bincount(generator.integers(images, size=images), minlength=images)
        means[start:stop] = counts @ values / images
    return means


def percentile_interval(samples: npt.ArrayLike, level: float = 0.95) -> tuple[float, float]:
    """Return the central interval that holds `level` of the samples.

    Args:
        samples: (replicates,), resampled values of one score.
        level: coverage, between 0 and 1.

    Raises:
        InvalidInput: empty, NaN, or a level that is not between 0 and 1.

    Source: Efron & Tibshirani 1993, chapter 13 (percentile interval).
    """
    values = np.asarray(samples, dtype=np.float64)
    if values.ndim != 1 or values.size == 0 or np.isnan(values).any():
        raise InvalidInput(f"samples must be (replicates,) without NaN, but have shape {values.shape}")
    if not 0 < level < 1:
        raise InvalidInput(f"level must lie between 0 and 1, but is {level}")
    low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)
