"""CIFAR-10 and CIFAR-100 test images: the authors' pickled batches, their .tar.gz, or a .npz."""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from robustbench_lite.errors import DataError
from robustbench_lite.suites.cifar import ArrayReader
from robustbench_lite.suites.cifar_batches import RELEASES, CifarRelease, read_batch
from robustbench_lite.suites.inventory import child, suite_folders
from robustbench_lite.suites.spec import Cell, SuiteSpec
from robustbench_lite.suites.suite import Reader
from robustbench_lite.suites.tars import Progress, members


class CifarClean:
    """The test images of CIFAR, held in memory (30 MB): uint8 (N, 32, 32, 3) and labels (N,)."""

    def __init__(self, spec: SuiteSpec, root: Path, protocol: str, progress: Progress | None = None) -> None:
        self.spec = spec
        self.place = find_clean(spec, root) or Path()
        self._images: npt.NDArray[np.uint8]
        self._labels: npt.NDArray[np.int64]

    def present(self, cells: Sequence[Cell]) -> tuple[Cell, ...]:
        """Return the one cell where its file is on disk."""
        return tuple(cells) if self.place.is_file() else ()

    def check(self, cells: Sequence[Cell]) -> int:
        """Return the number of test images.

        Raises:
            DataError: The file is damaged, belongs to another data set, or has labels out of range.
        """
        place = self.place
        if place.suffix == ".npz":
            images, labels = read_npz(place)
        else:
            images, labels = read_batch(place, self.spec, RELEASES[self.spec.dataset].test)
        side, classes = self.spec.image_size, self.spec.classes
        if images.dtype != np.uint8 or images.ndim != 4 or images.shape[1:] != (side, side, 3):
            raise DataError(
                f"{place} holds {images.dtype} images of shape {images.shape}; "
                f"expected uint8 (N, {side}, {side}, 3)"
            )
        if labels.shape != (len(images),) or labels.dtype.kind not in "iu" or not len(images):
            raise DataError(
                f"{place} holds {len(images)} images and {labels.dtype} labels of shape {labels.shape}; "
                "expected one integer label for each image"
            )
        if labels.min() < 0 or labels.max() >= classes:
            raise DataError(
                f"{place} has labels from {labels.min()} to {labels.max()}; {self.spec.title} has classes "
                f"0 to {classes - 1}"
            )
        self._images, self._labels = np.ascontiguousarray(images), labels.astype(np.int64)
        return len(images)

    def fingerprint(self, cells: Sequence[Cell]) -> str:
        """Return a digest of all pixels and labels."""
        digest = hashlib.sha256(self.spec.name.encode())
        digest.update(self._images.data)
        digest.update(self._labels.data)
        return digest.hexdigest()

    def describe(self) -> dict[str, object]:
        """Describe the place of the images."""
        return {
            "place": str(self.place),
            "layout": "npz" if self.place.suffix == ".npz" else "CIFAR batches",
        }

    def open(self, cell: Cell) -> Reader:
        """Open all test images."""
        return ArrayReader(self._images, self._labels, str(self.place))


def find_clean(spec: SuiteSpec, root: Path) -> Path | None:
    """Find the file with the test images: `root` itself or an official name in or below it.

    A tar without the batch of test images, for example the tar of a -C suite, is no clean set.
    """
    release = RELEASES[spec.dataset]
    if root.is_file():
        return None if root.suffix == ".tar" and not _holds_batch(root, release) else root
    candidates = [
        child(base, folder) / name if folder else child(base, name)
        for base in suite_folders(root, spec.title)
        for folder, name in (
            (release.folder, release.test),
            ("", release.test),
            ("", release.archive),
            ("", f"{spec.dataset}.npz"),
        )
    ]
    return next((path for path in candidates if path.is_file()), None)


def _holds_batch(tar: Path, release: CifarRelease) -> bool:
    return any(member.name.endswith(f"{release.folder}/{release.test}") for member in members(tar))


def read_npz(place: Path) -> tuple[npt.NDArray[np.generic], npt.NDArray[np.generic]]:
    """Read the arrays `images` and `labels` of a file.

    Raises:
        DataError: The file can't be read, or one of the arrays is missing.
    """
    try:
        with place.open("rb") as file, np.load(file, allow_pickle=False) as stored:
            return stored["images"], stored["labels"]
    except KeyError as error:
        raise DataError(f"{place} needs the arrays `images` and `labels`: {error.args[0]}") from error
    except (ValueError, OSError, EOFError, zipfile.BadZipFile) as error:
        raise DataError(f"{place} is not a readable .npz: {error}") from error
