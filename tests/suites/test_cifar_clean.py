"""Clean CIFAR: the authors' pickled batches, their archive, and .npz."""

from __future__ import annotations

import io
import pickle
import tarfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from torchvision import datasets

from robustbench_lite.errors import DataError, InvalidInput, MissingData
from robustbench_lite.suites import CLEAN, load_official
from tests.suites.python2 import python2_pickle

Batch = dict[bytes, object]


def batch(count: int = 7, key: bytes = b"labels", classes: int = 10) -> Batch:
    rng = np.random.default_rng(5)
    return {
        b"data": rng.integers(0, 256, (count, 3072), dtype=np.uint8),
        key: [int(label) for label in rng.integers(0, classes, count)],
    }


@pytest.fixture
def batches(tmp_path: Path) -> Path:
    folder = tmp_path / "data/cifar-10-batches-py"
    folder.mkdir(parents=True)
    (folder / "test_batch").write_bytes(python2_pickle(batch()))
    return folder


def read(root: Path, suite: str = "cifar10") -> tuple[np.ndarray, np.ndarray]:
    reader = load_official(suite, root).open(CLEAN)
    assert reader.labels is not None
    return reader.read(0, reader.count).numpy(), reader.labels


def test_images_are_those_that_torchvision_reads(batches: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("data_batch_1", "data_batch_2", "data_batch_3", "data_batch_4", "data_batch_5"):
        (batches / name).write_bytes((batches / "test_batch").read_bytes())
    names = {"label_names": [str(i) for i in range(10)]}
    (batches / "batches.meta").write_bytes(pickle.dumps(names))
    for check in ("_check_integrity", "_load_meta"):
        monkeypatch.setattr(datasets.CIFAR10, check, lambda self: True)
    oracle = datasets.CIFAR10(str(batches.parent), train=False)
    images, labels = read(batches)
    np.testing.assert_array_equal(images, oracle.data)
    assert labels.tolist() == oracle.targets
    assert labels.dtype == np.int64


def test_folder_parent_archive_and_npz_hold_the_same_images(batches: Path, tmp_path: Path) -> None:
    images, labels = read(batches)
    archive = tmp_path / "archives/cifar-10-python.tar.gz"
    archive.parent.mkdir()
    with tarfile.open(archive, "w:gz") as tar:
        tar.add(batches, batches.name)
    npz = tmp_path / "arrays/cifar10.npz"
    npz.parent.mkdir()
    np.savez(npz, images=images, labels=labels)
    for root in (batches.parent, archive, archive.parent, npz, npz.parent):
        again, again_labels = read(root)
        np.testing.assert_array_equal(again, images)
        np.testing.assert_array_equal(again_labels, labels)
        assert load_official("cifar10", root).fingerprint() == load_official("cifar10", batches).fingerprint()


def test_a_batch_that_python_3_pickled_again_is_the_same(batches: Path) -> None:
    before = read(batches)
    again = {key.decode(): value for key, value in batch().items()}
    (batches / "test_batch").write_bytes(pickle.dumps(again))
    for one, other in zip(before, read(batches), strict=True):
        assert np.array_equal(one, other)


def test_provenance_names_the_file(batches: Path) -> None:
    record = load_official("cifar10", batches.parent).provenance()
    assert (record["place"], record["layout"]) == (str(batches / "test_batch"), "CIFAR batches")


def test_cifar100_has_the_fine_labels(tmp_path: Path) -> None:
    folder = tmp_path / "cifar-100-python"
    folder.mkdir()
    content = batch(key=b"fine_labels", classes=100) | {b"coarse_labels": [0] * 7}
    (folder / "test").write_bytes(pickle.dumps(content, protocol=2))
    _, labels = read(tmp_path, "cifar100")
    assert labels.tolist() == content[b"fine_labels"]


def test_the_clean_set_has_no_corruptions_to_select(batches: Path) -> None:
    assert load_official("cifar10", batches).cells == (CLEAN,)
    with pytest.raises(InvalidInput, match="severity 1 is not one of cifar10's: 0"):
        load_official("cifar10", batches, severities=[1])


class Evil:
    def __reduce__(self) -> tuple[Callable[..., object], tuple[str]]:
        return (__import__("os").system, ("true",))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            pickle.dumps({b"data": Evil()}),
            r"asks for posix\.system, .* it was not run",
        ),
        (b"<html>sorry</html>", "test_batch is an HTML page"),
        (pickle.dumps(batch(), protocol=2)[:-50], "test_batch is not a readable CIFAR batch"),
        (pickle.dumps([1]), "has no `data` and `labels`"),
        (
            pickle.dumps(batch(key=b"fine_labels")),
            "it is not a batch of CIFAR-10",
        ),
        (
            pickle.dumps(batch() | {b"data": np.zeros((7, 10), np.uint8)}),
            r"of shape \(7, 10\); expected",
        ),
        (pickle.dumps(batch() | {b"labels": [0]}), r"7 images and int64 labels of shape \(1,\)"),
        (pickle.dumps(batch() | {b"labels": [10] * 7}), r"labels from 10 to 10; CIFAR-10 has classes 0 to 9"),
    ],
)
def test_what_is_no_test_batch_is_refused(content: bytes, message: str, batches: Path) -> None:
    (batches / "test_batch").write_bytes(content)
    with pytest.raises(DataError, match=message):
        load_official("cifar10", batches)


