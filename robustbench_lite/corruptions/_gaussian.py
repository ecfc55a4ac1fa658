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

_MATRIX_SHARE: Final = 8  # a Gaussian reaching further than this share of the image is a matrix product


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

    The order of summation is not SciPy's: a field of displacements needs no particular rounding of its last
    bit, because it is stored in float32.

    Args:
        values: float tensor (N, C, H, W); the result has its dtype.
        sigma: standard deviation in pixels.
        truncate: the kernel ends at this many standard deviations.
    """
    weights = gaussian_weights(sigma, truncate)
    radius = len(weights) - 1
    if radius > min(max(values.shape[-2:]) // _MATRIX_SHARE, *values.shape[-2:]):
        rows, columns = (_blur_matrix(size, weights).to(values) for size in values.shape[-2:])
        return torch.stack([torch.stack([rows @ plane @ columns.T for plane in image]) for image in values])
    for dim in (-2, -1):
        size = values.shape[dim]
        first = values.narrow(dim, 0, radius).flip(dim)
        last = values.narrow(dim, size - radius, radius).flip(dim)
        padded = torch.cat([first, values, last], dim)
        values = padded.narrow(dim, radius, size) * weights[0]
        for step in (*range(-radius, 0), *range(1, radius + 1)):
            values.add_(padded.narrow(dim, radius + step, size), alpha=weights[abs(step)])
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
        planes: uint8 (N, C, H, W).
        sigma: standard deviation in pixels.
        truncate: the kernel ends at this many standard deviations.

    Returns:
        uint8 (N, C, H, W).
    """
    values = planes.to(torch.float64, memory_format=torch.contiguous_format).div_(255)
    return gaussian_blur(values, sigma, truncate).mul_(255).to(torch.int16).to(torch.uint8)


def _repeat_edges(values: Tensor, dim: int, radius: int) -> Tensor:
    """Continue the last (-1) or the last but one dimension (-2) by `radius` on both sides."""
    size = values.shape[dim]
    shape = list(values.shape)
    shape[dim] += 2 * radius
    padded = values.new_empty(shape)
    padded.narrow(dim, radius, size).copy_(values)
    padded.narrow(dim, 0, radius).copy_(values.narrow(dim, 0, 1))
    padded.narrow(dim, radius + size, radius).copy_(values.narrow(dim, size - 1, 1))
    return padded
