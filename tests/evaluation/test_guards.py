"""What an evaluation notices by itself: a wrong guess, another clean set, outputs that are no logits."""

from __future__ import annotations

import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import robustbench_lite as rb
from robustbench_lite.errors import DataError, ModelError, RobustBenchWarning
from robustbench_lite.evaluation.sanity import near_chance
from robustbench_lite.suites import SUITES

QUICK = {"device": "cpu", "batch_size": 16, "bootstrap": 100, "corruptions": ["fog"], "severities": [1]}


class WantsHalf(nn.Module):
    """Right on images normalised by 0.5, 0.5; of raw ones it takes a share for the next class."""

    def __init__(self, model: nn.Module, share: float) -> None:
        super().__init__()
        self.model, self.share = model, share

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        if images.min() < 0:
            return self.model((images + 1) / 2)
        logits = self.model(images)
        # The lowest bits of a pixel stand in for chance: the same in every batch.
        chance = (images[:, 0, 5, 5] * 255).round() % 20 / 20
        return torch.where((chance < self.share)[:, None], logits.roll(1, dims=1), logits)


@pytest.fixture
def half_right(model: nn.Module) -> nn.Module:
    return WantsHalf(model, 0.6)


def test_a_guessed_normalisation_that_is_clearly_wrong_stops_the_run(
    cifar_data: Path, half_right: nn.Module, tmp_path: Path
) -> None:
    message = (
        r"`normalize='half'` brings the error from \d\d\.\d to 0\.0 %; the normalisation in use, none, is a"
    )
    with pytest.raises(ModelError, match=message):
        rb.evaluate(half_right, "cifar10-c", data=cifar_data, out=tmp_path, **QUICK)
    # The folder is free for the run that follows the advice.
    right = rb.evaluate(half_right, "cifar10-c", data=cifar_data, normalize="half", out=tmp_path, **QUICK)
    assert right.summary["clean_error"] == 0
    assert right.provenance["warnings"] == []


def test_a_normalisation_that_was_asked_for_is_not_doubted(cifar_data: Path, half_right: nn.Module) -> None:
    results = rb.evaluate(half_right, "cifar10-c", data=cifar_data, normalize="none", **QUICK)
    assert results.summary["clean_error"] > 0.3


def test_force_evaluates_it_and_the_results_say_so(cifar_data: Path, half_right: nn.Module) -> None:
    results = rb.evaluate(half_right, "cifar10-c", data=cifar_data, force=True, **QUICK)
    (said,) = results.provenance["warnings"]
    assert "`normalize='half'` brings the error" in said


def test_a_good_model_is_not_doubted(cifar_data: Path, model: nn.Module) -> None:
    assert rb.evaluate(model, "cifar10-c", data=cifar_data, **QUICK).provenance["warnings"] == []


def test_a_run_that_stops_before_it_scores_leaves_its_folder_to_the_next(
    cifar_data: Path, model: nn.Module, tmp_path: Path
) -> None:
    with pytest.raises(ModelError, match="NaN"):
        rb.evaluate(
            lambda images: model(images) * float("nan"),
            "cifar10-c",
            data=cifar_data,
            out=tmp_path / "run",
            **QUICK,
        )
    assert rb.evaluate(model, "cifar10-c", data=cifar_data, out=tmp_path / "run", **QUICK).complete


def test_probabilities_are_told_in_python_and_kept_with_the_results(
    cifar_data: Path, model: nn.Module
) -> None:
    with pytest.warns(RobustBenchWarning, match="outputs look like probabilities"):
        results = rb.evaluate(lambda images: model(images).softmax(1), "cifar10-c", data=cifar_data, **QUICK)
    assert "look like probabilities" in results.provenance["warnings"][0]


def test_force_waives_a_guard_and_no_other_warning(cifar_data: Path, half_right: nn.Module) -> None:
    with pytest.warns(RobustBenchWarning, match="outputs look like probabilities") as heard:
        rb.evaluate(
            lambda images: half_right(images).softmax(1), "cifar10-c", data=cifar_data, force=True, **QUICK
        )
    assert len(heard) == 1


