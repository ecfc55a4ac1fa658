"""Image folders against torchvision's transforms on PIL images."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.transforms import v2
from torchvision.transforms.v2 import functional as TF

from robustbench_lite.errors import DataError
from robustbench_lite.training.image_folders import common_size, list_files, load, middle, random_area
from robustbench_lite.training.recipes import TrainingRecipe
from robustbench_lite.training.seeds import generator

SIZES = [(40, 60), (64, 48), (33, 33), (90, 30)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    for number, (height, width) in enumerate(SIZES):
        place = tmp_path / ("cat" if number % 2 else "ape")
        place.mkdir(exist_ok=True)
        picture = Image.fromarray(rng.integers(0, 256, (height, width, 3), dtype=np.uint8))
        picture.save(place / f"{number}.{'png' if number < 2 else 'jpg'}", quality=90)
    return tmp_path


def test_files_are_listed_by_class_and_name(folder: Path) -> None:
    images = list_files(folder, ["ape", "cat"], 24)
    assert [path.name for path in images.files] == ["0.png", "2.jpg", "1.png", "3.jpg"]
    assert images.labels.tolist() == [0, 0, 1, 1]


@pytest.mark.parametrize("size", [(300, 400), (256, 256), (500, 333), (224, 1000)])
def test_test_images_are_torchvisions_resize_and_centre_crop(size: tuple[int, int]) -> None:
    pixels = np.random.default_rng(1).integers(0, 256, (*size, 3), dtype=np.uint8)
    transform = v2.Compose([v2.Resize(256), v2.CenterCrop(224)])
    np.testing.assert_array_equal(middle(pixels, 224), np.asarray(transform(Image.fromarray(pixels))))


def test_a_training_crop_is_torchvisions_for_the_same_area(folder: Path) -> None:
    images = list_files(folder, ["ape", "cat"], 24)
    ours = images.crops(torch.tensor([2]), TrainingRecipe(flip=False), generator(7))[0]
    chances = torch.rand((1, 41), generator=generator(7), dtype=torch.float64).numpy()
    left, top, right, bottom = random_area(64, 48, chances[0, :40].reshape(10, 4))
    picture = Image.open(images.files[2])
    theirs = TF.resized_crop(
        picture, top, left, bottom - top, right - left, [24, 24], v2.InterpolationMode.BILINEAR
    )
    assert torch.equal(ours, TF.pil_to_tensor(theirs))


def test_half_of_the_training_crops_are_mirrored(folder: Path) -> None:
    images = list_files(folder, ["ape", "cat"], 16)
    rows = torch.zeros(200, dtype=torch.int64)
    plain = images.crops(rows, TrainingRecipe(flip=False), generator(1))
    mixed = images.crops(rows, TrainingRecipe(), generator(1))
    mirrored = [bool(torch.equal(a.flip(2), b)) for a, b in zip(plain, mixed, strict=True)]
    kept = [bool(torch.equal(a, b)) for a, b in zip(plain, mixed, strict=True)]
    assert sum(mirrored) + sum(kept) == 200
    assert 70 < sum(mirrored) < 130


def test_random_areas_have_torchvisions_distribution() -> None:
    height, width, draws = 300, 200, 4000
    chances = np.random.default_rng(2).random((draws, 10, 4))
    ours = np.array([random_area(height, width, chance) for chance in chances], dtype=float)
    image = torch.empty((3, height, width), dtype=torch.uint8)
    crop = v2.RandomResizedCrop(224)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        found = [crop.make_params([image]) for _ in range(draws)]
    theirs = np.array([[p["left"], p["top"], p["left"] + p["width"], p["top"] + p["height"]] for p in found])
    # Four thousand draws: standard errors of the means are below 1 pixel, of the areas below 1 %.
    np.testing.assert_allclose(ours.mean(0), theirs.mean(0), atol=4)
    areas = [np.prod(boxes[:, 2:] - boxes[:, :2], axis=1) / (height * width) for boxes in (ours, theirs)]
    np.testing.assert_allclose(*[np.quantile(area, [0.1, 0.5, 0.9]) for area in areas], atol=0.03)


def test_an_image_too_long_for_any_area_gives_its_middle() -> None:
    assert random_area(10, 400, np.full((10, 4), 0.99)) == (193, 0, 206, 10)
    assert random_area(400, 10, np.full((10, 4), 0.99)) == (0, 193, 10, 206)


def test_crops_repeat_with_the_generator_for_any_number_of_threads(folder: Path) -> None:
    images = list_files(folder, ["ape", "cat"], 16)
    rows = torch.arange(4).repeat(10)
    assert torch.equal(
        images.crops(rows, TrainingRecipe(), generator(3)), images.crops(rows, TrainingRecipe(), generator(3))
    )


def test_the_fingerprint_covers_names_and_labels(folder: Path) -> None:
    images = list_files(folder, ["ape", "cat"], 16)
    assert images.fingerprint() != list_files(folder, ["cat", "ape"], 16).fingerprint()
    assert images.fingerprint() != images.subset(torch.tensor([0, 1])).fingerprint()
    assert images.fingerprint() == list_files(folder, ["ape", "cat"], 16).fingerprint()


def test_images_of_one_size_can_be_held_in_memory(tmp_path: Path) -> None:
    pixels = np.random.default_rng(3).integers(0, 256, (4, 9, 7, 3), dtype=np.uint8)
    for number in range(4):
        (tmp_path / "ab"[number % 2]).mkdir(exist_ok=True)
        Image.fromarray(pixels[number]).save(tmp_path / "ab"[number % 2] / f"{number}.png")
    images = list_files(tmp_path, ["a", "b"], 224)
    assert common_size(images) == (9, 7)
    np.testing.assert_array_equal(
        load(images, (9, 7)).images.permute(0, 2, 3, 1).numpy(), pixels[[0, 2, 1, 3]]
    )


def test_sizes_that_differ_have_none_in_common(folder: Path) -> None:
    assert common_size(list_files(folder, ["ape", "cat"], 24)) is None


def test_an_image_of_another_size_is_named(folder: Path) -> None:
    with pytest.raises(DataError, match=r"2\.jpg is 33 x 33 pixels, others are 40 x 60; give an image size"):
        load(list_files(folder, ["ape"], 24), (40, 60))


def test_a_missing_or_empty_class_folder_is_named(folder: Path) -> None:
    with pytest.raises(DataError, match="has no folder for the class dog"):
        list_files(folder, ["ape", "dog"], 24)
    (folder / "dog").mkdir()
    with pytest.raises(DataError, match=r"dog holds no images \(\.jpeg, "):
        list_files(folder, ["ape", "dog"], 24)


def test_damaged_and_vanished_files_are_named(folder: Path) -> None:
    images = list_files(folder, ["ape"], 24)
    images.files[0].write_bytes(b"\x89PNG but no more")
    with pytest.raises(DataError, match=r"0\.png is (a damaged image|not a readable image)"):
        images.read(0, 1)
    images.files[1].unlink()
    with pytest.raises(DataError, match=r"2\.jpg can't be read: No such file"):
        images.read(1, 2)
