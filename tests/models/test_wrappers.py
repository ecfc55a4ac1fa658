"""The same weights load from every form that training code leaves them in."""

from __future__ import annotations

import argparse
import collections
import pathlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch
from torch import Tensor, nn

from robustbench_lite.errors import CheckpointError
from robustbench_lite.models import Classifier, as_classifier, load_model, save_checkpoint
from tests.models.conftest import random_network

SMALL = [
    "allconv",
    "densenet-bc-16-4",
    "densenet-10-6",
    "wrn-10-1",
    "wrn-22-3",
    "resnext-11-4x32d",
    "resnext-11-32x4d",
    "resnet-8",
    "resnet-14-b",
    "cifar-resnet-18",
    "cifar-preact-resnet-18",
    "cifar-preact-resnet-18-bn",
    "efficientnet-lite1",
]

State = dict[str, Tensor]


def prefixed(state: State, *prefixes: str) -> State:
    return {"".join(prefixes) + key: value for key, value in state.items()}


def with_optimizer(state: State) -> dict[str, Any]:
    weight = nn.Parameter(torch.ones(2))
    optimizer = torch.optim.SGD([weight], lr=0.1, momentum=0.9)
    weight.sum().backward()
    optimizer.step()
    return {
        "state_dict": state,
        "optimizer": optimizer.state_dict(),
        "epoch": 3,
        "best_acc1": np.float64(91.7),
        "loss": np.array([0.25, 0.5]),
        "args": argparse.Namespace(lr=0.1, data=pathlib.PurePosixPath("/data")),
        "history": collections.defaultdict(list, {"err": [0.5]}),
    }


WRAPPERS: dict[str, Callable[[State], Any]] = {
    "plain": lambda s: s,
    "state_dict": lambda s: {"state_dict": s, "best_prec1": 91.7},
    "model": lambda s: {"model": s},
    "net": lambda s: {"net": s, "acc": torch.tensor(91.7)},
    "model_state_dict": lambda s: {"model_state_dict": s, "epoch": 1},
    "params": lambda s: {"params": s},
    "ema": lambda s: {"ema": s},
    "nested": lambda s: {"model": {"state_dict": s}},
    "an odd name": lambda s: {"my_best_model": s, "epoch": 5},
    "DataParallel": lambda s: prefixed(s, "module."),
    "compiled": lambda s: {"model": prefixed(s, "_orig_mod.")},
    "compiled inside DataParallel": lambda s: {"state_dict": prefixed(s, "module.", "_orig_mod.")},
    "compiled part": lambda s: {k.replace("layer", "_orig_mod.layer", 1): v for k, v in s.items()},
    "Lightning": lambda s: {"state_dict": prefixed(s, "model."), "pytorch-lightning_version": "2.4.0"},
    "Lightning with loss": lambda s: {
        "state_dict": {
            **prefixed(s, "net."),
            "criterion.weight": torch.ones(10),
            "train_acc.total": torch.tensor(1),
        }
    },
    "several prefixes": lambda s: {"state_dict": prefixed(s, "module.", "model.", "network.", "backbone.")},
    "an unknown prefix": lambda s: prefixed(s, "resnet."),
    "SWA": lambda s: {"n_averaged": torch.tensor(4), **prefixed(s, "module.")},
    "FLOP counters": lambda s: {**s, "total_ops": torch.zeros(1), "layer.total_params": torch.zeros(1)},
    "no step counters": lambda s: {k: v for k, v in s.items() if not k.endswith("num_batches_tracked")},
    "doubles": lambda s: {k: v.double() if v.is_floating_point() else v for k, v in s.items()},
    "parameters": lambda s: {k: nn.Parameter(v) if v.is_floating_point() else v for k, v in s.items()},
    "optimizer and options": with_optimizer,
}


def assert_same(model: Classifier, network: nn.Module, images: Tensor) -> None:
    with torch.inference_mode():
        assert torch.equal(model.network(images), network(images))


@pytest.mark.parametrize("name", SMALL)
def test_every_architecture_is_detected_from_its_weights(name: str, tmp_path: Path, pixels: Tensor) -> None:
    network = random_network(name, num_classes=17)
    torch.save({"state_dict": prefixed(network.state_dict(), "module.")}, tmp_path / "m.pth.tar")
    model = load_model(tmp_path / "m.pth.tar")
    assert (model.info.architecture, model.info.num_classes) == (name, 17)
    assert model.info.parameters == sum(p.numel() for p in network.parameters())
    assert_same(model, network, pixels)


