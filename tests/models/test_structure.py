"""Networks of public CIFAR collections: restated forward passes, and recognition whatever the names."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from pathlib import Path

import pytest
import safetensors.torch
import torch
from torch import Tensor, nn

from robustbench_lite.errors import CheckpointError
from robustbench_lite.models import load_model
from robustbench_lite.models.structure import align, layers_of
from tests.models.conftest import random_network, randomise
from tests.oracles import networks as oracle

ORACLES: dict[str, Callable[..., Tensor]] = {
    "cifar-mobilenet": oracle.mobilenet,
    "cifar-mobilenet-bias": oracle.mobilenet,
    "cifar-mobilenet-v2": oracle.mobilenet_v2,
    "cifar-efficientnet-b0": oracle.efficientnet_b0,
    "cifar-regnet-x-200mf": functools.partial(oracle.bottlenecks, strides=(1, 1, 2, 2)),
    "cifar-regnet-y-400mf": functools.partial(oracle.bottlenecks, strides=(1, 1, 2, 2)),
    "cifar-resnext-29-2x64d": functools.partial(oracle.bottlenecks, strides=(1, 2, 2)),
    "cifar-senet-18": oracle.senet,
    "cifar-shufflenet-g2": functools.partial(oracle.shufflenet, groups=2),
    "cifar-shufflenet-g3": functools.partial(oracle.shufflenet, groups=3),
    "cifar-shufflenet-v2-0.5x": oracle.shufflenet_v2,
    "cifar-dla": oracle.dla,
    "cifar-simple-dla": oracle.dla,
    "cifar-densenet-121-12": oracle.four_block_densenet,
    "cifar-vgg-11": functools.partial(oracle.vgg, stages=(1, 1, 2, 2, 2)),
    "cifar-vgg-16-bn": functools.partial(oracle.vgg, stages=(2, 2, 3, 3, 3)),
    "cifar-vgg-13-bn-fc512": functools.partial(oracle.vgg, stages=(2, 2, 2, 2, 2)),
}


@pytest.mark.parametrize("name", ORACLES)
def test_the_forward_pass_is_the_restated_one_and_the_file_is_recognised(
    name: str, tmp_path: Path, pixels: Tensor
) -> None:
    network = random_network(name).double()
    torch.save({"net": network.state_dict(), "acc": 90.0}, tmp_path / "ckpt.pth")
    model = load_model(tmp_path / "ckpt.pth")
    assert (model.info.architecture, model.info.normalization) == (name, "cifar10-per-image")
    with torch.inference_mode():
        expected = ORACLES[name](pixels.double(), network.state_dict())
        torch.testing.assert_close(model.network.double()(pixels.double()), expected)


def other_names(key: str) -> str:
    """The same tensors in a spelling that no release has; blocks stay blocks."""
    key = re.sub(r"^(layer|block|stage_?|dense)(\d)", r"part\2_units", key)
    key = re.sub(r"\bconv(\d)\b", r"c\1", key)
    key = re.sub(r"\bbn(\d)\b", r"n\1", key)
    key = re.sub(r"\b(shortcut|downsample|convShortcut)\b", "skip", key)
    return re.sub(r"^(linear|fc|classifier)\b", "scores", key)


RENAMED = [
    "wrn-10-1",
    "wrn-16-2",
    "resnet-8",
    "resnet-14-b",
    "resnet-8-b-stem64-grid2",
    "cifar-resnet-18",
    "cifar-resnet-50",
    "cifar-preact-resnet-18",
    "cifar-preact-resnet-18-bn",
    "densenet-bc-16-4",
    "densenet-10-6",
    "resnext-11-4x32d",
    "cifar-mobilenet-v2",
    "cifar-senet-18",
    "cifar-shufflenet-v2-0.5x",
    "cifar-regnet-x-200mf",
    "cifar-efficientnet-b0",
]


# In these, layers of one shape have names whose order does not follow from numbers.
NEED_ORDER = ("densenet-bc-16-4", "densenet-10-6", "resnext-11-4x32d")


@pytest.mark.parametrize("stored", ["torch", "safetensors"])
@pytest.mark.parametrize("name", RENAMED)
def test_other_names_of_the_same_layers_are_understood_and_noted(
    name: str, stored: str, tmp_path: Path, pixels: Tensor
) -> None:
    network = random_network(name)
    state = {f"module.{other_names(k)}": v for k, v in network.state_dict().items()}
    path = tmp_path / "m"
    if stored == "torch":
        torch.save(state, path)
    else:
        safetensors.torch.save_file(state, path)
    if stored == "safetensors" and name in NEED_ORDER:
        with pytest.raises(CheckpointError, match="no known architecture has the"):
            load_model(path)
        return
    model = load_model(path)
    assert model.info.architecture == name
    assert "the names of the weights are no known release's" in model.info.notes[-1]
    with torch.inference_mode():
        torch.testing.assert_close(model.network(pixels), network(pixels))


@pytest.mark.parametrize(("name", "twin"), [("wrn-10-1", "wrn-10-1-raw"), ("resnet-8", "resnet-8-end")])
def test_a_twin_with_equal_tensors_is_named_and_its_advice_followed(
    name: str, twin: str, tmp_path: Path, pixels: Tensor
) -> None:
    network = random_network(twin)
    torch.save({other_names(k): v for k, v in network.state_dict().items()}, tmp_path / "m.pt")
    (note,) = load_model(tmp_path / "m.pt").info.notes
    (advice,) = re.findall(r"`arch='(.*?)'`", note)
    assert advice == twin
    torch.save(network.state_dict(), tmp_path / "m.pt")
    with torch.inference_mode():
        assert torch.equal(load_model(tmp_path / "m.pt", advice).network(pixels), network(pixels))


class BiasedWide(nn.Module):
    """meliketoy/wide-resnet.pytorch and weiaicunzai/pytorch-cifar100, restated: biases and raw shortcuts."""

    def __init__(self, unrectified: bool) -> None:
        super().__init__()
        self.unrectified = unrectified
        self.add_module("init_conv" if unrectified else "conv1", nn.Conv2d(3, 16, 3, padding=1))
        inputs = 16
        for stage, outputs in enumerate((16, 32, 64), 1):
            parts = nn.Module()
            residual = nn.Sequential(
                nn.BatchNorm2d(inputs),
                nn.ReLU(),
                nn.Conv2d(inputs, outputs, 3, 2 if stage > 1 else 1, padding=1),
                nn.BatchNorm2d(outputs),
                nn.ReLU(),
                nn.Conv2d(outputs, outputs, 3, padding=1),
            )
            parts.add_module("residual", residual)
            parts.add_module("shortcut", nn.Sequential())
            if inputs != outputs:
                parts.shortcut.append(nn.Conv2d(inputs, outputs, 1, 2))
            self.add_module(f"stage{stage}", nn.ModuleList([parts]))
            inputs = outputs
        self.bn = nn.BatchNorm2d(64)
        self.linear = nn.Linear(64, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = next(self.children())(x)
        for stage in (1, 2, 3):
            (parts,) = self.get_submodule(f"stage{stage}")
            x = parts.residual(x) + parts.shortcut(x)
        x = self.bn(x)
        x = x if self.unrectified else x.relu()
        out: Tensor = self.linear(x.mean(dim=(2, 3)))
        return out


@pytest.mark.parametrize("unrectified", [True, False])
def test_wide_resnets_with_biases_compute_as_their_collection_does(
    unrectified: bool, tmp_path: Path, pixels: Tensor
) -> None:
    theirs = randomise(BiasedWide(unrectified))
    torch.save(theirs.state_dict(), tmp_path / "m.pt")
    model = load_model(tmp_path / "m.pt")
    assert model.info.architecture == "wrn-10-1-bias-raw" + "-linear" * unrectified
    assert "equal tensors also fit" in model.info.notes[0]
    with torch.inference_mode():
        torch.testing.assert_close(model.network(pixels), theirs(pixels), rtol=1e-4, atol=1e-4)


def shapes(network: nn.Module) -> dict[str, tuple[int, ...]]:
    return {key: tuple(value.shape) for key, value in network.state_dict().items()}


def test_equal_layers_in_other_blocks_are_another_network() -> None:
    class NarrowShortcut(nn.Module):
        """ResNet-8 whose projections have no norm: all its layers are those of WRN-10-1."""

        def __init__(self) -> None:
            super().__init__()
            self.conv1, self.bn1 = nn.Conv2d(3, 16, 3, padding=1, bias=False), nn.BatchNorm2d(16)
            inputs = 16
            for stage, outputs in enumerate((16, 32, 64), 1):
                block = nn.Module()
                block.conv1 = nn.Conv2d(inputs, outputs, 3, padding=1, bias=False)
                block.bn1 = nn.BatchNorm2d(outputs)
                block.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
                block.bn2 = nn.BatchNorm2d(outputs)
                if inputs != outputs:
                    block.shortcut = nn.Conv2d(inputs, outputs, 1, 2, bias=False)
                self.add_module(f"layer{stage}", nn.Sequential(block))
                inputs = outputs
            self.linear = nn.Linear(64, 10)

    given, wide = layers_of(shapes(NarrowShortcut())), layers_of(shapes(random_network("wrn-10-1")))
    assert sorted(x.signature for x in given.items) == sorted(x.signature for x in wide.items)
    assert align(given, wide) is None


def test_a_sequence_without_blocks_fits_only_in_the_networks_own_order(tmp_path: Path) -> None:
    network = random_network("cifar-vgg-11-bn")
    state = network.state_dict()
    flat = {k.replace("features.", "body_").replace("classifier.", "scores."): v for k, v in state.items()}
    torch.save(flat, tmp_path / "m.pt")
    assert load_model(tmp_path / "m.pt").info.architecture == "cifar-vgg-11-bn"
    numbered = {int(k.split(".")[1]) for k in state if k.startswith("features.")}
    swapped = {max(numbered): max(numbered) - 4, max(numbered) - 4: max(numbered)}
    moved = {}
    for place in sorted(numbered, key=lambda n: swapped.get(n, n)):
        moved |= {k: v for k, v in state.items() if k.startswith(f"features.{place}.")}
    moved |= {k: v for k, v in state.items() if k.startswith("classifier")}
    torch.save({k.replace("features.", "body_"): v for k, v in moved.items()}, tmp_path / "m.pt")
    assert load_model(tmp_path / "m.pt").info.architecture == "cifar-vgg-11-bn"


def test_layers_that_fit_nothing_are_refused(tmp_path: Path) -> None:
    state = random_network("wrn-10-1").state_dict()
    state["extra.weight"] = torch.zeros(64, 64, 3, 3)
    torch.save({other_names(k): v for k, v in state.items()}, tmp_path / "m.pt")
    with pytest.raises(CheckpointError, match="no known architecture has the"):
        load_model(tmp_path / "m.pt")
