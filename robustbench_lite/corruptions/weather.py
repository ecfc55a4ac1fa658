"""Snow, frost, fog and brightness on batches of images.

Every kernel takes uint8 images (N, 3, H, W), the parameters of one severity and `random.Draws`. The sources
are the functions of the same names in make_imagenet_c.py and make_cifar_c.py (hendrycks/robustness,
ImageNet-C/create_c).
"""

from __future__ import annotations

import functools
import math
import os
from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from robustbench_lite.corruptions._filters import motion_blur, zoom_samples
from robustbench_lite.corruptions._hsv import shift_value
from robustbench_lite.corruptions.frost import crop_photographs, find_photographs
from robustbench_lite.corruptions.parameters import Parameters
from robustbench_lite.corruptions.random import Draws


def snow(images: Tensor, parameters: Parameters, draws: Draws) -> Tensor:
    """Whiten the image and let a motion-blurred layer of flakes fall on it, and the same layer upside down.

    Source: `snow` of make_imagenet_c.py and make_cifar_c.py.
    """
    mean, deviation, zoom, threshold, radius, sigma, blend = parameters
    flakes = snow_flakes(draws, images.shape[-2:], mean, deviation, zoom, threshold)
    angles = draws.uniform(-135, -45, dtype=torch.float64)
    return snow_over(whiten(images, blend), motion_blur(flakes, int(radius), sigma, angles))


def snow_flakes(
    draws: Draws, size: Sequence[int], mean: float, deviation: float, zoom: float, threshold: float
) -> Tensor:
    """Random flakes: the enlarged centre of a noise layer, 0 below the threshold.

    Returns:
        uint8 (N, 1, H, W).
    """
    window = [_zoomed_part(length, zoom) for length in size]
    layer = draws.normal(mean, deviation, tuple(size), window=(window[0], window[1]))
    for dim, length in ((1, size[0]), (2, size[1])):
        low, weight = zoom_samples(length, zoom)
        low = (low - window[dim - 1].start).to(layer.device)
        weight = weight.to(layer)
        weight = weight[:, None] if dim == 1 else weight
        lower = layer.index_select(dim, low)
        upper = layer.index_select(dim, (low + 1).clamp_(max=layer.shape[dim] - 1))
        layer = lower + upper.sub_(lower).mul_(weight)
    return F.threshold(layer, threshold, 0.0).clamp_(0, 1).mul_(255).to(torch.int16).to(torch.uint8)[:, None]


def _zoomed_part(length: int, zoom: float) -> slice:
    """The pixels of one dimension that `zoom_samples` reads."""
    crop = math.ceil(length / zoom)
    start = (length - crop) // 2
    return slice(start, start + crop)


def whiten(images: Tensor, blend: float) -> Tensor:
    """Images blended with a brightened, greyish version of themselves.

    Args:
        images: uint8 (N, 3, H, W).
        blend: weight of the image itself.

    Returns:
        Values in [0, 1], float32 (N, 3, H, W), rounded as the published scripts round them.
    """
    pixels = images.to(torch.float32, memory_format=torch.contiguous_format).div_(255)
    red, green, blue = pixels.unbind(1)
    # OpenCV's order; torch fuses these products and sums, as OpenCV does where the processor can.
    grey = (green * 0.587).add_(red, alpha=0.299).add_(blue, alpha=0.114).mul_(1.5).add_(0.5)
    white = torch.maximum(pixels, grey[:, None])
    return pixels.mul_(blend).add_(white.mul_(1 - blend))


def snow_over(scene: Tensor, flakes: Tensor) -> Tensor:
    """Add flakes to a scene, and the same flakes turned by 180 degrees.

    Args:
        scene: values in [0, 1], float32 (N, 3, H, W).
        flakes: uint8 (N, 1, H, W).

    Returns:
        uint8 (N, 3, H, W).
    """
    layer = flakes.to(torch.float64).div_(255)
    total = scene.to(torch.float64).add_(layer).add_(layer.flip(2, 3)).mul_(255)
    return total.to(torch.int16).clamp_(max=255).to(torch.uint8)


