"""Decode images to RGB pixels in threads, bit for bit as Pillow does."""

from __future__ import annotations

import functools
import io
import os
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final

import numpy as np
import numpy.typing as npt
import simplejpeg
from PIL import Image, UnidentifiedImageError

from robustbench_lite.errors import DataError
from robustbench_lite.suites.files import explain_impostor

Pixels = npt.NDArray[np.uint8]

JPEG: Final = b"\xff\xd8"
PILLOW_ONLY: Final = frozenset({"CMYK", "YCCK"})
_DEEP: Final = frozenset({"I", "F"})
RESIZE: Final = 256
CROP: Final = 224
MOST_THREADS: Final = 16


@functools.cache
def threads() -> ThreadPoolExecutor:
    """Return the pool of decoding threads, one for each core and 16 at most. The first call makes it."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return ThreadPoolExecutor(min(cores, MOST_THREADS), thread_name_prefix="decode")


def in_threads(task: Callable[[int], None], start: int, stop: int) -> None:
    """Call `task` for every number from start to stop - 1 in the pool, and raise the first error."""
    pool = threads()
    # A few numbers per job keep the cost of the queue below that of a decode, and the last jobs short.
    step = max(1, min(16, (stop - start) // 16))

    def run(first: int) -> None:
        for number in range(first, min(first + step, stop)):
            task(number)

    for _ in pool.map(run, range(start, stop, step)):
        pass


def image_size(data: bytes, name: str) -> tuple[int, int]:
    """Return height and width in pixels from the header, without decoding.

    Raises:
        DataError: The bytes are not an image; the message has `name`.
    """
    try:
        with Image.open(io.BytesIO(data)) as image:
            return image.height, image.width
    except Exception as error:  # Pillow's plugins raise whatever a foreign file leads them to
        raise _unreadable(data, name, error) from error


def decode_image(data: bytes, name: str, out: Pixels | None = None) -> Pixels:
    """Decode to RGB pixels, uint8 (H, W, 3), with simplejpeg where it equals Pillow bit for bit, else Pillow.

    Where the image has the size of the contiguous array `out` and simplejpeg can write there, `out` receives
    the pixels and is returned. Otherwise the pixels are in new memory.

    Raises:
        DataError: The file is empty, no image, damaged, or too large to be decoded safely; the message has
            `name`.
    """
    if data.startswith(JPEG):
        try:
            height, width, space, _ = simplejpeg.decode_jpeg_header(data)
            _check_area(height, width, name)
            if space not in PILLOW_ONLY:
                fits = out is not None and out.shape == (height, width, 3)
                pixels: Pixels = simplejpeg.decode_jpeg(data, "RGB", buffer=out if fits else None)
                return out if fits and out is not None else pixels
        except ValueError:
            # Pillow ignores some warnings of libjpeg. A file that Pillow refuses as well is damaged.
            pass
    try:
        with Image.open(io.BytesIO(data)) as image:
            if image.mode.partition(";")[0] in _DEEP:
                raise DataError(
                    f"{name} has more than 8 bits per value (mode {image.mode}), which RGB would clip at "
                    "255; convert it to 8 bits first"
                )
            if image.mode == "P" and isinstance(image.info.get("transparency"), bytes):
                # The same colours; straight to RGB Pillow warns that their transparency is lost.
                return np.asarray(image.convert("RGBA").convert("RGB"))
            return np.asarray(image.convert("RGB"))
    except DataError:
        raise
    except Exception as error:  # Pillow's plugins raise whatever a foreign file leads them to
        raise _unreadable(data, name, error) from error


def _check_area(height: int, width: int, name: str) -> None:
    """Pillow's limit for all formats: above it a small file could fill the memory."""
    if Image.MAX_IMAGE_PIXELS is not None and height * width > 2 * Image.MAX_IMAGE_PIXELS:
        raise DataError(_too_large(name, height * width))


def _too_large(name: str, pixels: int) -> str:
    limit = 2 * (Image.MAX_IMAGE_PIXELS or 0)
    return (
        f"{name} has {pixels / 1e6:.0f} million pixels, more than the {limit / 1e6:.0f} million that are "
        "decoded safely; resize it first"
    )


def _unreadable(data: bytes, name: str, error: Exception) -> DataError:
    """One sentence on a file that could not be decoded."""
    if not data:
        return DataError(f"{name} is empty (0 bytes)")
    if isinstance(error, Image.DecompressionBombError | Image.DecompressionBombWarning):
        size = re.search(r"(\d+) pixels", str(error))
        return DataError(_too_large(name, int(size[1]) if size else 0))
    if (impostor := explain_impostor(data)) is not None:
        return DataError(f"{name} is {impostor}")
    if isinstance(error, UnidentifiedImageError):
        return DataError(f"{name} is not a readable image: Pillow knows no format like it")
    reason = str(error).splitlines()[0] if str(error).strip() else type(error).__name__
    return DataError(f"{name} is a damaged image ({reason})")


def resize_and_crop(pixels: Pixels, side: int = CROP) -> Pixels:
    """Resize the shorter side to 8/7 of `side` and crop the central square: Resize(256), CenterCrop(224).

    Source: torchvision's Resize and CenterCrop, which every ImageNet evaluation applies to PIL images.
    """
    resized = resize(pixels, resize_for(side))
    height, width = resized.shape[:2]
    top, left = round((height - side) / 2), round((width - side) / 2)
    return resized[top : top + side, left : left + side]


def resize_for(side: int) -> int:
    """Return the shorter side before a crop of `side`: 256 for 224, and in proportion for other sides."""
    return round(side * RESIZE / CROP)


def resize(pixels: Pixels, short: int) -> Pixels:
    """Resize the shorter side to `short` (bilinear, antialiased), as torchvision does on a PIL image."""
    height, width = pixels.shape[:2]
    shorter = min(height, width)
    if shorter == short:
        return pixels
    size = (short * width // shorter, short * height // shorter)
    return np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.BILINEAR))
