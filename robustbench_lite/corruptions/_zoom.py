"""The mean of an image and enlargements of its centre, in the published float32 arithmetic.

The published script stores each enlargement in float32 and adds them up one by one in float32. One sparse
matrix gives the mean to float32 accuracy, and the values that it leaves unsure are computed as published.

Source: `zoom_blur` and `clipped_zoom` of make_imagenet_c.py and make_cifar_c.py (hendrycks/robustness,
ImageNet-C/create_c); scipy.ndimage.zoom of order 1.
"""

from __future__ import annotations

import warnings
from functools import lru_cache
from typing import Final

import torch
from torch import Tensor

from robustbench_lite.corruptions._filters import zoom_samples
from robustbench_lite.corruptions._rounding import bilinear, one_level, pick, put, quantize, unsure

_SPARSE_PIXELS: Final = 256 * 256  # the matrix holds some 300 bytes a pixel
_FEW: Final = 512  # so many unsure values are computed again before flat regions are looked for
_TILE: Final = 4096  # values computed together

Factors = tuple[float, ...]


def zoom_blur(images: Tensor, factors: Factors) -> Tensor:
    """The mean of the images and their enlargements, truncated to uint8.

    Args:
        images: uint8 (N, C, H, W).
        factors: the factors of the enlargements, each at least 1.
    """
    height, width = images.shape[2:]
    if images.device.type != "cpu" or height * width > _SPARSE_PIXELS:
        return _mean_all(images, factors)
    operator, error = _operator(height, width, factors)
    pixels = images.permute(2, 3, 0, 1).reshape(height, width, -1).contiguous()
    levels, places = unsure(operator @ pixels.view(height * width, -1).to(torch.float32), error)
    if len(places) > _FEW:
        places = _settle_flat(pixels, levels, places, factors)
    for part in places.split(_TILE):
        put(levels, part, _mean_some(pixels, part, factors))
    return levels.view(height, width, *images.shape[:2]).permute(2, 3, 0, 1)


def _mean_all(images: Tensor, factors: Factors) -> Tensor:
    """The mean for whole images, one enlargement after the other."""
    pixels = _unit(images)
    source = pixels.to(torch.float64)
    total = torch.zeros_like(pixels)
    for factor in factors:
        rows, columns = (_samples(size, (factor,)) for size in images.shape[2:])
        upper, lower, down = (part[:, 0].to(images.device) for part in rows)
        left, right, across = (part[:, 0].to(images.device) for part in columns)
        above, below = source.index_select(2, upper), source.index_select(2, lower)
        corners = [half.index_select(3, side) for half in (above, below) for side in (left, right)]
        first, second, third, fourth = corners
        total += bilinear(first, second, third, fourth, down[:, None], across).to(torch.float32)
    return _mean(pixels, total, len(factors))


def _mean_some(pixels: Tensor, places: Tensor, factors: Factors) -> Tensor:
    """The mean at some places of the flattened pixels (H, W, N * C)."""
    height, width, depth = pixels.shape
    place, plane = places // depth, places % depth
    upper, lower, down = (part.index_select(0, place // width) for part in _samples(height, factors))
    left, right, across = (part.index_select(0, place % width) for part in _samples(width, factors))
    left, right = (column.mul_(depth).add_(plane[:, None]) for column in (left, right))
    corners = []
    for row in (upper, lower):
        row.mul_(width * depth)
        corners += [_unit(pick(pixels, row + column)).to(torch.float64) for column in (left, right)]
    first, second, third, fourth = corners
    zoomed = bilinear(first, second, third, fourth, down, across).to(torch.float32)
    total = torch.zeros(len(places))
    for enlargement in zoomed.unbind(1):
        total += enlargement
    return _mean(_unit(pick(pixels, places)), total, len(factors))


def _settle_flat(pixels: Tensor, levels: Tensor, places: Tensor, factors: Factors) -> Tensor:
    """Write the result where all enlargements read one level alone, and return the other places."""
    height, width, depth = pixels.shape
    planes = pixels.permute(2, 0, 1).contiguous()
    place, plane = places // depth, places % depth
    rows, columns = _reach(height, factors), _reach(width, factors)
    flat = one_level(
        planes,
        plane * (height * width),
        (pick(rows[0], place // width), pick(rows[1], place // width)),
        (pick(columns[0], place % width), pick(columns[1], place % width)),
    )
    inside = places[flat]
    put(levels, inside, pick(_flat_levels(len(factors)), pick(pixels, inside).to(torch.int32)))
    return places[~flat]


def _mean(pixels: Tensor, total: Tensor, count: int) -> Tensor:
    """The truncated mean of float32 pixels and their enlargements' sum."""
    return quantize(pixels.add(total).div_(count + 1).mul_(255))


def _unit(levels: Tensor) -> Tensor:
    """Levels on the scale [0, 1]: divided in float64, stored in float32."""
    return levels.to(torch.float64).div_(255).to(torch.float32)


@lru_cache(maxsize=16)
def _flat_levels(count: int) -> Tensor:
    """What becomes of a region of each of the 256 levels, uint8."""
    level = _unit(torch.arange(256))
    total = torch.zeros(256)
    for _ in range(count):
        total += level
    return _mean(level, total, count)


@lru_cache(maxsize=64)
def _reach(size: int, factors: Factors) -> tuple[Tensor, Tensor]:
    """The first and the last pixel that count for each pixel of a line, int64 (size,)."""
    low, high, _ = _samples(size, factors)
    own = torch.arange(size)
    return torch.minimum(own, low.amin(1)), torch.maximum(own, high.amax(1))


@lru_cache(maxsize=64)
def _samples(size: int, factors: Factors) -> tuple[Tensor, Tensor, Tensor]:
    """Where the enlargements read a line: two pixels (int64) and the weight of the second, (size, Z) each."""
    low, weight = (
        torch.stack(part, 1) for part in zip(*(zoom_samples(size, f) for f in factors), strict=True)
    )
    return low, (low + 1).clamp_(max=size - 1), weight


@lru_cache(maxsize=8)
def _operator(height: int, width: int, factors: Factors) -> tuple[Tensor, float]:
    """The mean as a sparse matrix over pixels, (H * W, H * W) float32, and how far it may err, in levels."""
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
    # Both sums round once a term in float32, while they grow evenly to at most 255.
    error = (int(starts.diff().max()) + len(factors) + 16) / 2 * 255 * 2.0**-24
    parts = starts.to(torch.int32), (key % pixels).to(torch.int32), total.to(torch.float32)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Sparse CSR tensor support is in beta", UserWarning)
        return torch.sparse_csr_tensor(*parts, (pixels, pixels), check_invariants=False), error


def _ends(size: int, factor: float) -> list[tuple[Tensor, Tensor]]:
    """The two pixels between which `clipped_zoom` interpolates along one dimension, with their weights."""
    low, high, weight = (part[:, 0] for part in _samples(size, (factor,)))
    return [(low, 1 - weight), (high, weight)]
