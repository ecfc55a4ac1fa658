"""Gaussian filters that round as SciPy's, to the bit.

SciPy filters in float64, the rows' direction first, and adds up the centre and then pairs of neighbours from
the outermost inwards. On flat regions the order decides whether a level survives truncation, so the order is
kept here. An image's result depends on that image alone.

Source: scipy.ndimage.gaussian_filter and correlate1d; skimage.filters.gaussian calls them.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from robustbench_lite.corruptions._rounding import one_level, unsure

_MATRIX_SHARE: Final = 8  # a Gaussian reaching further than this share of the image is a matrix product
_SPARSE_COST: Final = 4  # of a value computed alone, in comparison with one among all
_FEW: Final = 512  # so many unsure values are computed again before flat regions are looked for


@lru_cache(maxsize=256)
def gaussian_weights(sigma: float, truncate: float = 4.0) -> tuple[float, ...]:
    """One side of the normalised kernel in float64, from its centre outwards; (1,) for sigma = 0."""
    radius = int(truncate * sigma + 0.5)
    if radius == 0:
        return (1.0,)
    weights = np.exp(-0.5 / (sigma * sigma) * np.arange(-radius, radius + 1) ** 2)
    return tuple((weights / weights.sum())[radius:].tolist())


def gaussian_blur(values: Tensor, sigma: float, truncate: float = 4.0) -> Tensor:
    """Blur the last two dimensions with a truncated Gaussian, edge pixels repeated.

    Args:
        values: float64 tensor (..., H, W).
        sigma: standard deviation in pixels; 0 returns the values.
        truncate: the kernel ends at this many standard deviations.
    """
    weights = gaussian_weights(sigma, truncate)
    radius = len(weights) - 1
    if radius == 0:
        return values
    for dim in (-2, -1):
        values = correlate(_repeat_edges(values, dim, radius), weights, dim)
    return values


def gaussian_blur_float32(values: Tensor, sigma: float) -> Tensor:
    """Blur a float32 tensor as SciPy does: add up in float64, store each direction's result in float32."""
    weights = gaussian_weights(sigma)
    radius = len(weights) - 1
    for dim in (-2, -1):
        padded = _repeat_edges(values, dim, radius).to(torch.float64)
        values = correlate(padded, weights, dim).to(torch.float32)
    return values


def smooth_field(values: Tensor, sigma: float, truncate: float) -> Tensor:
    """Blur the last two dimensions with a truncated Gaussian, values mirrored about the outer edges.

    A wide Gaussian is a product of matrices, whose order of summation is not SciPy's: a field of
    displacements needs float64 accuracy, but no particular rounding of its last bit.

    Args:
        values: float64 tensor (N, C, H, W).
        sigma: standard deviation in pixels.
        truncate: the kernel ends at this many standard deviations.
    """
    weights = gaussian_weights(sigma, truncate)
    radius = len(weights) - 1
    if radius > max(values.shape[-2:]) // _MATRIX_SHARE:
        rows, columns = (_blur_matrix(size, weights).to(values.device) for size in values.shape[-2:])
        return torch.stack([torch.stack([rows @ plane @ columns.T for plane in image]) for image in values])
    for dim in (-2, -1):
        places = _mirrored(values.shape[dim], radius).to(values.device)
        values = correlate(values.index_select(dim % values.dim(), places), weights, dim)
    return values


@lru_cache(maxsize=16)
def _blur_matrix(size: int, weights: tuple[float, ...]) -> Tensor:
    """The blur of one line as a float64 matrix (size, size), border included."""
    kernel = torch.tensor(weights[:0:-1] + weights, dtype=torch.float64)
    source = _mirrored(size, len(weights) - 1).unfold(0, size, 1)  # (2 * radius + 1, size)
    places = torch.arange(size).expand_as(source)
    matrix = torch.zeros(size, size, dtype=torch.float64)
    return matrix.index_put_((places, source), kernel[:, None].expand(source.shape), accumulate=True)


def _mirrored(size: int, radius: int) -> Tensor:
    """Source positions of a line of `size` pixels continued by `radius` on both sides."""
    period = torch.arange(-radius, size + radius).remainder_(2 * size)
    return torch.minimum(period, 2 * size - 1 - period)


def correlate(padded: Tensor, weights: tuple[float, ...], dim: int) -> Tensor:
    """Symmetric correlation along a dimension in SciPy's order; the result is shorter by twice the radius."""
    radius = len(weights) - 1
    size = padded.shape[dim] - 2 * radius
    total = padded.narrow(dim, radius, size) * weights[0]
    pair = torch.empty_like(total)
    for step in range(radius, 0, -1):
        torch.add(padded.narrow(dim, radius - step, size), padded.narrow(dim, radius + step, size), out=pair)
        total.add_(pair.mul_(weights[step]))
    return total


