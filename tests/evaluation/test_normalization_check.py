"""A guessed normalisation is tried against the usual ones; a stored accuracy is compared."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import robustbench_lite as rb
from robustbench_lite.errors import ModelError
from robustbench_lite.models import NORMALIZATIONS
from robustbench_lite.models.stored_accuracy import stored_accuracy
from tests.models.conftest import random_network

N = 600
QUICK: dict[str, Any] = {"device": "cpu", "batch_size": 100, "bootstrap": 0, "classes": list("abcdefghij")}


@pytest.fixture(scope="module")
def network(images: np.ndarray) -> torch.nn.Module:
    """Random weights whose predictions are spread over the classes."""
    network = random_network("resnet-8")
    with torch.inference_mode():
        logits = network(torch.from_numpy(images).permute(0, 3, 1, 2) / 255 * 4 - 2)
        network.linear.bias -= logits.mean(dim=0)
    return network


@pytest.fixture(scope="module")
def images() -> np.ndarray:
    draws = np.random.default_rng(0)
    smooth = torch.from_numpy(draws.uniform(0, 255, (N, 3, 4, 4)))
    large = torch.nn.functional.interpolate(smooth, 32, mode="bilinear")
    return large.permute(0, 2, 3, 1).round().to(torch.uint8).numpy()


def predictions(network: torch.nn.Module, images: np.ndarray, name: str) -> np.ndarray:
    mean, std = (torch.tensor(values).view(1, 3, 1, 1) for values in NORMALIZATIONS[name])
    unit = torch.from_numpy(images).permute(0, 3, 1, 2) / 255
    with torch.inference_mode():
        return network((unit - mean) / std).argmax(dim=1).numpy()


def prepared(
    network: torch.nn.Module, images: np.ndarray, name: str, wrong: int, folder: Path, **stored: Any
) -> dict[str, Any]:
    """A checkpoint whose training used a normalisation, and labels of which it gets all but a few right."""
    labels = predictions(network, images, name)
    labels[:wrong] = (labels[:wrong] + 1) % 10
    np.savez(folder / "test.npz", images=images, labels=labels)
    torch.save({"net": network.state_dict(), **stored}, folder / "ckpt.pth")
    return {"model": str(folder / "ckpt.pth"), "suite": "custom", "clean_data": folder / "test.npz", **QUICK}


def advised(error: BaseException) -> str:
    (name, *_) = re.findall(r"`normalize='(.*?)'`", str(error))
    return str(name)


@pytest.mark.parametrize("name", ["half", "cifar10-per-image", "none"])
def test_a_guess_that_another_normalisation_beats_stops_and_the_advice_works(
    name: str, network: torch.nn.Module, images: np.ndarray, tmp_path: Path
) -> None:
    call = prepared(network, images, name, 30, tmp_path)
    with pytest.raises(
        ModelError, match=r"on \d+ (clean )?images .* brings the error (from \S+ )?to \d\.\d %"
    ) as caught:
        rb.evaluate(**call)
    results = rb.evaluate(**call, normalize=advised(caught.value))
    assert results.cells[0].scores["error"] == pytest.approx(0.05)
    assert "normalization_check" not in results.provenance


def test_a_right_guess_goes_on_and_the_record_says_what_was_tried(
    network: torch.nn.Module, images: np.ndarray, tmp_path: Path
) -> None:
    results = rb.evaluate(**prepared(network, images, "imagenet", 30, tmp_path))
    check = results.provenance["normalization_check"]
    assert (check["normalization"], check["tried_images"], check["better"]) == ("imagenet", N, False)
    assert check["errors"]["in use"] == pytest.approx(0.05)
    assert set(NORMALIZATIONS) - {"imagenet"} <= set(check["errors"])
    assert check["errors"]["half"] > 0.05


def test_a_stored_accuracy_that_another_normalisation_reproduces_names_it(
    network: torch.nn.Module, images: np.ndarray, tmp_path: Path
) -> None:
    call = prepared(network, images, "cifar10-per-image", 45, tmp_path, acc=92.5, epoch=3)
    with pytest.raises(
        ModelError, match=r"the file stores acc 92\.5, which .* reproduces to the image"
    ) as caught:
        rb.evaluate(**call)
    assert advised(caught.value) == "cifar10-per-image"
    check = rb.evaluate(**call, normalize="cifar10-per-image").provenance["normalization_check"]
    assert check == {
        "normalization": "cifar10-per-image",
        "images": N,
        "stored": "acc 92.5",
        "measured_accuracy": 0.925,
        "reproduced": True,
    }


def test_a_stored_accuracy_that_the_guess_reproduces_settles_it_although_another_scores_higher(
    network: torch.nn.Module, images: np.ndarray, tmp_path: Path
) -> None:
    call = prepared(network, images, "cifar10-per-image", 0, tmp_path)
    labels = np.load(tmp_path / "test.npz")["labels"]
    accuracy = float((predictions(network, images, "imagenet") == labels).mean())
    with pytest.raises(ModelError, match="normalize='cifar10-per-image'"):
        rb.evaluate(**call)
    torch.save({"net": network.state_dict(), "best_prec1": 100 * accuracy}, tmp_path / "ckpt.pth")
    results = rb.evaluate(**call, force=True)
    assert results.provenance["normalization_check"]["reproduced"] is True
    assert results.provenance["warnings"] == []


def test_force_keeps_the_objection_with_the_results(
    network: torch.nn.Module, images: np.ndarray, tmp_path: Path
) -> None:
    results = rb.evaluate(**prepared(network, images, "cifar10-per-image", 0, tmp_path), force=True)
    assert "`normalize='cifar10-per-image'` brings the error" in results.provenance["warnings"][0]
    assert results.provenance["normalization_check"]["better"] is True


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ({"acc": 92.12}, (0.9212, "acc 92.12")),
        ({"best_acc": torch.tensor(0.93)}, (0.93, "best_acc 0.93")),
        ({"best_prec1": np.float64(91.725)}, (0.91725, "best_prec1 91.725")),
        ({"test_acc": 0.6925, "epoch": 3}, (0.6925, "test_acc 0.6925")),
        ({"err": 0.5454}, (1 - 0.5454, "err 0.5454")),
        ({"acc": 92.0}, (0.92, "acc 92.0")),
        ({"acc": 92}, (0.92, "acc 92")),
        ({"acc": 92.1, "best_acc": 92.1}, (0.921, "acc 92.1")),
        ({"acc": 92.1, "best_acc": 93.0}, None),
        ({"acc": True, "accumulate": 3.0, "err": [1.0], "epoch": 5}, None),
        ([1.0], None),
    ],
)
def test_an_accuracy_is_read_as_it_was_stored(content: Any, expected: tuple[float, str] | None) -> None:
    found = stored_accuracy(content)
    if expected is None:
        assert found is None
        return
    assert found is not None
    assert found[0] == pytest.approx(expected[0])
    assert found[1] == expected[1]
