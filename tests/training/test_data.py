"""Data sets from arrays: what is taken, what is refused, how a part is held out for testing."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from robustbench_lite.augmix import random_crop_flip
from robustbench_lite.errors import DataError, InvalidInput
from robustbench_lite.runtime import Processes
from robustbench_lite.training.data import InMemory, check_batch, from_arrays, split
from robustbench_lite.training.loop import Order
from robustbench_lite.training.recipes import TrainingRecipe
from robustbench_lite.training.seeds import generator

IMAGES = np.random.default_rng(0).integers(0, 256, (20, 6, 8, 3), dtype=np.uint8)
LABELS = np.arange(20) % 4


def test_arrays_become_channels_first_and_keep_every_pixel() -> None:
    dataset = from_arrays(IMAGES, LABELS, IMAGES[:3], LABELS[:3])
    assert dataset.train.size == (6, 8)
    assert dataset.classes == 4
    np.testing.assert_array_equal(dataset.train.read(0, 20).permute(0, 2, 3, 1).numpy(), IMAGES)
    assert dataset.test.labels.tolist() == [0, 1, 2]


def test_grey_images_get_three_equal_channels() -> None:
    images = from_arrays(IMAGES[..., 0], LABELS).train.read(0, 3)
    assert images.shape == (3, 3, 6, 8)
    assert torch.equal(images[:, 0], images[:, 2])


def test_grey_images_may_have_one_channel() -> None:
    grey = IMAGES[..., :1]
    one, plain = from_arrays(grey, LABELS), from_arrays(grey[..., 0], LABELS)
    assert one.fingerprint() == plain.fingerprint()


def test_named_classes_need_not_all_occur() -> None:
    assert from_arrays(IMAGES, LABELS * 2, classes=9).classes == 9


def test_large_images_get_imagenets_recipe() -> None:
    images = np.zeros((6, 65, 40, 3), np.uint8)
    assert from_arrays(images, np.arange(6) % 2, test_fraction=0.4).family == "imagenet"
    assert from_arrays(images[:, :64], np.arange(6) % 2, test_fraction=0.4).family == "cifar"


def test_tensors_are_taken_like_arrays() -> None:
    ours = from_arrays(torch.from_numpy(IMAGES), torch.from_numpy(LABELS))
    assert ours.fingerprint() == from_arrays(IMAGES, LABELS).fingerprint()


@pytest.mark.parametrize("change", ["pixel", "label", "order"])
def test_the_fingerprint_covers_pixels_labels_and_order(change: str) -> None:
    images, labels = IMAGES.copy(), LABELS.copy()
    if change == "pixel":
        images[7, 1, 2, 0] ^= 1
    elif change == "label":
        labels[7] = 0
    else:
        images, labels = images[::-1], labels[::-1]
    test = (IMAGES[:4], LABELS[:4])
    assert (
        from_arrays(images, labels, *test).fingerprint() != from_arrays(IMAGES, LABELS, *test).fingerprint()
    )


def test_a_test_part_is_held_out_class_by_class_and_by_the_seed() -> None:
    labels = torch.tensor([0] * 30 + [1] * 10)
    train, test = split(labels, 0.2, seed=3)
    assert sorted([*train.tolist(), *test.tolist()]) == list(range(40))
    assert torch.bincount(labels[test]).tolist() == [6, 2]
    assert torch.equal(split(labels, 0.2, seed=3)[1], test)
    assert not torch.equal(split(labels, 0.2, seed=4)[1], test)


def test_crops_are_those_of_the_augmentation_with_its_own_generator() -> None:
    images = InMemory(torch.from_numpy(IMAGES).permute(0, 3, 1, 2), torch.from_numpy(LABELS))
    rows = torch.tensor([3, 3, 11])
    ours = images.crops(rows, TrainingRecipe(padding=2), generator(5))
    expected = random_crop_flip(images.images[rows], 2, generator=generator(5))
    assert torch.equal(ours, expected)


def test_without_padding_and_flip_crops_are_the_images() -> None:
    images = InMemory(torch.from_numpy(IMAGES).permute(0, 3, 1, 2), torch.from_numpy(LABELS))
    rows = torch.arange(20)
    assert torch.equal(images.crops(rows, TrainingRecipe(padding=0, flip=False), generator(5)), images.images)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            {"images": IMAGES.astype(float)},
            r"images are torch.float64 of shape .*; expected uint8 \(N, H, W, 3\)",
        ),
        ({"images": IMAGES[..., :2]}, r"of shape \(20, 6, 8, 2\); expected uint8"),
        ({"labels": LABELS.astype(float)}, r"labels are torch.float64 .*; expected whole numbers"),
        ({"labels": LABELS[:7]}, "20 images and 7 labels; expected equal numbers"),
        ({"images": IMAGES[:0], "labels": LABELS[:0]}, "0 images and 0 labels; .* at least one"),
        ({"labels": LABELS - 1}, "labels from -1 to 2; the labels of 3 classes are 0..2"),
        ({"classes": 3}, "labels from 0 to 3; the labels of 3 classes are 0..2"),
        ({"class_names": ["a", "b"]}, "labels from 0 to 3; the labels of 2 classes"),
        (
            {"labels": LABELS * 0},
            "all 16 training images of arrays have the label 0; .* at least two classes",
        ),
        ({"labels": LABELS + 1}, "labels up to 4, of which 1 never occur; number the classes from 0"),
        ({"labels": LABELS * 10**12}, r"labels up to 3000000000000, of which 2999999999997 never occur"),
        ({"images": [["a"]]}, "images can't be made an array of numbers"),
        (
            {"test_images": IMAGES[:, :4], "test_labels": LABELS},
            r"training images are \(6, 8\), test images \(4, 8\)",
        ),
        (
            {"test_images": IMAGES, "test_labels": LABELS + 1, "classes": 4},
            "the test set of arrays has labels",
        ),
    ],
)
def test_arrays_that_can_not_be_trained_on_are_refused(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        from_arrays(**{"images": IMAGES, "labels": LABELS, "test_fraction": 0.2, **arguments})


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"test_images": IMAGES}, "test_images and test_labels go together"),
        ({"test_fraction": 1.0}, "the test fraction must lie between 0 and 1, got 1"),
        ({"test_fraction": 0.95}, "class 0 has 5 images; a test fraction of 0.95 leaves none to train on"),
    ],
)
def test_divisions_that_leave_nothing_are_refused(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        from_arrays(IMAGES, LABELS, **arguments)


def test_fewer_images_than_a_batch_are_refused() -> None:
    with pytest.raises(
        InvalidInput, match="100 training images do not fill one batch of 128; lower the batch"
    ):
        check_batch(100, 128, processes=1)


def test_a_batch_too_small_for_the_processes_is_refused() -> None:
    with pytest.raises(InvalidInput, match="a batch of 4 gives 3 processes fewer than two images each"):
        check_batch(100, 4, processes=3)


def rows_of(order: Order, epoch: int, first: int = 0) -> list[int]:
    return [row for rows, _ in order.batches(epoch, first) for row in rows.tolist()]


def test_an_epoch_takes_every_image_once_in_an_order_of_its_own() -> None:
    order = Order(50, 8, seed=0, team=Processes())
    assert order.steps == 7
    assert sorted(rows_of(order, 0)) == list(range(50))
    assert rows_of(order, 0) != rows_of(order, 1)
    assert rows_of(order, 0) != rows_of(Order(50, 8, seed=1, team=Processes()), 0)


def test_an_epoch_can_be_entered_at_any_step() -> None:
    order = Order(50, 8, seed=0, team=Processes())
    assert rows_of(order, 3, first=4) == rows_of(order, 3)[32:]


def test_processes_share_the_same_batches_and_their_shares_make_the_mean() -> None:
    alone = [set(rows.tolist()) for rows, _ in Order(50, 8, 0, Processes()).batches(2, 0)]
    teams = [list(Order(50, 8, 0, Processes(rank, 3)).batches(2, 0)) for rank in range(3)]
    for batch, parts in zip(alone, zip(*teams, strict=True), strict=False):
        assert set.union(*(set(rows.tolist()) for rows, _ in parts)) == batch
        assert [share * len(batch) / 3 for _, share in parts] == pytest.approx(
            [len(rows) for rows, _ in parts]
        )


def test_a_last_batch_too_small_for_batch_norm_is_left_out() -> None:
    assert Order(17, 8, 0, Processes()).steps == 2
    assert Order(18, 8, 0, Processes()).steps == 3
    assert Order(18, 8, 0, Processes(0, 2)).steps == 2
