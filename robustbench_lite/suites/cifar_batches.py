"""The pickled batches that the CIFAR authors publish, in their folder or in the .tar.gz."""

from __future__ import annotations

import io
import pickle
import tarfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from robustbench_lite.errors import DataError
from robustbench_lite.suites.files import explain_impostor
from robustbench_lite.suites.spec import SuiteSpec, suite_spec


@dataclass(frozen=True)
class CifarRelease:
    """The names in the archive of CIFAR-10 or CIFAR-100.

    Attributes:
        folder: The folder inside the archive.
        archive: The file name of the archive.
        train: The files of the training images.
        test: The file of the test images.
        meta: The file with the class names.
        labels: The key of the labels in a file of images.
        names: The key of the class names in `meta`.
    """

    folder: str
    archive: str
    train: tuple[str, ...]
    test: str
    meta: str
    labels: str
    names: str


RELEASES: Final = {
    "cifar10": CifarRelease(
        "cifar-10-batches-py",
        "cifar-10-python.tar.gz",
        tuple(f"data_batch_{number}" for number in range(1, 6)),
        "test_batch",
        "batches.meta",
        "labels",
        "label_names",
    ),
    "cifar100": CifarRelease(
        "cifar-100-python",
        "cifar-100-python.tar.gz",
        ("train",),
        "test",
        "meta",
        "fine_labels",
        "fine_label_names",
    ),
}

ALLOWED: Final = {
    ("numpy.core.multiarray", "_reconstruct"): ("numpy._core.multiarray", "_reconstruct"),
    ("numpy._core.multiarray", "_reconstruct"): ("numpy._core.multiarray", "_reconstruct"),
    ("numpy", "ndarray"): ("numpy", "ndarray"),
    ("numpy", "dtype"): ("numpy", "dtype"),
    ("_codecs", "encode"): ("_codecs", "encode"),
}
"""The only names that a batch of CIFAR may load; any other name in a pickle could run code."""

ARCHIVES: Final = (".tar.gz", ".tgz", ".tar")


@dataclass(frozen=True)
class CifarTrain:
    """The training images: uint8 (N, 32, 32, 3), labels int64 (N,), and the names of the classes."""

    images: npt.NDArray[np.uint8]
    labels: npt.NDArray[np.int64]
    class_names: tuple[str, ...]


def load_cifar_train(name: str, root: Path) -> CifarTrain:
    """Read the training images of CIFAR, from the authors' folder of batches or from their .tar.gz.

    Args:
        name: "cifar10" or "cifar100".
        root: The folder of batches, the archive, or a folder that contains one of them.

    Raises:
        DataError: The files are missing or damaged.
    """
    spec, release = suite_spec(name), RELEASES[name]
    place = _find_train(release, root, spec.title)
    if place is None:
        raise DataError(
            f"no training images of {spec.title} were found in {root}: expected "
            f"{release.folder}/{release.train[0]} or {release.archive}; `download=True` fetches them"
        )
    wanted = (*release.train, release.meta)
    if place.is_dir():
        raw = {member: _read_file(place / member) for member in wanted}
    else:
        raw = read_members(place, release, wanted)
    parts = [parse_batch(raw[member], f"{place}/{member}", spec) for member in release.train]
    images, labels = (np.concatenate(columns) for columns in zip(*parts, strict=True))
    names = _unpickle(raw[release.meta], f"{place}/{release.meta}").get(release.names.encode(), ())
    if len(names) != spec.classes or labels.min() < 0 or labels.max() >= spec.classes:
        raise DataError(
            f"{place} has {len(names)} class names and labels from {labels.min()} to {labels.max()}; "
            f"{spec.title} has {spec.classes} classes"
        )
    words = tuple(name.decode() if isinstance(name, bytes) else str(name) for name in names)
    return CifarTrain(np.ascontiguousarray(images), labels.astype(np.int64), words)


