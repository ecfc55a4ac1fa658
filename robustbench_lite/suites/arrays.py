"""Arrays and tensors as images and labels: layout, type, range and size, checked."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image

from robustbench_lite.errors import InvalidInput


@dataclass(frozen=True)
class LabelledImages:
    """Images of one size in memory.

    Attributes:
        images: (N, H, W, 3), uint8, or float32 in [0, 1] where they were floats.
        labels: class indices, int64 (N,); None where there are none.
        class_names: the names of the classes in the order of the labels, where the data set has them.
    """

    images: npt.NDArray[Any]
    labels: npt.NDArray[np.int64] | None
    class_names: tuple[str, ...] | None = None

    def __len__(self) -> int:
        return len(self.images)

    def as_uint8(self) -> npt.NDArray[np.uint8]:
        """The images as uint8; floats x become round(255 x), which gives back what ToTensor was given."""
        if self.images.dtype == np.uint8:
            return self.images
        return np.rint(self.images * np.float32(255)).astype(np.uint8)

    def digest(self) -> str:
        """SHA-256 over type, shape, all pixels and all labels."""
        digest = hashlib.sha256(f"{self.images.dtype} {self.images.shape}".encode())
        digest.update(np.ascontiguousarray(self.images).data)
        digest.update(b"" if self.labels is None else self.labels.data)
        return digest.hexdigest()


def one_image(image: object, number: int) -> npt.NDArray[Any]:
    """One image as (H, W, 3), uint8 or float32; its number is for errors."""
    if isinstance(image, Image.Image):
        return np.asarray(image.convert("RGB"))
    try:
        pixels = _array(image)
        if pixels.ndim == 2:
            pixels = pixels[..., None]
        one: npt.NDArray[Any] = _channels_last(pixels[None])[0]
        return one
    except InvalidInput as error:
        raise InvalidInput(f"image {number}: {error}") from error


def check_sizes(images: Sequence[npt.NDArray[Any]], what: str) -> None:
    """Refuse images of several sizes.

    Args:
        images: arrays that end in (H, W, 3).
        what: what each of them is, for the error: "image" or "batch".

    Raises:
        InvalidInput: names the first one that differs.
    """
    for number, image in enumerate(images):
        if image.shape[-3:] != images[0].shape[-3:]:
            sizes = [f"{one.shape[-3]} x {one.shape[-2]}" for one in (images[0], image)]
            raise InvalidInput(
                f"all images must have one size, but those of {what} 0 have {sizes[0]} and those of {what} "
                f"{number} have {sizes[1]} pixels; resize and crop them first"
            )


def labelled_images(images: object, labels: object, names: tuple[str, ...] | None) -> LabelledImages:
    """Check arrays, tensors or a list of PIL images, with their labels.

    Raises:
        InvalidInput: another type, shape or range, or labels that are not one class index per image.
    """
    if isinstance(images, list | tuple) and images and isinstance(images[0], Image.Image):
        images = np.stack([one_image(image, number) for number, image in enumerate(images)])
    pixels = _array(images)
    if pixels.ndim == 3:
        pixels = pixels[..., None]
    pixels = _channels_last(pixels)
    check_range(pixels)
    return LabelledImages(pixels, None if labels is None else class_indices(labels, len(pixels)), names)


def _array(values: object) -> npt.NDArray[Any]:
    if isinstance(values, torch.Tensor):
        values = values.detach().cpu()
        values = values.float() if values.dtype == torch.bfloat16 else values
        array: npt.NDArray[Any] = values.numpy()
        return array
    try:
        return np.asarray(values)
    except (TypeError, ValueError) as error:
        raise InvalidInput(f"the images are no array of numbers: {error}") from error


def _channels_last(pixels: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Images as (N, H, W, 3), uint8 or float32."""
    expected = "expected uint8 (N, H, W, 3), as in files, or float (N, 3, H, W) in [0, 1], as for a model"
    if pixels.dtype != np.uint8 and pixels.dtype.kind != "f":
        raise InvalidInput(f"the images are {pixels.dtype}; {expected}")
    if pixels.ndim != 4 or not len(pixels):
        raise InvalidInput(f"the images are {pixels.dtype} of shape {pixels.shape}; {expected}")
    last, first = pixels.shape[3] in (1, 3), pixels.shape[1] in (1, 3)
    if not last and not first:
        raise InvalidInput(f"the images are {pixels.dtype} of shape {pixels.shape}; {expected}")
    if first and (pixels.dtype.kind == "f" or not last):
        pixels = pixels.transpose(0, 2, 3, 1)
    if pixels.shape[3] == 1:
        pixels = np.repeat(pixels, 3, axis=3)
    return np.ascontiguousarray(pixels, dtype=np.uint8 if pixels.dtype == np.uint8 else np.float32)


def check_range(pixels: npt.NDArray[Any]) -> None:
    """Refuse floats that are not in [0, 1]."""
    if pixels.dtype == np.uint8:
        return
    low, high = float(pixels.min()), float(pixels.max())
    if low >= 0 and high <= 1:
        return
    cause = "they are not all numbers"
    if low < 0:
        cause = "they look normalised: leave Normalize out, and name the normalisation with the model"
    elif high > 1:
        cause = "give values from 0 to 255 as uint8, or divide by 255"
    raise InvalidInput(
        f"float images must lie in [0, 1], before any normalisation, got {low:g} to {high:g}; {cause}"
    )


def class_indices(labels: object, count: int) -> npt.NDArray[np.int64]:
    """Labels as int64 (count,).

    Raises:
        InvalidInput: they are no whole numbers from 0, or not one for each image.
    """
    try:
        values = labels.detach().cpu().numpy() if isinstance(labels, torch.Tensor) else np.asarray(labels)
    except (TypeError, ValueError) as error:
        raise InvalidInput(f"the labels are no array of numbers: {error}") from error
    if values.shape != (count,) or values.dtype.kind not in "iu" or values.min() < 0:
        raise InvalidInput(
            f"labels must be {count} class indices from 0, one for each image; got {values.dtype} of shape "
            f"{values.shape}" + (f" from {values.min()}" if values.size and values.dtype.kind in "iu" else "")
        )
    return np.ascontiguousarray(values, dtype=np.int64)
