"""Small arrays that the CPU computes and sends to the device of the images."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Magnitudes = NDArray[np.float64]
"""One magnitude per image, float64 (N,), in Pillow's units."""


def send(array: NDArray[Any], device: torch.device) -> Tensor:
    """Copy an array to a device without waiting for the work that the device has queued."""
    return torch.from_numpy(array).to(device, non_blocking=True)
