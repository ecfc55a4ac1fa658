"""Data sets by name and by path."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision import datasets

from robustbench_lite.errors import DataError, InvalidInput
from robustbench_lite.training import sources
from robustbench_lite.training.data import InMemory
from robustbench_lite.training.image_folders import FolderImages
from robustbench_lite.training.sources import open_dataset
from tests.suites.python2 import python2_pickle

WNIDS = ("n01440764", "n01443537")


def write_cifar10(root: Path) -> None:
    folder = root / "cifar-10-batches-py"
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    for name in (*(f"data_batch_{number}" for number in range(1, 6)), "test_batch"):
        pixels = rng.integers(0, 256, (10, 3072), dtype=np.uint8)
        (folder / name).write_bytes(python2_pickle({b"data": pixels, b"labels": list(range(10))}))
    (folder / "batches.meta").write_bytes(python2_pickle({b"label_names": [b"plane", *[b"other"] * 9]}))


def write_classes(folder: Path, names: tuple[str, ...], count: int = 3, side: int = 12) -> None:
    rng = np.random.default_rng(1)
    for name in names:
        (folder / name).mkdir(parents=True)
        for number in range(count):
            picture = Image.fromarray(rng.integers(0, 256, (side, side, 3), dtype=np.uint8))
            picture.save(folder / name / f"{number}.png")


def write_npz(path: Path, count: int, **more: object) -> None:
    images = np.random.default_rng(2).integers(0, 256, (count, 8, 8, 3), dtype=np.uint8)
    np.savez(path, images=images, labels=np.arange(count) % 3, **more)


def test_cifar_is_read_from_torchvisions_layout(tmp_path: Path) -> None:
    write_cifar10(tmp_path)
    dataset = open_dataset("cifar10", tmp_path)
    assert (dataset.name, dataset.classes, dataset.family) == ("cifar10", 10, "cifar")
    assert (len(dataset.train.labels), len(dataset.test.labels)) == (50, 10)
    assert dataset.class_names is not None
    assert dataset.class_names[0] == "plane"


def test_download_is_torchvisions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Fetching:
        def __init__(self, root: str, download: bool) -> None:
            assert download
            write_cifar10(Path(root))

    monkeypatch.setattr(datasets, "CIFAR10", Fetching)
    assert len(open_dataset("cifar10", tmp_path, download=True).train.labels) == 50


def test_a_failed_download_is_a_data_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(root: str, download: bool) -> None:
        raise RuntimeError("File not found or corrupted.")

    monkeypatch.setattr(datasets, "CIFAR10", fail)
    with pytest.raises(
        DataError, match=r"torchvision could not download cifar10 to .*: File not found or corr"
    ):
        open_dataset("cifar10", tmp_path, download=True)


def test_imagenet_is_read_from_wnid_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "imagenet_wnids", lambda: WNIDS)
    for part in ("train", "val"):
        write_classes(tmp_path / "ILSVRC/Data/CLS-LOC" / part, WNIDS)
    dataset = open_dataset("imagenet", tmp_path)
    assert isinstance(dataset.train, FolderImages)
    assert (dataset.name, dataset.family, dataset.train.size) == ("imagenet", "imagenet", (224, 224))
    assert dataset.class_names == WNIDS


def test_imagenet_without_a_class_is_refused(tmp_path: Path) -> None:
    for part in ("train", "val"):
        write_classes(tmp_path / part, WNIDS)
    with pytest.raises(DataError, match=r"train has no folder for the class n01484850"):
        open_dataset("imagenet", tmp_path)


def test_stylised_folders_add_training_images_of_the_same_classes(tmp_path: Path) -> None:
    for part in ("train", "val", "stylised"):
        write_classes(tmp_path / part, WNIDS, count=4 if part == "stylised" else 3)
    dataset = open_dataset(tmp_path, image_size=16, extra_train=[tmp_path / "stylised"])
    assert isinstance(dataset.train, FolderImages)
    assert [WNIDS[label] for label in dataset.train.labels] == [
        path.parent.name for path in dataset.train.files
    ]
    assert torch.bincount(dataset.train.labels).tolist() == [7, 7]
    assert torch.bincount(dataset.test.labels).tolist() == [3, 3]


@pytest.mark.parametrize("test", ["val", "test"])
def test_a_folder_with_train_and_test_parts(tmp_path: Path, test: str) -> None:
    write_classes(tmp_path / "train", ("ape", "cat"), count=5)
    write_classes(tmp_path / test, ("ape", "cat"), count=2)
    dataset = open_dataset(tmp_path)
    assert isinstance(dataset.train, InMemory)
    assert (dataset.family, dataset.train.size, dataset.class_names) == ("cifar", (12, 12), ("ape", "cat"))
    assert (len(dataset.train.labels), len(dataset.test.labels)) == (10, 4)


def test_training_images_without_test_images_are_no_data_set(tmp_path: Path) -> None:
    write_classes(tmp_path / "train", ("ape", "cat"), count=5)
    with pytest.raises(DataError, match=r"has train/ but no val/ or test/: .*, or name .*train itself"):
        open_dataset(tmp_path)
    assert len(open_dataset(tmp_path / "train", test_fraction=0.2).test.labels) == 2


def test_a_folder_seen_from_inside_has_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_classes(tmp_path, ("ape", "cat"), count=10)
    monkeypatch.chdir(tmp_path)
    assert open_dataset(".").name == tmp_path.name


def test_a_folder_of_classes_is_divided_by_the_seed(tmp_path: Path) -> None:
    write_classes(tmp_path, ("ape", "cat"), count=10)
    divisions = [open_dataset(tmp_path, test_fraction=0.3, seed=seed).fingerprint() for seed in (0, 0, 1)]
    assert divisions[0] == divisions[1] != divisions[2]
    assert torch.bincount(open_dataset(tmp_path, test_fraction=0.3).test.labels).tolist() == [3, 3]


def test_large_images_are_decoded_as_they_are_needed(tmp_path: Path) -> None:
    write_classes(tmp_path, ("ape", "cat"), count=2, side=70)
    dataset = open_dataset(tmp_path, test_fraction=0.5)
    assert isinstance(dataset.train, FolderImages)
    assert (dataset.family, dataset.train.size) == ("imagenet", (224, 224))


def test_an_npz_is_divided_and_a_pair_of_them_is_not(tmp_path: Path) -> None:
    write_npz(tmp_path / "train.npz", 30, class_names=["a", "b", "c"])
    write_npz(tmp_path / "test.npz", 12)
    alone = open_dataset(tmp_path / "train.npz", test_fraction=0.2)
    assert (len(alone.train.labels), len(alone.test.labels), alone.class_names) == (24, 6, ("a", "b", "c"))
    pair = open_dataset(tmp_path)
    assert (len(pair.train.labels), len(pair.test.labels)) == (30, 12)


@pytest.mark.parametrize("name", ["cifar10", "imagenet"])
def test_a_named_data_set_needs_a_place(name: str) -> None:
    with pytest.raises(DataError, match=f"the folder of the files of {name} is unknown: give `data=DIR`"):
        open_dataset(name)


def test_what_is_not_there_is_a_data_error(tmp_path: Path) -> None:
    with pytest.raises(
        DataError, match=r"nothing is neither a data set \(cifar10, cifar100, imagenet\) nor a file"
    ):
        open_dataset(tmp_path / "nothing")
    with pytest.raises(DataError, match="has no folders with images: expected one folder a class"):
        open_dataset(tmp_path)
    with pytest.raises(DataError, match="has no train/ and val/ with one folder a class"):
        open_dataset("imagenet", tmp_path)


def test_test_classes_that_were_not_trained_are_refused(tmp_path: Path) -> None:
    write_classes(tmp_path / "train", ("ape", "cat"))
    write_classes(tmp_path / "val", ("ape", "cat", "dog"))
    with pytest.raises(DataError, match="val has classes that are not in the training images: dog"):
        open_dataset(tmp_path)


def test_npz_files_that_are_not_such_are_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "half.npz", images=np.zeros((3, 8, 8, 3), np.uint8))
    with pytest.raises(
        DataError, match=r"half\.npz needs the arrays `images` and `labels`: labels is not a file"
    ):
        open_dataset(tmp_path / "half.npz")
    (tmp_path / "text.npz").write_text("no archive")
    with pytest.raises(DataError, match=r"text\.npz is not a readable \.npz"):
        open_dataset(tmp_path / "text.npz")


def test_options_that_do_not_go_with_the_data_are_refused(tmp_path: Path) -> None:
    write_cifar10(tmp_path)
    write_classes(tmp_path / "flat", ("ape", "cat"))
    with pytest.raises(InvalidInput, match="is a path: leave out `data=DIR`"):
        open_dataset(tmp_path / "flat", tmp_path)
    with pytest.raises(InvalidInput, match="ImageNet can't be downloaded without an account"):
        open_dataset("imagenet", tmp_path, download=True)
    with pytest.raises(InvalidInput, match="cifar10 has a fixed size"):
        open_dataset("cifar10", tmp_path, image_size=64)
    with pytest.raises(InvalidInput, match="extra folders go with train/ and val/ folders"):
        open_dataset(tmp_path / "flat", extra_train=[tmp_path])
