"""A user's own images as a suite: class folders or an .npz, with the user's class list."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, cast

import numpy as np
import numpy.typing as npt
import torch

from robustbench_lite.errors import DataError, InvalidInput
from robustbench_lite.reference.suites import custom_spec
from robustbench_lite.suites.arrays import LabelledImages, in_memory, read_images
from robustbench_lite.suites.cifar import ArrayReader
from robustbench_lite.suites.cifar_clean import read_npz
from robustbench_lite.suites.decode import (
    Pixels,
    decode_image,
    in_threads,
    resize,
    resize_and_crop,
    resize_for,
)
from robustbench_lite.suites.spec import CLEAN, Cell
from robustbench_lite.suites.suite import Reader, Suite

MEMORY: Final = "memory"
"""The place of images that come from no file."""
IMAGE_SUFFIXES: Final = frozenset((".png", ".jpg", ".jpeg", ".bmp", ".ppm", ".tif", ".tiff", ".webp"))

_FULL_SIZE: Final = 96


def load_custom(
    root: object, *, classes: str | Path | Sequence[str] | None = None, image_size: int | None = None
) -> Suite:
    """Open a user's own images and labels.

    Args:
        root: an .npz with `images` uint8 (N, H, W, 3) and integer `labels` (N,); a folder with one subfolder
            of images per class; or images in memory, as `read_images` takes them.
        classes: class names in the order of the model's outputs, or a text file with one a line. By default
            the sorted folder names; for an .npz the labels' largest value says how many there are.
        image_size: side in pixels to which photographs are resized (shorter side to 8/7 of it) and cropped.
            By default 224, unless the first image is square and at most 96 pixels, when all are taken as they
            are.

    Raises:
        DataError: no images, unreadable ones, a folder that is no class, or labels that don't fit.
        InvalidInput: an image size below 8.
    """
    names = class_names(classes)
    if image_size is not None and image_size < 8:
        raise InvalidInput(f"`image_size={image_size}` is too small; it must be at least 8 pixels")
    source: ArraySource | FolderSource
    if in_memory(root):
        if image_size is not None:
            raise InvalidInput(
                "`image_size=N` is for image files; resize images in memory before they are given"
            )
        source = memory_source(read_images(root), names)
        spec = custom_spec("clean", source.classes, source.side, source.count)
        return Suite(spec, Path(MEMORY), "official", (CLEAN,), (), source)
    place = Path(cast(str, root)).expanduser()
    if place.suffix == ".npz" and place.is_file():
        images, labels = read_npz(place)
        source = ArraySource(str(place), "npz", images, labels, names)
    elif place.is_dir():
        source = FolderSource(place, names, image_size)
    else:
        raise DataError(f"{place} is neither an .npz with images and labels nor a folder with class folders")
    spec = custom_spec("clean", source.classes, source.side, source.count)
    return Suite(spec, place, "official", (CLEAN,), (), source)


def memory_source(images: LabelledImages, names: tuple[str, ...] | None = None) -> ArraySource:
    """Images in memory as the files of a suite.

    Args:
        images: what `read_images` returns; floats x become round(255 x).
        names: of the classes; by default those that the data set states.

    Raises:
        InvalidInput: they have no labels.
        DataError: the labels do not fit the classes.
    """
    if images.labels is None:
        raise InvalidInput("the images have no labels, so no error can be computed; give (images, labels)")
    pixels = images.as_uint8()
    return ArraySource(MEMORY, "arrays", pixels, images.labels, names or images.class_names)


class ArraySource:
    """Images and labels held in memory.

    Args:
        place: where they come from, for records and errors.
        layout: what they were: "npz" or "arrays".
        images: uint8 (N, H, W, 3).
        labels: whole numbers (N,).
        names: of the classes; None counts the classes by the largest label.
    """

    def __init__(
        self,
        place: str,
        layout: str,
        images: npt.NDArray[Any],
        labels: npt.NDArray[Any],
        names: tuple[str, ...] | None,
    ) -> None:
        self._place, self._layout = place, layout
        if images.dtype != np.uint8 or images.ndim != 4 or images.shape[3] != 3 or not images.size:
            raise DataError(
                f"{place} holds {images.dtype} images of shape {images.shape}; expected uint8 (N, H, W, 3)"
            )
        self._images: npt.NDArray[np.uint8] = images.astype(np.uint8, copy=False)
        self._labels = _checked_labels(place, labels, len(self._images), names)
        self.classes = len(names) if names is not None else int(self._labels.max()) + 1
        self.count: int = self._images.shape[0]
        self.side: int = self._images.shape[1]

    def present(self, cells: Sequence[Cell]) -> tuple[Cell, ...]:
        """The one cell."""
        return tuple(cells)

    def check(self, cells: Sequence[Cell]) -> int:
        """How many images there are; they were checked when they were read."""
        return self.count

    def fingerprint(self, cells: Sequence[Cell]) -> str:
        """Digest over all pixels and labels."""
        digest = hashlib.sha256(f"{self._images.shape} {self.classes}".encode())
        digest.update(np.ascontiguousarray(self._images).data)
        digest.update(self._labels.data)
        return digest.hexdigest()

    def describe(self) -> dict[str, object]:
        """Where the images lie."""
        return {"place": self._place, "layout": self._layout, "classes": self.classes}

    def open(self, cell: Cell) -> Reader:
        """All images."""
        return ArrayReader(self._images, self._labels, self._place)


class FolderSource:
    """Image files in class folders, decoded in threads when they are read."""

    def __init__(self, folder: Path, names: tuple[str, ...] | None, image_size: int | None) -> None:
        self.folder = folder
        found = sorted(
            path.relative_to(folder)
            for path in folder.glob("*/**/*")
            if path.suffix.lower() in IMAGE_SUFFIXES and not path.name.startswith(".")
        )
        if not found:
            raise DataError(f"{folder} has no images in class folders (CLASS/NAME.jpg, .png, ...)")
        present = sorted({path.parts[0] for path in found})
        known = {name: place for place, name in enumerate(names or present)}
        strangers = [name for name in present if name not in known]
        if strangers:
            raise DataError(f"{folder}: the folders {', '.join(strangers[:3])} are not in the class list")
        self.files = found
        self.classes = len(known)
        self.labels = np.array([known[path.parts[0]] for path in found], dtype=np.int64)
        self.count = len(found)
        first = self.decode(0)
        small = first.shape[0] == first.shape[1] <= _FULL_SIZE
        self.crop = image_size if image_size is not None else None if small else 224
        self.side = self.crop or first.shape[0]

    def decode(self, number: int) -> Pixels:
        """One file's pixels at their own size."""
        path = self.folder / self.files[number]
        try:
            return decode_image(path.read_bytes(), str(path))
        except OSError as error:
            raise DataError(f"{path} can't be read: {error.strerror}") from error

    def present(self, cells: Sequence[Cell]) -> tuple[Cell, ...]:
        """The one cell."""
        return tuple(cells)

    def check(self, cells: Sequence[Cell]) -> int:
        """How many files there are."""
        return self.count

    def fingerprint(self, cells: Sequence[Cell]) -> str:
        """Digest over the names and sizes of all files, and the input size."""
        digest = hashlib.sha256(f"{self.side} {self.crop} {self.classes}".encode())
        digest.update(self.labels.data)
        for path in self.files:
            digest.update(f"{path.as_posix()} {(self.folder / path).stat().st_size}\n".encode())
        return digest.hexdigest()

    def describe(self) -> dict[str, object]:
        """Where the files lie and what is done to them."""
        input_ = f"shorter side to {resize_for(self.crop)}, crop {self.crop}" if self.crop else "as they are"
        return {
            "place": str(self.folder),
            "layout": "class folders",
            "classes": self.classes,
            "input": input_,
        }

    def open(self, cell: Cell) -> Reader:
        """All images."""
        return FolderReader(self)


