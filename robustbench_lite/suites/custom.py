"""A user's own images as a suite: class folders, a folder with a table of labels, an .npz, or arrays."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, cast

import numpy as np
import numpy.typing as npt

from robustbench_lite.errors import DataError, InvalidInput
from robustbench_lite.reference.suites import custom_spec
from robustbench_lite.suites.arrays import LabelledImages
from robustbench_lite.suites.cifar import ArrayReader
from robustbench_lite.suites.cifar_clean import read_npz
from robustbench_lite.suites.class_list import ClassList, class_list
from robustbench_lite.suites.folder_source import FolderSource, find_files
from robustbench_lite.suites.inventory import child, entries, what_lies_in
from robustbench_lite.suites.memory import in_memory, read_images
from robustbench_lite.suites.spec import CLEAN, Cell
from robustbench_lite.suites.suite import Reader, Suite

MEMORY: Final = "memory"
"""The place of images that come from no file."""


def load_custom(
    root: object,
    *,
    classes: str | Path | Sequence[str] | None = None,
    image_size: int | None = None,
    labels: str | Path | None = None,
) -> Suite:
    """Open a user's own images and labels.

    Args:
        root: an .npz with `images` uint8 (N, H, W, 3) and integer `labels` (N,); a folder with one subfolder
            of images per class; a folder of images with a table of `labels`; Tiny-ImageNet's folder of
            validation images with its val_annotations.txt; or images in memory, as `read_images` takes them.
        classes: class names in the order of the model's outputs, or a file with them, as `class_list` reads
            it. By default the names of the folders: whole numbers by value, other names sorted as text; for
            an .npz the labels' largest value says how many there are.
        image_size: side in pixels to which photographs are resized (shorter side to 8/7 of it) and cropped.
            By default 224, unless the first image is square and at most 96 pixels, when all are taken as they
            are.
        labels: table with a file name and a label (index or class name) in each line, for images that lie in
            one folder.

    Raises:
        DataError: no images, unreadable ones, a folder that is no class, or labels that don't fit.
        InvalidInput: an image size below 8, or an option that does not go with the images.
    """
    listed = None if classes is None else class_list(classes)
    names = None if listed is None else listed.names
    if image_size is not None and image_size < 8:
        raise InvalidInput(f"`image_size={image_size}` is too small; it must be at least 8 pixels")
    source: ArraySource | FolderSource
    if in_memory(root):
        if image_size is not None:
            raise InvalidInput(
                "`image_size=N` is for image files; resize images in memory before they are given"
            )
        if labels is not None:
            raise InvalidInput("`labels=FILE` is for image files; give images in memory as (images, labels)")
        source = memory_source(read_images(root), names)
        place = Path(MEMORY)
    else:
        place = Path(cast(str, root)).expanduser()
        table = None if labels is None else Path(labels).expanduser()
        source = _file_source(place, listed, image_size, table)
    spec = custom_spec("clean", source.classes, source.side, source.count)
    return Suite(spec, place, "official", (CLEAN,), (), source)


def _file_source(
    place: Path, listed: ClassList | None, image_size: int | None, table: Path | None
) -> ArraySource | FolderSource:
    if place.suffix == ".npz" and place.is_file():
        if table is not None:
            raise InvalidInput(f"{place} has labels of its own; `labels=FILE` is for a folder of images")
        images, labels = read_npz(place)
        return ArraySource(str(place), "npz", images, labels, None if listed is None else listed.names)
    if place.is_dir():
        inner = child(place, place.name)
        folder = inner if inner.is_dir() and len(entries(place)) == 1 else place
        return FolderSource(find_files(folder, listed, table), image_size)
    if place.is_file():
        raise DataError(
            f"{place} is neither an .npz with images and labels nor a folder with class folders: "
            f"{what_lies_in(place)}"
        )
    raise DataError(f"{place} does not exist: it is neither an .npz nor a folder with class folders")


def memory_source(images: LabelledImages, names: tuple[str, ...] | None = None) -> ArraySource:
    """Images in memory as the files of a suite.

    Args:
        images: what `read_images` returns; floats x become round(255 x).
        names: the names of the classes; by default those that the data set states.

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
        names: the names of the classes; None counts the classes by the largest label.
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
        self.class_names = names
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
    """The names of the classes from a list, or from a file as `class_list` reads it; None without either.

    Raises:
        DataError: the file can't be read, or names are missing or occur twice.
    """
    return None if classes is None else class_list(classes).names
