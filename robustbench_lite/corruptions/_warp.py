"""Affine and perspective maps of batches of images, with Pillow's and OpenCV's arithmetic.

All images of a batch share the map. It says where each pixel of a window of the result reads in the source:
in float64 as Pillow and older versions of OpenCV compute it, in float32 as OpenCV 5 does.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

_MARGIN: Final = 2
_TILE_VALUES: Final = 2**16  # values of a result computed together on a CPU: temporaries stay in the cache


class Window(NamedTuple):
    """The part of the mapped image that is wanted."""

    top: int
    left: int
    height: int
    width: int


def centre_window(height: int, width: int, side: int | None) -> Window:
    """The central square of an image, as torchvision's CenterCrop places it; the whole image for None."""
    if side is None:
        return Window(0, 0, height, width)
    return Window(round((height - side) / 2), round((width - side) / 2), side, side)


def affine_matrix(
    size: tuple[int, int], angle: float = 0.0, scale: float = 1.0, shear: float = 0.0
) -> tuple[float, ...]:
    """The inverse map (a, b, c, d, e, f) of a rotation, scaling or shear about (W/2 + 1/2, H/2 + 1/2).

    Source: torchvision 0.2.1, `functional.affine`; the centre moved to W/2 in later versions.
    """
    height, width = size
    turn, both = math.radians(angle), math.radians(angle) + math.radians(shear)
    determinant = math.cos(both) * math.cos(turn) + math.sin(both) * math.sin(turn)
    factor = 1 / scale / determinant
    a, b, d, e = (factor * f for f in (math.cos(both), math.sin(both), -math.sin(turn), math.cos(turn)))
    across, down = width * 0.5 + 0.5, height * 0.5 + 0.5
    return a, b, a * -across + b * -down + across, d, e, d * -across + e * -down + down


def tilt_matrix(size: tuple[int, int], degrees: float) -> Tensor:
    """The inverse 3x3 map of an image turned in space by the same angle about both its axes."""
    height, width = size
    turn = math.radians(degrees)
    cosine, sine, focus = math.cos(turn), math.sin(turn), math.hypot(width, height)
    lift = [[1, 0, -width / 2], [0, 1, -height / 2], [0, 0, 1], [0, 0, 1]]
    about_x = [[1, 0, 0, 0], [0, cosine, -sine, 0], [0, sine, cosine, 0], [0, 0, 0, 1]]
    about_y = [[cosine, 0, -sine, 0], [0, 1, 0, 0], [sine, 0, cosine, 0], [0, 0, 0, 1]]
    away = [[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, focus], [0, 0, 0, 1]]
    project = [[focus, 0, width / 2, 0], [0, focus, height / 2, 0], [0, 0, 1, 0]]
    parts = [torch.tensor(part, dtype=torch.float64) for part in (project, away, about_x, about_y, lift)]
    inverse: Tensor = torch.linalg.inv(torch.linalg.multi_dot(parts))
    return inverse


def affine_frames(images: Tensor, matrices: Iterable[tuple[float, ...]], window: Window) -> Iterator[Tensor]:
    """Map a batch by one matrix after the other; black outside the source.

    Args:
        images: uint8 (N, C, H, W).
        matrices: the matrices of `affine_matrix`.
        window: what is wanted of each result.

    Yields:
        uint8 (N, C, *window).

    Source: Pillow's Image.transform with AFFINE and BILINEAR.
    """
    height, width = images.shape[-2:]
    source = _rows(images, "replicate")
    right, down = _pixels(window, images.device, 0.5)
    for a, b, c, d, e, f in matrices:
        x, y = a * right + b * down + c, d * right + e * down + f
        inside = (x >= 0) & (x < width) & (y >= 0) & (y < height)
        result = _interpolate(source, (height, width), x - 0.5, y - 0.5, 0.0)
        yield _images(result.mul_(inside.view(-1, 1)), images, window)


