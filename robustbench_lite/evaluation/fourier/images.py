"""The images of a Fourier sweep: a clean suite, a folder, an .npz or arrays, all or a seeded sample."""

from __future__ import annotations

import hashlib
import json
import os
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, cast

import numpy as np
import numpy.typing as npt
import torch

from robustbench_lite.errors import DataError, InvalidInput, ModelError, UnknownName
from robustbench_lite.evaluation.sources import load_suite
from robustbench_lite.suites import CLEAN, CUSTOM, SUITES, Reader, Suite, load_custom
from robustbench_lite.suites.cifar import ArrayReader
from robustbench_lite.suites.custom import MEMORY
from robustbench_lite.suites.decode import decode_image, in_threads
from robustbench_lite.suites.image_folder import is_image
from robustbench_lite.suites.inventory import entries
from robustbench_lite.suites.memory import in_memory, read_images

CLEAN_SUITES: Final = tuple(name for name, spec in SUITES.items() if spec.kind == "clean")


@dataclass(frozen=True)
class ImageSet:
    """Images of one size, with labels where there are any.

    Attributes:
        reader: The reader of all images, uint8 or float32 in [0, 1], (count, H, W, 3).
        index: The indices of the images in use, ascending. An image's random signs depend on its index.
        labels: int64 (n,), the labels of the images in use.
        classes: The number of classes, where it is known.
        source: A JSON-able record of the source of the images, with a fingerprint.
    """

    reader: Reader
    index: npt.NDArray[np.int64]
    labels: npt.NDArray[np.int64] | None
    classes: int | None
    source: dict[str, Any]

    @property
    def size(self) -> tuple[int, int]:
        """Height and width in pixels."""
        return self.reader.shape[0], self.reader.shape[1]

    def __len__(self) -> int:
        return len(self.index)

    def read(self, start: int, stop: int, device: torch.device) -> torch.Tensor:
        """Read images start to stop - 1 of those in use to the device, float32 (n, 3, H, W) in [0, 1]."""
        wanted = self.index[start:stop]
        runs = np.split(wanted, np.flatnonzero(np.diff(wanted) != 1) + 1)
        pixels = torch.cat([self.reader.read(int(run[0]), int(run[-1]) + 1) for run in runs]).to(device)
        images = pixels.permute(0, 3, 1, 2).to(torch.float32, memory_format=torch.contiguous_format)
        return images.div_(255) if pixels.dtype == torch.uint8 else images


def open_images(
    dataset: object,
    data: str | Path | None = None,
    *,
    classes: str | Path | Sequence[str] | None = None,
    image_size: int | None = None,
    limit: int | None = None,
    seed: int = 0,
) -> ImageSet:
    """Open the images of a sweep.

    Args:
        dataset: The name of a clean suite, with its official files in `data`; a path: class folders, a flat
            folder of images of one size, without labels, or an .npz with `images`, uint8 (N, H, W, 3), and
            perhaps `labels`; or images in memory, as `read_images` takes them.
        data: The folder (or archive) of the official files, by default the folder in $ROBUSTBENCH_LITE_DATA.
        classes: The class names in the order of the model's outputs, or a file with one per line; for class
            folders, which are otherwise taken in sorted order.
        image_size: The side to which images in class folders are resized and cropped.
        limit: The number of images to use: the first ones of a permutation that `seed` decides.
        seed: The seed of the permutation.

    Raises:
        DataError: Files are missing, damaged or of several sizes.
        InvalidInput: The limit is below 1, or a setting does not fit the images.
    """
    if isinstance(dataset, ImageSet):
        return sample_images(dataset, limit, seed)
    if isinstance(dataset, Suite):
        return sample_images(_of_suite(dataset), limit, seed)
    if in_memory(dataset):
        if data is not None or classes is not None or image_size is not None:
            raise InvalidInput("images in memory need no `data=DIR`, `classes=FILE` or `image_size=N`")
        return sample_images(array_images(dataset), limit, seed)
    name = os.fspath(cast(str, dataset))
    if name in CLEAN_SUITES:
        return sample_images(_of_suite(load_suite(name, data)), limit, seed)
    place = Path(name).expanduser()
    if not place.exists() and place.name == name and not place.suffix:
        raise UnknownName("data set", name, CLEAN_SUITES)
    if data is not None:
        known = ", ".join(CLEAN_SUITES)
        raise InvalidInput(f"{name} is a path: leave out `data=DIR`, which goes with {known}")
    if place.suffix == ".npz" and place.is_file():
        return sample_images(_npz_images(place), limit, seed)
    if not place.is_dir():
        raise DataError(
            f"{place} is neither a data set ({', '.join(CLEAN_SUITES)}) nor a folder of images nor an .npz "
            "with `images` and `labels`"
        )
    flat = [path for path in entries(place) if path.is_file() and is_image(path)]
    if flat and image_size is None and classes is None:
        return sample_images(_flat_images(place, flat), limit, seed)
    suite = load_custom(place, classes=classes, image_size=image_size)
    return sample_images(_of_suite(suite), limit, seed)


def array_images(images: object) -> ImageSet:
    """Open images in memory, in the forms of `read_images`. Float images are used unchanged.

    Raises:
        InvalidInput: The type or shape is wrong, values lie outside [0, 1], or the labels do not fit.
    """
    own = read_images(images)
    return _from_arrays(own.images, own.labels, MEMORY)