def _find_train(release: CifarRelease, root: Path, title: str) -> Path | None:
    if root.is_file():
        return root
    for base in (root, root / title):
        for folder in (base / release.folder, base):
            if (folder / release.train[0]).is_file():
                return folder
        if (base / release.archive).is_file():
            return base / release.archive
    return None


def _read_file(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise DataError(f"{path} can't be read: {error.strerror}") from error


def read_batch(place: Path, spec: SuiteSpec, batch: str) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    """Read images (N, 32, 32, 3) and labels of a batch: a file, or a member of the archive.

    Raises:
        DataError: The file is damaged, or it is not a CIFAR batch.
    """
    if place.name.endswith(ARCHIVES):
        raw = read_members(place, RELEASES[spec.dataset], (batch,))[batch]
    else:
        raw = _read_file(place)
    return parse_batch(raw, str(place), spec)


def read_members(place: Path, release: CifarRelease, wanted: Sequence[str]) -> dict[str, bytes]:
    """Read some files of an archive in one pass.

    Raises:
        DataError: It is not an archive, or a file is missing in it.
    """
    contents: dict[str, bytes] = {}
    try:
        with tarfile.open(place, "r:*") as tar:
            for member in tar:
                *_, folder, name = ("", *member.name.split("/"))
                content = tar.extractfile(member) if folder == release.folder and name in wanted else None
                if content is not None:
                    contents[name] = content.read()
                if len(contents) == len(wanted):
                    break
    except (tarfile.ReadError, EOFError, OSError) as error:
        with place.open("rb") as file:
            reason = explain_impostor(file.read(512)) or f"not a readable archive ({error})"
        raise DataError(f"{place} is {reason}; the official one is {release.archive}") from error
    missing = [name for name in wanted if name not in contents]
    if missing:
        raise DataError(
            f"{place} has no member {release.folder}/{missing[0]}; the official archive is {release.archive}"
        )
    return contents


def parse_batch(raw: bytes, place: str, spec: SuiteSpec) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    """Read images (N, 32, 32, 3) and labels from a pickled batch.

    Raises:
        DataError: The file is damaged, or it is not a CIFAR batch.
    """
    key = RELEASES[spec.dataset].labels
    batch = _unpickle(raw, place)
    if b"data" not in batch or key.encode() not in batch:
        raise DataError(f"{place} has no `data` and `{key}`: it is not a batch of {spec.title} for Python")
    pixels = np.asarray(batch[b"data"])
    if pixels.ndim != 2 or pixels.shape[1] != 3 * spec.image_size**2:
        raise DataError(
            f"{place} holds data of shape {pixels.shape}; "
            f"expected (N, {3 * spec.image_size**2}), one image a row"
        )
    planes = pixels.reshape(-1, 3, spec.image_size, spec.image_size)
    return planes.transpose(0, 2, 3, 1), np.asarray(batch[key.encode()])


def _unpickle(raw: bytes, place: str) -> dict[bytes, Any]:
    try:
        content = _BatchUnpickler(io.BytesIO(raw), encoding="bytes").load()
    except (pickle.UnpicklingError, EOFError, ValueError, AttributeError, IndexError, KeyError) as error:
        reason = explain_impostor(raw) or f"not a readable CIFAR batch ({error})"
        raise DataError(f"{place} is {reason}") from error
    if not isinstance(content, dict):
        return {}
    # A batch that was pickled again under Python 3 has keys of text.
    return {key.encode() if isinstance(key, str) else key: value for key, value in content.items()}


class _BatchUnpickler(pickle.Unpickler):
    """Reads numpy arrays, bytes, text, lists and dicts, and refuses a pickle that needs anything else."""

    def find_class(self, module_name: str, global_name: str) -> Any:
        """Return one of the few numpy names that a pickled array needs; refuse all others."""
        if (module_name, global_name) not in ALLOWED:
            raise pickle.UnpicklingError(
                f"it asks for {module_name}.{global_name}, which no image batch needs; it was not run"
            )
        return super().find_class(*ALLOWED[module_name, global_name])
