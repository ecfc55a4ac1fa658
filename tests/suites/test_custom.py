"""A user's own images: class folders and .npz, with the user's class list."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from torchvision import transforms

from robustbench_lite.errors import DataError, InvalidInput
from robustbench_lite.suites import CLEAN, load_custom


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two classes of one photograph each: 300 x 240 and 180 x 260 pixels."""
    generator = np.random.default_rng(0)
    for name, size in (("cat", (240, 300)), ("ant", (260, 180))):
        (tmp_path / name).mkdir()
        Image.fromarray(generator.integers(0, 256, (*size, 3), dtype=np.uint8)).save(
            tmp_path / name / "a.png"
        )
    return tmp_path


def test_classes_are_the_sorted_folders_and_photographs_are_cropped_as_torchvision_does(folder: Path) -> None:
    suite = load_custom(folder)
    reader = suite.open(CLEAN)
    assert reader.labels.tolist() == [0, 1]
    expected = transforms.Compose([transforms.Resize(256), transforms.CenterCrop(224)])
    for number, name in enumerate(("ant", "cat")):
        image = np.asarray(expected(Image.open(folder / name / "a.png")))
        assert np.array_equal(reader.read(number, number + 1)[0].numpy(), image)


def test_a_class_list_gives_the_order_and_the_classes_without_images(folder: Path) -> None:
    (folder / "classes.txt").write_text("bee\ncat\nant\n")
    suite = load_custom(folder, classes=folder / "classes.txt")
    assert suite.spec.classes == 3
    assert suite.open(CLEAN).labels.tolist() == [2, 1]
    message = r"cat are not in the class list of 2 names; without a counterpart in the list: bee\. Rename"
    with pytest.raises(DataError, match=message):
        load_custom(folder, classes=["ant", "bee"])


def test_the_side_can_be_chosen(folder: Path) -> None:
    assert load_custom(folder, image_size=64).open(CLEAN).read(0, 2).shape == (2, 64, 64, 3)
    with pytest.raises(InvalidInput, match="at least 8"):
        load_custom(folder, image_size=4)


def test_small_square_images_are_taken_as_they_are_and_must_agree(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    for number, side in enumerate((32, 32, 40)):
        Image.new("RGB", (side, side), (number, 0, 0)).save(tmp_path / "a" / f"{number}.png")
    reader = load_custom(tmp_path).open(CLEAN)
    assert reader.read(0, 2)[:, 0, 0, 0].tolist() == [0, 1]
    with pytest.raises(DataError, match=r"2\.png is 40 x 40 pixels.*32 x 32.*`image_size=N`"):
        reader.read(0, 3)


def test_an_npz_needs_images_and_labels_that_fit(tmp_path: Path) -> None:
    images = np.zeros((3, 32, 32, 3), np.uint8)
    path = tmp_path / "mine.npz"
    np.savez(path, images=images, labels=np.array([0, 4, 1]))
    suite = load_custom(path)
    assert (suite.spec.classes, suite.images) == (5, 3)
    with pytest.raises(DataError, match="labels from 0 to 4, expected 0 to 1"):
        load_custom(path, classes=["a", "b"])
    np.savez(path, images=images, labels=np.zeros(2, np.int64))
    with pytest.raises(DataError, match="one integer label"):
        load_custom(path)
    np.savez(path, images=images.astype(np.float32), labels=np.zeros(3, np.int64))
    with pytest.raises(DataError, match="expected uint8"):
        load_custom(path)


@pytest.mark.parametrize(
    ("classes", "message"), [(["a", "a"], "1 of them different"), ("nowhere.txt", "can't be read")]
)
def test_bad_class_lists_are_named(folder: Path, classes: object, message: str) -> None:
    with pytest.raises(DataError, match=message):
        load_custom(folder, classes=classes)


def test_a_place_without_images_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no images in class folders"):
        load_custom(tmp_path)
    with pytest.raises(DataError, match="neither"):
        load_custom(tmp_path / "nowhere")
