"""The radial profile of a Fourier map, and example images of the perturbation."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from robustbench_lite.corruptions.fourier import Frequency, Layout, perturb_fourier
from robustbench_lite.evaluation.fourier.images import ImageSet
from robustbench_lite.metrics.bootstrap import bootstrap_means
from robustbench_lite.report.fourier.fourier_map import PerturbedImage, RadialProfile, cell_radii

_LEVELS = (0.025, 0.975)


def radial_profile(outcomes: npt.NDArray[Any], plan: Layout, *, replicates: int, seed: int) -> RadialProfile:
    """Compute the mean over rings of cells, with 95 % intervals over resampled images.

    Args:
        outcomes: (pairs, images).
        plan: The layout of the map, with the pair of each cell.
        replicates: The number of bootstrap replicates; 0 leaves the intervals out.
        seed: The seed of the bootstrap.
    """
    rings, columns = ring_means(outcomes, plan)
    low, high = np.full((2, len(rings)), math.nan)
    if replicates:
        low, high = np.quantile(bootstrap_means(columns, replicates=replicates, seed=seed), _LEVELS, axis=0)
    lines = (rings.astype(float), columns.mean(axis=0), low, high)
    return RadialProfile(*(tuple(line.tolist()) for line in lines))


def ring_means(
    outcomes: npt.NDArray[Any], plan: Layout
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]:
    """Return the radius of each ring (rings,) and each image's mean outcome in it (images, rings)."""
    radii = cell_radii(plan.image_size, plan.cells.shape)
    rings, ring_of_cell = np.unique(np.floor(radii + 0.5).astype(np.int64), return_inverse=True)
    weights = np.zeros((len(plan.pairs), len(rings)))
    np.add.at(weights, (plan.cells.ravel(), ring_of_cell.ravel()), 1.0)
    weights /= weights.sum(axis=0)
    blocks = [outcomes[:, start : start + 1024].T @ weights for start in range(0, outcomes.shape[1], 1024)]
    return rings, np.concatenate(blocks)


def example_frequencies(plan: Layout) -> tuple[Frequency, Frequency, Frequency]:
    """Choose a high, a middle and a low frequency for the example images."""
    top, left = -plan.vertical[0], -plan.horizontal[0]
    return (
        (-round(0.78 * top), -round(0.72 * left)),
        (0, -round(0.45 * left)),
        (max(1, round(0.06 * top)), 0),
    )


def examples(images: ImageSet, plan: Layout, norm: float, seed: int) -> tuple[PerturbedImage, ...]:
    """Return the first image, perturbed at a high, a middle and a low frequency."""
    image = images.read(0, 1, torch.device("cpu"))
    shown = []
    for frequency in example_frequencies(plan):
        changed = perturb_fourier(image, frequency, norm, seed=seed, index=images.index[:1])
        shown.append(
            PerturbedImage(frequency, changed[0].permute(1, 2, 0).mul(255).round().to(torch.uint8).numpy())
        )
    return tuple(shown)
