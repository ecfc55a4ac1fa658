"""Truncation to 8 bits, to the level that float64 gives, at the price of float32.

A published script truncates float64 values. Float32 gives the same level wherever the value is farther from a
whole number than float32 errs. `unsure` finds the few other values, which a kernel computes again in float64
with the published order of operations. Flat regions are different: there every value is close to a whole
number. `varied` tells them apart, because their 256 possible results fit in a table.

These functions run on a CPU; on other devices kernels compute all values in float64.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor


def quantize(values: Tensor) -> Tensor:
    """Clip values on the scale 0..255 and truncate them to uint8, as the published scripts store images.

    Overwrites its argument. By way of int16, which takes a third of the time of the direct conversion.
    """
    return values.clamp_(0, 255).to(torch.int16).to(torch.uint8)


def unsure(values: Tensor, error: float) -> tuple[Tensor, Tensor]:
    """Truncate values, and find those that may belong to another level.

    Args:
        values: float32 tensor of any shape, within [0, 255] up to the error; overwritten.
        error: how far a value may be from the exact one.

    Returns:
        The levels, contiguous uint8, and the places of the unsure ones in the flattened tensor (int64).
    """
    low = values.sub(error).to(torch.int16)  # towards 0
    high = values.add_(error).to(torch.int16)
    places = np.flatnonzero(np.not_equal(low.numpy(), high.numpy()))
    return low.to(torch.uint8), torch.from_numpy(places)


def varied(planes: Tensor, above: int, below: int, left: int, right: int) -> Tensor:
    """Where a window around a pixel holds more than one level; pixels outside repeat the border.

    Args:
        planes: uint8 (..., H, W).
        above: how many rows above the pixel belong to the window.
        below: how many rows below it.
        left: how many columns to its left.
        right: how many columns to its right.

    Returns:
        uint8 (..., H, W): 0 where the window has one level. Windows next to an edge may count as varied.
    """
    step = torch.zeros_like(planes, memory_format=torch.contiguous_format)
    step[..., :-1] = torch.ne(planes[..., 1:], planes[..., :-1]).view(torch.uint8)
    step[..., :-1, :] |= torch.ne(planes[..., 1:, :], planes[..., :-1, :]).view(torch.uint8)
    step = torch.nn.functional.pad(step, (left, right, above, below))
    return _any_of_run(_any_of_run(step, -2, above + below + 1), -1, left + right + 1)


def _any_of_run(flags: Tensor, dim: int, length: int) -> Tensor:
    """Bitwise or over runs of this length along a dimension, which gets shorter by length - 1."""
    done = 1
    while done < length:
        shift = min(done, length - done)
        rest = flags.shape[dim] - shift
        flags = flags.narrow(dim, 0, rest) | flags.narrow(dim, shift, rest)
        done += shift
    return flags
