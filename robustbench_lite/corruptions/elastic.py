"""The elastic transform: an affine map, then a smooth displacement of every pixel.

Both steps read between pixels, and their rounding decides what truncation makes of a value. The affine map is
float32, as OpenCV computes it, and the displacement float64 with a float32 result, as SciPy computes it.

Source: `elastic_transform` of make_imagenet_c.py and make_cifar_c.py (hendrycks/robustness,
ImageNet-C/create_c); cv2.warpAffine of OpenCV 5 and scipy.ndimage.map_coordinates of order 1.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from robustbench_lite.corruptions._filters import quantize
from robustbench_lite.corruptions._gaussian import smooth_field
from robustbench_lite.corruptions._rounding import bilinear, pick, put, unsure
from robustbench_lite.corruptions.parameters import Parameters
from robustbench_lite.corruptions.random import Draws

_FEW_IMAGES = 4  # so many go through one by one
_ERROR = 16 * 255 * 2.0**-24  # levels; what the roundings of values up to 1 add up to, in float32


def elastic_transform(images: Tensor, parameters: Parameters, draws: Draws) -> Tensor:
    """Move three corners at random (an affine map), then every pixel by a smooth random field.

    The field has the dtype of the draws: float64 replays the published script, float32 does for draws of our
    own.
    """
    alpha, sigma, affine = parameters
    size = images.shape[2], images.shape[3]
    corners = draws.few(-affine, affine, (3, 2))
    fields = torch.stack([draws.symmetric(size) for _ in range(2)], 1)
    planes = images.to(torch.float32, memory_format=torch.contiguous_format).div_(255)
    planes = _warp_affine(planes, torch.from_numpy(_inverse_matrices(corners, *size)).to(images.device))
    if not alpha:
        return quantize(planes.mul_(255))
    moves = smooth_field(fields, sigma, truncate=3).mul_(alpha).to(torch.float32)
    return _displace(planes, moves[:, 0], moves[:, 1])


def _inverse_matrices(moves: NDArray[np.float64], height: int, width: int) -> NDArray[np.float32]:
    """Where each pixel of the affinely moved image comes from: x and y as rows of (N, 2, 3), in pixels.

    The map takes three corners of a square about the centre, (x, y) = (+, +), (+, -) and (-, -) from it, to
    places moved by `moves` (N, 3, 2). It is inverted as OpenCV inverts it.
    """
    reach = min(height, width) // 3
    start = np.array([width // 2, height // 2]) + reach * np.array([[1, 1], [1, -1], [-1, -1]])
    moved = (start.astype(np.float32) + moves.astype(np.float32)).astype(np.float64)
    a, d = ((moved[:, 1] - moved[:, 2]) / (2 * reach)).T
    b, e = ((moved[:, 0] - moved[:, 1]) / (2 * reach)).T
    x, y = start[0]
    c, f = moved[:, 0, 0] - a * x - b * y, moved[:, 0, 1] - d * x - e * y
    scale = 1 / (a * e - b * d)
    a, b, d, e = e * scale, -b * scale, -d * scale, a * scale
    inverse = np.stack([a, b, -a * c - b * f, d, e, -d * c - e * f], axis=1)
    return inverse.reshape(-1, 2, 3).astype(np.float32)


def _warp_affine(planes: Tensor, matrices: Tensor) -> Tensor:
    """Read planes (N, 3, H, W) at affine positions; the border mirrors about the edge pixel's centre.

    `torch.addcmul` rounds once, as OpenCV's fused operations do.
    """
    height, width = planes.shape[-2:]
    right = torch.arange(width, dtype=torch.float32, device=planes.device)
    down = torch.arange(height, dtype=torch.float32, device=planes.device)[:, None]
    x, y = (
        torch.addcmul(down * matrix[:, 1] + matrix[:, 2], right, matrix[:, 0])
        for matrix in matrices[..., None, None].unbind(1)
    )
    left, top = x.floor(), y.floor()
    across, along = x.sub_(left)[:, None], y.sub_(top)[:, None]
    columns = _mirrored_pair(left.to(_index_type(width)), width, 2 * width - 2)
    rows = _mirrored_pair(top.to(_index_type(height)), height, 2 * height - 2)
    edges = []
    for row in rows:
        start = row.to(torch.int32).mul_(width)
        first, second = (_pick(planes, start + column) for column in columns)
        edges.append(first.addcmul_(second.sub_(first), across))
    return edges[0].addcmul_(edges[1].sub_(edges[0]), along)


def _displace(planes: Tensor, across: Tensor, down: Tensor) -> Tensor:
    """Read planes (N, 3, H, W) at places moved by float32 fields (N, H, W); truncated to uint8.

    The border mirrors about the outer edge of the edge pixel.
    """
    height, width = planes.shape[-2:]
    across, down = across.contiguous(), down.contiguous()
    left, top = across.floor(), down.floor()
    right = torch.arange(width, dtype=_index_type(width), device=planes.device)
    below = torch.arange(height, dtype=_index_type(height), device=planes.device)[:, None]
    columns = _mirrored_pair(left.to(right.dtype).add_(right), width, 2 * width)
    rows = _mirrored_pair(top.to(below.dtype).add_(below), height, 2 * height)
    starts = [row.to(torch.int32).mul_(width) for row in rows]
    corners = [start + column for start in starts for column in columns]
    if planes.device.type != "cpu":
        first, second, third, fourth = (_pick(planes, corner).to(torch.float64) for corner in corners)
        exact = bilinear(first, second, third, fourth, *(_fraction(move)[:, None] for move in (down, across)))
        return quantize(exact.to(torch.float32).mul_(255))
    edges = []
    for first, second in (corners[:2], corners[2:]):
        value = _pick(planes, first)
        edges.append(value.addcmul_(_pick(planes, second).sub_(value), (across - left)[:, None]))
    values = edges[0].addcmul_(edges[1].sub_(edges[0]), (down - top)[:, None]).mul_(255)
    levels, places = unsure(values, _ERROR)
    if len(places):
        plane, place = places // (height * width), places % (height * width)
        place += plane // 3 * (height * width)  # of the image's maps, which its three channels share
        offset = plane * (height * width)
        first, second, third, fourth = (
            pick(planes, offset + pick(corner, place)).to(torch.float64) for corner in corners
        )
        moves = (_fraction(pick(move, place)) for move in (down, across))
        exact = bilinear(first, second, third, fourth, *moves)
        put(levels, places, quantize(exact.to(torch.float32).mul_(255)))
    return levels


def _fraction(moves: Tensor) -> Tensor:
    """How far moves lead beyond whole numbers, float64: float32 loses bits of a small negative move."""
    moves = moves.to(torch.float64)
    return moves - moves.floor()


def _pick(planes: Tensor, index: Tensor) -> Tensor:
    """The values of (N, C, H, W) at places (N, H, W) of the flattened plane, the same in each channel."""
    count, channels, height, width = planes.shape
    if count > _FEW_IMAGES:
        starts = torch.arange(count * channels, dtype=torch.int32, device=planes.device)
        return pick(planes, starts.mul_(height * width).view(count, channels, 1, 1) + index[:, None])
    picked = torch.empty_like(planes)
    for image, places, target in zip(planes.flatten(2), index.flatten(1), picked.flatten(2), strict=True):
        for plane, result in zip(image, target, strict=True):
            torch.index_select(plane, 0, places, out=result)
    return picked


def _mirrored_pair(first: Tensor, size: int, period: int) -> list[Tensor]:
    """An index and the next one, brought into 0..size - 1.

    A period of 2 * size - 2 mirrors about the centres of the edge pixels, one of 2 * size about their edges.
    """
    far = _farthest(first, size) >= size - 1
    repeated = 0 if period < 2 * size else 1  # how often the edge pixel comes again
    pair = []
    for index in (first, first + 1):
        index = index.remainder(period) if far else index
        inside = torch.maximum(index, -repeated - index)
        pair.append(torch.minimum(inside, period - repeated - inside))
    return pair


def _index_type(size: int) -> torch.dtype:
    """The integers for rows or columns: int16 takes half the time of int32."""
    return torch.int16 if size < 2**12 else torch.int32


def _farthest(index: Tensor, size: int) -> int:
    """How far the indices lead outside 0..size - 1 at most; `size` on a GPU, where asking takes longer."""
    if index.device.type != "cpu":
        return size
    low, high = torch.aminmax(index)
    return max(-int(low), int(high) - size + 1)
