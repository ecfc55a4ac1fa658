"""The shared filters against SciPy and plain loops, and fast routes against the plain ones."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import ndimage

from robustbench_lite.corruptions import _disk, _filters, _gaussian, _rounding, _zoom, blur, elastic
from tests.oracles import corruptions as oracle

RNG = np.random.default_rng(0)


@pytest.mark.parametrize("sigma", [0.05, 0.4, 1, 3.3, 9])
@pytest.mark.parametrize("shape", [(2, 3, 41, 57), (1, 1, 5, 4)])
def test_gaussian_blur_is_scipys_to_the_bit(sigma, shape):
    values = RNG.uniform(0, 1, shape)
    expected = ndimage.gaussian_filter(values, (0, 0, sigma, sigma), truncate=3, mode="nearest")
    assert np.array_equal(_gaussian.gaussian_blur(torch.from_numpy(values), sigma, truncate=3), expected)
    rounded = ndimage.gaussian_filter(values.astype(np.float32), (0, 0, sigma, sigma), mode="nearest")
    ours = _gaussian.gaussian_blur_float32(torch.from_numpy(values).to(torch.float32), sigma)
    assert np.array_equal(ours, rounded)


@pytest.mark.parametrize("sigma", [0.4, 1, 3.3, 9, 60])
def test_smooth_fields_are_scipys(sigma):
    values = RNG.uniform(-1, 1, (2, 3, 41, 57))
    expected = ndimage.gaussian_filter(values, (0, 0, sigma, sigma), truncate=3, mode="reflect")
    ours = _gaussian.smooth_field(torch.from_numpy(values), sigma, truncate=3)
    assert np.abs(ours.numpy() - expected).max() < 1e-13


def test_boxes_of_one_level_are_found_and_no_others():
    planes = RNG.integers(0, 2, (3, 20, 30)).astype(np.uint8)
    planes[0] = 7
    planes[1, :12, :20] = 3
    place, top, left = RNG.integers(0, 3, 400), RNG.integers(0, 20, 400), RNG.integers(0, 30, 400)
    bottom, right = (
        np.minimum(top + RNG.integers(0, 5, 400), 19),
        np.minimum(left + RNG.integers(0, 5, 400), 29),
    )
    boxes = [torch.from_numpy(side) for side in (top, bottom, left, right)]
    flat = _rounding.one_level(
        torch.from_numpy(planes), torch.from_numpy(place * 600), (boxes[0], boxes[1]), (boxes[2], boxes[3])
    )
    edges = list(zip(place, top, bottom, left, right, strict=True))
    edges = list(zip(place, top, bottom, left, right, strict=True))
    parts = [planes[k, row : below + 1, column : beside + 1] for k, row, below, column, beside in edges]
    wider = [planes[k, row : below + 2, column : beside + 2] for k, row, below, column, beside in edges]
    for found, part, more in zip(flat.tolist(), parts, wider, strict=True):
        assert not (found and np.ptp(part))
        assert found or np.ptp(more)


@pytest.mark.parametrize(("radius", "sigma"), [(6, 1), (9, 2.5), (20, 15)])
def test_motion_blur_is_the_sum_over_the_line_in_any_direction(radius, sigma):
    images = RNG.integers(0, 256, (7, 2, 40, 33)).astype(np.uint8)
    angles = np.array([0, 17.3, 44.9, -45, -90.2, -135, 200])
    ours = _filters.motion_blur(torch.from_numpy(images), radius, sigma, torch.from_numpy(angles))
    for image, angle, result in zip(images, angles, ours.numpy(), strict=True):
        expected = oracle.magick_motion_blur(image.transpose(1, 2, 0), radius, sigma, angle)
        assert np.array_equal(result.transpose(1, 2, 0), expected)


def test_the_gather_that_a_gpu_uses_adds_up_the_same_shifted_images():
    images = torch.from_numpy(RNG.integers(0, 256, (5, 3, 30, 44)).astype(np.uint8))
    angles = torch.tensor([0.0, 30, -44, -120, 200], dtype=torch.float64)
    weights, rows, columns = _filters._motion_taps(8, 3, angles)
    gathered = _filters._motion_gather(images.to(torch.float64), weights.tolist(), rows, columns)
    assert torch.equal(_filters._by_way_of_16_bits(gathered), _filters.motion_blur(images, 8, 3, angles))


@pytest.mark.parametrize("factor", [1.0, 1.01, 1.15, 1.3, 2.5, 4])
def test_zoom_samples_are_scipys(factor):
    line = RNG.uniform(0, 255, (45, 45))
    low, weight = (part.numpy() for part in _filters.zoom_samples(45, factor))
    upper = np.minimum(low + 1, 44)
    rows = line[low] + (line[upper] - line[low]) * weight[:, None]
    ours = rows[:, low] + (rows[:, upper] - rows[:, low]) * weight
    assert np.abs(ours - oracle.zoom(line, factor)).max() < 1e-9


def test_both_ways_of_zoom_blur_are_the_same(picture, plain):
    images = [*(picture(40, seed) for seed in range(3)), *plain(40).values()]
    batch = torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2)
    for parameters in ((1.06, 0.01), (1.26, 0.02)):
        factors = tuple(np.arange(1, *parameters).tolist())
        assert torch.equal(_zoom.zoom_blur(batch, factors), _zoom._mean_all(batch, factors))


@pytest.mark.parametrize(("radius", "alias"), [(4, 0.5), (6, 0.5), (8, 0.5), (10, 0.5)])
def test_all_ways_of_defocus_are_the_same(picture, plain, radius, alias):
    images = [picture(64), *plain(64).values()]
    planes = torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2).contiguous()
    kernel = _disk.disk_kernel(radius, alias)
    exact = _disk._shifted_sum(planes.to(torch.float64), kernel)
    assert (_disk._transformed(planes, kernel) - exact).abs().max() < _disk._TRANSFORM_ERROR / 3
    if radius <= _disk._SUMMED_RADIUS:
        assert (_disk._summed(planes, radius, alias) - exact).abs().max() < _disk._SUM_ERROR / 2
    assert torch.equal(_disk.correlate_disk(planes, radius, alias), _rounding.quantize(exact))


def naive_glass(image, moves, reach):
    """The scan as published: each pixel from the last to the first copies its partner as it is by then."""
    result = image.copy()
    height, width = image.shape
    flat = result.reshape(-1)
    inner = [(h, w) for h in range(height - reach, reach, -1) for w in range(width - reach, reach, -1)]
    for (h, w), step in zip(inner, moves.ravel()[::-1], strict=True):
        flat[h * width + w] = flat[h * width + w + step]
    return result


@pytest.mark.parametrize("reach", [1, 2, 4])
def test_pointer_jumping_resolves_the_glass_scan(reach):
    height, width = 23, 31
    shape = (2, height - 2 * reach, width - 2 * reach)
    down, right = RNG.integers(-reach, reach, (2, *shape))
    moves = torch.from_numpy(down * width + right).to(torch.int32)
    origin = blur._glass_origin(moves, reach, height, width).view(2, height, width).numpy()
    for place in range(2):
        pixels = np.arange(height * width).reshape(height, width) + place * height * width
        assert np.array_equal(origin[place], naive_glass(pixels, moves[place].numpy(), reach))


@pytest.mark.parametrize(("mode", "extra"), [("reflect", -2), ("symmetric", 0)])
@pytest.mark.parametrize("reach", [3, 40])
def test_pairs_of_indices_are_mirrored_as_numpy_pads(mode, extra, reach):
    size = 7
    padded = np.pad(np.arange(size), reach, mode=mode)
    first = torch.arange(-reach, size + reach - 1, dtype=torch.int32)
    pair = elastic._mirrored_pair(first, size, 2 * size + extra)
    assert np.array_equal(pair[0], padded[:-1])
    assert np.array_equal(pair[1], padded[1:])