def frost(
    images: Tensor,
    parameters: Parameters,
    draws: Draws,
    frost: str | os.PathLike[str] | None = None,
) -> Tensor:
    """Add a random crop of one of the first five frost photographs.

    Args:
        images: uint8 (N, 3, H, W).
        parameters: weight of the image, weight of the photograph, scale of the photograph.
        draws: asked for the photograph, the first row and the first column.
        frost: folder of the photographs; None looks in the usual places.

    Raises:
        DataError: the photographs are nowhere to be found.
        InvalidInput: the images are larger than a photograph.

    Source: `frost` of make_imagenet_c.py and make_cifar_c.py, which never draw the sixth photograph.
    """
    image_weight, frost_weight, scale = parameters
    crops = crop_photographs(draws, images.shape[-2:], find_photographs(frost), scale, images.device)
    pairs = images.to(torch.int32, memory_format=torch.contiguous_format).mul_(256).add_(crops)
    table = _frost_table(image_weight, frost_weight).to(images.device)
    return table.index_select(0, pairs.flatten()).view(pairs.shape)


@functools.cache
def _frost_table(image_weight: float, frost_weight: float) -> Tensor:
    """The result for each of the 256 x 256 pairs of levels, in the script's float64 arithmetic."""
    level = np.arange(256)
    total = image_weight * level[:, None] + frost_weight * level
    return torch.from_numpy(np.minimum(total, 255).astype(np.uint8).ravel())


def fog(images: Tensor, parameters: Parameters, draws: Draws) -> Tensor:
    """Add a plasma fractal, then scale back to the image's own maximum.

    The map's side is the smallest power of two that covers the image: 256 at 224 px, 32 at 32 px. Arithmetic
    has the dtype of the draws: float64 replays the published script, float32 does for draws of our own.

    Source: `fog` and `plasma_fractal` of make_imagenet_c.py and make_cifar_c.py.
    """
    amount, decay = parameters
    height, width = images.shape[-2:]
    side = 1 << (max(height, width) - 1).bit_length()
    plasma = _plasma(draws, side, decay)[:, None, :height, :width]
    values = images.to(plasma.dtype, memory_format=torch.contiguous_format).div_(255)
    brightest = images.amax((1, 2, 3), keepdim=True).to(plasma.dtype).div_(255)
    foggy = values.add_(plasma.mul(amount)).mul_(brightest).div_(brightest + amount)
    return foggy.mul_(255).to(torch.int16).to(torch.uint8)


def _plasma(draws: Draws, side: int, decay: float) -> Tensor:
    """Diamond-square maps (N, side, side) on a torus, scaled to [0, 1], in the dtype of the draws.

    Every sum has the order of the published script.
    """
    steps = range(side.bit_length() - 1)
    wibbles = [100 / decay**step for step in steps for _ in range(3)]
    arrays = draws.uniforms(wibbles, [(1 << step, 1 << step) for step in steps for _ in range(3)])
    noises = [array.mul_(wibble) for array, wibble in zip(arrays, wibbles, strict=True)]
    corner = torch.zeros_like(noises[0])
    for step in steps:
        centre, top, left = noises[3 * step : 3 * step + 3]
        right, below = corner + corner.roll(-1, 2), corner + corner.roll(-1, 1)
        centre.add_(right + right.roll(-1, 1), alpha=0.25)
        top.add_(centre.roll(1, 1).add_(centre).add_(right), alpha=0.25)
        left.add_(centre.roll(1, 2).add_(centre).add_(below), alpha=0.25)
        upper = torch.stack([corner, top], dim=3).flatten(2)
        lower = torch.stack([left, centre], dim=3).flatten(2)
        corner = torch.stack([upper, lower], dim=2).flatten(1, 2)
    low, high = corner.amin((1, 2), keepdim=True), corner.amax((1, 2), keepdim=True)
    return corner.sub_(low).div_(high - low)


def brightness(images: Tensor, parameters: Parameters, draws: Draws) -> Tensor:
    """Shift the HSV value, clipped to [0, 1], and keep hue and saturation.

    Source: `brightness` of make_imagenet_c.py and make_cifar_c.py; HSV as scikit-image defines it.
    """
    return shift_value(images, parameters[0])