def test_an_archive_without_the_batch_is_refused(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "cifar-10-python.tar.gz", "w:gz") as tar:
        tar.addfile(tarfile.TarInfo("readme"), io.BytesIO())
    with pytest.raises(DataError, match="no member cifar-10-batches-py/test_batch"):
        load_official("cifar10", tmp_path)


def test_a_tar_of_a_corrupted_suite_is_no_clean_set(tmp_path: Path) -> None:
    np.save(tmp_path / "fog.npy", np.zeros((5, 32, 32, 3), np.uint8))
    with tarfile.open(tmp_path / "CIFAR-10-C.tar", "w") as tar:
        tar.add(tmp_path / "fog.npy", "CIFAR-10-C/fog.npy")
    with pytest.raises(MissingData, match=r"no files of CIFAR-10 were found in .*CIFAR-10-C\.tar"):
        load_official("cifar10", tmp_path / "CIFAR-10-C.tar")


def test_an_uncompressed_archive_with_the_batch_is_read(batches: Path, tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "any.tar", "w") as tar:
        tar.add(batches, batches.name)
    np.testing.assert_array_equal(read(tmp_path / "any.tar")[0], read(batches)[0])


@pytest.mark.parametrize("folder", ["CIFAR-10-Batches-Py", "cifar_10_batches_py"])
def test_a_folder_whose_name_differs_in_case_and_hyphens_is_taken(batches: Path, folder: str) -> None:
    expected = read(batches)[0]
    batches.rename(batches.with_name(folder))
    np.testing.assert_array_equal(read(batches.parent)[0], expected)


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"<html></html>", "is an HTML page"), (b"\x1f\x8b\x08broken", "is not a readable archive")],
)
def test_a_broken_archive_is_named(content: bytes, message: str, tmp_path: Path) -> None:
    (tmp_path / "cifar-10-python.tar.gz").write_bytes(content)
    with pytest.raises(DataError, match=rf"cifar-10-python\.tar\.gz {message}"):
        load_official("cifar10", tmp_path)


def test_a_broken_npz_is_named(tmp_path: Path) -> None:
    (tmp_path / "cifar10.npz").write_bytes(b"PK\x03\x04broken")
    with pytest.raises(DataError, match=r"cifar10\.npz is not a readable \.npz"):
        load_official("cifar10", tmp_path)


def test_an_npz_needs_images_and_labels(tmp_path: Path) -> None:
    np.savez(tmp_path / "cifar10.npz", x=np.zeros(1))
    with pytest.raises(DataError, match="needs the arrays `images` and `labels`"):
        load_official("cifar10", tmp_path)


def test_an_npz_of_floats_is_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "cifar10.npz", images=np.zeros((2, 32, 32, 3)), labels=np.zeros(2, int))
    with pytest.raises(DataError, match=r"holds float64 images .* expected uint8 \(N, 32, 32, 3\)"):
        load_official("cifar10", tmp_path)
