"""Blur corruptions: defocus, glass, motion, zoom and gaussian."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from functools import lru_cache
from typing import Final

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from robustbench_lite.corruptions import _filters
from robustbench_lite.corruptions._filters import below, quantize
from robustbench_lite.corruptions._gaussian import blur_levels
from robustbench_lite.corruptions.random import Draws
from robustbench_lite.corruptions.severity import Parameters

_EPSILON: Final = 2.0**-12  # above float32 rounding: a whole number stays whole when truncated
_LEAST_WEIGHT: Final = 2.0**-26  # of a kernel's entry: less moves a value by less than float32 resolves
_DIRECT_TAPS: Final = 25  # a kernel with more weights goes through the Fourier transform
_SPARSE_PIXELS: Final = 256 * 256  # zoom_blur's operator holds some 300 bytes a pixel


def gaussian_blur(images: Tensor, parameters: Parameters, draws: Draws) -> Tensor:
    """Blur with a Gaussian of the given deviation in pixels, edge pixels repeated."""
    return blur_levels(images.contiguous(), parameters[0])


def defocus_blur(images: Tensor, parameters: Parameters, draws: Draws) -> Tensor:
    """Correlate with an anti-aliased disk; the border mirrors about the edge pixel's centre.

    The image must be larger than the kernel's reach (8 pixels, or the radius if larger).
    """
    kernel = disk_kernel(*parameters)
    # The published kernel is float32; where its sum is just below 1, flat areas truncate to the level below.
    epsilon = _EPSILON if kernel.sum(dtype=torch.float64) >= 1 else -_EPSILON
    values = _planes(images)
    if int((kernel > _LEAST_WEIGHT).sum()) <= _DIRECT_TAPS:
        return quantize(_correlate(values, kernel).add_(epsilon))
    reach = kernel.shape[0] // 2
    shape = _fast_length(values.shape[2] + 2 * reach), _fast_length(values.shape[3] + 2 * reach)
    spectrum = _disk_spectrum(parameters, shape, images.device)
    # One image at a time on a CPU: a transform's rounding may depend on how many go through together.
    parts = values.split(1) if images.device.type == "cpu" else (values,)
    return quantize(torch.cat([_convolve(part, spectrum, reach, shape) for part in parts]).add_(epsilon))


def glass_blur(images: Tensor, parameters: Parameters, draws: Draws) -> Tensor:
    """Blur, move pixels about within a reach of a few pixels, and blur again.

    The published scan copies, for each pixel from the last to the first, a pixel drawn from around it, which
    may itself have been replaced earlier in the scan.
    """
    sigma, reach, iterations = parameters[0], int(parameters[1]), int(parameters[2])
    values = blur_levels(images.contiguous(), sigma)
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
    return blur_levels(moved.contiguous(), sigma)


def motion_blur(images: Tensor, parameters: Parameters, draws: Draws) -> Tensor:
    """Blur along a line within 45 degrees of the horizontal."""
    angles = draws.uniform(-45, 45, dtype=torch.float64)
    return quantize(_filters.motion_blur(_planes(images), int(parameters[0]), parameters[1], angles))


def zoom_blur(images: Tensor, parameters: Parameters, draws: Draws) -> Tensor:
    """Average the image with enlargements of its centre."""
    factors = tuple(np.arange(1, *parameters).tolist())
    count, channels, height, width = images.shape
    if images.device.type == "cpu" and height * width <= _SPARSE_PIXELS:
        operator = _zoom_operator(height, width, factors)
        pixels = images.permute(2, 3, 0, 1).reshape(height * width, -1).to(torch.float32)
        mean = (operator @ pixels).view(height, width, count, channels).permute(2, 3, 0, 1)
        return _truncate(mean)
    values = _planes(images)
    total = values.clone()
    for factor in factors:
        total += _filters.clipped_zoom(values, factor)
    return _truncate(total.div_(len(factors) + 1))


@lru_cache(maxsize=32)
def disk_kernel(radius: float, alias_sigma: float) -> Tensor:
    """The defocus kernel as float32, (17, 17) or (2 * radius + 1, 2 * radius + 1) if the radius is above 8.

    Source: `disk` of the published scripts.
    """
    reach, side = (8, 3) if radius <= 8 else (int(radius), 5)
    line = torch.arange(-reach, reach + 1, dtype=torch.float32)
    kernel = (line[:, None] ** 2 + line**2 <= radius**2).to(torch.float32)
    kernel /= kernel.sum()
    centre = side // 2
    alias = torch.exp(-0.5 * (torch.arange(centre + 1, dtype=torch.float64) / alias_sigma) ** 2)
    alias = (alias / (2 * alias.sum() - alias[0])).to(torch.float32)
    for _ in range(2):
        padded = functional.pad(kernel[None], (centre, centre), mode="reflect")[0]
        width = kernel.shape[1]
        total = padded[:, centre : centre + width] * alias[0]
        for step in range(1, centre + 1):
            pair = padded[:, centre - step :][:, :width] + padded[:, centre + step :][:, :width]
            total += pair * alias[step]
        kernel = total.T
    return kernel


def _planes(images: Tensor) -> Tensor:
    """The values 0..255 as contiguous float32 planes."""
    return images.to(torch.float32, memory_format=torch.contiguous_format)


def _truncate(values: Tensor) -> Tensor:
    return quantize(values.add_(_EPSILON))


def _correlate(values: Tensor, kernel: Tensor) -> Tensor:
    """Sum of shifted images, for kernels of few weights."""
    reach = kernel.shape[0] // 2
    taps = [(row, column) for row, column in kernel.gt(_LEAST_WEIGHT).nonzero().tolist()]
    margin = max(max(abs(row - reach), abs(column - reach)) for row, column in taps)
    padded = functional.pad(values, [margin] * 4, mode="reflect") if margin else values
    total = torch.zeros_like(values)
    height, width = values.shape[2:]
    for row, column in taps:
        top, left = row - reach + margin, column - reach + margin
        shifted = padded[:, :, top : top + height, left : left + width]
        total.add_(shifted, alpha=float(kernel[row, column]))
    return total


def _convolve(values: Tensor, spectrum: Tensor, reach: int, shape: tuple[int, int]) -> Tensor:
    padded = functional.pad(values, [reach] * 4, mode="reflect")
    full: Tensor = torch.fft.irfft2(torch.fft.rfft2(padded, s=shape).mul_(spectrum), s=shape)
    return full[:, :, reach : reach + values.shape[2], reach : reach + values.shape[3]]


@lru_cache(maxsize=16)
def _disk_spectrum(parameters: Parameters, shape: tuple[int, int], device: torch.device) -> Tensor:
    """The transform of the disk centred on the origin, real because the disk is symmetric."""
    kernel = disk_kernel(*parameters)
    reach = kernel.shape[0] // 2
    field = torch.zeros(shape, dtype=torch.float64)
    field[: kernel.shape[0], : kernel.shape[1]] = kernel
    field = field.roll((-reach, -reach), dims=(0, 1))
    spectrum: Tensor = torch.fft.rfft2(field).real
    return spectrum.to(device, torch.float32)


def _fast_length(least: int) -> int:
    """The smallest even length from `least` on whose prime factors are 2, 3 and 5."""
    length = least + least % 2
    while True:
        rest = length
        for prime in (2, 3, 5):
            while rest % prime == 0:
                rest //= prime
        if rest == 1:
            return length
        length += 2


def _glass_origin(moves: Tensor, reach: int, height: int, width: int) -> Tensor:
    """Where every pixel's value comes from in one scan, as an index into the flattened batch.

    A pixel that copies one replaced earlier in the scan follows its pointer; following doubles the distance
    each time, so a few rounds resolve all chains.

    Args:
        moves: int32 (N, H - 2 * reach, W - 2 * reach), the drawn steps to another pixel in raster order.
        reach: pixels within this many of the border stay.
        height: of the image.
        width: of the image.
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


