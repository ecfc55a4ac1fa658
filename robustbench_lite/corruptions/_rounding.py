"""Truncation to 8 bits, to the level that float64 gives, at the price of float32.

A published script truncates float64 values. Float32 gives the same level wherever the value is farther from a
whole number than float32 errs. `unsure` finds the few other values, which a kernel computes again in float64
with the published order of operations. Flat regions are different: there every value is close to a whole
number. `one_level` finds them, because their 256 possible results fit in a table.

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
    """Clip and truncate values, and find those that may belong to another level.

    Args:
        values: float32 tensor of any shape, at least 0 up to the error, at most 2**15 - 1; overwritten.
        error: how far a value may be from the exact one.

    Returns:
        The levels, contiguous uint8, and the places of the unsure ones in the flattened tensor (int64).
    """
    low = values.sub(error).to(torch.int16).clamp_(max=255)
    high = values.add_(error).to(torch.int16).clamp_(max=255)
    places = np.flatnonzero(np.not_equal(low.numpy(), high.numpy()))
    return low.to(torch.uint8), torch.from_numpy(places)


def pick(values: Tensor, places: Tensor) -> Tensor:
    """The elements at places of the flattened tensor, in the places' shape; far faster than indexing."""
    return values.view(-1).index_select(0, places.view(-1)).view(places.shape)


def put(values: Tensor, places: Tensor, elements: Tensor) -> None:
    """Write elements at places (int64) of the flattened tensor; far faster than indexing."""
    values.view(-1).scatter_(0, places.view(-1), elements.view(-1))


def one_level(
    planes: Tensor, places: Tensor, rows: tuple[Tensor, Tensor], columns: tuple[Tensor, Tensor]
) -> Tensor:
    """Whether boxes of pixels, each of less than 2**16, hold one level alone.

    Args:
        planes: uint8 (..., H, W).
        places: a pixel of each box's plane, as an index into the flattened planes (P,).
        rows: the first and the last row of each box, int64 (P,).
        columns: the first and the last column of each box, int64 (P,).

    Returns:
        bool (P,). A box whose next row or column differs may count as one of several levels.
    """
    height, width = planes.shape[-2:]
    planes = planes.reshape(-1, height, width)
    steps = torch.zeros(len(planes), height + 1, width + 1, dtype=torch.uint8)
    steps[:, 1:, 1:-1] = torch.ne(planes[..., 1:], planes[..., :-1]).view(torch.uint8)
    steps[:, 1:-1, 1:] |= torch.ne(planes[:, 1:], planes[:, :-1]).view(torch.uint8)
    total = steps.cumsum(2, dtype=torch.int16).cumsum(1, dtype=torch.int16).view(-1)
    first = places // (height * width) * ((height + 1) * (width + 1))
    above, below = first + rows[0] * (width + 1), first + (rows[1] + 1) * (width + 1)
    left, right = columns[0], columns[1] + 1
    inside = pick(total, below + right).sub_(pick(total, below + left))
    inside.sub_(pick(total, above + right)).add_(pick(total, above + left))
    return inside == 0


def one_level_around(planes: Tensor, reach: int) -> Tensor:
    """Whether the square about each pixel holds one level alone; pixels outside repeat the border.

    Args:
        planes: contiguous uint8 (..., H, W).
        reach: how many pixels the square extends to each side.

    Returns:
        bool (..., H, W). A square whose next row or column differs may count as one of several levels.
    """
    steps = torch.zeros_like(planes)
    steps[..., :-1] = torch.ne(planes[..., 1:], planes[..., :-1]).view(torch.uint8)
    steps[..., :-1, :] |= torch.ne(planes[..., 1:, :], planes[..., :-1, :]).view(torch.uint8)
    steps = torch.nn.functional.pad(steps, [reach] * 4)
    for dim in (-2, -1):
        done, length = 1, 2 * reach + 1
        while done < length:
            shift = min(done, length - done)
            rest = steps.shape[dim] - shift
            steps = steps.narrow(dim, 0, rest) | steps.narrow(dim, shift, rest)
            done += shift
    return steps == 0


def bilinear(
    first: Tensor, second: Tensor, third: Tensor, fourth: Tensor, down: Tensor, across: Tensor
) -> Tensor:
    """Interpolate four corners linearly in float64, added up in the order of scipy.ndimage.

    Args:
        first: the upper left corner.
        second: the upper right corner.
        third: the lower left corner.
        fourth: the lower right corner.
        down: the weight of the lower corners, in [0, 1].
        across: the weight of the right corners, in [0, 1].
    """
    above, left = 1 - down, 1 - across
    total = first * above * left
    total += second * above * across
    total += third * down * left
    total += fourth * down * across
    return total
