"""Fourier basis images of unit norm, and images perturbed by one of them (Yin et al., 2019).

A frequency is (vertical, horizontal): signed whole numbers of cycles over the height and over the width.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from robustbench_lite.corruptions.random import CounterDraws
from robustbench_lite.errors import InvalidInput

Frequency = tuple[int, int]

_CPU = torch.device("cpu")


@dataclass(frozen=True)
class Layout:
    """The cells of a heatmap, zero frequency in the centre, and the mirrored pairs that they belong to.

    Attributes:
        image_size: (height, width) in pixels.
        vertical: frequency of each row, ascending; row r is r - rows // 2 cycles.
        horizontal: frequency of each column, ascending.
        pairs: one frequency for each pair of a frequency and its mirror image, in the order of the rows.
        cells: the pair of each cell, int64 (rows, columns).
    """

    image_size: tuple[int, int]
    vertical: tuple[int, ...]
    horizontal: tuple[int, ...]
    pairs: tuple[Frequency, ...]
    cells: npt.NDArray[np.int64]


def layout(image_size: tuple[int, int], window: int | None = None) -> Layout:
    """The heatmap of all frequencies of an image, or of the window x window lowest ones.

    Frequencies f and -f have the same basis image, so that 32 x 32 cells are 514 pairs.

    Args:
        image_size: (height, width) in pixels.
        window: rows and columns of the map; None is all of them.

    Raises:
        InvalidInput: a window that is not positive, larger than the image, or even without being the whole
            map: an even window has no mirror image for its first row and column.
    """
    rows, columns = _window(image_size, window)
    vertical = tuple(range(-(rows // 2), rows - rows // 2))
    horizontal = tuple(range(-(columns // 2), columns - columns // 2))
    pairs: dict[Frequency, int] = {}
    cells = np.empty((rows, columns), dtype=np.int64)
    for row, i in enumerate(vertical):
        for column, j in enumerate(horizontal):
            cells[row, column] = pairs.setdefault(first_of_pair((i, j), image_size), len(pairs))
    return Layout(image_size, vertical, horizontal, tuple(pairs), cells)


def _window(image_size: tuple[int, int], window: int | None) -> tuple[int, int]:
    if window is None:
        return image_size
    height, width = image_size
    if not 1 <= window <= min(height, width):
        raise InvalidInput(
            f"the map's size must lie between 1 and the image's side, got {window} for images of "
            f"{height} x {width} pixels"
        )
    if window % 2 == 0 and (window, window) != image_size:
        raise InvalidInput(
            "the map's size must be odd, so that each frequency has its mirror image in it, or the image's "
            f"own side; got {window} for images of {height} x {width} pixels, take {window - 1}"
        )
    return window, window


def first_of_pair(frequency: Frequency, image_size: tuple[int, int]) -> Frequency:
    """Which of a frequency and its mirror image comes first, row by row, in the centred map.

    It names the pair: the same for both, and for any window of the map.
    """
    height, width = image_size
    (i, j), (a, b) = (
        ((sign * frequency[0] + height // 2) % height, (sign * frequency[1] + width // 2) % width)
        for sign in (1, -1)
    )
    i, j = min((i, j), (a, b))
    return i - height // 2, j - width // 2


def fourier_basis(
    frequency: Frequency,
    image_size: tuple[int, int],
    *,
    dtype: torch.dtype = torch.float32,
    device: torch.device | str = "cpu",
) -> Tensor:
    """The real image (H, W) of Frobenius norm 1 with one frequency and its mirror image.

    Its discrete Fourier transform is zero everywhere else.

    With t = 2 pi (i m / H + j n / W) for the first frequency (i, j) of the pair, U(m, n) is
    (cos t - sin t) / sqrt(H W), and cos t / sqrt(H W) where a frequency is its own mirror image. Phases are
    whole multiples of the finest step, looked up in one table, so that every device has the same values.

    Args:
        frequency: (vertical, horizontal), any whole numbers; they count modulo H and W.
        image_size: (H, W) in pixels.
        dtype: the dtype of the result; the table is worked out in float64.
        device: the device of the result.

    Source: Yin et al. 2019, section 2; the phase (1 + i) of the mirrored pair is that of the authors' code
    (google-research/frequency_analysis/freq_heatmap.py), as the paper leaves it open.
    """
    height, width = image_size
    i, j = first_of_pair(frequency, image_size)
    steps = math.lcm(height, width)
    own_mirror = (2 * i) % height == 0 and (2 * j) % width == 0
    table = _table(steps, own_mirror, height * width, dtype, torch.device(device))
    down = torch.arange(height, device=device).mul_(i % height * (steps // height))
    across = torch.arange(width, device=device).mul_(j % width * (steps // width))
    return table[(down[:, None] + across) % steps]


@lru_cache(maxsize=8)
def _table(steps: int, own_mirror: bool, pixels: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    """One period of the wave; kept on the device, as a copy to it would wait for the model."""
    angles = torch.arange(steps, dtype=torch.float64) * (2 * math.pi / steps)
    wave = angles.cos() if own_mirror else angles.cos() - angles.sin()
    return (wave / math.sqrt(pixels)).to(device=device, dtype=dtype)


def fourier_signs(
    frequency: Frequency, image_size: tuple[int, int], seed: int, index: Sequence[int] | npt.NDArray[np.int64]
) -> Tensor:
    """The random signs of a pair, +1 or -1 for each image and channel: float32 (N, 3) on the CPU.

    They depend on the seed, the pair, the image's index and the channel alone.

    Source: Yin et al. 2019, section 2 (r uniform over -1 and 1 for each image and channel).
    """
    i, j = first_of_pair(frequency, image_size)
    draws = CounterDraws(seed, f"fourier/{i}/{j}", np.asarray(index, dtype=np.int64), _CPU)
    return draws.integers(0, 2, (3,)).mul_(2).sub_(1).to(torch.float32)


def add_wave(images: Tensor, waves: Tensor, signs: Tensor, out: Tensor) -> Tensor:
    """Images plus signed waves, clamped to [0, 1]: one addition and one clamp, into `out`.

    Args:
        images: (n, 3, H, W) in [0, 1].
        waves: (P, H, W), basis images times their norm.
        signs: (P, n, 3), 1 or -1.
        out: (P, n, 3, H, W), overwritten and returned.
    """
    return torch.addcmul(images, waves[:, None, None], signs[..., None, None], out=out).clamp_(0, 1)


def perturb_fourier(
    images: Tensor,
    frequency: Frequency,
    norm: float,
    *,
    seed: int,
    index: Sequence[int] | npt.NDArray[np.int64],
) -> Tensor:
    """Perturb images by one Fourier basis image.

    Args:
        images: float (N, 3, H, W) in [0, 1].
        frequency: (vertical, horizontal) in cycles over the image.
        norm: l2 norm of the perturbation of each channel: 4 for CIFAR, 15.7 for ImageNet in the papers.
        seed: the seed of the signs.
        index: the index of each image in its data set, (N,); with the seed it decides the signs.

    Returns:
        (N, 3, H, W), clipped to [0, 1].

    Raises:
        InvalidInput: images of another shape or type, a norm that is not positive, or too few indices.

    Source: Yin et al. 2019, section 2; AugMix (Hendrycks et al. 2020), appendix B.
    """
    if images.ndim != 4 or images.shape[1] != 3 or not images.is_floating_point():
        raise InvalidInput(
            f"images must be float (N, 3, H, W) in [0, 1], got {images.dtype} of shape {tuple(images.shape)}"
        )
    if len(index) != len(images):
        raise InvalidInput(f"{len(images)} images need as many indices, got {len(index)}")
    check_norm(norm)
    size = (images.shape[2], images.shape[3])
    wave = fourier_basis(frequency, size, dtype=images.dtype, device=images.device).mul_(norm)
    signs = fourier_signs(frequency, size, seed, index).to(images)
    return add_wave(images, wave[None], signs[None], images.new_empty((1, *images.shape)))[0]


def check_norm(norm: float) -> None:
    """Refuse a norm that perturbs nothing.

    Raises:
        InvalidInput: not a positive, finite number.
    """
    if not (norm > 0 and math.isfinite(norm)):
        raise InvalidInput(
            f"the norm must be a positive number (4 for CIFAR, 15.7 for ImageNet), got {norm:g}"
        )
