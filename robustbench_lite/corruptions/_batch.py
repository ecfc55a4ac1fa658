"""Checks of the arguments of `corrupt` and `perturb`, and the division of a batch into chunks."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import Any, Final, TypeVar

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from robustbench_lite.errors import InvalidInput, UnknownName

Images = TypeVar("Images", NDArray[np.uint8], Tensor)

_CPU_VALUES: Final = (
    3 * 256 * 256
)  # one 224 px image or 64 CIFAR images at a time: temporaries stay in the cache
_GPU_VALUES: Final = 2**25  # about 200 images of 224 px
_INDEX_LIMIT: Final = 2**40


def check_images(images: object) -> Tensor:
    """The batch as a uint8 tensor (N, 3, H, W) that shares its memory where torch can.

    A read-only array, and one with negative strides (`images[:, :, ::-1]`), is copied.

    Raises:
        InvalidInput: not uint8, not (N, H, W, 3) as an array or (N, 3, H, W) as a tensor.
    """
    if isinstance(images, np.ndarray):
        layout, channels, whole = "(N, H, W, 3)", -1, images.dtype == np.uint8
    elif isinstance(images, Tensor):
        layout, channels, whole = "(N, 3, H, W)", 1, images.dtype == torch.uint8
    else:
        raise InvalidInput(f"expected a NumPy array or a tensor of uint8 images, got {type(images).__name__}")
    if not whole:
        raise InvalidInput(
            f"expected uint8 images with values 0..255, got {images.dtype}; floats in [0, 1] become uint8 by "
            "(images * 255).round() and a cast"
        )
    if images.ndim != 4 or images.shape[channels] != 3:
        raise InvalidInput(
            f"expected RGB images {layout}, got shape {tuple(images.shape)}; arrays have their channels "
            "last, tensors second"
        )
    if isinstance(images, Tensor):
        return images
    shareable = images.flags.writeable and min(images.strides) >= 0
    # order="C": a plain copy would keep the negative strides.
    return torch.from_numpy(images if shareable else images.copy(order="C")).permute(0, 3, 1, 2)


def check_index(index: ArrayLike | Tensor | None, count: int) -> NDArray[np.int64]:
    """The image indices that key the random draws, 0, 1, 2, ... if None.

    Raises:
        InvalidInput: not one whole number in 0..2**40 - 1 per image.
    """
    if index is None:
        return np.arange(count)
    array = np.asarray(index.cpu() if isinstance(index, Tensor) else index)
    if array.shape != (count,) or array.dtype.kind not in "iu":
        raise InvalidInput(
            f"expected index to hold one whole number per image, shape ({count},), got {array.dtype} of "
            f"shape {array.shape}"
        )
    if count and (array.min() < 0 or array.max() >= _INDEX_LIMIT):
        raise InvalidInput(f"expected image indices in 0..2**40 - 1, got {array.min()}..{array.max()}")
    return array.astype(np.int64)


def check_level(level: object, levels: range, what: str) -> int:
    """A severity or difficulty as an int.

    Raises:
        InvalidInput: not one of the levels.
    """
    if isinstance(level, bool) or not isinstance(level, (int, np.integer)) or level not in levels:
        raise InvalidInput(f"expected {what} to be a whole number {levels[0]}..{levels[-1]}, got {level!r}")
    return int(level)


def check_name(kind: str, name: object, known: Any) -> str:
    """The name if it is in the table.

    Raises:
        UnknownName: it is not.
    """
    if not isinstance(name, str) or name not in known:
        raise UnknownName(kind, name, known)
    return name


def chunks(images: Tensor, factor: int = 1) -> Iterator[tuple[int, int]]:
    """Runs of images that go through a kernel together, `factor` times as many as usual."""
    count, channels, height, width = images.shape
    _keep_freed_memory()
    limit = _CPU_VALUES if images.device.type == "cpu" else _GPU_VALUES
    length = max(1, limit // max(1, channels * height * width)) * factor
    for start in range(0, count, length):
        yield start, min(start + length, count)


@functools.cache
def _keep_freed_memory() -> None:
    """Let the C library keep up to 62 MiB of freed memory for the next temporaries.

    Until a process frees a large block, glibc returns freed memory to the system at once. Temporaries then
    come page by page, which can take longer than the arithmetic on them. The block itself is never touched.
    """
    torch.empty(31 << 20, dtype=torch.uint8)


def write(target: Images, start: int, stop: int, result: Tensor) -> None:
    """Store a kernel's result, uint8 (N, 3, H, W) of any strides, in the batch to return."""
    if isinstance(target, Tensor):
        target[start:stop] = result
    elif result.stride(1) == 1:
        target[start:stop] = result.permute(0, 2, 3, 1).numpy()
    else:
        planes = result.numpy()
        for channel in range(3):  # three strided copies are four times as fast as one transposition
            target[start:stop, :, :, channel] = planes[:, channel]