@pytest.mark.parametrize("wrapper", WRAPPERS)
def test_every_wrapper_is_taken_off(wrapper: str, tmp_path: Path, pixels: Tensor) -> None:
    network = random_network("resnet-8")
    torch.save(WRAPPERS[wrapper](network.state_dict()), tmp_path / "m.pt")
    model = load_model(tmp_path / "m.pt")
    assert model.info.architecture == "resnet-8"
    assert_same(model, network, pixels)


@pytest.mark.parametrize("wrapper", ["plain", "Lightning with loss", "several prefixes"])
def test_wrappers_come_off_for_a_named_architecture_too(wrapper: str, tmp_path: Path, pixels: Tensor) -> None:
    network = random_network("resnet-8")
    torch.save(WRAPPERS[wrapper](network.state_dict()), tmp_path / "m.pt")
    assert_same(load_model(tmp_path / "m.pt", "resnet-8"), network, pixels)


def test_files_of_the_older_format_load(tmp_path: Path, pixels: Tensor) -> None:
    network = random_network("resnet-8")
    path = tmp_path / "old.th"
    torch.save(with_optimizer(network.state_dict()), path, _use_new_zipfile_serialization=False)
    assert path.read_bytes()[:2] == b"\x80\x02"
    assert_same(load_model(path), network, pixels)


def test_safetensors_load(tmp_path: Path, pixels: Tensor) -> None:
    network = random_network("wrn-10-1")
    safetensors.torch.save_file(prefixed(network.state_dict(), "model."), tmp_path / "m.bin")
    model = load_model(tmp_path / "m.bin")
    assert model.info.format == "safetensors"
    assert_same(model, network, pixels)


ALIASES: dict[str, tuple[str, Callable[[str], str]]] = {
    "TRADES shortcut": ("wrn-10-2", lambda k: k.replace("convShortcut", "conv_shortcut")),
    "WRN shortcut": ("wrn-10-2", lambda k: k.replace("convShortcut", "shortcut").replace("fc.", "linear.")),
    "torchvision-like option B": (
        "resnet-14-b",
        lambda k: k.replace("shortcut", "downsample").replace("linear", "fc"),
    ),
    "fc for linear": ("resnet-8", lambda k: k.replace("linear", "fc")),
    "fc for linear, wide": ("cifar-resnet-18", lambda k: k.replace("linear", "fc")),
}


@pytest.mark.parametrize("alias", ALIASES)
def test_other_releases_names_are_understood(alias: str, tmp_path: Path, pixels: Tensor) -> None:
    name, translate = ALIASES[alias]
    network = random_network(name)
    torch.save({translate(k): v for k, v in network.state_dict().items()}, tmp_path / "m.pt")
    model = load_model(tmp_path / "m.pt")
    assert model.info.architecture == name
    assert_same(model, network, pixels)


def test_plain_weights_are_preferred_to_an_average_and_the_choice_is_noted(
    tmp_path: Path, pixels: Tensor
) -> None:
    plain, average = random_network("resnet-8", seed=1), random_network("resnet-8", seed=2)
    torch.save({"state_dict_ema": average.state_dict(), "state_dict": plain.state_dict()}, tmp_path / "m.pt")
    model = load_model(tmp_path / "m.pt")
    assert_same(model, plain, pixels)
    assert model.info.notes == ("weights from 'state_dict'; the file also has 'state_dict_ema'",)
    chosen = load_model(tmp_path / "m.pt", entry="state_dict_ema")
    assert_same(chosen, average, pixels)
    assert chosen.info.notes == ("weights from 'state_dict_ema', as asked",)


def test_an_average_alone_is_used_and_noted(tmp_path: Path) -> None:
    torch.save({"model_ema": random_network("resnet-8").state_dict()}, tmp_path / "m.pt")
    (note,) = load_model(tmp_path / "m.pt").info.notes
    assert note == "averaged weights from 'model_ema': the file has no others"


def test_sets_of_weights_that_nothing_tells_apart_are_listed(tmp_path: Path) -> None:
    state = random_network("resnet-8").state_dict()
    torch.save({"alice": state, "bob": state}, tmp_path / "m.pt")
    with pytest.raises(CheckpointError, match=r"several sets of weights: 'alice', 'bob'"):
        load_model(tmp_path / "m.pt")
    with pytest.raises(CheckpointError, match=r"no weights under 'carol'; it has 'alice', 'bob'"):
        load_model(tmp_path / "m.pt", entry="carol")
    assert load_model(tmp_path / "m.pt", entry="bob").info.num_classes == 10


