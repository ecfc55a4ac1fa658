"""A toy data set whose classes are levels of brightness, and a network small enough for many runs."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from robustbench_lite.training.data import Dataset, from_arrays

SIDE = 8


def toy_arrays(count: int, seed: int, classes: int = 3) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    labels = np.arange(count) % classes
    pixels = 70 * labels[:, None, None, None] + 40 + 25 * rng.standard_normal((count, SIDE, SIDE, 3))
    return np.clip(pixels, 0, 255).astype(np.uint8), labels


@pytest.fixture(scope="session")
def toy() -> Dataset:
    """72 training and 30 test images of 8 x 8 pixels in 3 classes."""
    return from_arrays(
        *toy_arrays(72, 1), *toy_arrays(30, 2), name="toy", class_names=["dark", "grey", "light"]
    )


@pytest.fixture
def quick() -> dict[str, Any]:
    """Options of a run of 3 epochs of 3 steps that takes about a second."""
    return {"arch": "resnet-8", "epochs": 3, "batch_size": 24, "padding": 1, "device": "cpu"}
