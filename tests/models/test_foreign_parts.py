"""Files that hold more than one network's weights: what is used, what is left aside, and what is said."""

from __future__ import annotations

import collections
import datetime
import functools
import re
from pathlib import Path
from typing import Any

import pytest
import timm
import torch
from timm.layers.split_batchnorm import convert_splitbn_model
from torch import Tensor

from robustbench_lite.errors import CheckpointError
from robustbench_lite.models import load_model
from tests.models.conftest import random_network, randomise


@pytest.fixture(scope="module")
def network() -> torch.nn.Module:
    return random_network("resnet-8")


def loaded_logits(content: Any, folder: Path, images: Tensor, **options: Any) -> tuple[Tensor, Any]:
    torch.save(content, folder / "m.pt")
    model = load_model(folder / "m.pt", **options)
    with torch.inference_mode():
        return model.network(images), model.info


@pytest.mark.parametrize("foreign", ["criterion.pos_weight", "ce.weight", "val_ece.bins", "train_acc.total"])
@pytest.mark.parametrize("prefix", ["model.", "classifier_network.", ""])
def test_a_foreign_tensor_beside_the_network_is_left_aside_and_named(
    foreign: str, prefix: str, network: torch.nn.Module, tmp_path: Path, pixels: Tensor
) -> None:
    state = {f"{prefix}{k}": v for k, v in network.state_dict().items()} | {foreign: torch.ones(10)}
    logits, info = loaded_logits({"state_dict": state}, tmp_path, pixels)
    assert torch.equal(logits, network(pixels))
    assert info.notes == (f"1 tensors beside the network are left aside: {foreign}",)


def test_the_statistics_in_a_file_of_the_robustness_library_are_used(
    network: torch.nn.Module, tmp_path: Path, pixels: Tensor
) -> None:
    mean, std = torch.tensor([0.49, 0.48, 0.44]), torch.tensor([0.2, 0.21, 0.22])
    weights = network.state_dict()
    state = {
        "module.normalizer.new_mean": mean.view(3, 1, 1),
        "module.normalizer.new_std": std.view(3, 1, 1),
        **{f"module.model.{k}": v for k, v in weights.items()},
        "module.attacker.normalize.new_mean": mean.view(3, 1, 1),
        "module.attacker.normalize.new_std": std.view(3, 1, 1),
        **{f"module.attacker.model.{k}": v for k, v in weights.items()},
    }
    torch.save({"model": state, "optimizer": {}, "epoch": 3}, tmp_path / "m.pt")
    model = load_model(tmp_path / "m.pt")
    assert not model.info.normalization_guessed
    normalised = (pixels - mean.view(1, 3, 1, 1)) / std.view(1, 3, 1, 1)
    with torch.inference_mode():
        torch.testing.assert_close(model(pixels), network(normalised))


def test_stored_statistics_of_images_in_0_to_255_are_converted(
    network: torch.nn.Module, tmp_path: Path, pixels: Tensor
) -> None:
    mean, std = torch.tensor([123.675, 116.28, 103.53]), torch.tensor([58.395, 57.12, 57.375])
    state = {f"model.{k}": v for k, v in network.state_dict().items()} | {"mean": mean, "std": std}
    torch.save(state, tmp_path / "m.pt")
    model = load_model(tmp_path / "m.pt")
    assert model.info.normalization_reason.endswith("for images in 0 to 255")
    normalised = (255 * pixels - mean.view(1, 3, 1, 1)) / std.view(1, 3, 1, 1)
    with torch.inference_mode():
        torch.testing.assert_close(model(pixels), network(normalised), rtol=1e-4, atol=1e-4)


def test_a_split_batch_norm_is_evaluated_with_its_clean_statistics(tmp_path: Path) -> None:
    clean = randomise(timm.create_model("resnet10t", num_classes=5))
    split = convert_splitbn_model(timm.create_model("resnet10t", num_classes=5), 2)
    split.load_state_dict(clean.state_dict(), strict=False)
    images = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    logits, info = loaded_logits({"arch": "resnet10t", "state_dict": split.state_dict()}, tmp_path, images)
    assert torch.equal(logits, clean(images))
    assert any(note.startswith("split batch norm: the statistics of clean images") for note in info.notes)


def test_a_list_of_networks_is_asked_about_and_one_alone_is_loaded(tmp_path: Path, pixels: Tensor) -> None:
    networks = [random_network("resnet-8", seed=seed) for seed in range(3)]
    states = [network.state_dict() for network in networks]
    torch.save({"state_dict": states, "epoch": 1}, tmp_path / "list.pt")
    with pytest.raises(CheckpointError) as caught:
        load_model(tmp_path / "list.pt")
    assert "a list of 3 networks under 'state_dict'" in str(caught.value)
    first, last = re.findall(r"`entry='(\d)'`", str(caught.value))
    for entry in (first, "1", last):
        with torch.inference_mode():
            found = load_model(tmp_path / "list.pt", entry=entry).network(pixels)
            assert torch.equal(found, networks[int(entry)](pixels))
    logits, _ = loaded_logits({"state_dict": states[2:]}, tmp_path, pixels)
    assert torch.equal(logits, networks[2](pixels))
    with pytest.raises(CheckpointError, match="no weights under '3'; it has 'state_dict"):
        load_model(tmp_path / "list.pt", entry="3")


def test_what_scripts_store_beside_weights_is_stood_in_for(
    network: torch.nn.Module, tmp_path: Path, pixels: Tensor
) -> None:
    content = {
        "state_dict": network.state_dict(),
        "hyper_parameters": {
            "optimizer": functools.partial(torch.optim.SGD, lr=0.1),
            "started": datetime.datetime(2020, 1, 2, tzinfo=datetime.UTC),
            "took": datetime.timedelta(hours=3),
            "losses": collections.deque([1.0, 2.0], maxlen=5),
            "counts": collections.Counter("aab"),
        },
    }
    logits, _ = loaded_logits(content, tmp_path, pixels)
    assert torch.equal(logits, network(pixels))
