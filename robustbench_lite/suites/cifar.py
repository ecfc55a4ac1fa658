"""CIFAR-10/100-C and -P: one .npy per corruption or perturbation, in a folder or in the official tar."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
import torch
from scipy.stats import binomtest

from robustbench_lite.errors import DataError
from robustbench_lite.suites.files import Blob
from robustbench_lite.suites.inventory import child, fold, suite_folders
from robustbench_lite.suites.npy import NpyFile, read_npy
from robustbench_lite.suites.spec import Cell, SuiteSpec, perturbation_file
from robustbench_lite.suites.suite import Reader
from robustbench_lite.suites.tars import Progress, members

_COMPARED: Final = 64
_FEWEST: Final = 16
_CHANCE: Final = 0.001
_DIFFERENT: Final = 25.0
"""Levels by which the means of 8 x 8 pixels vary from image to image: 9 in pure noise, 50 in CIFAR."""

LABELS: Final = "labels"
EXTRA: Final = "extra"


class ArrayReader:
    """The rows of an array on disk or in memory."""

    def __init__(
        self, array: npt.NDArray[np.generic], labels: npt.NDArray[np.int64] | None, name: str
    ) -> None:
        self.count: int = array.shape[0]
        self.labels = labels
        self.shape: tuple[int, ...] = array.shape[1:]
        self._array: npt.NDArray[np.generic] | None = array
        self._name = name

    def read(self, start: int, stop: int) -> torch.Tensor:
        """Copy rows start to stop - 1 into new memory."""
        if self._array is None:
            raise DataError(f"{self._name} was closed before this read")
        return torch.from_numpy(np.array(self._array[start:stop]))

    def close(self) -> None:
        """Close the memory map."""
        self._array = None


def find_arrays(spec: SuiteSpec, root: Path) -> tuple[str, dict[str, Blob]]:
    """Find the .npy files of a CIFAR suite; return their place, and name without suffix -> file.

    `root` is the suite's folder, its parent, the official tar, or a folder with that tar. A sub-folder
    `extra` (CIFAR-P) is a part of the suite's folder. Names may differ in case and hyphens.

    Raises:
        DataError: A tar is damaged.
    """
    if root.is_file():
        return str(root), _arrays_in_tar(spec, root)
    folders = list(suite_folders(root, spec.title))
    for folder in folders:
        files = {
            _name(spec, path.stem): Blob.of_file(path)
            for part in (child(folder, EXTRA), folder)
            for path in sorted(part.glob("*.npy"))
            if not path.name.startswith(".")
        }
        if any(name in files for name in spec.names):
            return str(folder), files
    for folder in reversed(folders):
        if (tar := child(folder, f"{spec.title}.tar")).is_file():
            return str(tar), _arrays_in_tar(spec, tar)
    return str(root), {}


def _name(spec: SuiteSpec, stem: str) -> str:
    """The name of a corruption in a file's name that differs in case or hyphens; else the file's name."""
    if stem in spec.names:
        return stem
    return next((name for name in spec.names if fold(name) == fold(stem)), stem)


def _arrays_in_tar(spec: SuiteSpec, tar: Path) -> dict[str, Blob]:
    return {
        _name(spec, Path(member.name).stem): Blob(tar, member.offset, member.size, member.name)
        for member in members(tar)
        if member.name.endswith(".npy")
    }


class CifarArrays:
    """The common part of CIFAR-C and CIFAR-P: one .npy for each name. A header is read at its first use."""

    dimensions: int
    layout: str

    def __init__(self, spec: SuiteSpec, root: Path, protocol: str, progress: Progress | None = None) -> None:
        self.spec = spec
        self.place, self._blobs = find_arrays(spec, root)
        self._files: dict[str, NpyFile] = {}

    def file_name(self, cell: Cell) -> str:
        """Return the name of the cell's .npy, without suffix."""
        return cell.name

    def present(self, cells: Sequence[Cell]) -> tuple[Cell, ...]:
        """Return the cells whose .npy is on disk."""
        return tuple(cell for cell in cells if self.file_name(cell) in self._blobs)

    def describe(self) -> dict[str, object]:
        """Describe the place of the arrays."""
        return {"place": self.place, "layout": "npy in tar" if self.place.endswith(".tar") else "npy"}

    def npy(self, name: str) -> NpyFile:
        """Return one file with its checked header."""
        if name not in self._files:
            self._files[name] = read_npy(self._blobs[name])
        return self._files[name]

    def _checked_arrays(self, cells: Sequence[Cell]) -> dict[str, NpyFile]:
        arrays = {name: self.npy(name) for name in dict.fromkeys(map(self.file_name, cells))}
        side = self.spec.image_size
        for array in arrays.values():
            if (
                array.dtype != np.uint8
                or len(array.shape) != self.dimensions
                or array.shape[-3:] != (side, side, 3)
            ):
                raise DataError(
                    f"{array.blob} holds {array.dtype} of shape {array.shape}; {self.spec.title} has uint8 "
                    f"{self.layout}{self._other_kind(array.shape)}"
                )
        _same_rows({name: array.shape[0] for name, array in arrays.items()}, self.place)
        return arrays

    def _other_kind(self, shape: tuple[int, ...]) -> str:
        other = {4: "c", 5: "p"}.get(len(shape))
        if other is None or len(shape) == self.dimensions:
            return ""
        return f" (this looks like {self.spec.dataset}-{other})"

    def _digest(self, names: Sequence[str]) -> str:
        digest = hashlib.sha256(self.spec.name.encode())
        for name in sorted(set(names)):
            digest.update(name.encode() + b"\0" + self.npy(name).digest())
        return digest.hexdigest()


