"""Perturbation sequences against the official frames, plain oracles and their own invariants."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from robustbench_lite.corruptions.perturbations import FRAME_SIDES, PERTURBATIONS, frame_count, perturb
from robustbench_lite.corruptions.random import RecordedDraws
from robustbench_lite.errors import InvalidInput, UnknownName
from robustbench_lite.reference.names import ALL_PERTURBATIONS, FIRST_FRAME_PERTURBATIONS, SHORT_NAMES
from tests.oracles import perturbations as oracle
from tests.oracles.weather import Recorder

OFFICIAL = {
    "cifar": 1,  # every frame is stored
    "imagenet": 5,  # every fifth, and neither of the last two
}
NAMES = (
    "motion_blur",
    "zoom_blur",
    "brightness",
    "translate",
    "rotate",
    "tilt",
    "scale",
    "shear",
    "gaussian_blur",
)


def picture(height, width, seed=0):
    """Smooth areas, edges, noise and flat areas."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width]
    image = np.stack([x * 255 / width, y * 255 / height, (x * y) % 256], axis=-1)
    image[: height // 4] = rng.integers(0, 256, (height // 4, width, 3))
    image[height // 2 : height // 2 + 6] = 255
    return image.astype(np.uint8)


@pytest.mark.parametrize(
    ("profile", "name"), [(p, n) for p in OFFICIAL for n in NAMES[: 9 if p == "cifar" else 7]]
)
def test_frames_are_the_official_ones(shared, profile, name):
    official = np.load(shared / f"vectors/{profile}_p_official.npz")
    every = OFFICIAL[profile]
    for image in "ab":
        source = official[f"clean_{image}" if profile == "cifar" else f"src_resize256_{image}"]
        frames = perturb(source[None], name, profile=profile)[0][::every]
        assert np.array_equal(frames, official[f"{name}_{image}"])


@pytest.mark.parametrize("name", ALL_PERTURBATIONS)
def test_cifar_sequences_agree_with_the_plain_oracle(name):
    image = picture(32, 32)
    for difficulty, parameters in enumerate(PERTURBATIONS[name].levels("cifar"), start=1):
        rng = Recorder(difficulty)
        expected = getattr(oracle, name)(image, None, parameters, rng)
        draws = RecordedDraws([rng.arrays])
        frames = perturb(image[None], name, profile="cifar", difficulty=difficulty, draws=draws)[0]
        assert np.array_equal(frames, expected)


@pytest.mark.parametrize("name", ALL_PERTURBATIONS)
def test_imagenet_sequences_agree_with_the_plain_oracle(name):
    image = picture(256, 270)
    parameters = PERTURBATIONS[name].levels("imagenet")[0]
    rng = Recorder(1)
    expected = getattr(oracle, name)(image, 224, parameters, rng)
    frames = perturb(image[None], name, draws=RecordedDraws([rng.arrays]))[0]
    assert np.array_equal(frames, expected)


@pytest.mark.parametrize("name", ALL_PERTURBATIONS)
def test_sequences_of_plain_images_agree_with_the_plain_oracle(plain, name):
    images, parameters = list(plain(32).values()), PERTURBATIONS[name].levels("cifar")[0]
    draws = [Recorder(seed) for seed in range(len(images))]
    pairs = zip(images, draws, strict=True)
    expected = [getattr(oracle, name)(image, None, parameters, rng) for image, rng in pairs]
    recorded = RecordedDraws([rng.arrays for rng in draws])
    frames = perturb(np.stack(images), name, profile="cifar", draws=recorded)
    assert np.array_equal(frames, np.stack(expected))


@pytest.mark.parametrize(("profile", "shape"), [("cifar", (32, 32)), ("imagenet", (256, 300))])
def test_tilt_in_steps_of_a_32nd_pixel_is_the_older_opencv_s(profile, shape):
    image = picture(*shape)
    expected = oracle.tilt_fixed_point(
        image, FRAME_SIDES[profile], PERTURBATIONS["tilt"].levels(profile)[0], None
    )
    assert np.array_equal(perturb(image[None], "tilt", profile=profile, tilt_steps=32)[0], expected)


def test_the_names_are_the_canonical_ones_and_each_has_its_parameters():
    assert tuple(PERTURBATIONS) == ALL_PERTURBATIONS
    for name, record in PERTURBATIONS.items():
        assert record.profiles == ("imagenet", "cifar")
        assert record.short_name == SHORT_NAMES[name]
        assert record.against_first == (name in FIRST_FRAME_PERTURBATIONS)
        assert {len(record.levels(profile)) for profile in record.profiles} == {3 if "noise" in name else 1}


def test_frame_counts_are_those_of_the_released_files():
    for name in ALL_PERTURBATIONS:
        assert frame_count(name) == {"translate": 41}.get(name, 31)
        assert frame_count(name, "cifar") == {"translate": 16, "motion_blur": 21}.get(name, 31)


@pytest.mark.parametrize("name", ALL_PERTURBATIONS)
def test_a_sequence_is_the_same_in_any_batch_and_with_any_threads(name):
    images = np.stack([picture(32, 32, seed) for seed in range(66)])
    together = perturb(images, name, profile="cifar", seed=3)
    order = np.random.default_rng(0).permutation(66)
    assert np.array_equal(perturb(images[order], name, profile="cifar", seed=3, index=order), together[order])

    threads = torch.get_num_threads()
    torch.set_num_threads(1 if threads > 1 else 2)
    try:
        alone = perturb(images[65:], name, profile="cifar", seed=3, index=[65])
    finally:
        torch.set_num_threads(threads)
    assert np.array_equal(alone[0], together[65])


@pytest.mark.parametrize("name", ["rotate", "tilt", "snow"])
def test_imagenet_sequences_are_the_same_in_any_batch(name):
    images = np.stack([picture(224, 226, seed) for seed in range(2)])
    together = perturb(images, name)
    assert np.array_equal(perturb(images[1:], name, index=[1])[0], together[1])


@pytest.mark.parametrize("name", ALL_PERTURBATIONS)
def test_a_tensor_gives_the_frames_of_the_array(name):
    images = np.stack([picture(40, 32, seed) for seed in range(2)])
    frames = perturb(torch.from_numpy(images).permute(0, 3, 1, 2), name, profile="cifar")
    assert frames.shape == (2, frame_count(name, "cifar"), 3, 40, 32)
    assert frames.dtype == torch.uint8
    assert np.array_equal(frames.permute(0, 1, 3, 4, 2).numpy(), perturb(images, name, profile="cifar"))


@pytest.mark.parametrize("name", ["gaussian_noise", "shot_noise", "speckle_noise"])
def test_noise_starts_clean_and_no_two_frames_share_their_noise(name):
    images = np.full((1, 32, 32, 3), 128, np.uint8)
    frames = perturb(images, name, profile="cifar")[0]
    assert np.array_equal(frames[0], images[0])
    assert len({frame.tobytes() for frame in frames}) == 31


PUBLISHED_NOISE = {
    ("imagenet", "gaussian_noise"): (0.03, 0.05, 0.08),
    ("imagenet", "shot_noise"): (300, 120, 60),
    ("imagenet", "speckle_noise"): (0.05, 0.10, 0.15),
    ("cifar", "gaussian_noise"): (0.02, 0.04, 0.06),
    ("cifar", "shot_noise"): (700, 400, 200),
    ("cifar", "speckle_noise"): (0.05, 0.07, 0.1),
}


@pytest.mark.parametrize(("profile", "name"), PUBLISHED_NOISE)
def test_each_difficulty_is_as_noisy_as_published(profile, name):
    amounts = PUBLISHED_NOISE[profile, name]
    assert tuple(row[1] for row in PERTURBATIONS[name].levels(profile)) == amounts
    level = 128 / 255
    images = np.full((4, 32, 32, 3) if profile == "cifar" else (1, 224, 224, 3), 128, np.uint8)
    for difficulty, amount in enumerate(amounts, start=1):
        frames = perturb(images, name, profile=profile, difficulty=difficulty)[:, 1:]
        deviation = {
            "gaussian_noise": amount,
            "shot_noise": np.sqrt(level / amount),
            "speckle_noise": level * amount,
        }[name]
        assert frames.std() / 255 == pytest.approx(deviation, rel=0.02)
        assert frames.mean() == pytest.approx(127.5, abs=0.2)


def test_the_middle_frames_are_the_unchanged_image():
    image = picture(32, 32)
    for name in ("rotate", "shear"):
        assert np.array_equal(perturb(image[None], name, profile="cifar")[0, 15], image)
    assert np.array_equal(perturb(image[None], "translate", profile="cifar")[0, 7], image)
    assert np.array_equal(perturb(image[None], "scale", profile="cifar")[0, 15], image)


def test_imagenet_frames_show_the_centre():
    image = picture(256, 300)
    for name, frame in (("translate", 20), ("gaussian_noise", 0), ("rotate", 15)):
        assert np.array_equal(perturb(image[None], name)[0, frame], image[16:240, 38:262])


def test_geometric_changes_bring_in_what_lies_outside_the_centre():
    image = np.zeros((224, 300, 3), np.uint8)
    image[:, :38] = 255
    assert perturb(image[None], "translate")[0, 40, 0, :21].any()


def test_frames_depend_on_seed_and_index():
    images = np.stack([picture(32, 32)] * 2)
    first = perturb(images, "snow", profile="cifar", seed=1)
    assert not np.array_equal(first[0], first[1])
    assert not np.array_equal(first, perturb(images, "snow", profile="cifar", seed=2))


@pytest.mark.parametrize(
    ("change", "error", "match"),
    [
        ({"images": np.zeros((1, 32, 32, 3))}, InvalidInput, "expected uint8 images"),
        ({"images": np.zeros((1, 32, 32, 4), np.uint8)}, InvalidInput, "expected RGB images"),
        ({"images": np.zeros((32, 32, 3), np.uint8)}, InvalidInput, "expected RGB images"),
        ({"images": np.zeros((1, 7, 32, 3), np.uint8)}, InvalidInput, "at least 8 px a side, got 7 x 32"),
        ({"profile": "imagenet"}, InvalidInput, "at least 224 px a side, got 32 x 32; resize"),
        ({"name": "fog"}, UnknownName, "unknown perturbation 'fog'"),
        ({"profile": "cifar10"}, UnknownName, "unknown profile 'cifar10'; did you mean cifar"),
        ({"difficulty": 2}, InvalidInput, r"difficulty of rotate.* 1\.\.1, got 2"),
        ({"name": "shot_noise", "difficulty": 4}, InvalidInput, r"difficulty of shot_noise.* 1\.\.3, got 4"),
        ({"index": [0, 1]}, InvalidInput, "one whole number per image"),
    ],
)
def test_bad_input_is_refused(change, error, match):
    arguments = {"images": np.zeros((1, 32, 32, 3), np.uint8), "name": "rotate", "profile": "cifar", **change}
    with pytest.raises(error, match=match):
        perturb(arguments.pop("images"), arguments.pop("name"), **arguments)


def test_frame_count_refuses_unknown_names():
    with pytest.raises(UnknownName, match="unknown perturbation 'scal'; did you mean scale"):
        frame_count("scal")
