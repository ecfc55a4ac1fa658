"""Pictures to corrupt."""

from __future__ import annotations

import numpy as np
import pytest

from tests.oracles import images


def draw(side, seed=0):
    """Smooth areas, edges, noise, greys, black and white, uint8 (side, side, 3)."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:side, :side] / side
    image = np.stack([x, y, (x + y) / 2], axis=-1) * 255
    image[: side // 4] = rng.integers(0, 256, (side // 4, side, 3))
    image[side // 4 : side // 3] = rng.integers(0, 256, (side // 3 - side // 4, side, 1))
    image[-(side // 8) :, : side // 2] = 0
    image[-(side // 8) :, side // 2 :] = 255
    return image.astype(np.uint8)


@pytest.fixture(scope="session")
def plain():
    """The function that draws plain pictures of a given side, by name."""
    return images.plain


@pytest.fixture(scope="session")
def picture():
    """The function that draws a picture of a given side (and seed)."""
    return draw