def blur_levels(planes: Tensor, sigma: float, truncate: float = 4.0) -> Tensor:
    """Blur 8-bit images and truncate to 8 bits: gaussian_filter(x / 255) * 255 of the published scripts.

    Args:
        planes: contiguous uint8 (N, C, H, W).
        sigma: standard deviation in pixels.
        truncate: the kernel ends at this many standard deviations.

    Returns:
        uint8 (N, C, H, W).
    """
    weights = gaussian_weights(sigma, truncate)
    if len(weights) == 1:
        return planes
    if planes.device.type != "cpu" or not _has_exact_convolution():
        return _blur_all(planes, sigma, truncate)
    levels, places = unsure(
        _convolve(planes.to(torch.float32), weights), _convolution_error(len(weights) - 1)
    )
    if len(places) > _FEW:
        places = _settle_flat(planes, levels, places, weights)
    if len(places) * len(weights) * _SPARSE_COST > planes.numel():
        return _blur_all(planes, sigma, truncate)
    if len(places):
        levels.view(-1)[places] = _blur_some(planes, places, weights)
    return levels


def _blur_all(planes: Tensor, sigma: float, truncate: float) -> Tensor:
    blurred = gaussian_blur(planes.to(torch.float64).div_(255), sigma, truncate)
    return blurred.mul_(255).to(torch.int16).to(torch.uint8)


def _blur_some(planes: Tensor, places: Tensor, weights: tuple[float, ...]) -> Tensor:
    """The blurred levels at some places of the flattened planes."""
    height, width = planes.shape[-2:]
    steps = torch.arange(1 - len(weights), len(weights))
    plane, place = places // (height * width), places % (height * width)
    rows = (place // width)[:, None].add(steps).clamp_(0, height - 1)
    columns = (place % width)[:, None].add(steps).clamp_(0, width - 1)
    index = (plane[:, None] * height + rows)[:, :, None] * width + columns[:, None, :]
    around = planes.view(-1)[index].to(torch.float64).div_(255)
    blurred = correlate(correlate(around, weights, 1), weights, 2)
    return blurred.mul_(255).to(torch.int16).to(torch.uint8).view(-1)


def _settle_flat(planes: Tensor, levels: Tensor, places: Tensor, weights: tuple[float, ...]) -> Tensor:
    """Write the result where the kernel sees one level alone, and return the other places."""
    height, width = planes.shape[-2:]
    reach = len(weights) - 1
    row, column = places // width % height, places % width
    rows = (row - reach).clamp_(min=0), (row + reach).clamp_(max=height - 1)
    columns = (column - reach).clamp_(min=0), (column + reach).clamp_(max=width - 1)
    flat = one_level(planes, places, rows, columns)
    level = planes.view(-1)[places[flat]]
    levels.view(-1)[places[flat]] = _flat_levels(weights)[level.to(torch.int64)]
    return places[~flat]


@lru_cache(maxsize=64)
def _flat_levels(weights: tuple[float, ...]) -> Tensor:
    """What becomes of a region of each of the 256 levels, uint8."""
    level = torch.arange(256, dtype=torch.float64).div_(255)[:, None].expand(-1, 2 * len(weights) - 1)
    for _ in range(2):
        level = correlate(level, weights, 1).expand(-1, 2 * len(weights) - 1)
    return level[:, 0].mul(255).to(torch.int16).to(torch.uint8)


def _has_exact_convolution() -> bool:
    """Whether oneDNN's depthwise convolution is there and computes in float32."""
    convolution = getattr(torch.backends.mkldnn, "conv", None)
    precision = getattr(convolution, "fp32_precision", "none")
    return torch.backends.mkldnn.is_available() and precision not in ("bf16", "tf32")


def _convolution_error(radius: int) -> float:
    """How far `_convolve` may be from the exact blur, in levels.

    A sum of n terms, added up from one side of a symmetric kernel, errs by less than (n + 1) / 2 roundings of
    255; weights and conversions add two.
    """
    return 2 * (radius + 3) * 255 * 2.0**-24


def _convolve(values: Tensor, weights: tuple[float, ...]) -> Tensor:
    """The blur of planes (N, C, H, W) in float32, as two depthwise convolutions."""
    height, width = values.shape[-2:]
    radius = len(weights) - 1
    kernel = torch.tensor(weights[:0:-1] + weights, dtype=torch.float32)
    planes = values.view(1, -1, height, width)
    # Columns are channels, stored side by side; then rows are channels, stored one after the other.
    tall = functional.pad(planes, (0, 0, radius, radius), mode="replicate")[0, :, :, None]
    columns = kernel[:, None].expand(width, 1, -1, 1).contiguous(memory_format=torch.channels_last)
    tall = functional.conv2d(tall.permute(0, 3, 1, 2), columns, groups=width)
    planes = tall.permute(0, 2, 3, 1).reshape(1, -1, height, width)
    wide = functional.pad(planes, (radius, radius, 0, 0), mode="replicate").view(
        -1, height, 1, width + 2 * radius
    )
    blurred = functional.conv2d(wide, kernel.expand(height, 1, 1, -1).contiguous(), groups=height)
    return blurred.reshape(values.shape)


def _repeat_edges(values: Tensor, dim: int, radius: int) -> Tensor:
    """Continue the last (-1) or the last but one dimension (-2) by `radius` on both sides."""
    sides = (radius, radius, 0, 0) if dim == -1 else (0, 0, radius, radius)
    planes = values.reshape(1, -1, *values.shape[-2:])
    padded = functional.pad(planes, sides, mode="replicate")
    return padded.view(*values.shape[:-2], *padded.shape[-2:])
