"""Filters that several kernels share, on float32 tensors (N, C, H, W).

An image's values depend on that image alone, to the bit: every filter is a fixed sequence of element-wise
operations, whose rounding doesn't depend on how many images go through together.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from robustbench_lite.corruptions._rounding import pick, put, unsure
from robustbench_lite.corruptions._rounding import quantize as quantize

_LEAST_WEIGHT: Final = 2.0**-26  # of a motion blur's tap: less moves a value by less than float32 resolves


def below(values: Tensor, bounds: Tensor) -> Tensor:
    """Where values < bounds, as 0 and 1 in uint8; NumPy's comparison is four times as fast as torch's."""
    if values.device.type == "cpu":
        return torch.from_numpy(np.less(values.numpy(), bounds.numpy()).view(np.uint8))
    return (values < bounds).view(torch.uint8)


def motion_blur(values: Tensor, radius: int, sigma: float, angles: Tensor) -> Tensor:
    """Blur 8-bit images along a line, one direction an image.

    Tap i = 0..2*radius has weight exp(-i^2 / (2 sigma^2)) and reads the pixel at
    (ceil(i cos t - 1/2), ceil(i sin t - 1/2)); edge pixels continue outwards. The result is brought to 8 bits
    by way of 16, as ImageMagick does: floor(round(257 v) / 257).

    Args:
        values: uint8 tensor (N, C, H, W).
        radius: the radius of the kernel in pixels.
        sigma: standard deviation along the line.
        angles: float64 tensor (N,) in degrees.

    Returns:
        uint8 tensor (N, C, H, W).

    Source: ImageMagick's MotionBlurImage, which the published scripts call.
    """
    weights, rows, columns = _motion_taps(radius, sigma, angles)
    if values.device.type != "cpu":
        total = _motion_gather(values.to(torch.float64), weights.tolist(), rows, columns)
        return _by_way_of_16_bits(total)
    blurred = _motion_shifts(
        values.to(torch.float32, memory_format=torch.contiguous_format), weights, rows, columns
    )
    # floor(round(257 v) / 257) is floor(v + 0.5 / 257), but for ties.
    error = (len(weights) + 2) * 255 * 2.0**-24  # a rounding of at most 255 a tap, in float32
    levels, places = unsure(blurred.add_(0.5 / 257), error)
    if len(places):
        put(levels, places, _motion_some(values, places, weights, rows, columns))
    return levels


def _by_way_of_16_bits(total: Tensor) -> Tensor:
    return total.mul_(257).round_().div_(257, rounding_mode="floor").to(torch.uint8)


def _motion_shifts(values: Tensor, weights: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """The sum of the shifted images in float32."""
    count, channels, height, width = values.shape
    top, left = max(0, -int(rows.min())), max(0, -int(columns.min()))
    bottom, right = max(0, int(rows.max())), max(0, int(columns.max()))
    padded = functional.pad(values, (left, right, top, bottom), mode="replicate")
    strides = padded.stride()[1:]
    stride = strides[1]
    offsets = ((rows + top) * stride + columns + left).tolist()
    total = torch.empty(count, channels, height, width)
    taps = [weight for weight in weights.tolist() if weight > _LEAST_WEIGHT]
    for image, source, places in zip(total, padded, offsets, strict=True):
        base = source.storage_offset()
        first = source.as_strided(image.shape, strides, base + places[0])
        torch.mul(first, taps[0], out=image)
        for weight, place in zip(taps[1:], places[1:], strict=False):
            image.add_(source.as_strided(image.shape, strides, base + place), alpha=weight)
    return total


def _motion_some(values: Tensor, places: Tensor, weights: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """The blurred levels at some places of the flattened batch, in float64."""
    channels, height, width = values.shape[1:]
    plane, place = places // (height * width), places % (height * width)
    image = plane // channels
    row = (place // width)[:, None].add(rows.index_select(0, image)).clamp_(0, height - 1)
    column = (place % width)[:, None].add(columns.index_select(0, image)).clamp_(0, width - 1)
    index = row.mul_(width).add_(column).add_(plane[:, None] * (height * width))
    taps = pick(values.contiguous(), index).to(torch.float64)
    return _by_way_of_16_bits(taps.mul_(weights).sum(1))


def _motion_taps(radius: int, sigma: float, angles: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The float64 weights of a motion blur's taps and their offsets down and right, (N, taps) int64."""
    steps = torch.arange(2 * radius + 1, dtype=torch.float64)
    weights = torch.exp(-0.5 * (steps / sigma) ** 2)
    weights /= weights.sum()
    radians = torch.deg2rad(angles.to(torch.float64))[:, None]
    steps = steps.to(angles.device)
    rows = torch.ceil(steps * torch.sin(radians) - 0.5).to(torch.int64)
    columns = torch.ceil(steps * torch.cos(radians) - 0.5).to(torch.int64)
    return weights, rows, columns


def _motion_gather(values: Tensor, weights: list[float], rows: Tensor, columns: Tensor) -> Tensor:
    """The sum of the shifted images by one gather a tap, for devices where a loop over images is slow."""
    count, channels, height, width = values.shape
    down = torch.arange(height, device=values.device)[:, None]
    right = torch.arange(width, device=values.device)
    flat = values.reshape(count, channels, -1)
    total = torch.zeros_like(flat)
    for tap, weight in enumerate(weights):
        source = (down + rows[:, tap, None, None]).clamp_(0, height - 1) * width
        source = source + (right + columns[:, tap, None, None]).clamp_(0, width - 1)
        index = source.view(count, 1, -1).expand(count, channels, -1)
        total.add_(torch.gather(flat, 2, index), alpha=weight)
    return total.view(values.shape)


def zoom_samples(size: int, factor: float) -> tuple[Tensor, Tensor]:
    """Where `clipped_zoom` reads along a dimension: lower pixel (int64), weight of the next (float64)."""
    crop = math.ceil(size / factor)
    top = (size - crop) // 2
    enlarged = round(crop * factor)
    first = (enlarged - size) // 2
    position = torch.arange(first, first + size, dtype=torch.float64)
    position *= (crop - 1) / (enlarged - 1) if enlarged > 1 else 0.0
    low = position.floor()
    return low.to(torch.int64) + top, position - low
