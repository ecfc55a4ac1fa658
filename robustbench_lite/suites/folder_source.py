"""Image files with labels as a suite: their pixels are decoded in threads when they are read."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
import torch

from robustbench_lite.errors import DataError
from robustbench_lite.suites.class_list import ClassList, sorted_classes
from robustbench_lite.suites.decode import (
    Pixels,
    decode_image,
    in_threads,
    resize,
    resize_and_crop,
    resize_for,
)
from robustbench_lite.suites.image_folder import walk_classes
from robustbench_lite.suites.label_table import annotated_images, labelled_files
from robustbench_lite.suites.places import ANNOTATIONS, PICTURES
from robustbench_lite.suites.spec import Cell
from robustbench_lite.suites.suite import Reader

_FULL_SIZE: Final = 96


@dataclass(frozen=True)
class LabelledFiles:
    """Image files and their classes.

    Attributes:
        root: the folder that the paths start from.
        paths: the paths of the files, with forward slashes.
        labels: class index of each file, int64 (N,).
        class_names: the names of the classes, in the order of the indices.
        layout: how the labels were found, for the record.
        class_order: "numeric", "text", "class list" or "given" (by the labels themselves).
        notes: what a reader of the numbers should know of the files.
    """

    root: Path
    paths: tuple[str, ...]
    labels: npt.NDArray[np.int64]
    class_names: tuple[str, ...]
    layout: str
    class_order: str
    notes: tuple[str, ...] = field(default=())


def find_files(folder: Path, classes: ClassList | None, table: Path | None) -> LabelledFiles:
    """The images of a folder with their labels.

    Args:
        folder: class folders, or a folder of images with a table of labels, or Tiny-ImageNet's folder
            `images` beside val_annotations.txt.
        classes: the class names, in the order of the model's outputs; by default the classes found: whole
            numbers in the order of their values, other names sorted as text.
        table: file with a file name and a label a line.

    Raises:
        DataError: no images, classes that are not in the list, or a table that does not fit the files.
    """
    if table is not None:
        return _tabled(folder, labelled_files(folder, table), classes, f"labels of {table.name}")
    if folder.name == PICTURES and (folder.parent / ANNOTATIONS).is_file():
        folder = folder.parent
    if (folder / ANNOTATIONS).is_file() and (folder / PICTURES).is_dir():
        return _tabled(folder, annotated_images(folder), classes, ANNOTATIONS)
    tree = walk_classes(folder)
    ordered, order = _ordered(tree.classes, classes, f"the folders of {folder}")
    indices = {name: index for index, name in ordered.items()}
    labels = np.array([indices[path.partition("/")[0]] for path in tree.files], dtype=np.int64)
    names = classes.names if classes is not None else tuple(ordered.values())
    notes = tree.notes()
    if order == "numeric" and list(names) != sorted(names):
        notes = (
            f"the {len(names)} class folders are whole numbers and are numbered by value (2 before 10); "
            "torchvision's ImageFolder sorts them as text, which `class_order='text'` chooses",
            *notes,
        )
    return LabelledFiles(folder, tuple(tree.files), labels, names, "class folders", order, notes)


def _ordered(names: Sequence[str], classes: ClassList | None, what: str) -> tuple[dict[int, str], str]:
    """Index -> the name found, and what decides the order."""
    if classes is not None:
        return dict(zip(classes.places(names, what), names, strict=True)), "class list"
    ordered, order = sorted_classes(names)
    return dict(enumerate(ordered)), order


def _tabled(
    folder: Path,
    table: tuple[Mapping[str, str], tuple[str, ...]],
    classes: ClassList | None,
    layout: str,
) -> LabelledFiles:
    """Files whose labels are in a table: indices, or names of classes."""
    rows, notes = table
    values = sorted(set(rows.values()))
    numbers = all(value.isdecimal() for value in values)
    by_name = classes is not None and all(classes.place(value) is not None for value in values)
    if numbers and not by_name:
        indices = {value: int(value) for value in values}
        count = len(classes) if classes is not None else max(indices.values()) + 1
        names = classes.names if classes is not None else tuple(map(str, range(count)))
        low, high = min(indices.values()), max(indices.values())
        if high >= count:
            raise DataError(
                f"{layout}: the labels go from {low} to {high}, expected 0 to {count - 1}"
                + ("; subtract 1 from them" if low == 1 and high == count else "")
            )
        order = "given"
    else:
        ordered, order = _ordered(values, classes, f"the {layout}")
        indices = {name: index for index, name in ordered.items()}
        names = classes.names if classes is not None else tuple(ordered.values())
    labels = np.array([indices[value] for value in rows.values()], dtype=np.int64)
    return LabelledFiles(folder, tuple(rows), labels, tuple(names), layout, order, notes)


class FolderSource:
    """Image files with labels, decoded in threads when they are read."""

    def __init__(self, files: LabelledFiles, image_size: int | None) -> None:
        self.files = files
        self.classes = len(files.class_names)
        self.class_names = files.class_names
        self.count = len(files.paths)
        first = self.decode(0)
        small = first.shape[0] == first.shape[1] <= _FULL_SIZE
        self.crop = image_size if image_size is not None else None if small else 224
        self.side = self.crop or first.shape[0]

    def path(self, number: int) -> Path:
        """Where a file lies."""
        return self.files.root / self.files.paths[number]

    def decode(self, number: int) -> Pixels:
        """One file's pixels at their own size."""
        path = self.path(number)
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
        digest.update(self.files.labels.data)
        for number, path in enumerate(self.files.paths):
            try:
                digest.update(
                    f"{path} {self.path(number).stat().st_size}\n".encode("utf-8", "surrogateescape")
                )
            except OSError as error:
                raise DataError(f"{self.path(number)} can't be read: {error.strerror}") from error
        return digest.hexdigest()

    def describe(self) -> dict[str, object]:
        """Where the files lie and what is done to them."""
        input_ = f"shorter side to {resize_for(self.crop)}, crop {self.crop}" if self.crop else "as they are"
        return {
            "place": str(self.files.root),
            "layout": self.files.layout,
            "classes": self.classes,
            "class_order": self.files.class_order,
            "input": input_,
            "notes": list(self.files.notes),
        }

    def open(self, cell: Cell) -> Reader:
        """All images."""
        return FolderReader(self)


class FolderReader:
    """Files of a `FolderSource`, at the size a model sees."""

    def __init__(self, source: FolderSource) -> None:
        self._source = source
        self.count = source.count
        self.labels: npt.NDArray[np.int64] | None = source.files.labels
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
                    f"{self._source.path(number)} is {pixels.shape[0]} x {pixels.shape[1]} pixels, the first "
                    f"image {self.shape[0]} x {self.shape[1]}; `image_size=N` brings all to one size"
                )
            rows[number - start] = pixels

        in_threads(one, start, stop)
        return batch

    def relative(self, number: int) -> str:
        """The path of a file inside the folder."""
        return self._source.files.paths[number]

    def photograph(self, number: int) -> Pixels:
        """One image with its shorter side resized, not cropped: what -P sequences are made from."""
        pixels = self._source.decode(number)
        return pixels if self._source.crop is None else resize(pixels, resize_for(self._source.crop))

    def close(self) -> None:
        """Nothing is held open."""
