"""Spatter: drops of water or splashes of mud on the lens.

Source: `spatter` of make_imagenet_c.py and make_cifar_c.py (hendrycks/robustness, ImageNet-C/create_c).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from robustbench_lite.corruptions import _opencv
from robustbench_lite.corruptions._filters import quantize
from robustbench_lite.corruptions._gaussian import gaussian_blur, gaussian_blur_float32
from robustbench_lite.corruptions.parameters import Parameters
from robustbench_lite.corruptions.random import Draws

_WATER = (175, 238, 238)
_MUD = (63, 42, 20)
_CANNY = (50, 150)


def spatter(images: Tensor, parameters: Parameters, draws: Draws) -> Tensor:
    """Water (mild severities) or mud (strong ones) where a smooth random layer is high.

    The layer is kept in float64: its edges decide the shape of the drops, so that rounding would show.

    Source: module docstring; OpenCV's Canny, distanceTransform, equalizeHist, filter2D and blur.
    """
    mean, deviation, sigma, threshold, strength, mud = parameters
    layer = liquid(draws, images.shape[-2:], mean, deviation, sigma, threshold)
    return splash(images, layer > threshold, strength) if mud else drops(images, layer, strength)


def liquid(
    draws: Draws, size: Sequence[int], mean: float, deviation: float, sigma: float, threshold: float
) -> Tensor:
    """A smooth random layer (N, H, W), float64, 0 where it is below the threshold."""
    layer = gaussian_blur(draws.normal(mean, deviation, tuple(size)).to(torch.float64), sigma)
    return F.threshold(layer, threshold, 0.0)


def drops(images: Tensor, layer: Tensor, strength: float) -> Tensor:
    """Pale turquoise water whose brightness follows the distance to the rim of each drop.

    An image without a wet pixel comes out black: the published script divides 0 by 0 there and stores the NaN
    as 0. One in seven of the -P sequences at 32 px has such frames, one frame in twenty; no -C image does.

    Args:
        images: uint8 (N, 3, H, W).
        layer: float64 (N, H, W), 0 where there is no water.
        strength: weight of the colour where the water is brightest.
    """
    # 8 bits as the published script makes them: truncated, and wrapped round above 1.
    level = (layer * 255).to(torch.int32).to(torch.uint8)
    distance = _opencv.blurred_distance(_opencv.canny(level, *_CANNY))
    relief = _opencv.box3(_opencv.emboss(_opencv.equalize(distance)))
    water = relief.mul_(level)
    brightest = water.amax((1, 2), keepdim=True)
    water.div_(brightest.clamp(min=1)).mul_(strength)
    wet = quantize(_unit(images).add_(water[:, None] * _colour(_WATER, images)).clamp_(max=1).mul_(255))
    return wet.mul_((brightest > 0)[:, None])


def splash(images: Tensor, mask: Tensor, sigma: float) -> Tensor:
    """Brown mud that covers the mask, with blurred rims.

    Args:
        images: uint8 (N, 3, H, W).
        mask: bool (N, H, W).
        sigma: blur of the rim in pixels.
    """
    cover = gaussian_blur_float32(mask.to(torch.float32), sigma)[:, None]
    cover = cover * (cover >= 0.8)
    return quantize(_unit(images).mul_(1 - cover).add_(cover * _colour(_MUD, images)).mul_(255))


def _unit(images: Tensor) -> Tensor:
    return images.to(torch.float32, memory_format=torch.contiguous_format).div_(255)


def _colour(levels: tuple[int, int, int], images: Tensor) -> Tensor:
    return torch.tensor(levels, dtype=torch.float32, device=images.device).div_(255)[:, None, None]
