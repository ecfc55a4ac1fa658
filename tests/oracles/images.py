"""Images where rounding shows: every order of summation gives another last bit, and truncation keeps it."""

from __future__ import annotations

import numpy as np


def plain(side):
    """Flat, checkered and graded images and noise with a constant channel, uint8 (side, side, 3), by name."""
    rng = np.random.default_rng(side)
    y, x = np.mgrid[:side, :side]
    constant = rng.integers(0, 256, (side, side, 3))
    constant[..., 1] = 77
    kinds = {
        "white": np.full((side, side, 3), 255),
        "grey": np.full((side, side, 3), 119),
        "one colour": np.broadcast_to([200, 13, 90], (side, side, 3)),
        "checkered": np.where(((x // 5 + y // 5) % 2 == 0)[..., None], [255, 240, 3], [0, 17, 250]),
        "gradient": np.stack([x, y, (x + y) // 2], axis=-1) * 255 // (side - 1),
        "constant channel": constant,
    }
    return {name: np.ascontiguousarray(image, np.uint8) for name, image in kinds.items()}
