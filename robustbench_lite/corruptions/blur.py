"""Blur corruptions: defocus, glass, motion, zoom and gaussian."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from robustbench_lite.corruptions import _disk as disk
from robustbench_lite.corruptions import _filters
from robustbench_lite.corruptions import _zoom as zoom
from robustbench_lite.corruptions._disk import disk_kernel as disk_kernel
from robustbench_lite.corruptions._filters import below
from robustbench_lite.corruptions._gaussian import blur_levels
from robustbench_lite.corruptions.parameters import Parameters
from robustbench_lite.corruptions.random import Draws


def gaussian_blur(images: Tensor, parameters: Parameters, draws: Draws) -> Tensor:
    """Blur with a Gaussian of the given deviation in pixels, edge pixels repeated."""
    return blur_levels(images, parameters[0])


def defocus_blur(images: Tensor, parameters: Parameters, draws: Draws) -> Tensor:
    """Correlate with an anti-aliased disk; the border mirrors about the edge pixel's centre.

    The image must be larger than the kernel's reach (8 pixels, or the radius if larger).
    """
    return disk.correlate_disk(images.contiguous(), *parameters)


def glass_blur(images: Tensor, parameters: Parameters, draws: Draws) -> Tensor:
    """Blur, move pixels about within a reach of a few pixels, and blur again.

    The published scan copies, for each pixel from the last to the first, a pixel drawn from around it, which
    may itself have been replaced earlier in the scan.
    """
    sigma, reach, iterations = parameters[0], int(parameters[1]), int(parameters[2])
    values = blur_levels(images, sigma)
    count, channels, height, width = values.shape
    shape = iterations, height - 2 * reach, width - 2 * reach
    right, down = draws.offsets(reach, shape)
    moves = (down * width).add_(right).flip((2, 3))
    origin = _glass_origin(moves[:, 0], reach, height, width)
    for iteration in range(1, iterations):
        origin = origin.index_select(0, _glass_origin(moves[:, iteration], reach, height, width))
    planes = values.transpose(0, 1).reshape(channels, -1)
    moved = torch.stack([plane.index_select(0, origin) for plane in planes])
    moved = moved.view(channels, count, height, width).transpose(0, 1)
    return blur_levels(moved, sigma)


def motion_blur(images: Tensor, parameters: Parameters, draws: Draws) -> Tensor:
    """Blur along a line within 45 degrees of the horizontal."""
    angles = draws.uniform(-45, 45, dtype=torch.float64)
    return _filters.motion_blur(images, int(parameters[0]), parameters[1], angles)


def zoom_blur(images: Tensor, parameters: Parameters, draws: Draws) -> Tensor:
    """Average the image with enlargements of its centre."""
    return zoom.zoom_blur(images, tuple(np.arange(1, *parameters).tolist()))


def _glass_origin(moves: Tensor, reach: int, height: int, width: int) -> Tensor:
    """Where every pixel's value comes from in one scan, as an index into the flattened batch.

    A pixel that copies one replaced earlier in the scan follows its pointer; following doubles the distance
    each time, so a few rounds resolve all chains.

    Args:
        moves: int32 (N, H - 2 * reach, W - 2 * reach), the drawn steps to another pixel in raster order.
        reach: pixels within this many of the border stay.
        height: the height of the image.
        width: the width of the image.
    """
    count, size = len(moves), len(moves) * height * width
    own, scanned = _glass_places(count, reach, height, width, moves.device)
    chosen = own.clone()
    inner = slice(reach + 1, height - reach + 1), slice(reach + 1, width - reach + 1)
    chosen.view(count, height, width)[:, inner[0], inner[1]] += moves
    if reach == 1:  # copies from above and from the left alone, which the scan reaches later
        return chosen
    follow = below(own, scanned.index_select(0, chosen)).to(torch.int32)
    # Indices below `size` mean the pixel's value after the scan, the others its value before.
    pointer = torch.cat([chosen.add_(size).sub_(follow, alpha=size), own + size])
    target = pointer[:size]
    while int(target.min()) < size:
        target.copy_(pointer.index_select(0, target))
    return target - size


@lru_cache(maxsize=4)
def _glass_places(
    count: int, reach: int, height: int, width: int, device: torch.device
) -> tuple[Tensor, Tensor]:
    """Every pixel's index in the flattened batch, and the same with -1 where the scan doesn't pass; int32."""
    own = torch.arange(count * height * width, dtype=torch.int32, device=device)
    scanned = torch.full((count, height, width), -1, dtype=torch.int32, device=device)
    inner = slice(reach + 1, height - reach + 1), slice(reach + 1, width - reach + 1)
    scanned[:, inner[0], inner[1]] = own.view(count, height, width)[:, inner[0], inner[1]]
    return own, scanned.view(-1)
