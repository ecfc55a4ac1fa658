"""Correlation with the defocus disk, to the level that OpenCV's float64 filter gives.

OpenCV filters float64 images through the Fourier transform, with an error below 1e-12 levels. The published
kernel is float32, and the sum of its weights is not 1: a flat region truncates to its own level or to the one
below by 1e-9 levels or more. So the kernel has to be OpenCV's to the bit, and the sum accurate, in any order.

Source: `disk` and `defocus_blur` of make_imagenet_c.py and make_cifar_c.py (hendrycks/robustness,
ImageNet-C/create_c); cv2.GaussianBlur and cv2.filter2D.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from robustbench_lite.corruptions._rounding import one_level_around, pick, put, quantize, unsure

_LEAST_WEIGHT: Final = 2.0**-50  # of a kernel's entry: less moves a value by less than float64 resolves
_DIRECT_TAPS: Final = 25  # a kernel of more different weights goes through the Fourier transform
_EVEN_TAPS: Final = 128  # so many values add up in an int16
_TRANSFORM_ERROR: Final = 2.0**-11  # levels; ten times what the float32 transform errs by
_SUMMED_RADIUS: Final = 6  # with its rim smoothed, the disk fits into the kernel, and its sum into an int16
_SUM_ERROR: Final = 2.0**-12  # levels; ten roundings of 255 in float32, and the rounding of the kernel
_EVEN_ERROR: Final = 2.0**-10  # levels; far above float32 rounding, and far below 1 / 128
_CENTRE: Final = 127.5
_FEW: Final = 512  # so many unsure values are computed again before flat regions are looked for
_TILE: Final = 1024  # values computed together
_LANES: Final = 8  # float32 values that OpenCV filters at once where the processor has AVX2


def correlate_disk(planes: Tensor, radius: float, alias_sigma: float) -> Tensor:
    """Correlate with the defocus kernel, the border mirrored about the edge pixel's centre, and truncate.

    Args:
        planes: contiguous uint8 (N, C, H, W), larger than the kernel's reach.
        radius: the radius of the disk, in pixels.
        alias_sigma: the Gaussian that smooths the disk's rim.

    Returns:
        uint8 (N, C, H, W).
    """
    kernel = disk_kernel(radius, alias_sigma)
    weights = _taps(kernel)[2]
    if len(weights) <= _EVEN_TAPS and float(weights.min()) == float(weights.max()):
        return _correlate_even(planes, radius, weights)
    if len(weights) <= _DIRECT_TAPS or planes.device.type != "cpu":
        return quantize(_shifted_sum(planes.to(torch.float64), kernel))
    if len(weights) > _DIRECT_TAPS and radius <= _SUMMED_RADIUS:
        levels, places = unsure(_summed(planes, radius, alias_sigma), _SUM_ERROR)
    else:
        levels, places = unsure(_transformed(planes, kernel), _TRANSFORM_ERROR)
    if len(places) > _FEW:
        places = _settle_flat(planes, levels, places, kernel)
    for part in places.split(_TILE):
        put(levels, part, _correlate_some(planes, part, kernel))
    return levels


@lru_cache(maxsize=32)
def disk_kernel(radius: float, alias_sigma: float) -> Tensor:
    """The defocus kernel as float32, (17, 17) or (2 * radius + 1, 2 * radius + 1) if the radius is above 8.

    Source: `disk` of the published scripts, with the order of OpenCV's operations on processors with AVX2.
    """
    reach, side = (8, 3) if radius <= 8 else (int(radius), 5)
    line = np.arange(-reach, reach + 1)
    kernel = (line[:, None] ** 2 + line**2 <= radius**2).astype(np.float32)
    kernel /= kernel.sum()
    alias = _alias_weights(side, alias_sigma)
    kernel = _smoothed(kernel, alias, across=True)
    return torch.from_numpy(np.ascontiguousarray(_smoothed(kernel.T, alias, across=False).T))


def _alias_weights(side: int, sigma: float) -> NDArray[np.float32]:
    """One side of a normalised Gaussian kernel, from its centre outwards."""
    half = np.exp(-0.5 * (np.arange(side // 2 + 1) / sigma) ** 2)
    weights: NDArray[np.float32] = (half / (2 * half.sum() - half[0])).astype(np.float32)
    return weights


def _smoothed(kernel: NDArray[np.float32], alias: NDArray[np.float32], across: bool) -> NDArray[np.float32]:
    """One pass of cv2.GaussianBlur along the rows, (H, W): `across` the image, or down it if transposed."""
    centre, size = len(alias) - 1, kernel.shape[1]
    padded = np.pad(kernel, ((0, 0), (centre, centre)), mode="reflect")

    def pair(step: int) -> NDArray[np.float32]:
        return padded[:, centre - step :][:, :size] + padded[:, centre + step :][:, :size]

    middle = padded[:, centre : centre + size]
    if across and centre == 1:
        fused = _fused(middle, alias[0], pair(1) * alias[1])
    else:
        fused = middle * alias[0]
        for step in range(1, centre + 1):
            fused = _fused(pair(step), alias[step], fused)
    plain = middle * alias[0] if not across else padded[:, :size] * alias[centre]
    for step in range(1, centre + 1 if not across else 2 * centre + 1):
        if across:
            plain = plain + padded[:, step : step + size] * alias[abs(step - centre)]
        else:
            plain = plain + pair(step) * alias[step]
    whole = kernel.shape[0 if not across else 1] // _LANES * _LANES
    rest = slice(whole, None)
    if across:
        fused[:, rest] = plain[:, rest]
    else:
        fused[rest] = plain[rest]
    return fused


def _fused(
    values: NDArray[np.float32], factor: np.float32, total: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Values * factor + total, rounded once."""
    return (values.astype(np.float64) * np.float64(factor) + total).astype(np.float32)


