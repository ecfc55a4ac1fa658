"""Digital corruptions: contrast, pixelate, JPEG compression, and saturate."""

from __future__ import annotations

import io
import math
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from typing import Final

import numpy as np
import simplejpeg
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from robustbench_lite.corruptions._filters import quantize
from robustbench_lite.corruptions._hsv import change_hsv
from robustbench_lite.corruptions.elastic import elastic_transform as elastic_transform
from robustbench_lite.corruptions.parameters import Parameters
from robustbench_lite.corruptions.random import Draws

_EPSILON: Final = 2.0**-13  # above float32 rounding: a whole number stays whole when truncated
_MEAN_ERROR: Final = 1e-7  # levels; more than any order of summation moves a mean
_PILLOW_PIXELS: Final = 96 * 96  # on a CPU, larger images shrink faster in Pillow
_RESIZE_BITS: Final = 22  # Pillow's fixed point for 8-bit resampling


def contrast(images: Tensor, parameters: Parameters, draws: Draws) -> Tensor:
    """Pull every channel towards its mean over the image: (x - mean) * factor + mean.

    A channel's result depends on the clean level and the mean alone, so 256 levels are computed in float64 in
    NumPy's order of operations. The image goes through an expression in float32 where that gives the same
    256 levels, and through the table elsewhere.
    """
    factor = parameters[0]
    on_host = images.device.type == "cpu"
    count, channels, height, width = images.shape
    rows = images.permute(0, 2, 3, 1).reshape(count, height, width * channels)
    sums = rows.sum(dim=1, dtype=torch.int32).view(count, width, channels).sum(dim=1)
    mean = sums.to(torch.float64).div_(255 * height * width)
    exact = _contrast_levels(mean, factor)
    if on_host:
        unsure = exact.frac().sub_(0.5).abs_().amax((1, 2)) > 0.5 - _MEAN_ERROR
        for place in unsure.nonzero().flatten().tolist():
            exact[place] = _contrast_levels(_numpy_mean(images[place : place + 1]), factor)[0]
    table = exact.to(torch.int16).to(torch.uint8)
    offset = mean.mul_(255 * (1 - factor)).add_(_EPSILON).to(torch.float32)[:, None]
    level = torch.arange(256, dtype=torch.float32, device=images.device)[:, None]
    if not on_host or not torch.equal(
        quantize(torch.add(offset, level, alpha=factor)).transpose(1, 2), table
    ):
        places = torch.arange(count * channels, dtype=torch.int32, device=images.device).mul_(256)
        places = places.view(count, channels, 1, 1) + images
        return table.flatten().index_select(0, places.flatten()).view(images.shape)
    offset = offset.expand(-1, width, -1).reshape(count, 1, -1)
    # A whole row of every channel's offset, because broadcasting over the innermost dimension is slow.
    changed = torch.add(offset, rows.to(torch.float32), alpha=factor)
    return quantize(changed).view(count, height, width, channels).permute(0, 3, 1, 2)


def _contrast_levels(mean: Tensor, factor: float) -> Tensor:
    """The result, not yet truncated, for each clean level: float64 (N, C, 256) from the means (N, C)."""
    level = torch.arange(256, dtype=torch.float64, device=mean.device).div_(255)
    centre = mean[..., None]
    return level.sub(centre).mul_(factor).add_(centre).clamp_(0, 1).mul_(255)


def _numpy_mean(image: Tensor) -> Tensor:
    """The means of an image's channels in NumPy's order of summation, float64 (1, 3), on the CPU.

    A channel of one level has a mean that the order of summation moves across a whole number.
    """
    unit = np.ascontiguousarray(image[0].permute(1, 2, 0).numpy()) / 255.0
    return torch.from_numpy(unit.mean(axis=(0, 1)))[None]


def saturate(images: Tensor, parameters: Parameters, draws: Draws) -> Tensor:
    """Scale and shift the HSV saturation. A shift turns grey pixels red, because their hue counts as red."""
    factor, shift = parameters
    return change_hsv(images, scale_saturation=factor, shift_saturation=shift)


def pixelate(images: Tensor, parameters: Parameters, draws: Draws) -> Tensor:
    """Shrink the image by averaging boxes, and enlarge it again by repeating pixels, as Pillow does."""
    height, width = images.shape[2:]
    small = int(height * parameters[0]), int(width * parameters[0])
    values = images.permute(0, 2, 3, 1).contiguous()
    if images.device.type == "cpu" and height * width > _PILLOW_PIXELS:
        return _pillow_pixelate(values, small).permute(0, 3, 1, 2)
    values = _box_shrink(_box_shrink(values, 2, small[1]), 1, small[0])
    rows, columns = (
        _repeats(*lengths).to(images.device) for lengths in zip(images.shape[2:], small, strict=True)
    )
    return values.index_select(2, columns).index_select(1, rows).permute(0, 3, 1, 2)