def _coarse(images: npt.NDArray[np.generic]) -> npt.NDArray[np.float32]:
    """The means of 8 x 8 pixels of each image, float32 (N, 48)."""
    blocks = images.reshape(len(images), 4, 8, 4, 8, 3).astype(np.float32)
    means: npt.NDArray[np.float32] = blocks.mean(axis=(2, 4)).reshape(len(images), -1)
    return means


def _periodic(labels: npt.NDArray[np.int64]) -> bool:
    """Whether the labels themselves repeat with a shorter period."""
    count = len(labels)
    return any(
        count % period == 0 and bool((labels[period:] == labels[:-period]).all())
        for period in range(1, count // 2 + 1)
    )


def _same_rows(rows: Mapping[str, int], place: str) -> None:
    if len(set(rows.values())) > 1:
        usual = max(set(rows.values()), key=list(rows.values()).count)
        odd = ", ".join(f"{name}.npy has {n}" for name, n in rows.items() if n != usual)
        raise DataError(f"the arrays in {place} differ in length: most have {usual} rows, {odd}")


class CifarCorruptions(CifarArrays):
    """CIFAR-10-C or CIFAR-100-C: arrays (5 N, 32, 32, 3), N rows per severity in order, and labels.npy."""

    dimensions = 4
    layout = "(50000, 32, 32, 3)"
    _labels: npt.NDArray[np.int64]

    def check(self, cells: Sequence[Cell]) -> int:
        """Return the number of images N per severity: 10,000 in the release, fewer in a small copy.

        Raises:
            DataError: Shapes, dtypes or lengths are wrong, or the labels are missing, out of range, or not
                the same for all five severities.
        """
        array = next(iter(self._checked_arrays(cells).values()))
        levels = len(self.spec.severities)
        images, rest = divmod(array.shape[0], levels)
        if rest or not images:
            raise DataError(
                f"{array.blob} has {array.shape[0]} rows, not a positive multiple of {levels}: rows must be "
                f"{levels} severities of the same images"
            )
        if array.shape[0] == self.spec.images:
            raise DataError(
                f"{array.blob} has {array.shape[0]} rows, one for each test image, so it holds one severity: "
                f"a file of {self.spec.title} has {levels} x {self.spec.images}, all severities in order"
            )
        self._labels = self._checked_labels(images)
        self._check_pairs(array, images)
        return images

    def _check_pairs(self, array: NpyFile, images: int) -> None:
        """Refuse rows that are no severities of the same images, where the labels do not tell.

        Labels that repeat within a severity (0 1 2 ... 9 0 1 2 ...) fit any number of severities. Then the
        pixels decide: the means of 8 x 8 pixels of an image at severity 1 are nearer to its own at severity 2
        than to its neighbour's there, in more than half of 64 images beyond chance. Images that hardly differ
        (noise alone) decide nothing.

        Source: the exact sign test at p = 0.001.
        """
        count = min(images - 1, _COMPARED)
        if count < _FEWEST or not _periodic(self._labels):
            return
        rows = array.map()
        numbers = np.unique(np.linspace(0, images - 2, count).astype(np.int64))
        first, second, other = (_coarse(rows[start + numbers]) for start in (0, images, images + 1))
        nearer = np.abs(first - second).mean(1) < np.abs(first - other).mean(1)
        pvalue = binomtest(int(nearer.sum()), len(numbers), 0.5, alternative="greater").pvalue
        if pvalue > _CHANCE and first.std(axis=0).mean() > _DIFFERENT:
            raise DataError(
                f"{array.blob}: rows 0 to {images - 1} and {images} to {2 * images - 1} hold different "
                f"images, so the {array.shape[0]} rows are not {len(self.spec.severities)} severities of "
                f"{images} images; a file of {self.spec.title} has all severities in order"
            )

    def _checked_labels(self, images: int) -> npt.NDArray[np.int64]:
        if LABELS not in self._blobs:
            raise DataError(f"labels.npy is missing in {self.place}: it comes with the official archive")
        file = self.npy(LABELS)
        levels = len(self.spec.severities)
        if file.shape != (levels * images,) or file.dtype.kind not in "iu":
            raise DataError(
                f"{file.blob} holds {file.dtype} of shape {file.shape}; expected integers of shape "
                f"({levels * images},), one for each row of the images"
            )
        labels: npt.NDArray[np.int64] = np.array(file.map(), dtype=np.int64).reshape(levels, images)
        if (labels != labels[0]).any():
            raise DataError(
                f"{file.blob}: the labels of the {levels} severities differ; each must repeat the first"
            )
        low, high, classes = int(labels.min()), int(labels.max()), self.spec.classes
        if low < 0 or high >= classes:
            raise DataError(
                f"{file.blob} has labels from {low} to {high}; "
                f"{self.spec.title} has classes 0 to {classes - 1}"
            )
        if images == self.spec.images and (count := len(np.unique(labels))) != classes:
            raise DataError(f"{file.blob} has {count} classes; {self.spec.title} has {classes}")
        first: npt.NDArray[np.int64] = labels[0].copy()
        return first

    def fingerprint(self, cells: Sequence[Cell]) -> str:
        """Return a digest of the cells' arrays and the labels."""
        return self._digest([*map(self.file_name, cells), LABELS])

    def open(self, cell: Cell) -> Reader:
        """Open the rows of one severity."""
        file = self.npy(cell.name)
        images = len(self._labels)
        rows = slice((cell.severity - 1) * images, cell.severity * images)
        return ArrayReader(file.map()[rows], self._labels, str(file.blob))


class CifarPerturbations(CifarArrays):
    """CIFAR-10-P or CIFAR-100-P: arrays (N, frames, 32, 32, 3). Each file has its own number of frames."""

    dimensions = 5
    layout = "(10000, frames, 32, 32, 3)"

    def file_name(self, cell: Cell) -> str:
        """Return the name of the perturbation's .npy at this difficulty, without suffix."""
        return perturbation_file(self.spec, cell)

    def check(self, cells: Sequence[Cell]) -> int:
        """Return the number of sequences per perturbation.

        Raises:
            DataError: Shapes or dtypes are wrong, or a sequence has fewer than two frames.
        """
        arrays = self._checked_arrays(cells)
        other = "CIFAR-100-P" if self.spec.title == "CIFAR-10-P" else "CIFAR-10-P"
        if fold(other) in (fold(part) for part in Path(self.place).with_suffix("").parts[-2:]):
            raise DataError(f"{self.place} is {other} by its name; the suite is {self.spec.title}")
        for array in arrays.values():
            if array.shape[0] < 1 or array.shape[1] < 2:
                raise DataError(f"{array.blob} has shape {array.shape}: a sequence has at least two frames")
        return next(iter(arrays.values())).shape[0]

    def fingerprint(self, cells: Sequence[Cell]) -> str:
        """Return a digest of the cells' arrays."""
        return self._digest([*map(self.file_name, cells)])

    def describe(self) -> dict[str, object]:
        """Describe the place of the arrays and the number of frames of each."""
        frames = {name: file.shape[1] for name, file in sorted(self._files.items())}
        return {**super().describe(), "frames": frames, "notes": self._notes()}

    def _notes(self) -> list[str]:
        """The files of CIFAR-10-P and CIFAR-100-P have one shape and no labels: only their place tells."""
        if any(fold(part) == fold(self.spec.title) for part in Path(self.place).with_suffix("").parts):
            return []
        return [
            f"{self.place} is taken for {self.spec.title}: files of CIFAR-10-P and CIFAR-100-P have the same "
            "shape and no labels, so nothing in them tells which they are"
        ]

    def open(self, cell: Cell) -> Reader:
        """Open all sequences of one perturbation."""
        file = self.npy(self.file_name(cell))
        return ArrayReader(file.map(), None, str(file.blob))