@lru_cache(maxsize=32)
def _taps(kernel: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Row and column offsets of the weights that count (int64), and the weights (float64)."""
    reach = kernel.shape[0] // 2
    rows, columns = (kernel > _LEAST_WEIGHT).nonzero().unbind(1)
    return rows - reach, columns - reach, kernel[rows, columns].to(torch.float64)


def _correlate_even(planes: Tensor, radius: float, weights: Tensor) -> Tensor:
    """A kernel of one weight: a sum of whole numbers, which is exact, times the weight."""
    total = _disk_sum(planes, radius, 0).to(torch.float32).mul_(float(weights[0]))
    # A whole number goes the way the sum of the weights goes; other multiples of the weight are far from it.
    return quantize(total.add_(_EVEN_ERROR if float(weights.sum()) >= 1 else -_EVEN_ERROR))


def _disk_sum(planes: Tensor, radius: float, rim: int) -> Tensor:
    """The sum over a disk about each pixel and about the pixels of a rim outside the image, int16."""
    height, width = planes.shape[2] + 2 * rim, planes.shape[3] + 2 * rim
    reach = int(radius)
    padded = functional.pad(planes.to(torch.float32), [reach + rim] * 4, mode="reflect").to(torch.int16)
    # Sums of ever longer runs along the rows; each is added where the disk has a row of this length.
    run = padded[..., reach : reach + width].contiguous()
    total = run.new_zeros(*planes.shape[:2], height, width)
    halves = _half_lengths(radius)
    for half in range(reach + 1):
        if half:
            run += padded[..., reach - half :][..., :width]
            run += padded[..., reach + half :][..., :width]
        for first in (row for row, length in enumerate(halves) if length == half):
            total += run[:, :, first : first + height]
    return total


def _half_lengths(radius: float) -> list[int]:
    """How far each row of a disk extends to both sides of its middle."""
    reach = int(radius)
    return [math.isqrt(int(radius**2 - row**2)) for row in range(-reach, reach + 1)]


def _mirror(values: Tensor, margin: int) -> Tensor:
    """Continue images by a margin, mirrored about the centre of the edge pixels."""
    for dim in (2, 3):
        size = values.shape[dim]
        places = torch.arange(-margin, size + margin, device=values.device).abs_()
        places = size - 1 - (size - 1 - places).abs_()
        values = values.index_select(dim, places)
    return values


def _shifted_sum(values: Tensor, kernel: Tensor) -> Tensor:
    """The correlation as a sum of shifted images, float64."""
    rows, columns, weights = _taps(kernel)
    margin = int(torch.maximum(rows.abs().max(), columns.abs().max()))
    padded = _mirror(values, margin)
    height, width = values.shape[2:]
    total = torch.zeros_like(values)
    for row, column, weight in zip(rows.tolist(), columns.tolist(), weights.tolist(), strict=True):
        total.add_(padded[:, :, row + margin :, column + margin :][:, :, :height, :width], alpha=weight)
    return total


def _summed(planes: Tensor, radius: float, alias_sigma: float) -> Tensor:
    """The correlation as a disk's sum of whole numbers, smoothed by three weights each way, float32.

    The kernel's own float32 weights differ from this by less than 2e-5 levels, if its rim lies inside it.
    """
    area = sum(2 * half + 1 for half in _half_lengths(radius))
    values = _disk_sum(planes, radius, 1).to(torch.float32).div_(area)
    inner, outer = _alias_weights(3, alias_sigma).tolist()
    for dim in (2, 3):
        size = values.shape[dim] - 2
        pair = values.narrow(dim, 0, size) + values.narrow(dim, 2, size)
        values = pair.mul_(outer).add_(values.narrow(dim, 1, size), alpha=inner)
    return values


def _transformed(planes: Tensor, kernel: Tensor) -> Tensor:
    """The correlation through the Fourier transform, float32."""
    reach = kernel.shape[0] // 2
    height, width = planes.shape[2:]
    shape = _fast_length(height + 2 * reach), _fast_length(width + 2 * reach)
    spectrum, total = _spectrum(kernel, shape)
    # Values around 0 err by half as much.
    padded = functional.pad(planes.to(torch.float32).sub_(_CENTRE), [reach] * 4, mode="reflect")
    full: Tensor = torch.fft.irfft2(torch.fft.rfft2(padded, s=shape).mul_(spectrum), s=shape)
    return full[:, :, reach : reach + height, reach : reach + width] + total * _CENTRE


@lru_cache(maxsize=16)
def _spectrum(kernel: Tensor, shape: tuple[int, int]) -> tuple[Tensor, float]:
    """The transform of a kernel centred on the origin, real because it is symmetric, and the kernel's sum."""
    reach = kernel.shape[0] // 2
    field = torch.zeros(shape, dtype=torch.float64)
    field[: kernel.shape[0], : kernel.shape[1]] = kernel
    spectrum = torch.fft.rfft2(field.roll((-reach, -reach), dims=(0, 1))).real
    return spectrum.to(torch.float32), float(kernel.sum(dtype=torch.float64))


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


def _correlate_some(planes: Tensor, places: Tensor, kernel: Tensor) -> Tensor:
    """The levels at some places of the flattened planes, in float64."""
    height, width = planes.shape[2:]
    rows, columns, weights = _taps(kernel)
    index = _mirrored(height, rows).index_select(0, places // width % height).mul_(width)
    index += _mirrored(width, columns).index_select(0, places % width)
    index += (places // (height * width) * (height * width))[:, None]
    return quantize(pick(planes, index).to(torch.float64) @ weights)


@lru_cache(maxsize=32)
def _mirrored(size: int, offsets: Tensor) -> Tensor:
    """What each pixel of a line reads at these offsets, mirrored about the edge pixels, (size, T)."""
    index = torch.arange(size)[:, None].add(offsets).abs_()
    return size - 1 - (size - 1 - index).abs_()


def _settle_flat(planes: Tensor, levels: Tensor, places: Tensor, kernel: Tensor) -> Tensor:
    """Write the result where the kernel sees one level alone, and return the other places."""
    reach = int(_taps(kernel)[0].max())
    flat = pick(one_level_around(planes, reach), places)
    inside = places[flat]
    result = pick(planes, inside).to(torch.float64).mul_(kernel.sum(dtype=torch.float64))
    put(levels, inside, quantize(result))
    return places[~flat]
