"""Snow, frost, fog, brightness and spatter: other sizes than the published, and their invariants."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from robustbench_lite.corruptions import CORRUPTIONS, corrupt
from robustbench_lite.corruptions.frost import find_photographs, load_photographs
from robustbench_lite.corruptions.random import RecordedDraws
from robustbench_lite.errors import DataError
from tests.oracles import weather as oracle

NAMES = ("snow", "frost", "fog", "spatter", "brightness")
SIZES = {"imagenet": 224, "cifar": 32}


def require_photographs(name):
    """Skip a test of frost where its photographs are nowhere to be found."""
    if name != "frost":
        return None
    try:
        return find_photographs()
    except DataError as error:
        pytest.skip(str(error))


def picture(side, seed=0):
    """Smooth areas, edges, noise, greys, black and white."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:side, :side] / side
    image = np.stack([x, y, (x + y) / 2], axis=-1) * 255
    image[: side // 4] = rng.integers(0, 256, (side // 4, side, 3))
    image[side // 4 : side // 3] = rng.integers(0, 256, (side // 3 - side // 4, side, 1))
    image[-(side // 8) :, : side // 2] = 0
    image[-(side // 8) :, side // 2 :] = 255
    return image.astype(np.uint8)


def test_tiny_imagenet_frost_scales_the_photographs_as_opencv_does():
    folder = require_photographs("frost")
    image = picture(64)
    rng = oracle.Recorder(5)
    expected = oracle.frost(image, CORRUPTIONS["frost"].levels("tiny-imagenet")[2], rng, folder)
    ours = corrupt(image[None], "frost", 3, profile="tiny-imagenet", draws=RecordedDraws([rng.arrays]))[0]
    assert np.array_equal(ours, expected)


@pytest.mark.parametrize("name", ["fog", "spatter"])
def test_rectangles_agree_with_the_oracle_too(name):
    image = picture(64)[:48]
    rng = oracle.Recorder(3)
    expected = getattr(oracle, name)(image, CORRUPTIONS[name].levels("cifar")[1], rng)
    ours = corrupt(image[None], name, 2, profile="cifar", draws=RecordedDraws([rng.arrays]))[0]
    assert np.array_equal(ours, expected)


@pytest.mark.parametrize("profile", SIZES)
@pytest.mark.parametrize("name", NAMES)
def test_an_image_comes_out_the_same_in_any_batch_and_with_any_threads(name, profile):
    require_photographs(name)
    count = 2 if profile == "imagenet" else 66
    images = np.stack([picture(SIZES[profile], seed) for seed in range(count)])
    together = corrupt(images, name, 4, profile=profile, seed=7)

    order = np.random.default_rng(0).permutation(count)
    shuffled = corrupt(images[order], name, 4, profile=profile, seed=7, index=order)
    assert np.array_equal(shuffled, together[order])
    alone = corrupt(images[-1:], name, 4, profile=profile, seed=7, index=[count - 1])
    assert np.array_equal(alone[0], together[-1])

    threads = torch.get_num_threads()
    torch.set_num_threads(1 if threads > 1 else 2)
    try:
        assert np.array_equal(corrupt(images, name, 4, profile=profile, seed=7), together)
    finally:
        torch.set_num_threads(threads)


@pytest.mark.parametrize("name", ["snow", "frost", "fog", "spatter"])
def test_another_seed_or_index_gives_another_image(name):
    require_photographs(name)
    images = np.stack([picture(32)] * 2)
    first = corrupt(images, name, 3, profile="cifar", seed=1)
    assert not np.array_equal(first[0], first[1])
    assert not np.array_equal(first, corrupt(images, name, 3, profile="cifar", seed=2))


def test_fog_leaves_black_images_black_and_never_exceeds_the_brightest_value():
    black = np.zeros((1, 32, 32, 3), np.uint8)
    assert not corrupt(black, "fog", 5, profile="cifar").any()
    dim = picture(32)[None] // 2
    assert corrupt(dim, "fog", 5, profile="cifar").max() <= dim.max()


def test_brightness_turns_black_into_the_grey_of_its_shift():
    black = np.zeros((1, 32, 32, 3), np.uint8)
    assert np.unique(corrupt(black, "brightness", 3, profile="imagenet")) == [int(0.3 * 255)]


def test_each_of_the_first_five_photographs_is_drawn_and_the_sixth_never():
    folder = require_photographs("frost")
    black = np.zeros((40, 32, 32, 3), np.uint8)
    frosted = corrupt(black, "frost", 5, profile="cifar", frost=folder)
    found = np.zeros((40, 5), bool)
    for place, photograph in enumerate(load_photographs(folder)):
        scaled = (CORRUPTIONS["frost"].levels("cifar")[4][1] * photograph[2::5, 2::5]).astype(np.uint8)
        for number, crop in enumerate(frosted):
            corners = np.argwhere((scaled[:-32, :-32] == crop[0, 0]).all(axis=-1))
            found[number, place] = any(
                np.array_equal(scaled[r : r + 32, c : c + 32], crop) for r, c in corners
            )
    assert found.any(axis=1).all()
    assert found.any(axis=0).all()


def test_an_image_without_a_drop_of_water_turns_black_as_the_script_makes_it():
    images = np.stack([picture(32)] * 2)
    layer = np.random.default_rng(0).normal(0.65, 0.1, (32, 32))
    draws = RecordedDraws([[np.zeros((32, 32))], [layer]])
    with np.errstate(invalid="ignore"):
        dry = oracle.water(images[0], np.zeros((32, 32)), 0.5)
    ours = corrupt(images, "spatter", 1, profile="cifar", draws=draws)
    assert not dry.any()
    assert not ours[0].any()
    assert ours[1].any()