def sample_images(images: ImageSet, limit: int | None, seed: int) -> ImageSet:
    """Return the first `limit` images of a seeded permutation, in their original order; all for no limit.

    Raises:
        InvalidInput: The limit is below 1.
    """
    if limit is None or limit >= len(images):
        return images
    if limit < 1:
        raise InvalidInput(f"`limit={limit}` must be at least 1 image")
    rows = np.sort(np.random.Generator(np.random.Philox(seed)).permutation(len(images))[:limit])
    labels = images.labels[rows] if images.labels is not None else None
    source = {**images.source, "sample": f"the first {limit} of a random permutation, seed {seed}"}
    return ImageSet(images.reader, images.index[rows], labels, images.classes, source)


def check_classes(images: ImageSet, width: int, name: str) -> None:
    """Refuse a model whose number of outputs is not the images' number of classes.

    Raises:
        ModelError: The numbers differ; the message says what to do.
    """
    if images.classes not in (None, width):
        advice = "use a model that was trained for it"
        if images.source.get("suite") == CUSTOM:
            advice = (
                "give the model's class list (`classes=FILE`), `dataset='imagenet'` for folders named by its "
                "WordNet ids, or `metric='flip'`, which needs no labels"
            )
        raise ModelError(
            f"{name} has {width} outputs, but the data set has {images.classes} classes; {advice}"
        )
    if images.labels is not None and images.labels.max() >= width:
        raise ModelError(
            f"{name} has {width} outputs, but the labels go up to {images.labels.max()}; "
            "use a model of these classes, or `metric='flip'`, which needs no labels"
        )


def _of_suite(suite: Suite) -> ImageSet:
    reader = suite.open(CLEAN)
    return ImageSet(
        reader, np.arange(reader.count), reader.labels, suite.spec.classes, json_able(suite.provenance())
    )


def json_able(record: Mapping[str, object]) -> dict[str, Any]:
    """Return the record after a round trip through JSON."""
    copy: dict[str, Any] = json.loads(json.dumps(record, default=str))
    return copy


def _npz_images(path: Path) -> ImageSet:
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as stored:
            images, labels = stored["images"], stored.get("labels")
    except KeyError as error:
        raise DataError(f"{path} needs an array `images`, and `labels` for the error") from error
    except (ValueError, OSError, EOFError, zipfile.BadZipFile) as error:
        raise DataError(f"{path} is not a readable .npz: {error}") from error
    if images.dtype != np.uint8 or images.ndim != 4 or images.shape[3] != 3 or not len(images):
        raise DataError(
            f"{path} holds {images.dtype} images of shape {images.shape}; expected uint8 (N, H, W, 3)"
        )
    try:
        return _from_arrays(images, _checked_labels(labels, len(images)), str(path))
    except InvalidInput as error:
        raise DataError(f"{path}: {error}") from error


class _FlatReader:
    """Image files of one size, which threads decode when they are read."""

    labels = None

    def __init__(self, paths: Sequence[Path]) -> None:
        self._paths = paths
        self.count = len(paths)
        self.shape: tuple[int, ...] = self._decoded(0).shape

    def read(self, start: int, stop: int) -> torch.Tensor:
        """Read images start to stop - 1, uint8 (n, H, W, 3)."""
        batch = np.empty((stop - start, *self.shape), dtype=np.uint8)

        def one(number: int) -> None:
            pixels = self._decoded(number)
            if pixels.shape != self.shape:
                raise DataError(
                    f"all images must have one size, but {self._paths[0].name} is {_size(self.shape)} and "
                    f"{self._paths[number].name} is {_size(pixels.shape)} pixels; bring them to one size, or "
                    "put them into class folders and give `image_size=N`"
                )
            batch[number - start] = pixels

        in_threads(one, start, stop)
        return torch.from_numpy(batch)

    def close(self) -> None:
        """Do nothing, because no file is open."""

    def _decoded(self, number: int) -> npt.NDArray[np.uint8]:
        path = self._paths[number]
        return decode_image(path.read_bytes(), str(path))


def _flat_images(folder: Path, paths: Sequence[Path]) -> ImageSet:
    """Open the files of a folder. Their fingerprint covers names and contents."""
    listing = [[path.name, hashlib.sha256(path.read_bytes()).hexdigest()] for path in paths]
    digest = hashlib.sha256(json.dumps(listing).encode()).hexdigest()
    source = {"root": str(folder), "images": len(paths), "fingerprint": digest}
    return ImageSet(_FlatReader(paths), np.arange(len(paths)), None, None, source)


def _from_arrays(images: npt.NDArray[Any], labels: npt.NDArray[np.int64] | None, name: str) -> ImageSet:
    digest = hashlib.sha256(json.dumps([str(images.dtype), images.shape]).encode())
    digest.update(np.ascontiguousarray(images).data)
    digest.update(b"" if labels is None else np.ascontiguousarray(labels).data)
    source = {"root": name, "images": len(images), "fingerprint": digest.hexdigest()}
    return ImageSet(ArrayReader(images, labels, name), np.arange(len(images)), labels, None, source)


def _checked_labels(labels: object, count: int) -> npt.NDArray[np.int64] | None:
    if labels is None:
        return None
    values = labels.detach().cpu().numpy() if isinstance(labels, torch.Tensor) else np.asarray(labels)
    if values.shape != (count,) or values.dtype.kind not in "iu" or values.min() < 0:
        raise InvalidInput(
            f"labels must be {count} class indices from 0, one for each image; got {values.dtype} of shape "
            f"{values.shape}" + (f" from {values.min()}" if values.size and values.dtype.kind in "iu" else "")
        )
    return values.astype(np.int64)


def _size(shape: tuple[int, ...]) -> str:
    return f"{shape[0]} x {shape[1]}"
