"""Data sets by name or path: CIFAR, ImageNet, image folders and .npz files."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final, cast

import numpy as np
import torch

from robustbench_lite.errors import DataError, InvalidInput
from robustbench_lite.reference import imagenet_wnids
from robustbench_lite.runtime import processes
from robustbench_lite.suites import CLEAN, load_cifar_train, load_official
from robustbench_lite.suites.memory import in_memory, read_images
from robustbench_lite.training import image_folders
from robustbench_lite.training.data import LARGE, Dataset, from_arrays, split
from robustbench_lite.training.image_folders import FolderImages

NAMED: Final = ("cifar10", "cifar100", "imagenet")

IMAGENET_SIDE: Final = 224

_IMAGENET_PLACES: Final = ("", "imagenet", "ImageNet", "ILSVRC/Data/CLS-LOC")
_TESTS: Final = ("val", "test")


def open_dataset(
    name: object,
    data: str | Path | None = None,
    *,
    test_data: object = None,
    download: bool = False,
    image_size: int | None = None,
    extra_train: Sequence[str | Path] = (),
    test_fraction: float = 0.1,
    seed: int = 0,
) -> Dataset:
    """Find a data set and check it.

    Args:
        name: "cifar10", "cifar100" or "imagenet" with their files below `data`; a path: an .npz with
            `images` and `labels`; a folder with train.npz and test.npz; a folder with train/ and val/ or
            test/, one folder per class in each; or one folder per class without that division; or images in
            memory, as `read_images` takes them.
        data: The folder of the files of a named data set.
        test_data: The test images of images in memory. By default a part of the images becomes the test set.
        download: Let torchvision download CIFAR into `data` where it is missing.
        image_size: The side of the crops of an image folder. By default 224, or the size of the images where
            all are small.
        extra_train: Further folders of training images with the same classes, such as Stylized-ImageNet's.
        test_fraction: The share of the images that becomes the test set where the data have none.
        seed: The seed of that division.

    Raises:
        DataError: The files are missing, damaged, empty or inconsistent.
        InvalidInput: An option does not fit the data set.
    """
    if in_memory(name):
        if data is not None or download:
            raise InvalidInput("images in memory need no files: leave out `data=DIR` and `download=True`")
        _refuse("the set of images in memory", image_size, extra_train)
        return _memory(name, test_data, test_fraction, seed)
    name = os.fspath(cast(str, name))
    if test_data is not None:
        raise InvalidInput(f"{name} is a data set on disk; `test_data=...` goes with images in memory")
    known = name in NAMED
    if not known and (data is not None or download):
        raise InvalidInput(
            f"{name} is a path: leave out `data=DIR` and `download=True`, which go with {', '.join(NAMED)}"
        )
    if known and data is None:
        raise DataError(
            f"the folder of the files of {name} is unknown: give `data=DIR`, or set ROBUSTBENCH_LITE_DATA"
        )
    extra = extra_train
    place = Path(name if data is None else data).expanduser()
    place = place if known else place.resolve()
    if str(name) in ("cifar10", "cifar100"):
        _refuse(str(name), image_size, extra)
        return _cifar(str(name), place, download)
    if download:
        raise InvalidInput("ImageNet can't be downloaded without an account: get it from image-net.org")
    if known:
        return _imagenet(place, image_size or IMAGENET_SIDE, extra)
    if not place.exists():
        raise DataError(f"{place} is neither a data set ({', '.join(NAMED)}) nor a file or folder")
    if place.is_file() or (place / "train.npz").is_file():
        _refuse(str(place), image_size, extra)
        return _npz(place, test_fraction, seed)
    return _folder(place, image_size, extra, test_fraction, seed)


def _memory(images: object, test_data: object, test_fraction: float, seed: int) -> Dataset:
    """Read images in memory. A float x becomes round(255 x)."""
    shown = read_images(images)
    tested = None if test_data is None else read_images(test_data)
    for part, what in ((shown, "training"), (tested, "test")):
        if part is not None and part.labels is None:
            raise InvalidInput(f"the {what} images have no labels; give (images, labels)")
    return from_arrays(
        shown.as_uint8(),
        shown.labels,
        None if tested is None else tested.as_uint8(),
        None if tested is None else tested.labels,
        class_names=shown.class_names,
        test_fraction=test_fraction,
        seed=seed,
    )


def _refuse(name: str, image_size: int | None, extra: Sequence[str | Path]) -> None:
    if image_size is not None or extra:
        raise InvalidInput(
            f"{name} has a fixed size: `image_size=N` and `extra_train=DIR` go with image folders"
        )


def _cifar(name: str, root: Path, download: bool) -> Dataset:
    if download:
        _fetch(name, root)
    train = load_cifar_train(name, root)
    test = load_official(name, root).open(CLEAN)
    return from_arrays(
        train.images,
        train.labels,
        test.read(0, test.count),
        test.labels,
        name=name,
        class_names=train.class_names,
    )


def _fetch(name: str, root: Path) -> None:
    from torchvision import datasets

    kind = datasets.CIFAR10 if name == "cifar10" else datasets.CIFAR100
    with processes() as team:
        try:
            if team.first:
                kind(str(root), download=True)
        except (OSError, RuntimeError) as error:
            raise DataError(f"torchvision could not download {name} to {root}: {error}") from error
        # The other processes wait for the files here.
        team.from_first(None)


def _imagenet(root: Path, side: int, extra: Sequence[str | Path]) -> Dataset:
    places = [root / part for part in _IMAGENET_PLACES]
    place = next((path for path in places if (path / "train").is_dir() and (path / "val").is_dir()), None)
    if place is None:
        raise DataError(f"{root} has no train/ and val/ with one folder a class (n01440764, ...)")
    wnids = imagenet_wnids()
    dataset = _pair(place / "train", place / "val", wnids, side, extra)
    return replace(dataset, name="imagenet")


def _pair(train: Path, test: Path, classes: Sequence[str], side: int, extra: Sequence[str | Path]) -> Dataset:
    shown = image_folders.list_files(train, classes, side)
    for path in extra:
        more = image_folders.list_files(Path(path), classes, side)
        shown = replace(shown, files=shown.files + more.files, labels=torch.cat((shown.labels, more.labels)))
    tested = image_folders.list_files(test, classes, side)
    return Dataset(train.parent.name, shown, tested, len(classes), tuple(classes), "imagenet")


def test_part(place: Path) -> Path | None:
    """Return the folder of the test images beside train/; None where there is none."""
    return next((place / name for name in _TESTS if (place / name).is_dir()), None)


def _folder(
    place: Path, side: int | None, extra: Sequence[str | Path], test_fraction: float, seed: int
) -> Dataset:
    train, test = place / "train", test_part(place)
    if test is None and image_folders.class_folders(train):
        raise DataError(
            f"{place} has train/ but no {'/ or '.join(_TESTS)}/: add the test images, or name {train} itself "
            "to keep a part of it for testing"
        )
    if not train.is_dir() or test is None:
        train, test = place, None
    classes = image_folders.class_folders(train)
    if not classes:
        raise DataError(
            f"{place} has no folders with images: expected one folder a class, or train/ and val/ with them, "
            "or train.npz and test.npz"
        )
    if test is not None:
        dataset = replace(_pair(train, test, classes, side or IMAGENET_SIDE, extra), name=place.name)
        _same_classes(classes, image_folders.class_folders(test), test)
    else:
        dataset = _divided(place, classes, side or IMAGENET_SIDE, extra, test_fraction, seed)
    return dataset if side is not None else _held(dataset)


def _same_classes(classes: Sequence[str], tested: Sequence[str], test: Path) -> None:
    unknown = sorted(set(tested) - set(classes))
    if unknown:
        raise DataError(f"{test} has classes that are not in the training images: {', '.join(unknown[:5])}")


def _divided(
    place: Path, classes: Sequence[str], side: int, extra: Sequence[str | Path], fraction: float, seed: int
) -> Dataset:
    if extra:
        raise InvalidInput(f"extra folders go with train/ and val/ folders, which {place} does not have")
    images = image_folders.list_files(place, classes, side)
    train, test = split(images.labels, fraction, seed)
    return Dataset(
        place.name, images.subset(train), images.subset(test), len(classes), tuple(classes), "imagenet"
    )


def _held(dataset: Dataset) -> Dataset:
    """Load small images of one size into memory, with the recipe for small images; keep others in files."""
    if not isinstance(dataset.train, FolderImages) or not isinstance(dataset.test, FolderImages):
        return dataset
    size = image_folders.common_size(dataset.train)
    if size is None or max(size) > LARGE:
        return dataset
    train, test = image_folders.load(dataset.train, size), image_folders.load(dataset.test, size)
    return replace(dataset, train=train, test=test, family="cifar")


def _npz(place: Path, test_fraction: float, seed: int) -> Dataset:
    if place.is_file():
        images, labels, names = _arrays(place)
        return from_arrays(
            images, labels, name=place.stem, class_names=names, test_fraction=test_fraction, seed=seed
        )
    images, labels, names = _arrays(place / "train.npz")
    test_images, test_labels, _ = _arrays(place / "test.npz")
    return from_arrays(images, labels, test_images, test_labels, name=place.name, class_names=names)


def _arrays(path: Path) -> tuple[object, object, tuple[str, ...] | None]:
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as stored:
            names = tuple(str(name) for name in stored["class_names"]) if "class_names" in stored else None
            return stored["images"], stored["labels"], names
    except KeyError as error:
        raise DataError(f"{path} needs the arrays `images` and `labels`: {error.args[0]}") from error
    except (ValueError, OSError, EOFError, zipfile.BadZipFile, AttributeError, TypeError) as error:
        raise DataError(f"{path} is not a readable .npz: {error}") from error
