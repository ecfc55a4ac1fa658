"""Where the images of a Fourier sweep come from, and what is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from robustbench_lite.errors import DataError, InvalidInput, UnknownName
from robustbench_lite.evaluation.fourier.images import array_images, open_images, sample_images

CPU = torch.device("cpu")


def pixels(count: int = 5, height: int = 8, width: int = 8) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, height, width, 3), dtype=np.uint8)


def as_input(images: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(images).permute(0, 3, 1, 2) / 255


def test_files_and_model_inputs_are_the_same_images() -> None:
    images, labels = pixels(), np.arange(5)
    from_bytes, from_floats = array_images((images, labels)), array_images((as_input(images), labels))
    assert torch.equal(from_bytes.read(1, 4, CPU), as_input(images)[1:4])
    assert torch.equal(from_floats.read(1, 4, CPU), as_input(images)[1:4])
    assert from_bytes.size == from_floats.size == (8, 8)


def test_the_fingerprint_covers_pixels_and_labels() -> None:
    images, labels = pixels(), np.arange(5)
    other = images.copy()
    other[4, 7, 7, 2] ^= 1
    prints = [
        array_images(pair).source["fingerprint"]
        for pair in [(images, labels), (images.copy(), labels), (other, labels), (images, labels[::-1])]
    ]
    assert prints[0] == prints[1]
    assert len(set(prints)) == 3


@pytest.mark.parametrize(
    ("images", "labels", "text"),
    [
        (
            np.zeros((5, 4, 6, 7), np.uint8),
            None,
            r"uint8 of shape \(5, 4, 6, 7\); expected uint8 \(N, H, W, 3\), as in files, or float",
        ),
        (pixels()[:0], None, r"uint8 of shape \(0, "),
        (as_input(pixels()) * 255, None, r"must lie in \[0, 1\], before any normalisation, got 0 to 255"),
        (as_input(pixels()) * torch.nan, None, "got nan to nan"),
        (pixels(), np.arange(4), r"5 class indices from 0, one for each image; got int64 of shape \(4,\)"),
        (pixels(), np.full(5, -1), "from -1"),
        (pixels(), np.ones(5), "got float64"),
    ],
)
def test_arrays_that_are_no_images_or_labels_are_refused(images: object, labels: object, text: str) -> None:
    with pytest.raises(InvalidInput, match=text):
        array_images((images, labels))  # type: ignore[arg-type]


def test_a_sample_is_the_beginning_of_one_permutation_and_keeps_each_images_index() -> None:
    whole = array_images((pixels(50), np.arange(50)))
    small, large = sample_images(whole, 7, seed=3), sample_images(whole, 20, seed=3)
    assert set(small.index) < set(large.index)
    assert list(small.index) == sorted(small.index)
    np.testing.assert_array_equal(small.labels, small.index)
    assert torch.equal(small.read(2, 6, CPU), as_input(pixels(50))[small.index[2:6]])
    assert set(sample_images(whole, 7, seed=4).index) != set(small.index)
    assert small.source["sample"] == "the first 7 of a random permutation, seed 3"
    assert sample_images(whole, 50, seed=3) is whole


def test_a_limit_below_one_is_refused() -> None:
    with pytest.raises(InvalidInput, match="`limit=0` must be at least 1 image"):
        sample_images(array_images(pixels()), 0, seed=0)


def test_a_clean_suite_knows_its_classes(cifar_data: Path) -> None:
    found = open_images("cifar10", cifar_data, limit=12)
    assert (len(found), found.size, found.classes) == (12, (32, 32), 10)
    assert found.source["suite"] == "cifar10"


def test_an_npz_may_have_no_labels_and_any_shape(tmp_path: Path) -> None:
    np.savez(tmp_path / "wide.npz", images=pixels(3, 6, 10))
    found = open_images(tmp_path / "wide.npz")
    assert (len(found), found.size, found.labels) == (3, (6, 10), None)


def test_class_folders_give_the_labels_and_a_class_list_their_order(tmp_path: Path) -> None:
    for name, picture in zip(("cat", "dog", "emu"), pixels(3), strict=True):
        (tmp_path / name).mkdir()
        Image.fromarray(picture).save(tmp_path / name / "a.png")
    assert open_images(tmp_path).labels.tolist() == [0, 1, 2]  # type: ignore[union-attr]
    (tmp_path / "classes.txt").write_text("emu\ndog\nfox\ncat\n")
    listed = open_images(tmp_path, classes=tmp_path / "classes.txt")
    assert (listed.labels.tolist(), listed.classes) == ([3, 1, 0], 4)  # type: ignore[union-attr]


def test_a_flat_folder_has_no_labels(tmp_path: Path) -> None:
    for number, picture in enumerate(pixels(4)):
        Image.fromarray(picture).save(tmp_path / f"{number}.png")
    found = open_images(tmp_path)
    assert found.labels is None
    assert torch.equal(found.read(0, 4, CPU), as_input(pixels(4)))


def test_a_flat_folders_fingerprint_covers_the_files_contents(tmp_path: Path) -> None:
    """Uncompressed files of one size, so that a change of a pixel changes neither name nor length."""
    images = pixels(2)
    prints = []
    for picture in (images[0], images[1], images[0]):
        Image.fromarray(picture).save(tmp_path / "a.bmp")
        prints.append(open_images(tmp_path).source["fingerprint"])
    assert prints[0] == prints[2] != prints[1]


def test_images_of_several_sizes_are_refused_with_two_of_them(tmp_path: Path) -> None:
    Image.fromarray(pixels(1, 8, 8)[0]).save(tmp_path / "a.png")
    Image.fromarray(pixels(1, 8, 9)[0]).save(tmp_path / "b.png")
    with pytest.raises(DataError, match=r"one size, but a.png is 8 x 8 and b.png is 8 x 9 pixels"):
        open_images(tmp_path).read(0, 2, CPU)


@pytest.mark.parametrize(
    ("arrays", "text"),
    [
        ({"pictures": pixels()}, "needs an array `images`"),
        ({"images": pixels().astype(np.float32)}, "holds float32 images"),
        ({"images": pixels(), "labels": np.arange(3)}, "5 class indices"),
    ],
)
def test_an_npz_that_is_none_is_refused_by_name(
    tmp_path: Path, arrays: dict[str, np.ndarray], text: str
) -> None:
    np.savez(tmp_path / "set.npz", **arrays)
    with pytest.raises(DataError, match=rf"set.npz.*{text}"):
        open_images(tmp_path / "set.npz")


def test_a_damaged_npz_and_a_missing_folder_are_refused(tmp_path: Path) -> None:
    (tmp_path / "cut.npz").write_bytes(b"PK\x03\x04 and no more")
    with pytest.raises(DataError, match=r"cut\.npz is not a readable \.npz"):
        open_images(tmp_path / "cut.npz")
    with pytest.raises(
        DataError, match=r"nowhere is neither a data set .* nor a folder of images nor an \.npz"
    ):
        open_images(tmp_path / "nowhere")


def test_a_data_set_that_is_not_clean_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnknownName, match="unknown data set 'cifar10-c'; did you mean cifar10"):
        open_images("cifar10-c", tmp_path)
