"""Every operation equals Pillow's: on official outputs, on random images, and at the edges."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from robustbench_lite.augmix import ALL_OPERATIONS, AUGMIX_OPERATIONS, apply_operation, magnitude
from robustbench_lite.errors import InvalidInput, UnknownName
from robustbench_lite.reference.names import ALL_CORRUPTIONS
from tests.oracles.augmix import PIL_OPERATIONS
from tests.oracles.augmix import magnitude as oracle_magnitude

EXACT = {"autocontrast", "equalize", "posterize", "solarize"}
BLENDED = {"color", "contrast", "brightness", "sharpness"}
DEVICES = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]

# Official magnitudes at level 10 and beyond: degrees past 30, shears past 0.3, shifts past the image.
MAGNITUDES = {
    "autocontrast": st.just(0.0),
    "equalize": st.just(0.0),
    "posterize": st.integers(1, 8).map(float),
    "rotate": st.one_of(
        st.integers(-30, 30).map(float), st.floats(-720, 720), st.sampled_from([90.0, 180.0])
    ),
    "solarize": st.integers(0, 256).map(float),
    "shear_x": st.floats(-2, 2),
    "shear_y": st.floats(-2, 2),
    "translate_x": st.one_of(st.integers(-40, 40).map(float), st.floats(-40, 40)),
    "translate_y": st.one_of(st.integers(-40, 40).map(float), st.floats(-40, 40)),
    "color": st.floats(0.1, 1.9),
    "contrast": st.floats(0.1, 1.9),
    "brightness": st.floats(0.1, 1.9),
    "sharpness": st.floats(0.1, 1.9),
}


def as_pil(image: torch.Tensor) -> Image.Image:
    return Image.fromarray(image.permute(1, 2, 0).numpy())


def by_pillow(images: torch.Tensor, name: str, magnitudes: list[float]) -> torch.Tensor:
    outputs = [
        np.asarray(PIL_OPERATIONS[name](as_pil(image), value))
        for image, value in zip(images, magnitudes, strict=True)
    ]
    return torch.from_numpy(np.stack(outputs)).permute(0, 3, 1, 2)


def photo(seed: int, height: int, width: int) -> torch.Tensor:
    """A smooth picture with noise on it: gradients and flat histograms are both rare in either alone."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:height, 0:width] / max(height, width)
    waves = [
        128 + 90 * np.sin(rng.uniform(2, 9) * x + rng.uniform(2, 9) * y + rng.uniform(0, 6)) for _ in range(3)
    ]
    picture = np.stack(waves) + rng.normal(0, 6, (3, height, width))
    return torch.from_numpy(picture.clip(0, 255).astype(np.uint8))


def differences(ours: torch.Tensor, theirs: torch.Tensor) -> torch.Tensor:
    return (ours.cpu().int() - theirs.int()).abs()