class FolderReader:
    """Files of a `FolderSource`, at the size a model sees."""

    def __init__(self, source: FolderSource) -> None:
        self._source = source
        self.count = source.count
        self.labels: npt.NDArray[np.int64] | None = source.labels
        self.shape: tuple[int, ...] = (source.side, source.side, 3)

    def read(self, start: int, stop: int) -> torch.Tensor:
        """Images start to stop - 1 as uint8 (n, side, side, 3)."""
        batch = torch.empty((stop - start, *self.shape), dtype=torch.uint8)
        rows = batch.numpy()

        def one(number: int) -> None:
            pixels = self._source.decode(number)
            if self._source.crop is not None:
                pixels = resize_and_crop(pixels, self._source.crop)
            if pixels.shape != self.shape:
                raise DataError(
                    f"{self._source.folder / self._source.files[number]} is {pixels.shape[0]} x "
                    f"{pixels.shape[1]} pixels, the first image {self.shape[0]} x {self.shape[1]}; "
                    "`image_size=N` brings all to one size"
                )
            rows[number - start] = pixels

        in_threads(one, start, stop)
        return batch

    def relative(self, number: int) -> str:
        """The path of a file inside the folder."""
        return self._source.files[number].as_posix()

    def photograph(self, number: int) -> Pixels:
        """One image with its shorter side resized, not cropped: what -P sequences are made from."""
        pixels = self._source.decode(number)
        return pixels if self._source.crop is None else resize(pixels, resize_for(self._source.crop))

    def close(self) -> None:
        """Nothing is held open."""


def _checked_labels(
    path: str, labels: npt.NDArray[np.generic], count: int, names: tuple[str, ...] | None
) -> npt.NDArray[np.int64]:
    if labels.shape != (count,) or labels.dtype.kind not in "iu":
        raise DataError(
            f"{path} holds {count} images and {labels.dtype} labels of shape {labels.shape}; expected one "
            "integer label for each image"
        )
    numbers = labels.astype(np.int64)
    most = len(names) if names is not None else int(numbers.max()) + 1
    if numbers.min() < 0 or numbers.max() >= most:
        raise DataError(
            f"{path} has labels from {numbers.min()} to {numbers.max()}, expected 0 to {most - 1}"
        )
    return numbers


def class_names(classes: str | Path | Sequence[str] | None) -> tuple[str, ...] | None:
    """The names of the classes from a list, or from a file with one per line; None where none are given.

    Raises:
        DataError: the file can't be read, or names are missing or occur twice.
    """
    if classes is None:
        return None
    if isinstance(classes, str | Path):
        try:
            lines = Path(classes).read_text().splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise DataError(f"the class list {classes} can't be read: {error}") from error
        classes = [line.strip() for line in lines if line.strip()]
    names = tuple(classes)
    if len(set(names)) != len(names) or not names:
        raise DataError(f"the class list has {len(names)} names, {len(set(names))} of them different")
    return names