def perspective_frames(
    images: Tensor, matrices: Iterable[Tensor], window: Window, steps: int | None
) -> Iterator[Tensor]:
    """Map a batch by one 3x3 inverse matrix after the other; black outside the source.

    Args:
        images: uint8 (N, C, H, W).
        matrices: the matrices of `tilt_matrix`.
        window: what is wanted of each result.
        steps: positions are rounded to 1 / steps pixel; None leaves them.

    Yields:
        uint8 (N, C, *window).

    Source: cv2.warpPerspective. OpenCV rounded positions to 1/32 pixel up to 4.10, and doesn't in 5.0, which
    computes in float32 and fuses products and sums. In the last columns of a width that is no multiple of 16
    it doesn't fuse them, which changes 3 values in 100,000 by one level.
    """
    height, width = images.shape[-2:]
    source = _rows(images, "constant")
    dtype = torch.float32 if steps is None else torch.float64
    right, down = (places.to(dtype) for places in _pixels(window, images.device, 0.0))
    for matrix in matrices:
        rows = matrix.to(images.device, dtype)
        x, y, depth = (torch.addcmul(b * down + c, a, right) for a, b, c in rows.unbind())
        x, y = x / depth, y / depth
        if steps is not None:
            x, y = (x * steps).round() / steps, (y * steps).round() / steps
        result = _interpolate(source, (height, width), x, y, 0.5 if steps else None)
        yield _images(result, images, window)


def _rows(images: Tensor, border: str) -> Tensor:
    """One row for each pixel of the padded images, with all channels of all images: (P, N * C)."""
    padded = functional.pad(images.to(torch.float32), [_MARGIN] * 4, mode=border).to(torch.uint8)
    return padded.permute(2, 3, 0, 1).flatten(2).flatten(0, 1).contiguous()


def _pixels(window: Window, device: torch.device, offset: float) -> tuple[Tensor, Tensor]:
    """Coordinates of the window's pixels, (1, W) and (H, 1)."""
    right = torch.arange(window.left, window.left + window.width, dtype=torch.float64, device=device)
    down = torch.arange(window.top, window.top + window.height, dtype=torch.float64, device=device)
    return right[None] + offset, down[:, None] + offset


def _interpolate(source: Tensor, size: tuple[int, int], x: Tensor, y: Tensor, bias: float | None) -> Tensor:
    """Bilinear values at positions (H, W), in the positions' dtype: uint8 (H * W, N * C).

    A bias is added before truncation; None rounds to the nearest level.
    """
    height, width = size
    stride = width + 2 * _MARGIN
    # Positions farther out than the margin read the margin's outermost pixels.
    x, y = x.clamp(-_MARGIN, width).flatten(), y.clamp(-_MARGIN, height).flatten()
    left, top = x.floor(), y.floor()
    across, down = (x - left)[:, None], (y - top)[:, None]
    first = ((top + _MARGIN) * stride + (left + _MARGIN)).to(torch.int32)
    channels = source.shape[1]
    result = torch.empty(len(first), channels, dtype=torch.uint8, device=source.device)
    tile = max(1, _TILE_VALUES // channels) if source.device.type == "cpu" else len(first)
    for start in range(0, len(first), tile):
        part = slice(start, start + tile)

        def corner(offset: int, part: slice = part) -> Tensor:
            return source.index_select(0, first[part] + offset).to(x.dtype)

        upper, lower = corner(0), corner(stride)
        if bias is None:
            upper.addcmul_(corner(1).sub_(upper), across[part])
            lower.addcmul_(corner(stride + 1).sub_(lower), across[part])
            result[part] = upper.addcmul_(lower.sub_(upper), down[part]).round_().to(torch.int16)
        else:
            upper += corner(1).sub_(upper).mul_(across[part])
            lower += corner(stride + 1).sub_(lower).mul_(across[part])
            upper += lower.sub_(upper).mul_(down[part])
            result[part] = upper.add_(bias).to(torch.int16)
    return result


def _images(result: Tensor, images: Tensor, window: Window) -> Tensor:
    count, channels = images.shape[:2]
    return result.view(window.height, window.width, count, channels).permute(2, 3, 0, 1)
