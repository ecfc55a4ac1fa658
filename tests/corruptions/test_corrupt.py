"""What `corrupt` promises for every corruption: form, reproducibility, and clear refusals."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from robustbench_lite.corruptions import CORRUPTIONS, corrupt
from robustbench_lite.corruptions.frost import find_photographs
from robustbench_lite.corruptions.records import PROFILES
from robustbench_lite.errors import DataError, InvalidInput, UnknownName
from robustbench_lite.reference.names import (
    ALL_CORRUPTIONS,
    CORRUPTION_GROUPS,
    SHORT_NAMES,
    TEST_CORRUPTIONS,
)

WITHOUT_DRAWS = {
    "defocus_blur",
    "zoom_blur",
    "brightness",
    "contrast",
    "pixelate",
    "jpeg_compression",
    "gaussian_blur",
    "saturate",
}


@pytest.fixture(scope="module")
def photographs(tmp_path_factory):
    """A folder of frost photographs: the published ones, or the whole test is skipped."""
    try:
        return find_photographs()
    except DataError:
        return None


@pytest.fixture
def frost(photographs):
    def check(name):
        if name == "frost" and photographs is None:
            pytest.skip("the frost photographs are not on this machine")

    return check


@pytest.fixture(scope="module")
def batch(picture):
    """64 different pictures of 32 px."""
    return np.stack([picture(32, seed) for seed in range(64)])


def test_the_tables_name_every_corruption_in_canonical_order():
    assert tuple(CORRUPTIONS) == ALL_CORRUPTIONS
    for name, record in CORRUPTIONS.items():
        assert record.profiles == PROFILES
        assert record.short_name == SHORT_NAMES[name]
        assert name in CORRUPTION_GROUPS[record.group] if name in TEST_CORRUPTIONS else record.group == ""


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_arrays_and_tensors_come_back_in_kind_with_the_same_pixels(batch, frost, name):
    frost(name)
    before = batch.copy()
    array = corrupt(batch[:5], name, 3)
    tensor = corrupt(torch.from_numpy(batch[:5]).permute(0, 3, 1, 2).contiguous(), name, 3)

    assert isinstance(array, np.ndarray)
    assert array.dtype == np.uint8
    assert array.shape == (5, 32, 32, 3)
    assert isinstance(tensor, torch.Tensor)
    assert tensor.dtype == torch.uint8
    assert not tensor.is_inference()
    assert np.array_equal(tensor.permute(0, 2, 3, 1).numpy(), array)
    assert np.array_equal(batch, before)
    assert not np.array_equal(array, batch[:5])


@pytest.mark.parametrize("severity", [1, 5])
@pytest.mark.parametrize("name", CORRUPTIONS)
def test_pixels_depend_on_the_index_not_on_the_batch(batch, frost, name, severity):
    frost(name)
    whole = corrupt(batch, name, severity)
    index = np.arange(64)
    by_one = np.concatenate([corrupt(batch[i : i + 1], name, severity, index=[i]) for i in index[:9]])
    by_three = np.concatenate(
        [corrupt(batch[i : i + 3], name, severity, index=index[i : i + 3]) for i in range(9, 27, 3)]
    )
    order = np.random.default_rng(0).permutation(64)
    shuffled = corrupt(batch[order], name, severity, index=order)

    assert np.array_equal(by_one, whole[:9])
    assert np.array_equal(by_three, whole[9:27])
    assert np.array_equal(shuffled, whole[order])


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_large_images_come_out_the_same_alone_and_by_any_number_of_threads(picture, frost, name):
    frost(name)
    images = np.stack([picture(224, seed) for seed in range(3)])
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        whole = corrupt(images, name, 4, index=[7, 5, 6])
        torch.set_num_threads(2)
        alone = [corrupt(images[i : i + 1], name, 4, index=[k])[0] for i, k in enumerate((7, 5, 6))]
    finally:
        torch.set_num_threads(threads)
    assert np.array_equal(whole, np.stack(alone))


@pytest.mark.parametrize("name", sorted(set(CORRUPTIONS) - WITHOUT_DRAWS))
def test_seed_severity_and_index_each_change_the_draws(batch, frost, name):
    frost(name)
    same = np.repeat(batch[:1], 4, axis=0)
    first = corrupt(same, name, 2)
    assert np.array_equal(first, corrupt(same, name, 2, seed=0, index=range(4)))
    assert not np.array_equal(first[0], first[1])
    assert not np.array_equal(first, corrupt(same, name, 2, seed=1))
    assert not np.array_equal(first, corrupt(same, name, 2, index=[4, 5, 6, 7]))


@pytest.mark.parametrize("name", sorted(WITHOUT_DRAWS))
def test_deterministic_corruptions_ignore_seed_and_index(batch, name):
    first = corrupt(batch[:3], name, 2)
    assert np.array_equal(first, corrupt(batch[:3], name, 2, seed=9, index=[5, 1, 3]))


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_rectangular_and_odd_sizes_go_through_in_every_profile(picture, frost, name):
    frost(name)
    images = np.stack([picture(57, seed)[:, :43] for seed in range(2)])
    for profile in PROFILES:
        corrupted = corrupt(images, name, 5, profile=profile)
        assert corrupted.shape == images.shape
        assert np.array_equal(corrupted[1:], corrupt(images[1:], name, 5, profile=profile, index=[1]))


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_severity_zero_copies_and_an_empty_batch_stays_empty(batch, name):
    copy = corrupt(batch, name, 0)
    assert np.array_equal(copy, batch)
    assert not np.shares_memory(copy, batch)
    assert corrupt(batch[:0], name, 0).shape == (0, 32, 32, 3)


@pytest.mark.parametrize("name", ["gaussian_noise", "zoom_blur", "jpeg_compression", "contrast"])
def test_an_empty_batch_is_corrupted_to_an_empty_batch(batch, name):
    assert corrupt(batch[:0], name, 3).shape == (0, 32, 32, 3)


def test_read_only_and_strided_arrays_are_fine(batch):
    locked = batch.copy()
    locked.flags.writeable = False
    assert np.array_equal(corrupt(locked, "contrast", 2), corrupt(batch, "contrast", 2))
    assert np.array_equal(corrupt(batch[::2], "defocus_blur", 4), corrupt(batch, "defocus_blur", 4)[::2])


@pytest.mark.parametrize(
    "view",
    [
        lambda images: images[:, :, ::-1],  # mirrored
        lambda images: images[:, ::-1],
        lambda images: images[..., ::-1],  # BGR
        lambda images: images[::-1],
        lambda images: images.transpose(0, 2, 1, 3),
        lambda images: np.asfortranarray(images),
        lambda images: np.broadcast_to(images[:1], images.shape),
    ],
)
@pytest.mark.parametrize("name", ["contrast", "gaussian_noise", "jpeg_compression"])
def test_views_of_any_strides_are_corrupted_as_their_copies(batch, view, name):
    seen = view(batch)
    assert np.array_equal(corrupt(seen, name, 2), corrupt(np.ascontiguousarray(seen), name, 2))
    assert np.array_equal(corrupt(seen, name, 0), seen)


@pytest.mark.parametrize(("side", "profile"), [(32, "cifar"), (64, "tiny-imagenet"), (65, "imagenet")])
def test_the_profile_follows_the_size_unless_given(picture, side, profile):
    image = picture(side)[None]
    assert np.array_equal(corrupt(image, "contrast", 3), corrupt(image, "contrast", 3, profile=profile))


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (np.zeros((1, 32, 32, 3), np.float32), r"expected uint8 images with values 0\.\.255, got float32"),
        (torch.zeros(1, 3, 32, 32), r"got torch\.float32; floats in \[0, 1\] become uint8"),
        (np.zeros((1, 32, 32, 1), np.uint8), r"\(N, H, W, 3\), got shape \(1, 32, 32, 1\)"),
        (np.zeros((32, 32, 3), np.uint8), r"\(N, H, W, 3\), got shape \(32, 32, 3\)"),
        (torch.zeros(1, 32, 32, 3, dtype=torch.uint8), r"\(N, 3, H, W\), got shape \(1, 32, 32, 3\)"),
        ([[0]], "expected a NumPy array or a tensor of uint8 images, got list"),
    ],
)
def test_other_images_are_refused(images, message):
    with pytest.raises(InvalidInput, match=message):
        corrupt(images, "contrast", 1)


@pytest.mark.parametrize("severity", [6, -1, 2.0, "3", True, None])
def test_other_severities_are_refused(batch, severity):
    with pytest.raises(InvalidInput, match=r"severity to be a whole number 0\.\.5, got"):
        corrupt(batch, "contrast", severity)


def test_unknown_names_are_refused_with_the_nearest(batch):
    with pytest.raises(UnknownName, match="unknown corruption 'defocus'; did you mean defocus_blur"):
        corrupt(batch, "defocus", 1)
    with pytest.raises(UnknownName, match="unknown profile 'imagenet-c'; did you mean"):
        corrupt(batch, "contrast", 1, profile="imagenet-c")
    with pytest.raises(UnknownName, match="unknown corruption 3"):
        corrupt(batch, 3, 1)


@pytest.mark.parametrize(
    ("index", "message"),
    [
        ([0], r"one whole number per image, shape \(64,\), got int64 of shape \(1,\)"),
        (np.arange(64.0), r"got float64 of shape \(64,\)"),
        (np.arange(64) - 1, r"expected image indices in 0\.\.2\*\*40 - 1, got -1\.\.62"),
        (np.arange(64) + 2**40, r"image indices in 0\.\.2\*\*40 - 1"),
    ],
)
def test_other_indices_are_refused(batch, index, message):
    with pytest.raises(InvalidInput, match=message):
        corrupt(batch, "gaussian_noise", 1, index=index)


@pytest.mark.parametrize(
    ("name", "severity", "side", "least"),
    [("defocus_blur", 5, 10, 11), ("glass_blur", 5, 8, 9), ("pixelate", 5, 7, 8), ("fog", 1, 7, 8)],
)
def test_images_too_small_for_the_kernel_are_refused_and_the_next_size_is_fine(name, severity, side, least):
    small = np.zeros((1, side, 40, 3), np.uint8)
    with pytest.raises(InvalidInput, match=f"{name} .* at least {least} px a side, got {side} x 40"):
        corrupt(small, name, severity, profile="imagenet")
    corrupt(np.zeros((1, least, least, 3), np.uint8), name, severity, profile="imagenet")
