"""CIFAR's training images: the authors' batches in their folder and in their archive."""

from __future__ import annotations

import tarfile
from pathlib import Path

import numpy as np
import pytest
from torchvision import datasets

from robustbench_lite.errors import DataError
from robustbench_lite.suites import load_cifar_train
from tests.suites.python2 import python2_pickle

NAMES = {
    "cifar10": (
        "cifar-10-batches-py",
        [f"data_batch_{n}" for n in range(1, 6)],
        "batches.meta",
        b"label_names",
    ),
    "cifar100": ("cifar-100-python", ["train"], "meta", b"fine_label_names"),
}
LABELS = {"cifar10": b"labels", "cifar100": b"fine_labels"}


def write_batches(root: Path, name: str, classes: int, count: int = 4) -> Path:
    folder, batches, meta, key = NAMES[name]
    (root / folder).mkdir(parents=True)
    rng = np.random.default_rng(3)
    for batch in batches:
        content = {
            b"data": rng.integers(0, 256, (count, 3072), dtype=np.uint8),
            LABELS[name]: rng.integers(0, classes, count).tolist(),
        }
        (root / folder / batch).write_bytes(python2_pickle(content))
    (root / folder / meta).write_bytes(python2_pickle({key: [f"class {n}".encode() for n in range(classes)]}))
    return root / folder


@pytest.mark.parametrize(
    ("name", "kind", "classes"), [("cifar10", datasets.CIFAR10, 10), ("cifar100", datasets.CIFAR100, 100)]
)
def test_training_images_are_those_that_torchvision_reads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, kind: type[datasets.CIFAR10], classes: int
) -> None:
    write_batches(tmp_path, name, classes)
    monkeypatch.setattr(kind, "_check_integrity", lambda self: True)
    monkeypatch.setattr(kind, "_load_meta", lambda self: None)
    theirs = kind(str(tmp_path), train=True)
    ours = load_cifar_train(name, tmp_path)
    np.testing.assert_array_equal(ours.images, theirs.data)
    assert ours.labels.tolist() == theirs.targets
    assert ours.class_names[:2] == ("class 0", "class 1")


def test_the_archive_gives_what_its_folder_gives(tmp_path: Path) -> None:
    folder = write_batches(tmp_path, "cifar10", 10)
    archive = tmp_path / "elsewhere" / "cifar-10-python.tar.gz"
    archive.parent.mkdir()
    with tarfile.open(archive, "w:gz") as tar:
        tar.add(folder, arcname=folder.name)
    unpacked = load_cifar_train("cifar10", folder)
    for place in (archive, archive.parent):
        packed = load_cifar_train("cifar10", place)
        np.testing.assert_array_equal(packed.images, unpacked.images)
        np.testing.assert_array_equal(packed.labels, unpacked.labels)
        assert packed.class_names == unpacked.class_names


def test_missing_training_images_are_named(tmp_path: Path) -> None:
    with pytest.raises(
        DataError, match=r"cifar-10-batches-py/data_batch_1 or cifar-10-python.tar.gz; `download=True`"
    ):
        load_cifar_train("cifar10", tmp_path)


def test_a_missing_batch_is_named(tmp_path: Path) -> None:
    (write_batches(tmp_path, "cifar10", 10) / "data_batch_4").unlink()
    with pytest.raises(DataError, match=r"data_batch_4 can't be read: No such file"):
        load_cifar_train("cifar10", tmp_path)


def test_labels_beyond_the_classes_are_refused(tmp_path: Path) -> None:
    write_batches(tmp_path, "cifar10", 30, count=20)
    with pytest.raises(DataError, match=r"30 class names .* CIFAR-10 has 10 classes"):
        load_cifar_train("cifar10", tmp_path)
