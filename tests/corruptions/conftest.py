"""Pictures to corrupt."""

from __future__ import annotations

import numpy as np
import pytest


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


def draw_plain(side):
    """Pictures where rounding shows: flat, checkered, a gradient, noise with a constant channel; by name."""
    rng = np.random.default_rng(side)
    y, x = np.mgrid[:side, :side]
    ramp = np.stack([x, y, (x + y) // 2], axis=-1) * 255 // (side - 1)
    constant = rng.integers(0, 256, (side, side, 3))
    constant[..., 1] = 77
    kinds = {
        "white": np.full((side, side, 3), 255),
        "grey": np.full((side, side, 3), 119),
        "one colour": np.broadcast_to([200, 13, 90], (side, side, 3)),
        "checkered": np.where(((x // 5 + y // 5) % 2 == 0)[..., None], [255, 240, 3], [0, 17, 250]),
        "gradient": ramp,
        "constant channel": constant,
    }
    return {name: np.ascontiguousarray(image, np.uint8) for name, image in kinds.items()}


@pytest.fixture(scope="session")
def plain():
    """The function that draws plain pictures of a given side, by name."""
    return draw_plain


@pytest.fixture(scope="session")
def picture():
    """The function that draws a picture of a given side (and seed)."""
    return draw