@pytest.mark.parametrize(("accuracy", "classes"), [(0.76, 2), (0.667, 3)])
def test_few_classes_are_no_chance(accuracy: float, classes: int) -> None:
    assert not near_chance(accuracy, 1000, classes)
    assert near_chance(1 / classes, 1000, classes)


def unpaired(cifar_data: Path, folder: Path) -> Path:
    with np.load(cifar_data / "cifar10.npz") as clean:
        np.savez(folder / "cifar10.npz", images=clean["images"][::-1], labels=clean["labels"][::-1])
    return folder / "cifar10.npz"


def test_a_clean_set_of_other_images_gives_a_warning(
    cifar_data: Path, model: nn.Module, tmp_path: Path
) -> None:
    clean = unpaired(cifar_data, tmp_path)
    with pytest.warns(RobustBenchWarning, match=r"the clean set \(40 images\) is not what the corrupted"):
        rb.evaluate(model, "cifar10-c", data=cifar_data, clean_data=clean, **QUICK)


def test_labels_of_whole_cifar_suites_that_are_not_the_clean_sets_are_refused(
    cifar_data: Path, model: nn.Module, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(SUITES, "cifar10-c", replace(SUITES["cifar10-c"], images=40))
    with pytest.raises(DataError, match=r"40 of 40 labels of fog 1 are not those of the clean test set"):
        rb.evaluate(model, "cifar10-c", data=cifar_data, clean_data=unpaired(cifar_data, tmp_path), **QUICK)


def test_no_error_among_n_images_is_no_certainty(cifar_data: Path, model: nn.Module) -> None:
    results = rb.evaluate(model, "cifar10-c", data=cifar_data, **QUICK)
    assert results.summary["clean_error"] == 0
    # Were the error 8.8 %, none of 40 images would be wrong in 2.5 % of such samples.
    low, high = results.intervals["clean_error"]
    assert low == 0
    assert (1 - high) ** 40 == pytest.approx(0.025)


def test_files_with_as_many_rows_as_the_clean_set_hold_one_severity(
    cifar_data: Path, model: nn.Module, tmp_path: Path
) -> None:
    with np.load(cifar_data / "cifar10.npz") as clean:
        images, labels = clean["images"], clean["labels"]
    np.save(tmp_path / "fog.npy", images)
    np.save(tmp_path / "labels.npy", np.tile(np.arange(8), 5))
    with pytest.raises(
        DataError, match=r"have 40 rows, one for each image of the clean set, .* one severity"
    ):
        rb.evaluate(
            model,
            "cifar10-c",
            data=tmp_path,
            clean_data=(images, labels),
            **{**QUICK, "corruptions": ["fog"]},
        )


@pytest.mark.parametrize(("images", "doubted"), [(400, True), (100, False)])
def test_an_error_far_above_a_trained_network_s_is_doubted_over_enough_images(
    images: int, doubted: bool
) -> None:
    # Right on a third of the images: neither near chance nor mended by another order of the classes.
    generator = np.random.default_rng(0)
    labels = generator.integers(0, 10, images)
    shown = np.where(generator.random(images) < 0.25, labels, generator.integers(0, 10, images))
    pixels = np.repeat(shown * 25, 64).reshape(images, 8, 8, 1).repeat(3, axis=3).astype(np.uint8)

    def model(batch: torch.Tensor) -> torch.Tensor:
        return -(batch.mean((1, 2, 3))[:, None] * 255 / 25 - torch.arange(10.0)).abs()

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        rb.evaluate(model, "custom", clean_data=(pixels, labels), device="cpu", batch_size=50, bootstrap=0)
    texts = [str(one.message) for one in caught]
    assert any("more than a network trained for these 10 classes" in text for text in texts) == doubted