def assert_equals_pillow(
    name: str, images: torch.Tensor, magnitudes: list[float], device: str = "cpu"
) -> None:
    ours = apply_operation(images.to(device), name, torch.tensor(magnitudes))
    gap = differences(ours, by_pillow(images, name, magnitudes))
    if name in EXACT or (name in BLENDED and device == "cpu"):
        assert gap.max() == 0
    else:
        # An interpolated value that falls on a whole level may be cut off on either side of it; so may a
        # blended one where a device fuses product and sum. A pixel whose source lies on the border may be
        # filled or not: in small images one such pixel is more than a thousandth.
        apart = int((gap > 1).sum())
        assert apart <= max(3 * len(images), gap.numel() // 1000)


def official_cases(shared, prefix=""):
    vectors = np.load(shared / "vectors" / "augmix_ops_official.npz")
    calls = json.loads((shared / "vectors" / "augmix_ops_official_meta.json").read_text())["calls"]
    for key in vectors.files:
        match = re.fullmatch(rf"{prefix}([a-z]+(?:_[xy])?)_(32|224)_(\d+)_(.+)", key)
        if match and match[1] in ALL_OPERATIONS:
            clean = vectors[f"clean_{match[2]}_{match[3]}"]
            yield match[1], match[4], calls[key], clean, vectors[key]


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("name", AUGMIX_OPERATIONS)
def test_an_operation_equals_the_official_outputs(shared, name, device):
    gaps = []
    for found, argument, _, clean, expected in official_cases(shared):
        if found == name:
            value = 0.0 if argument == "None" else float(argument)
            images = torch.from_numpy(clean).permute(2, 0, 1)[None].to(device)
            ours = apply_operation(images, name, value)[0].permute(1, 2, 0)
            gaps.append(differences(ours, torch.from_numpy(expected)).flatten())
    gap = torch.cat(gaps)
    assert gap.max() <= (0 if name in EXACT else 1)
    assert (gap == 0).float().mean() >= 0.99


def test_a_level_becomes_the_official_magnitude(shared):
    seen = set()
    for name, argument, call, clean, _ in official_cases(shared, prefix="official_"):
        level, sign = re.fullmatch(r"level([\d.]+)_(pos|neg)", argument).groups()
        value = re.search(r"V=(.*)$", call)[1]
        ours = magnitude(
            name, np.array([float(level)]), np.array([1 if sign == "pos" else -1]), clean.shape[:2]
        )
        assert ours[0] == (0.0 if value == "None" else float(value)), (name, level, sign)
        seen.add(name)
    assert seen == set(AUGMIX_OPERATIONS)


@given(
    st.sampled_from(sorted(ALL_OPERATIONS)), st.floats(0.1, 10), st.booleans(), st.sampled_from([32, 64, 224])
)
@settings(max_examples=200, deadline=None, derandomize=True)
def test_magnitudes_follow_the_published_formulas(name, level, negative, size):
    ours = magnitude(name, np.array([level]), np.array([-1 if negative else 1]), (size, size))
    assert ours[0] == oracle_magnitude(name, level, negative, size)


def test_a_translation_reaches_a_third_of_its_own_side():
    level, sign = np.array([10.0]), np.array([1])
    assert magnitude("translate_x", level, sign, (30, 60)) == 20
    assert magnitude("translate_y", level, sign, (30, 60)) == 10


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("name", ALL_OPERATIONS)
@given(data=st.data())
@settings(max_examples=25, deadline=None, derandomize=True)
def test_an_operation_equals_pillow_at_any_magnitude(name, device, data):
    height, width = data.draw(st.sampled_from([(32, 32), (24, 40), (41, 23)]))
    magnitudes = data.draw(st.lists(MAGNITUDES[name], min_size=1, max_size=4))
    seed = data.draw(st.integers(0, 1000))
    images = torch.stack([photo(seed + i, height, width) for i in range(len(magnitudes))])
    assert_equals_pillow(name, images, magnitudes, device)


@pytest.mark.parametrize("name", ALL_OPERATIONS)
@given(low=st.integers(0, 255), high=st.integers(0, 255), data=st.data())
@settings(max_examples=15, deadline=None, derandomize=True)
def test_an_operation_equals_pillow_on_flat_and_two_level_images(name, low, high, data):
    value = data.draw(MAGNITUDES[name])
    flat = torch.full((3, 20, 20), low, dtype=torch.uint8)
    mask = torch.from_numpy(np.random.default_rng(low).random((3, 20, 20)) < 0.3)
    two = torch.where(mask, torch.tensor(high, dtype=torch.uint8), flat)
    assert_equals_pillow(name, torch.stack([flat, two]), [value, value])


@pytest.mark.parametrize("name", ["rotate", "shear_x", "shear_y", "translate_x", "translate_y"])
def test_a_flat_image_keeps_its_level_wherever_it_is_not_black(name):
    images = torch.arange(256, dtype=torch.uint8)[:, None, None, None].repeat(1, 3, 16, 16)
    values = apply_operation(images, name, 3.7 if name == "rotate" else 0.21)
    assert ((values == images) | (values == 0)).all()
    assert (values == images).float().mean() > 0.8


@pytest.mark.parametrize("size", [(1, 1), (1, 7), (7, 1), (2, 2), (3, 3)])
@pytest.mark.parametrize("name", ALL_OPERATIONS)
def test_an_operation_equals_pillow_on_tiny_images(name, size):
    value = {"posterize": 3.0, "solarize": 100.0, "rotate": 20.0, "translate_x": 1.0, "translate_y": -1.0}
    images = torch.stack([photo(seed, *size) for seed in range(8)])
    assert_equals_pillow(name, images, [value.get(name, 0.3)] * 8)


@pytest.mark.parametrize("angle", [0.0, 90.0, 180.0, 270.0, -90.0, 360.0, 450.0])
def test_quarter_turns_are_exact(angle):
    images = photo(3, 33, 33)[None]
    expected = torch.rot90(images, round(angle / 90), (2, 3))
    assert torch.equal(apply_operation(images, "rotate", angle), expected)


@pytest.mark.parametrize("name", ["translate_x", "translate_y"])
def test_a_shift_by_whole_pixels_is_exact(name):
    images = torch.stack([photo(seed, 24, 31) for seed in range(9)])
    shifts = [-40.0, -31.0, -24.0, -1.0, 0.0, 1.0, 24.0, 31.0, 40.0]
    ours = apply_operation(images, name, torch.tensor(shifts))
    assert torch.equal(ours, by_pillow(images, name, shifts))


def test_posterize_to_no_bits_is_black_and_to_eight_the_image():
    images = photo(1, 16, 16)[None]
    assert apply_operation(images, "posterize", 0).max() == 0
    assert torch.equal(apply_operation(images, "posterize", 8), images)


@pytest.mark.parametrize("name", ALL_OPERATIONS)
def test_a_batch_equals_its_images_one_by_one(name):
    images = torch.stack([photo(seed, 28, 28) for seed in range(5)])
    values = torch.tensor([1.0, 2.0, 3.0, 4.0, 5.0])
    whole = apply_operation(images, name, values)
    single = [
        apply_operation(image[None], name, float(value)) for image, value in zip(images, values, strict=True)
    ]
    assert torch.equal(whole, torch.cat(single))


@pytest.mark.parametrize("name", ALL_OPERATIONS)
def test_an_operation_leaves_its_input_alone_and_reads_any_layout(name):
    images = torch.stack([photo(seed, 12, 17) for seed in range(3)])
    before = images.clone()
    expected = apply_operation(images, name, 1)
    spread = images.to(memory_format=torch.channels_last)
    assert torch.equal(apply_operation(spread, name, 1), expected)
    assert torch.equal(images, before)
    assert expected.is_contiguous()
    assert expected.dtype == torch.uint8


@pytest.mark.parametrize("name", ALL_OPERATIONS)
def test_an_empty_batch_stays_empty(name):
    assert apply_operation(torch.zeros(0, 3, 8, 8, dtype=torch.uint8), name, 1).shape == (0, 3, 8, 8)


def test_the_paper_s_operations_overlap_no_corruption_and_the_others_do():
    for name, operation in ALL_OPERATIONS.items():
        assert bool(operation.overlaps) != (name in AUGMIX_OPERATIONS)
        assert set(operation.overlaps) <= set(ALL_CORRUPTIONS)


def test_an_unknown_operation_is_named_with_its_neighbours():
    with pytest.raises(UnknownName, match="unknown operation 'rotat'; did you mean rotate"):
        apply_operation(photo(0, 8, 8)[None], "rotat", 3)


@pytest.mark.parametrize("shape", [(3, 8, 8), (1, 1, 8, 8), (1, 8, 8, 3)])
def test_images_of_another_shape_are_refused(shape):
    with pytest.raises(InvalidInput, match=r"uint8 images \(N,3,H,W\)"):
        apply_operation(torch.zeros(shape, dtype=torch.uint8), "rotate", 3)


def test_float_images_are_refused():
    with pytest.raises(InvalidInput, match=r"got torch.float32"):
        apply_operation(torch.zeros(1, 3, 8, 8), "rotate", 3)


def test_a_wrong_number_of_magnitudes_is_refused():
    with pytest.raises(InvalidInput, match=r"one magnitude per image, \(2,\); got \(3,\)"):
        apply_operation(torch.zeros(2, 3, 8, 8, dtype=torch.uint8), "rotate", torch.ones(3))


@pytest.mark.parametrize(
    ("name", "value"), [("posterize", 9), ("posterize", 2.5), ("solarize", -1), ("solarize", 257)]
)
def test_a_magnitude_out_of_range_is_refused(name, value):
    with pytest.raises(InvalidInput, match=f"{name} takes whole numbers from 0 to"):
        apply_operation(photo(0, 8, 8)[None], name, value)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_magnitude_that_is_not_finite_is_refused(value):
    with pytest.raises(InvalidInput, match="must be finite"):
        apply_operation(photo(0, 8, 8)[None], "shear_x", value)
