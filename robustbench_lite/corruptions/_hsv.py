"""Changes of saturation and value by way of HSV, rounded as scikit-image rounds them.

The published scripts go from RGB to HSV and back in float64, and truncate. A closed form in RGB differs from
that by one level wherever the exact result is a whole number, so every step here rounds as scikit-image's
does. The result is the same to the bit, and costs no sorting of pixels into the six sectors of the hue.

Source: skimage.color.rgb2hsv and hsv2rgb.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

import numpy as np
import torch
from torch import Tensor

from robustbench_lite.corruptions._rounding import pick, put

_UNSURE: Final = 256
_TINY: Final = 1e-300  # a denominator where a pixel is grey or black; its numerator is 0 there


def shift_value(images: Tensor, shift: float) -> Tensor:
    """Shift the HSV value of images, clipped to [0, 1].

    Each channel grows by the same factor as the largest one. So a table over pairs of levels gives the result
    wherever the exact value isn't a whole number. The few other pixels go through HSV.

    Args:
        images: uint8 (N, 3, H, W) of any strides.
        shift: added to the value.

    Returns:
        uint8 (N, 3, H, W).
    """
    if images.device.type != "cpu":
        return change_hsv(images, shift=shift)
    planes = images.to(torch.int32, memory_format=torch.contiguous_format)
    high = torch.maximum(torch.maximum(planes[:, 0], planes[:, 1]), planes[:, 2])
    pairs = high.mul_(256)[:, None] + planes
    entries = _shift_table(shift).index_select(0, pairs.view(-1))
    levels = entries.to(torch.uint8).view(planes.shape)
    unsure = torch.from_numpy(np.flatnonzero(entries.numpy() >= _UNSURE))
    if len(unsure):
        size = planes.shape[2] * planes.shape[3]
        first = unsure - unsure // size % 3 * size  # the place of the pixel's red value
        places = torch.stack([first, first + size, first + 2 * size])
        pixels = change_hsv(pick(planes, places).to(torch.uint8)[None, :, None], shift=shift)
        put(levels, places, pixels)
    return levels


@lru_cache(maxsize=64)
def _shift_table(shift: float) -> Tensor:
    """The result for each pair (largest level, level), int16; plus `_UNSURE` where rounding decides."""
    level = np.arange(256)
    high = np.maximum(level, 1)[:, None]
    target = np.clip(level / 255 + shift, 0, 1)[:, None] * 255
    exact = np.minimum(target * level / high, 255)
    unsure = np.abs(exact - np.round(exact)) < 1e-6
    # A channel equal to the largest one gets the new value itself, and so does black.
    equal = level == level[:, None]
    entries = np.where(equal, target, exact).astype(np.int16) + _UNSURE * (unsure & ~equal & (exact > 0))
    return torch.from_numpy(entries.astype(np.int16).ravel())


def change_hsv(
    images: Tensor, *, shift: float = 0.0, scale_saturation: float = 1.0, shift_saturation: float = 0.0
) -> Tensor:
    """Shift the HSV value of images, and scale and shift their saturation; both are clipped to [0, 1].

    Args:
        images: uint8 (N, 3, H, W) of any strides.
        shift: added to the value.
        scale_saturation: factor of the saturation.
        shift_saturation: added to the scaled saturation. A grey pixel has hue 0, so it turns red.

    Returns:
        uint8 (N, 3, H, W).
    """
    planes = images.contiguous()
    high = torch.maximum(torch.maximum(planes[:, 0], planes[:, 1]), planes[:, 2])
    low = torch.minimum(torch.minimum(planes[:, 0], planes[:, 1]), planes[:, 2])
    middle = planes[:, 0] + planes[:, 1] + planes[:, 2] - high - low  # modulo 256, as all uint8 arithmetic
    least, between, value = torch.stack([low, middle, high]).to(torch.float64).div_(255)
    spread = value - least
    weight = _hue_weight(planes, high, between.sub_(least).div_(spread.clamp(min=_TINY)))
    saturation = spread.div_(value.clamp(min=_TINY))
    if (scale_saturation, shift_saturation) != (1, 0):
        saturation.mul_(scale_saturation).add_(shift_saturation).clamp_(0, 1)
    if shift:
        value = value.add_(shift).clamp_(0, 1)
    middle = _levels(weight.mul_(saturation).neg_().add_(1).mul_(value))
    lower = _levels(saturation.neg_().add_(1).mul_(value))
    return _assign(planes, high, low, lower, middle, _levels(value))


def _hue_weight(planes: Tensor, high: Tensor, share: Tensor) -> Tensor:
    """How far the middle channel is from the largest one, in [0, 1], by way of the hue; float64 (N, H, W).

    Args:
        planes: uint8 (N, 3, H, W).
        high: the largest channel (N, H, W).
        share: how far the middle channel is from the smallest one, in [0, 1]; overwritten.
    """
    red, green, blue = planes.unbind(1)
    is_blue = torch.eq(high, blue).view(torch.uint8)  # the last of equal channels counts as the largest
    is_green = torch.eq(high, green).view(torch.uint8) & ~is_blue
    is_red = 1 - is_blue - is_green
    first = green * is_red + blue * is_green + red * is_blue
    second = blue * is_red + red * is_green + green * is_blue
    falls = torch.lt(first, second).view(torch.uint8)  # the hue lies before the largest channel's own hue
    start = (2 * is_green + 4 * is_blue).to(torch.float64)
    odd = falls.to(torch.float64)
    wrapped = (falls & is_red).to(torch.float64)  # a hue below 0 continues from 1
    hue = share.mul_(1 - 2 * odd).add_(start).div_(6).add_(wrapped).mul_(6)
    fraction = hue.sub_(start).add_(odd).sub_(wrapped.mul_(6))
    return fraction.sub_(1 - odd).abs_()  # the fraction in an odd sector, and 1 - the fraction in others


def _assign(
    planes: Tensor, high: Tensor, low: Tensor, lower: Tensor, middle: Tensor, value: Tensor
) -> Tensor:
    """Give each channel the new level of its rank; all arguments and the result are uint8."""
    is_high = torch.eq(planes, high[:, None]).view(torch.uint8)
    is_low = torch.eq(planes, low[:, None]).view(torch.uint8)
    # In a grey pixel red counts as the largest channel, and the others as the smallest.
    is_high[:, 1:] &= ~is_low[:, 1:]
    is_low[:, 0] &= ~is_high[:, 0]
    result = (value - middle)[:, None] * is_high
    result += (lower - middle)[:, None] * is_low
    return result.add_(middle[:, None])


def _levels(unit: Tensor) -> Tensor:
    """Truncate values in [0, 1] to uint8."""
    return (unit * 255).to(torch.int16).to(torch.uint8)
