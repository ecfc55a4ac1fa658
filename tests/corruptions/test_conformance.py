"""Every corruption against the official outputs and against plain restatements: no level may differ."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from robustbench_lite.corruptions import CORRUPTIONS, corrupt
from robustbench_lite.corruptions.blur import disk_kernel
from robustbench_lite.corruptions.digital import _box_shrink, pixelate
from robustbench_lite.corruptions.frost import find_photographs
from robustbench_lite.corruptions.random import RecordedDraws
from robustbench_lite.corruptions.records import PROFILES
from robustbench_lite.errors import DataError
from tests.oracles import corruptions as oracle
from tests.oracles.official import published, redrawn

DETERMINISTIC = (
    "defocus_blur",
    "zoom_blur",
    "brightness",
    "contrast",
    "pixelate",
    "jpeg_compression",
    "gaussian_blur",
    "saturate",
)
STOCHASTIC = tuple(name for name in CORRUPTIONS if name not in DETERMINISTIC)
SIDES = {"imagenet": 96, "cifar": 32, "tiny-imagenet": 64}
RECORDED = ("imagenet", "cifar")


def require_photographs(name):
    """Skip a test of frost where its photographs are nowhere to be found."""
    if name == "frost":
        try:
            find_photographs()
        except DataError as error:
            pytest.skip(str(error))


@pytest.mark.parametrize("profile", RECORDED)
@pytest.mark.parametrize("name", DETERMINISTIC)
def test_deterministic_corruptions_give_the_official_images(shared, name, profile):
    official = np.load(shared / f"vectors/{profile}_c_official.npz")
    keys = [key for key in official.files if key.startswith(f"{name}_s")]
    assert len(keys) == 15

    for key in keys:
        _, level, image = key.rsplit("_", 2)
        ours = corrupt(official[f"clean_{image}"][None], name, int(level[1:]), profile=profile)[0]
        assert np.array_equal(ours, official[key]), key


@pytest.mark.parametrize("image", ["bright", "textured"])
@pytest.mark.parametrize("profile", RECORDED)
@pytest.mark.parametrize("name", STOCHASTIC)
def test_fed_the_official_draws_the_kernels_give_the_official_images(shared, name, profile, image):
    require_photographs(name)
    official = np.load(shared / f"vectors/{profile}_c_official.npz")
    meta = json.loads((shared / f"vectors/{profile}_c_official_meta.json").read_text())
    key, clean = f"stoch_{name}_s3_{image}", official[f"clean_{image}"]
    arrays = redrawn(name, clean, CORRUPTIONS[name].levels(profile)[2], meta["stochastic"][key])

    ours = corrupt(clean[None], name, 3, profile=profile, draws=RecordedDraws([arrays]))[0]

    assert np.array_equal(ours, official[key])


@pytest.mark.parametrize("severity", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("name", CORRUPTIONS)
def test_every_severity_equals_the_published_script(picture, name, profile, severity):
    require_photographs(name)
    image = picture(SIDES[profile])
    expected, arrays = published(image, name, severity, profile, seed=severity)
    ours = corrupt(image[None], name, severity, profile=profile, draws=RecordedDraws([arrays]))[0]
    assert np.array_equal(ours, expected)


@pytest.mark.parametrize("profile", RECORDED)
@pytest.mark.parametrize("name", CORRUPTIONS)
def test_plain_images_equal_the_published_script_too(plain, name, profile):
    require_photographs(name)
    images = list(plain(SIDES[profile]).values())
    images = images[:4] if name == "glass_blur" else images  # the published scan takes seconds
    for severity in range(1, 6):
        pairs = [published(image, name, severity, profile, seed=k) for k, image in enumerate(images)]
        draws = RecordedDraws([arrays for _, arrays in pairs])
        ours = corrupt(np.stack(images), name, severity, profile=profile, draws=draws)
        for result, (expected, _) in zip(ours, pairs, strict=True):
            assert np.array_equal(result, expected)


@pytest.mark.parametrize("severity", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("profile", RECORDED)
def test_glass_blur_leaves_each_flat_grey_at_the_published_level(profile, severity):
    greys = np.arange(256, dtype=np.uint8)
    images = np.broadcast_to(greys[:, None, None, None], (256, 12, 12, 3))
    sigma = CORRUPTIONS["glass_blur"].levels(profile)[severity - 1][0]
    ours = corrupt(images, "glass_blur", severity, profile=profile)[:, 6, 6, 0]
    for grey, result in zip(greys, ours, strict=True):
        once = oracle.stored(oracle.blur(np.full((12, 12), grey / 255.0), sigma))
        assert result == oracle.stored(oracle.blur(once / 255.0, sigma))[6, 6]


@pytest.mark.parametrize("parameters", [p for k in PROFILES for p in CORRUPTIONS["defocus_blur"].levels(k)])
def test_the_defocus_kernel_is_opencvs_to_the_bit(parameters):
    ours, theirs = disk_kernel(*parameters).numpy(), oracle.disk(*parameters)
    counts = theirs > 1e-12
    assert np.array_equal(ours[counts], theirs[counts])
    assert np.abs(ours - theirs).max() < 1e-12


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