def test_a_file_without_weights_says_so(tmp_path: Path) -> None:
    torch.save({"epoch": 3, "accuracy": torch.tensor(0.5)}, tmp_path / "m.pt")
    with pytest.raises(CheckpointError, match="holds no weights"):
        load_model(tmp_path / "m.pt")


def test_halves_are_computed_in_float32_and_noted(tmp_path: Path, pixels: Tensor) -> None:
    network = random_network("resnet-8").half()
    torch.save(network.state_dict(), tmp_path / "m.pt")
    model = load_model(tmp_path / "m.pt")
    assert_same(model, network.float(), pixels)
    assert model.info.notes == ("weights stored as float16, computed in float32",)


def test_a_normalisation_beside_the_network_is_kept(tmp_path: Path, pixels: Tensor) -> None:
    network = random_network("wrn-10-1")
    state = prefixed(network.state_dict(), "model.")
    state["normalize.mean"] = torch.tensor([0.1, 0.2, 0.3]).view(1, 3, 1, 1)
    state["normalize.std"] = torch.tensor([0.4, 0.5, 0.6]).view(1, 3, 1, 1)
    torch.save(state, tmp_path / "m.pt")
    model = load_model(tmp_path / "m.pt")
    assert model.info.mean == pytest.approx((0.1, 0.2, 0.3))
    assert model.info.normalization_reason == "stored in the checkpoint beside the network"
    with torch.inference_mode():
        shift, scale = torch.tensor([0.1, 0.2, 0.3]), torch.tensor([0.4, 0.5, 0.6])
        expected = network((pixels - shift.view(3, 1, 1)) / scale.view(3, 1, 1))
        torch.testing.assert_close(model(pixels), expected, rtol=1e-5, atol=1e-5)


def test_a_classifiers_own_state_dict_keeps_its_normalisation(tmp_path: Path, pixels: Tensor) -> None:
    classifier = as_classifier(random_network("resnet-8"), normalize="cifar10")
    torch.save(classifier.state_dict(), tmp_path / "m.pt")
    model = load_model(tmp_path / "m.pt")
    assert model.info.normalization == "cifar10"
    with torch.inference_mode():
        assert torch.equal(model(pixels), classifier(pixels))


def test_a_second_network_in_the_file_is_never_left_aside(tmp_path: Path) -> None:
    state = prefixed(random_network("resnet-8").state_dict(), "backbone.")
    torch.save({**state, "head.weight": torch.ones(5, 10), "head.bias": torch.ones(5)}, tmp_path / "m.pt")
    with pytest.raises(CheckpointError, match="no known architecture"):
        load_model(tmp_path / "m.pt")


def test_our_own_checkpoint_gives_identical_logits_and_carries_everything(
    tmp_path: Path, pixels: Tensor
) -> None:
    network = random_network("wrn-10-1", num_classes=5)
    path = tmp_path / "runs" / "best.pt"
    for _ in range(2):
        save_checkpoint(
            path,
            network,
            architecture="wrn-10-1",
            num_classes=5,
            mean=(0.4, 0.5, 0.6),
            std=(0.2, 0.3, 0.4),
            class_names=list("abcde"),
            method="augmix",
            settings={"epochs": 2},
        )
    assert [file.name for file in path.parent.iterdir()] == ["best.pt"]
    model = load_model(path)
    assert (model.info.architecture, model.info.num_classes) == ("wrn-10-1", 5)
    assert (model.info.mean, model.info.std) == ((0.4, 0.5, 0.6), (0.2, 0.3, 0.4))
    assert model.info.normalization_reason == "stored in the checkpoint"
    assert_same(model, network, pixels)
    overruled = load_model(path, normalize="half")
    assert overruled.info.normalization == "half"
    assert overruled.info.notes == ("half normalisation, as asked, instead of the file's own custom",)


def test_a_failed_save_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    network = random_network("resnet-8")
    path = tmp_path / "m.pt"
    path.write_bytes(b"old")
    with pytest.raises(AttributeError):
        save_checkpoint(
            path,
            network,
            architecture="resnet-8",
            num_classes=10,
            mean=(0, 0, 0),
            std=(1, 1, 1),
            settings={"what": lambda: 0},
        )
    assert [file.name for file in tmp_path.iterdir()] == ["m.pt"]
    assert path.read_bytes() == b"old"


def test_loading_leaves_the_global_random_state_alone(tmp_path: Path) -> None:
    torch.save(random_network("resnet-8").state_dict(), tmp_path / "m.pt")
    before = torch.random.get_rng_state()
    load_model(tmp_path / "m.pt")
    assert torch.equal(before, torch.random.get_rng_state())
