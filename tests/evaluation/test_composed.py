"""An opened model on an opened suite has the very results of the short way."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import robustbench_lite as rb
from robustbench_lite.models.checkpoint import save_checkpoint
from robustbench_lite.reference.suites import SUITES
from robustbench_lite.training.initialise import fresh_network

QUICK: dict[str, Any] = {"device": "cpu", "batch_size": 16, "bootstrap": 100}


class Bright(nn.Module):
    """Ten logits from the mean brightness of the upper left corner."""

    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Linear(3, 10)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.head(images[:, :, :4, :4].mean((2, 3)))


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("model") / "resnet8.pt"
    half = (0.5, 0.5, 0.5)
    save_checkpoint(
        path, fresh_network("resnet-8", 10, 0), architecture="resnet-8", num_classes=10, mean=half, std=half
    )
    return path


def record(folder: Path) -> dict[str, Any]:
    """results.json without what a clock or the machine decides."""
    content: dict[str, Any] = json.loads((folder / "results.json").read_text())
    for name in ("seconds", "images"):
        del content["provenance"]["run"][name]
    return content


def both_ways(
    tmp_path: Path, model: Any, suite: str, model_settings: dict[str, Any], suite_settings: dict[str, Any]
) -> None:
    run = {**QUICK, "force": True}
    rb.evaluate(model, suite, out=tmp_path / "short", **model_settings, **suite_settings, **run)
    opened = rb.load_model(model, **model_settings) if isinstance(model, Path) else model
    loaded = rb.load_suite(suite, **suite_settings)
    rb.evaluate(opened, loaded, out=tmp_path / "composed", seed=suite_settings.get("seed", 0), **run)
    short, composed = record(tmp_path / "short"), record(tmp_path / "composed")
    assert composed == short
    assert "clean_error" in short["summary"]
    identity = [json.loads((tmp_path / way / "run.json").read_text()) for way in ("short", "composed")]
    assert identity[0] == identity[1]


@pytest.mark.parametrize(
    ("suite", "settings"),
    [
        ("cifar10-c", {"corruptions": ["fog", "snow"], "severities": [1, 5]}),
        ("cifar10-c", {"protocol": "augmix", "corruptions": ["fog"]}),
        ("cifar10-p", {"corruptions": ["snow", "tilt"]}),
    ],
)
def test_official_files(
    cifar_data: Path, checkpoint: Path, tmp_path: Path, suite: str, settings: dict[str, Any]
) -> None:
    model = {"normalize": "cifar10", "name": "mine"}
    both_ways(tmp_path, checkpoint, suite, model, {"data": cifar_data, **settings})


def test_official_files_with_a_clean_set_of_their_own(
    cifar_data: Path, checkpoint: Path, tmp_path: Path
) -> None:
    places = {"data": cifar_data / "CIFAR-10-C", "clean_data": cifar_data / "cifar10.npz"}
    both_ways(tmp_path, checkpoint, "cifar10-c", {}, {**places, "corruptions": ["fog"]})


@pytest.mark.parametrize("suite", ["cifar10-c", "cifar10-p", "custom-c", "custom-p"])
def test_generated_suites(cifar_data: Path, checkpoint: Path, tmp_path: Path, suite: str) -> None:
    names = ["contrast", "gaussian_noise"] if suite.endswith("-c") else ["translate", "brightness"]
    settings = {"clean_data": cifar_data / "cifar10.npz", "corruptions": names, "seed": 7}
    both_ways(tmp_path, checkpoint, suite, {}, settings)


def test_ones_own_images_in_memory(cifar_data: Path, tmp_path: Path) -> None:
    archive = np.load(cifar_data / "cifar10.npz")
    pair = (archive["images"], archive["labels"])
    both_ways(tmp_path, Bright(), "custom-c", {}, {"clean_data": pair, "corruptions": ["contrast"]})


def test_the_guard_watches_over_an_opened_suite(cifar_data: Path) -> None:
    suite = rb.load_suite("cifar10-c", cifar_data, corruptions=["fog"])
    with pytest.raises(rb.errors.ModelError, match="near chance"):
        rb.evaluate(lambda images: images.mean((1, 2, 3))[:, None] * -torch.arange(10.0), suite, **QUICK)


def test_an_opened_suite_takes_no_settings_that_would_be_without_effect(
    cifar_data: Path, model: nn.Module
) -> None:
    suite = rb.load_suite("cifar10-c", cifar_data, corruptions=["fog"])
    for settings in ({"clean_data": np.zeros((2, 3))}, {"data": cifar_data}, {"generate": False}):
        with pytest.raises(rb.errors.InvalidInput, match="goes with the name of a suite"):
            rb.evaluate(model, suite, **settings, **QUICK)


def test_arrays_are_the_images_of_an_archive(cifar_data: Path, model: nn.Module) -> None:
    archive = np.load(cifar_data / "cifar10.npz")
    settings = {"corruptions": ["snow"], "severities": [2], **QUICK}
    for suite in ("cifar10-c", "custom-c"):
        from_file = rb.evaluate(model, suite, clean_data=cifar_data / "cifar10.npz", **settings)
        in_memory = rb.evaluate(model, suite, clean_data=(archive["images"], archive["labels"]), **settings)
        assert in_memory.cells == from_file.cells
        assert in_memory.provenance["data"]["root"] == "memory"


def test_other_images_in_memory_do_not_continue_a_run(
    cifar_data: Path, model: nn.Module, tmp_path: Path
) -> None:
    archive = np.load(cifar_data / "cifar10.npz")
    images, labels = archive["images"], archive["labels"]
    settings = {"corruptions": ["snow"], "severities": [2], "out": tmp_path, **QUICK}
    rb.evaluate(model, "custom-c", clean_data=(images, labels), **settings)
    other = images.copy()
    other[3, 5, 5, 1] ^= 1
    with pytest.raises(rb.errors.DataError, match="of other files than now"):
        rb.evaluate(model, "custom-c", clean_data=(other, labels), **settings)


def test_images_in_memory_are_the_data_of_a_user_and_never_official_files(
    cifar_data: Path, model: nn.Module
) -> None:
    archive = np.load(cifar_data / "cifar10.npz")
    pair = (archive["images"], archive["labels"])
    settings = {"corruptions": ["contrast"], "severities": [2], **QUICK}
    clean_data = rb.evaluate(model, "custom-c", clean_data=pair, **settings)
    assert rb.evaluate(model, "custom-c", data=pair, **settings).cells == clean_data.cells
    with pytest.raises(rb.errors.InvalidInput, match=r"`data` is a folder of .* `clean_data`"):
        rb.evaluate(model, "cifar10-c", data=pair, **settings)
    with pytest.raises(rb.errors.InvalidInput, match=r"made from one set of images: .* not `data` as well"):
        rb.evaluate(model, "custom-c", data=cifar_data, clean_data=pair, **settings)


@pytest.mark.usefixtures("tables_as_before")
@pytest.mark.parametrize("name", ["blobs-p", "blobs"])
def test_the_kind_of_a_suite_is_in_its_record_and_not_in_its_name(
    cifar_data: Path, model: nn.Module, name: str
) -> None:
    """The list of perturbations is chosen for -P suites alone, whatever their names."""
    rb.register(name, replace(SUITES["cifar10-c"], name=name, test=("fog", "snow"), validation=()))
    settings = {"perturbation_list": "spatter", **QUICK}
    results = rb.evaluate(model, name, data=cifar_data, severities=[1], **settings)
    assert {cell.name for cell in results.cells} == {"clean", "fog", "snow"}
    rb.register("waves", replace(SUITES["cifar10-p"], name="waves"))
    places = {"clean_data": cifar_data / "cifar10.npz", "force": True}
    waves = rb.evaluate(model, "waves", **places, **settings)
    assert "spatter" in {cell.name for cell in waves.cells}


def test_a_suite_of_no_table_may_have_other_labels_than_its_clean_set(
    cifar_data: Path, model: nn.Module, tmp_path: Path
) -> None:
    archive = np.load(cifar_data / "cifar10.npz")
    pair = (archive["images"], np.roll(archive["labels"], 1))
    suite = rb.load_suite("cifar10-c", cifar_data, clean_data=pair, corruptions=["fog"])
    suite = suite.with_spec(replace(suite.spec, name="of-no-table"))
    with pytest.warns(rb.errors.RobustBenchWarning, match="their labels differ"):
        rb.evaluate(model, suite, force=True, **QUICK)