@lru_cache(maxsize=8)
def _zoom_operator(height: int, width: int, factors: Sequence[float]) -> Tensor:
    """The mean of all enlargements as one sparse matrix over pixels, (H * W, H * W) float32."""
    pixels = height * width
    own = torch.arange(pixels)
    keys, values = [own * pixels + own], [torch.ones(pixels, dtype=torch.float64)]
    for factor in factors:
        for rows, row_weight in _ends(height, factor):
            for columns, column_weight in _ends(width, factor):
                source = (rows[:, None] * width + columns).view(-1)
                keys.append(own * pixels + source)
                values.append(torch.outer(row_weight, column_weight).view(-1))
    key, place = torch.cat(keys).unique(return_inverse=True)
    total = torch.zeros(len(key), dtype=torch.float64).index_add_(0, place, torch.cat(values))
    used = total > 0
    key, total = key[used], total[used] / (len(factors) + 1)
    starts = torch.searchsorted(key, torch.arange(pixels + 1) * pixels)
    parts = starts.to(torch.int32), (key % pixels).to(torch.int32), total.to(torch.float32)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Sparse CSR tensor support is in beta", UserWarning)
        return torch.sparse_csr_tensor(*parts, (pixels, pixels), check_invariants=False)


def _ends(size: int, factor: float) -> list[tuple[Tensor, Tensor]]:
    """The two pixels between which `clipped_zoom` interpolates along one dimension, with their weights."""
    low, weight = _filters.zoom_samples(size, factor)
    return [(low, 1 - weight), ((low + 1).clamp(max=size - 1), weight)]
