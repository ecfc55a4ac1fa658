"""The four operations of ``all_ops``: color, contrast, brightness and sharpness, as Pillow's ImageEnhance.

Each operation blends the image with a degenerate version of it, degenerate + factor * (image - degenerate),
in single precision, and truncates the result to an integer. Factor 0 gives the degenerate, factor 1 the
image, and a factor above 1 strengthens the effect.
"""

from __future__ import annotations

import torch
from torch import Tensor

from robustbench_lite.augmix.arrays import Magnitudes, send


def color(images: Tensor, factor: Magnitudes) -> Tensor:
    """Blend with the grey image; uint8 (N,3,H,W), factor (N,)."""
    return _blend(_luma(images).expand(images.shape), images, factor)


def contrast(images: Tensor, factor: Magnitudes) -> Tensor:
    """Blend with the mean of the grey image, rounded to a whole level."""
    luma = _luma(images)
    total = luma.sum((1, 2, 3), keepdim=True, dtype=torch.int64)
    pixels = luma[0].numel()
    return _blend((2 * total + pixels) // (2 * pixels), images, factor)


def brightness(images: Tensor, factor: Magnitudes) -> Tensor:
    """Blend with black."""
    return _blend(images.new_zeros(()), images, factor)


def sharpness(images: Tensor, factor: Magnitudes) -> Tensor:
    """Blend with the image smoothed by a 3x3 kernel, 5 in the centre and 1 elsewhere; keep the border."""
    smooth = images.to(torch.int32)
    height, width = images.shape[2:]
    if height > 2 and width > 2:
        columns = smooth[..., :-2] + smooth[..., 1:-1] + smooth[..., 2:]
        total = columns[:, :, :-2] + columns[:, :, 1:-1] + columns[:, :, 2:] + 4 * smooth[:, :, 1:-1, 1:-1]
        smooth[:, :, 1:-1, 1:-1] = (2 * total + 13) // 26
    return _blend(smooth, images, factor)


def _luma(images: Tensor) -> Tensor:
    """Convert RGB to grey as Pillow does: ITU-R 601 weights in 16-bit fixed point, int32 (N,1,H,W)."""
    red, green, blue = images.to(torch.int32).split(1, dim=1)
    luma: Tensor = (red * 19595 + green * 38470 + blue * 7471 + 0x8000) >> 16
    return luma


def _blend(degenerate: Tensor, images: Tensor, factor: Magnitudes) -> Tensor:
    weight = send(factor, images.device).float()[:, None, None, None]
    base = degenerate.float()
    return (images.float() - base).mul_(weight).add_(base).clamp_(0, 255).to(torch.int32).to(torch.uint8)
