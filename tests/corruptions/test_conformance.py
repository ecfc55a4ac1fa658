"""Noise, blur and digital corruptions against the official outputs and against plain restatements."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from robustbench_lite.corruptions import CORRUPTIONS, corrupt
from robustbench_lite.corruptions.blur import disk_kernel
from robustbench_lite.corruptions.digital import _box_shrink, pixelate
from robustbench_lite.corruptions.random import RecordedDraws
from robustbench_lite.corruptions.records import PROFILES
from tests.oracles import corruptions as oracle
from tests.oracles.official import redrawn

DETERMINISTIC = (
    "defocus_blur",
    "zoom_blur",
    "contrast",
    "pixelate",
    "jpeg_compression",
    "gaussian_blur",
    "saturate",
)
STOCHASTIC = (
    "gaussian_noise",
    "shot_noise",
    "impulse_noise",
    "glass_blur",
    "motion_blur",
    "elastic_transform",
    "speckle_noise",
)
EQUAL = ("pixelate", "jpeg_compression", "shot_noise", "impulse_noise")
RECORDED = ("imagenet", "cifar")


class Recorder(np.random.RandomState):
    """Legacy draws that are kept in the order of the calls."""

    def __init__(self, seed):
        super().__init__(seed)
        self.arrays = []

    def __getattribute__(self, name):
        value = super().__getattribute__(name)
        if name not in ("normal", "uniform", "poisson", "randint"):
            return value

        def record(*args, **kwargs):
            self.arrays.append(np.asarray(value(*args, **kwargs)))
            return self.arrays[-1]

        return record


def assert_within_one_level(ours, official, name):
    gap = np.abs(ours.astype(int) - official)
    assert gap.max() <= (0 if name in EQUAL else 1)


@pytest.mark.parametrize("profile", RECORDED)
@pytest.mark.parametrize("name", DETERMINISTIC)
def test_deterministic_corruptions_give_the_official_images(shared, name, profile):
    official = np.load(shared / f"vectors/{profile}_c_official.npz")
    keys = [key for key in official.files if key.startswith(f"{name}_s")]
    assert len(keys) == 15

    for key in keys:
        _, level, image = key.rsplit("_", 2)
        ours = corrupt(official[f"clean_{image}"][None], name, int(level[1:]), profile=profile)[0]
        assert_within_one_level(ours, official[key], name)


@pytest.mark.parametrize("image", ["bright", "textured"])
@pytest.mark.parametrize("profile", RECORDED)
@pytest.mark.parametrize("name", STOCHASTIC)
def test_fed_the_official_draws_the_kernels_give_the_official_images(shared, name, profile, image):
    official = np.load(shared / f"vectors/{profile}_c_official.npz")
    meta = json.loads((shared / f"vectors/{profile}_c_official_meta.json").read_text())
    key, clean = f"stoch_{name}_s3_{image}", official[f"clean_{image}"]
    arrays = redrawn(name, clean, CORRUPTIONS[name].levels(profile)[2], meta["stochastic"][key])

    ours = corrupt(clean[None], name, 3, profile=profile, draws=RecordedDraws([arrays]))[0]

    assert_within_one_level(ours, official[key], name)


@pytest.mark.parametrize("severity", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("name", DETERMINISTIC + STOCHASTIC)
def test_every_severity_follows_the_published_script(picture, name, profile, severity):
    side = {"imagenet": 96, "cifar": 32, "tiny-imagenet": 64}[profile]
    image, parameters = picture(side), CORRUPTIONS[name].levels(profile)[severity - 1]
    if name == "impulse_noise":
        rng = np.random.default_rng(3)
        expected = oracle.impulse_noise(image, parameters, rng)
        rng = np.random.default_rng(3)
        arrays = [rng.random(image.shape), rng.random(image.shape)]
    else:
        rng = Recorder(3)
        whole = (parameters[0], *map(int, parameters[1:])) if name == "glass_blur" else parameters
        expected = oracle.CORRUPTIONS[name](image, whole, rng)
        arrays = rng.arrays
    if name == "glass_blur":
        reach, iterations = int(parameters[1]), int(parameters[2])
        arrays = [np.stack(arrays).reshape(iterations, side - 2 * reach, side - 2 * reach, 2)]

    ours = corrupt(image[None], name, severity, profile=profile, draws=RecordedDraws([arrays]))[0]

    gap = np.abs(ours.astype(int) - expected)
    assert (gap > 1).mean() <= 1e-3
    assert gap.max() <= (0 if name in EQUAL else 3)


@pytest.mark.parametrize(
    "parameters", [p for profile in PROFILES for p in CORRUPTIONS["defocus_blur"].levels(profile)]
)
def test_the_defocus_kernel_is_opencvs_to_float32_rounding(parameters):
    assert np.abs(disk_kernel(*parameters).numpy() - oracle.disk(*parameters)).max() < 1e-8


@pytest.mark.parametrize("factor", [0.95, 0.6, 0.3, 0.11])
@pytest.mark.parametrize("size", [(61, 47), (120, 130)])
def test_pixelate_is_pillows_for_any_size_and_in_both_ways_of_computing(picture, size, factor):
    image = picture(130)[: size[0], : size[1]]
    expected = oracle.pixelate(image, (factor,), None)
    batch = torch.from_numpy(image)[None]
    ours = pixelate(batch.permute(0, 3, 1, 2), (factor,), None)[0].permute(1, 2, 0)
    assert np.array_equal(ours.numpy(), expected)

    small = int(size[0] * factor), int(size[1] * factor)
    shrunk = _box_shrink(_box_shrink(batch, 2, small[1]), 1, small[0])[0].numpy()
    rows = ((np.arange(size[0]) + 0.5) * small[0] / size[0]).astype(int)
    columns = ((np.arange(size[1]) + 0.5) * small[1] / size[1]).astype(int)
    assert np.array_equal(shrunk[rows[:, None], columns], expected)
