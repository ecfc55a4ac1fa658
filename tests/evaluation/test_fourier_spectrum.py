"""The spectrum of a corruption's change is that of numpy.fft, in the heatmap's layout."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from robustbench_lite.corruptions import corrupt
from robustbench_lite.errors import DataError, InvalidInput, UnknownName
from robustbench_lite.evaluation.fourier.images import array_images, sample_images
from robustbench_lite.evaluation.fourier.spectrum import corruption_spectra


@pytest.fixture(scope="module")
def images() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (70, 32, 32, 3), dtype=np.uint8)


def test_power_and_amplitude_are_means_over_images_and_channels(images: np.ndarray) -> None:
    found = corruption_spectra(array_images(images), ["gaussian_noise", "contrast"], 4, seed=9, device="cpu")
    assert [one.name for one in found] == ["gaussian_noise", "contrast"]
    for one in found:
        changed = corrupt(images, one.name, 4, seed=9)
        change = (changed.astype(float) - images) / 255
        transform = np.abs(np.fft.fftshift(np.fft.fft2(change, axes=(1, 2), norm="ortho"), axes=(1, 2)))
        np.testing.assert_allclose(one.power, (transform**2).mean(axis=(0, 3)), rtol=1e-4)
        np.testing.assert_allclose(one.amplitude, transform.mean(axis=(0, 3)), rtol=1e-4)
        assert one.power.sum() == pytest.approx((change**2).sum() / (3 * len(images)), rel=1e-4)


def test_the_draws_are_those_of_the_images_own_indices(images: np.ndarray) -> None:
    sample = sample_images(array_images(images), 5, seed=1)
    (found,) = corruption_spectra(sample, ["shot_noise"], device="cpu")
    changed = corrupt(images, "shot_noise", 3)[sample.index]
    change = (changed.astype(float) - images[sample.index]) / 255
    assert found.power.sum() == pytest.approx((change**2).sum() / 15, rel=1e-4)


def test_a_window_is_cut_from_the_middle(images: np.ndarray) -> None:
    found = array_images(images[:3])
    (whole,) = corruption_spectra(found, ["brightness"], device="cpu")
    (window,) = corruption_spectra(found, ["brightness"], size=7, device="cpu")
    np.testing.assert_array_equal(window.power, whole.power[13:20, 13:20])
    assert window.total == pytest.approx(whole.power.sum())


def test_brightness_lies_in_the_centre_and_noise_everywhere(images: np.ndarray) -> None:
    smooth = np.full_like(images, 100)
    noise, bright = corruption_spectra(array_images(smooth), ["gaussian_noise", "brightness"], device="cpu")
    assert bright.power[16, 16] / bright.power.sum() > 0.99
    assert noise.power.max() / noise.power.mean() < 2


def test_progress_counts_images_over_all_corruptions(images: np.ndarray) -> None:
    told: list[tuple[int, int]] = []
    corruption_spectra(
        array_images(images), ["contrast", "brightness"], device="cpu",
        progress=lambda done, total: told.append((done, total)),
    )  # fmt: skip
    assert told == [(64, 140), (70, 140), (134, 140), (140, 140)]


def test_a_missing_need_of_one_corruption_is_an_error_before_any_is_measured(
    images: np.ndarray, tmp_path: Path
) -> None:
    told: list[tuple[int, int]] = []
    for last, kind, text in (
        ("fgo", UnknownName, "did you mean fog"),
        ("frost", DataError, "five published photographs"),
    ):
        with pytest.raises(kind, match=text):
            corruption_spectra(
                array_images(images), ["contrast", last], device="cpu", frost=tmp_path,
                progress=lambda done, total: told.append((done, total)),
            )  # fmt: skip
    assert told == []


def test_what_makes_no_spectrum_is_refused(images: np.ndarray) -> None:
    found = array_images(images)
    with pytest.raises(InvalidInput, match="name at least one corruption"):
        corruption_spectra(found, [])
    with pytest.raises(UnknownName, match="'fgo'; did you mean fog"):
        corruption_spectra(found, ["fgo"])
    with pytest.raises(InvalidInput, match="must be odd"):
        corruption_spectra(found, ["fog"], size=8)
    with pytest.raises(InvalidInput, match=r"size 1 shows frequency 0 alone"):
        corruption_spectra(found, ["fog"], size=1)
    floats = array_images(np.random.default_rng(0).random((2, 3, 32, 32)))
    with pytest.raises(InvalidInput, match="made on 8 bit images"):
        corruption_spectra(floats, ["contrast"])
