"""The operations that map each pixel value on its own, equal to Pillow's ImageOps.

Autocontrast and equalize build one table of 256 entries for each image and channel, as Pillow's ImageOps
does.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from robustbench_lite.augmix.arrays import Magnitudes, send

LEVELS = 256


def autocontrast(images: Tensor, _: Magnitudes) -> Tensor:
    """Stretch each channel from its darkest value at 0 to its brightest at 255: ``ImageOps.autocontrast``."""
    values = images.flatten(2).flatten(0, 1)
    low, high = values.amin(1, keepdim=True).double(), values.amax(1, keepdim=True).double()
    flat = high <= low
    # Divide tensor by tensor: torch computes number / tensor as number * reciprocal, which rounds twice.
    scale = torch.full_like(low, 255.0) / (high - low).masked_fill(flat, 1.0)
    levels = torch.arange(LEVELS, dtype=torch.float64, device=images.device)
    # Round twice, after the product and after the sum, as Pillow does: the last digit decides on the
    # truncation.
    stretched = (levels * scale).add_(-low * scale).clamp_(0, 255)
    table = torch.where(flat, levels, stretched).to(torch.uint8).flatten()
    return table.index_select(0, _places(values)).view(images.shape)


def equalize(images: Tensor, _: Magnitudes) -> Tensor:
    """Spread each channel's values evenly over 0..255, as ``ImageOps.equalize``.

    The entry for value v is (step // 2 + number of pixels below v) // step, with step = (pixels - count of
    the brightest value) // 255; a channel with one value, or with step 0, is unchanged.
    """
    values = images.flatten(2).flatten(0, 1)
    channels, pixels = values.shape
    index = _places(values)
    counts = _histogram(index, channels * LEVELS).view(channels, LEVELS)
    brightest = counts.gather(1, values.amax(1, keepdim=True).long())
    step = (pixels - brightest) // 255
    below = counts.cumsum(1) - counts
    # In double precision the quotient of two whole numbers this small never rounds up to the next one.
    spread = ((below + step // 2).double() / step.clamp(min=1)).clamp_(max=255)
    levels = torch.arange(LEVELS, dtype=torch.float64, device=images.device)
    table = torch.where(step == 0, levels, spread).to(torch.uint8).flatten()
    return table.index_select(0, index).view(images.shape)


def _places(values: Tensor) -> Tensor:
    """Return each value's index in the concatenated tables of the channels, int32 (channels * pixels,)."""
    row_start = torch.arange(len(values), dtype=torch.int32, device=values.device) * LEVELS
    return values.int().add_(row_start[:, None]).flatten()


def _histogram(index: Tensor, length: int) -> Tensor:
    if index.device.type == "cpu":
        return torch.bincount(index, minlength=length)
    # On a GPU bincount waits for the largest index.
    places = index.long()
    return places.new_zeros(length).scatter_add_(0, places, torch.ones_like(places))


def posterize(images: Tensor, bits: Magnitudes) -> Tensor:
    """Keep the highest `bits` of the eight ((N,), whole, 0 to 8), as ``ImageOps.posterize``."""
    mask = send((256 - 2 ** (8 - bits)).astype(np.uint8), images.device)
    return images & mask[:, None, None, None]


def solarize(images: Tensor, threshold: Magnitudes) -> Tensor:
    """Invert the values that are at least `threshold` ((N,), whole, 0 to 256), as ``ImageOps.solarize``."""
    # v >= t equals v > t - 1, and t - 1 fits into a byte unless t is 0, which inverts everything.
    below = send(np.maximum(threshold - 1, 0).astype(np.uint8), images.device)[:, None, None, None]
    inverted = (images > below).view(torch.uint8)
    if not threshold.all():
        inverted |= send((threshold == 0).astype(np.uint8), images.device)[:, None, None, None]
    return images ^ inverted.neg_()
