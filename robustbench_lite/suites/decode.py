"""Encoded images to RGB pixels, the same as Pillow decodes them, in threads."""

from __future__ import annotations

import functools
import io
import os
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
    """The pool that decodes, made at the first use: as many threads as cores, 16 at most."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return ThreadPoolExecutor(min(cores, MOST_THREADS), thread_name_prefix="decode")


def in_threads(task: Callable[[int], None], start: int, stop: int) -> None:
    """Call `task` for every number from start to stop - 1 in the pool; the first error is raised."""
    pool = threads()
    # A handful of numbers per job keeps the queue's cost below a decode, and the last jobs short.
    step = max(1, min(16, (stop - start) // 16))

    def run(first: int) -> None:
        for number in range(first, min(first + step, stop)):
            task(number)

    for _ in pool.map(run, range(start, stop, step)):
        pass


def image_size(data: bytes, name: str) -> tuple[int, int]:
    """Height and width in pixels from the header, without decoding.

    Raises:
        DataError: no image can be recognised; the message has `name`.
    """
    try:
        with Image.open(io.BytesIO(data)) as image:
            return image.height, image.width
    except (UnidentifiedImageError, OSError, ValueError) as error:
        raise DataError(f"{name} is {explain_impostor(data) or f'not a readable image ({error})'}") from error


def decode_image(data: bytes, name: str, out: Pixels | None = None) -> Pixels:
    """RGB pixels uint8 (H, W, 3): simplejpeg where it agrees with Pillow bit for bit, else Pillow.

    `out`, contiguous, receives the pixels and is returned if the image has its size and simplejpeg can
    write there; otherwise the pixels come in memory of their own.

    Raises:
        DataError: the image is damaged; the message has `name`.
    """
    if data.startswith(JPEG):
        try:
            height, width, space, _ = simplejpeg.decode_jpeg_header(data)
            if space not in PILLOW_ONLY:
                fits = out is not None and out.shape == (height, width, 3)
                pixels: Pixels = simplejpeg.decode_jpeg(data, "RGB", buffer=out if fits else None)
                return out if fits and out is not None else pixels
        except ValueError:
            # Pillow passes over some warnings of libjpeg; what it refuses too is damaged.
            pass
    try:
        with Image.open(io.BytesIO(data)) as image:
            if image.mode.partition(";")[0] in _DEEP:
                raise DataError(
                    f"{name} has more than 8 bits a value (mode {image.mode}), which RGB would cut off at "
                    "255; convert it to 8 bits first"
                )
            return np.asarray(image.convert("RGB"))
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError) as error:
        raise DataError(f"{name} is {explain_impostor(data) or f'a damaged image ({error})'}") from error


def resize_and_crop(pixels: Pixels, side: int = CROP) -> Pixels:
    """Resize of the shorter side to 8/7 of `side`, then the central square: Resize(256), CenterCrop(224).

    Source: torchvision's Resize and CenterCrop, which every ImageNet evaluation applies to PIL images.
    """
    resized = resize(pixels, resize_for(side))
    height, width = resized.shape[:2]
    top, left = round((height - side) / 2), round((width - side) / 2)
    return resized[top : top + side, left : left + side]


def resize_for(side: int) -> int:
    """The shorter side before a crop of `side`: 256 for 224, and in proportion."""
    return round(side * RESIZE / CROP)


def resize(pixels: Pixels, short: int) -> Pixels:
    """Resize the shorter side to `short` (bilinear, antialiased), as torchvision does on a PIL image."""
    height, width = pixels.shape[:2]
    shorter = min(height, width)
    if shorter == short:
        return pixels
    size = (short * width // shorter, short * height // shorter)
    return np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.BILINEAR))