def jpeg_compression(images: Tensor, parameters: Parameters, draws: Draws) -> Tensor:
    """Encode as baseline JPEG with 4:2:0 chroma, and decode, on the CPU."""
    return jpeg_round_trip(images, int(parameters[0]))


def jpeg_round_trip(images: Tensor, quality: int, threads: int | None = None) -> Tensor:
    """Encode and decode every image as JPEG the way Pillow does by default.

    Args:
        images: uint8 (N, 3, H, W) on any device; the codec runs on the CPU.
        quality: the quality setting of libjpeg, 1 to 95.
        threads: how many images go through at once; as many as torch uses if None.
    """
    arrays = images.permute(0, 2, 3, 1).contiguous().cpu().numpy()
    result = np.empty_like(arrays)

    def recode(place: int) -> None:
        buffer = io.BytesIO()
        Image.fromarray(arrays[place]).save(buffer, "JPEG", quality=quality)
        # Decoding in the same way as Pillow, bit for bit, and faster.
        result[place] = simplejpeg.decode_jpeg(buffer.getbuffer(), fastdct=False, fastupsample=False)

    threads = min(threads or torch.get_num_threads(), len(arrays))
    if threads > 1:
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(recode, range(len(arrays))))
    else:
        for place in range(len(arrays)):
            recode(place)
    return torch.from_numpy(result).to(images.device).permute(0, 3, 1, 2)


@lru_cache(maxsize=64)
def _repeats(size: int, small: int) -> Tensor:
    """The pixel of the small line under the centre of each pixel of the large one, int32."""
    return (torch.arange(size, dtype=torch.float64) + 0.5).mul_(small / size).to(torch.int32)


def _pillow_pixelate(values: Tensor, small: tuple[int, int]) -> Tensor:
    """The same by Pillow, which is faster on large images; uint8 (N, H, W, 3) in and out."""
    _, height, width, _ = values.shape
    rows = _repeats(height, small[0]).numpy()
    up = Image.Resampling.NEAREST if _nearest_repeats(width, small[1]) else Image.Resampling.BOX
    result = torch.empty_like(values)
    for source, target in zip(values.numpy(), result.numpy(), strict=True):
        picture = Image.frombuffer("RGB", (width, height), source, "raw", "RGB", 0, 1)
        shrunk = picture.resize(small[::-1], Image.Resampling.BOX).resize((width, small[0]), up)
        np.take(np.asarray(shrunk), rows, axis=0, out=target, mode="clip")
    return result


@lru_cache(maxsize=64)
def _nearest_repeats(size: int, small: int) -> bool:
    """Whether Pillow's nearest filter, which adds up steps in floats, repeats the pixels its box does."""
    ramp = Image.fromarray(np.arange(small, dtype=np.int32)[None])
    repeated = np.asarray(ramp.resize((size, 1), Image.Resampling.NEAREST))[0]
    return bool(np.array_equal(repeated, _repeats(size, small).numpy()))


def _box_shrink(values: Tensor, dim: int, size: int) -> Tensor:
    """Average boxes along one dimension in Pillow's fixed point; uint8 in and out."""
    index, weights = _box_taps(values.shape[dim], size)
    shape = [1] * values.dim()
    shape[dim] = size
    total: Tensor | None = None
    for source, weight in zip(index, weights, strict=True):
        term = values.index_select(dim, source.to(values.device)).to(torch.int32)
        term *= weight.to(values.device).view(shape)
        total = term.add_(1 << (_RESIZE_BITS - 1)) if total is None else total.add_(term)
    if total is None:
        raise ValueError("a box has at least one tap")
    return total.bitwise_right_shift_(_RESIZE_BITS).to(torch.uint8)


@lru_cache(maxsize=64)
def _box_taps(size: int, small: int) -> tuple[Tensor, Tensor]:
    """Source pixels and fixed-point weights of every box, (taps, small) int32; unused taps weigh nothing.

    Source: Pillow, `precompute_coeffs` and `normalize_coeffs_8bpc` of Resample.c with the box filter.
    """
    scale = size / small
    reach = 0.5 * scale
    boxes: list[NDArray[np.int64]] = []
    for place in range(small):
        centre = (place + 0.5) * scale
        first, last = max(int(centre - reach + 0.5), 0), min(int(centre + reach + 0.5), size)
        distance = (np.arange(first, last) - centre + 0.5) / scale
        boxes.append(np.arange(first, last)[(distance > -0.5) & (distance <= 0.5)])
    taps = max(map(len, boxes))
    index, weights = np.zeros((taps, small), np.int32), np.zeros((taps, small), np.int32)
    for place, box in enumerate(boxes):
        index[: len(box), place] = box
        weights[: len(box), place] = math.floor(0.5 + (1.0 / len(box)) * 2**_RESIZE_BITS)
    return torch.from_numpy(index), torch.from_numpy(weights)
