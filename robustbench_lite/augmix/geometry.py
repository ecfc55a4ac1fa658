"""Rotation, shear and translation of uint8 batches as Pillow computes them, one magnitude per image.

Pillow maps every output pixel back into the source, blends the four nearest pixels, truncates the result to
an integer and fills pixels outside the source with black (Pillow, ``Geometry.c``, affine transform with the
bilinear filter). NumPy computes the few coordinates that a row or column shares in double precision on the
CPU, so the CPU never waits for a GPU.

A horizontal shear or shift moves each row by its own distance. It copies one window out of each padded row,
and blends two neighbours only where the distance is fractional. Vertical shears and shifts do the same on the
transposed image. Only rotation needs a general gather.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from robustbench_lite.augmix.arrays import Magnitudes, send

# In single precision a blend of equal pixels may fall short of their level by a few units in the last place.
_SLACK = 2.0**-11


def shear_x(images: Tensor, factor: Magnitudes) -> Tensor:
    """Read row y at x + factor * (y + 1/2): ``transform(size, AFFINE, (1, factor, 0, 0, 1, 0), BILINEAR)``.

    Args:
        images: uint8 (N,C,H,W).
        factor: (N,).
    """
    return _shift_rows(images, factor[:, None] * (np.arange(images.shape[2]) + 0.5))


def shear_y(images: Tensor, factor: Magnitudes) -> Tensor:
    """Read column x at y + factor * (x + 1/2): matrix (1, 0, 0, factor, 1, 0)."""
    return shear_x(images.transpose(2, 3), factor).transpose(2, 3)


def translate_x(images: Tensor, pixels: Magnitudes) -> Tensor:
    """Read every row at x + pixels: matrix (1, 0, pixels, 0, 1, 0)."""
    return _shift_rows(images, np.broadcast_to(pixels[:, None], (len(images), images.shape[2])))


def translate_y(images: Tensor, pixels: Magnitudes) -> Tensor:
    """Read each column at y + pixels: matrix (1, 0, 0, 0, 1, pixels)."""
    if (pixels % 1).any():
        return translate_x(images.transpose(2, 3), pixels).transpose(2, 3)
    # Whole rows: one shift of the flattened plane.
    return _shift_rows(images.flatten(2)[:, :, None], pixels[:, None] * images.shape[3]).view(images.shape)


def rotate(images: Tensor, degrees: Magnitudes) -> Tensor:
    """Rotate counter-clockwise about the middle, as ``rotate(degrees, resample=BILINEAR)``.

    Args:
        images: uint8 (N,C,H,W).
        degrees: (N,), any angle.
    """
    turned = np.flatnonzero(degrees % 360)
    if len(turned) == len(degrees):
        return _turn(images, degrees)
    result = images.clone()
    if len(turned):
        rows = send(turned, images.device)
        result[rows] = _turn(images.index_select(0, rows), degrees[turned])
    return result


def _turn(images: Tensor, degrees: Magnitudes) -> Tensor:
    height, width = images.shape[2:]
    angle = -np.radians(degrees % 360)
    cosine, sine = np.round(np.cos(angle), 15)[:, None], np.round(np.sin(angle), 15)[:, None]
    x, y = np.arange(width) + 0.5 - width / 2, np.arange(height) + 0.5 - height / 2
    # The source of a pixel is a term of its column plus a term of its row, scaled to (-1, 1) in the image.
    grid = torch.empty((len(images), height, width, 2), device=images.device)
    for axis, size, column, row in ((0, width, cosine * x, sine * y), (1, height, -sine * x, cosine * y)):
        columns, rows = (send(part * (2 / size), images.device).float() for part in (column, row))
        torch.add(columns[:, None], rows[:, :, None], out=grid[..., axis])
    inside = (grid.abs() < 1).view(torch.uint8)
    blended = F.grid_sample(images.float(), grid, "bilinear", "border", align_corners=False)
    whole = blended.add_(_SLACK).to(torch.int32).to(torch.uint8)
    return whole.mul_((inside[..., 0] & inside[..., 1])[:, None])


def _shift_rows(images: Tensor, offset: Magnitudes) -> Tensor:
    """Read row y of image n at x + offset[n, y]; offset is (N,H)."""
    width = images.shape[3]
    whole = np.floor(offset)
    fraction = offset - whole
    start = np.clip(whole, -width - 1, width).astype(np.int64)
    reach = int(np.abs(start).max()) + 1
    rows = _padded(images, reach)
    if not fraction.any():
        return _windows(rows, start + reach, width)
    rows[..., reach - 1] = rows[..., reach]
    rows[..., reach + width] = rows[..., reach + width - 1]
    pixels = _windows(rows, start + reach, width + 1).float()
    left = pixels[..., :-1]
    weight = send(fraction, images.device).float()[:, None, :, None]
    blended = (pixels[..., 1:] - left).mul_(weight).add_(left).to(torch.int32).to(torch.uint8)
    return blended.mul_(_inside(offset, width).to(images.device, non_blocking=True))


def _inside(offset: Magnitudes, width: int) -> Tensor:
    """Mark the pixels whose source is inside the image, 0 <= x + 1/2 + offset < width: uint8 (N,1,H,W)."""
    n, height = offset.shape
    first = np.clip(np.ceil(-0.5 - offset), -width, width).astype(np.int64)
    pattern = np.zeros(3 * width, dtype=np.uint8)
    pattern[width : 2 * width] = 1
    runs = torch.from_numpy(pattern).as_strided((2 * width + 1, width), (1, 1))
    return runs.index_select(0, torch.from_numpy((width - first).ravel())).view(n, 1, height, width)


def _padded(images: Tensor, reach: int) -> Tensor:
    """Add `reach` black pixels to both ends of each row; the result is contiguous."""
    n, channels, height, width = images.shape
    rows = images.new_zeros((n, channels, height, width + 2 * reach))
    rows[..., reach : reach + width] = images
    return rows


def _windows(rows: Tensor, start: NDArray[np.int64], width: int) -> Tensor:
    """Copy `width` neighbours out of each contiguous row: rows (N,C,H,L), start (N,H) -> (N,C,H,width)."""
    n, channels, height, length = rows.shape
    first = np.arange(n * channels * height).reshape(n, channels, height) * length + start[:, None]
    # View every run of `width` bytes as an overlapping row: selecting rows is then a plain copy of memory.
    runs = rows.as_strided((rows.numel() - width + 1, width), (1, 1))
    return runs.index_select(0, send(first.ravel(), rows.device)).view(n, channels, height, width)
