"""Which architecture weights belong to: told, or refused with the nearest and the differing names."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
import timm
import torch
import torchvision
from torch import Tensor, nn

from robustbench_lite.errors import CheckpointError, InvalidInput, UnknownName
from robustbench_lite.models import load_model
from robustbench_lite.models.external import (
    TORCHVISION_HEADS,
    build_torchvision,
    torchvision_candidates,
    torchvision_head,
    torchvision_names,
)
from robustbench_lite.models.meta_init import without_weights
from tests.models.conftest import random_network, randomise

SMALL_TORCHVISION = [
    "mobilenet_v3_small",
    "mnasnet0_5",
    "regnet_y_400mf",
    "shufflenet_v2_x0_5",
]


@pytest.mark.parametrize("name", SMALL_TORCHVISION)
def test_torchvision_networks_are_detected_from_their_weights(name: str, tmp_path: Path) -> None:
    theirs = randomise(torchvision.models.get_model(name, num_classes=23))
    torch.save(
        {"arch": name, "state_dict": {f"module.{k}": v for k, v in theirs.state_dict().items()}},
        tmp_path / "m",
    )
    model = load_model(tmp_path / "m")
    assert (model.info.architecture, model.info.num_classes) == (f"torchvision:{name}", 23)
    assert model.info.normalization == "imagenet"
    images = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        assert torch.equal(model.network(images), theirs(images))


def test_auxiliary_heads_and_image_sizes_are_detected() -> None:
    with without_weights():
        bare = torchvision.models.googlenet(num_classes=5, aux_logits=False, init_weights=False)
        sized = torchvision.models.vit_b_32(num_classes=5, image_size=96)
        for name, theirs in (("googlenet", bare), ("vit_b_32", sized)):
            shapes = {key: tuple(value.shape) for key, value in theirs.state_dict().items()}
            assert name in torchvision_candidates(shapes)
            ours = build_torchvision(name, 5, shapes)
            assert {key: tuple(value.shape) for key, value in ours.state_dict().items()} == shapes


def test_torchvisions_older_densenet_names_are_understood(tmp_path: Path) -> None:
    with without_weights():
        names = torchvision.models.densenet121(num_classes=5).state_dict()
    state = {k: torch.zeros(v.shape) for k, v in names.items()}
    old = {k.replace("norm1", "norm.1").replace("norm2", "norm.2"): v for k, v in state.items()}
    old = {k.replace("conv1", "conv.1").replace("conv2", "conv.2"): v for k, v in old.items()}
    torch.save(old, tmp_path / "m.pt")
    assert load_model(tmp_path / "m.pt").info.architecture == "torchvision:densenet121"


@pytest.mark.parametrize("name", torchvision_names())
def test_each_torchvision_classifier_is_a_candidate_for_weights_of_its_shapes(name: str) -> None:
    options = {"init_weights": False} if name in ("googlenet", "inception_v3") else {}
    with without_weights():
        state = torchvision.models.get_model(name, num_classes=7, **options).state_dict()
    candidates = torchvision_candidates({key: tuple(value.shape) for key, value in state.items()})
    assert name in candidates
    assert len(candidates) <= 12
    assert state[torchvision_head(name)].shape[0] == 7


def test_a_larger_last_layer_does_not_hide_a_torchvision_classifier() -> None:
    with without_weights():
        state = torchvision.models.resnet50(num_classes=21_843).state_dict()
    assert "resnet50" in torchvision_candidates({key: tuple(value.shape) for key, value in state.items()})


def test_a_torchvision_model_newer_than_our_table_of_last_layers_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    theirs = torchvision.models.squeezenet1_0(num_classes=9)
    torch.save(theirs.state_dict(), tmp_path / "m.pt")
    monkeypatch.delitem(TORCHVISION_HEADS, "squeezenet")
    torchvision_head.cache_clear()
    assert load_model(tmp_path / "m.pt").info.architecture == "torchvision:squeezenet1_0"
    torchvision_head.cache_clear()


def test_our_own_networks_are_found_without_importing_torchvision_again(tmp_path: Path) -> None:
    torch.save(random_network("wrn-10-1").state_dict(), tmp_path / "m.pt")
    start = time.perf_counter()
    load_model(tmp_path / "m.pt")
    # Milliseconds on an idle machine; the limit only catches a search through all of torchvision.
    assert time.perf_counter() - start < 3


def test_a_stem_whose_max_pool_leaves_no_trace_is_ambiguous(tmp_path: Path) -> None:
    network = torchvision.models.resnet18(num_classes=10)
    network.conv1 = nn.Conv2d(3, 64, 3, padding=1, bias=False)
    torch.save(network.state_dict(), tmp_path / "m.pt")
    with pytest.raises(CheckpointError, match=r"fit several .*cifar-resnet-18, cifar-resnet-18-maxpool"):
        load_model(tmp_path / "m.pt")
    assert load_model(tmp_path / "m.pt", "cifar-resnet-18-maxpool").info.num_classes == 10


def test_a_preactivation_network_notes_its_twin(tmp_path: Path) -> None:
    torch.save(random_network("cifar-preact-resnet-18").state_dict(), tmp_path / "m.pt")
    (note,) = load_model(tmp_path / "m.pt").info.notes
    assert note.startswith("the same weights also fit cifar-preact-resnet-18-raw")
    assert not load_model(tmp_path / "m.pt", "cifar-preact-resnet-18-raw").info.notes


def test_unknown_weights_are_answered_with_the_nearest_architecture_and_what_differs(tmp_path: Path) -> None:
    state = random_network("resnet-20").state_dict()
    del state["bn1.weight"]
    state["extra.bias"] = torch.zeros(3)
    state["layer1.0.conv1.weight"] = torch.zeros(16, 16, 5, 5)
    torch.save(state, tmp_path / "m.pt")
    with pytest.raises(CheckpointError) as caught:
        load_model(tmp_path / "m.pt")
    message = str(caught.value)
    assert (
        "nearest: [resnet-20: 1 missing (bn1.weight); 1 unexpected (extra.bias); 1 of another shape"
        in message
    )
    assert "(layer1.0.conv1.weight (16, 16, 5, 5) instead of (16, 16, 3, 3))" in message
    assert message.index("`arch='FILE.py:BUILDER'`") < message.index("nearest")


def test_a_torchvision_network_with_a_layer_too_many_is_compared_with_torchvision(tmp_path: Path) -> None:
    state = torchvision.models.mobilenet_v3_small().state_dict()
    torch.save({**state, "classifier.4.weight": torch.zeros(10, 1000)}, tmp_path / "m.pt")
    with pytest.raises(CheckpointError, match=r"nearest: \[torchvision:mobilenet_v3_small: 1 unexpected"):
        load_model(tmp_path / "m.pt")


@pytest.mark.parametrize("arch", ["resnet-32", "wrn-40-2", "torchvision:resnet18", "timm:resnet18"])
def test_a_named_architecture_is_loaded_whole_or_not_at_all(arch: str, tmp_path: Path) -> None:
    torch.save(random_network("resnet-20").state_dict(), tmp_path / "m.pt")
    with pytest.raises(CheckpointError, match=rf"are not those of {arch}: \d+ missing \("):
        load_model(tmp_path / "m.pt", arch)


def test_an_unknown_name_is_no_checkpoint_error(tmp_path: Path) -> None:
    torch.save(random_network("resnet-8").state_dict(), tmp_path / "m.pt")
    with pytest.raises(UnknownName, match=r"did you mean .*resnet-56"):
        load_model(tmp_path / "m.pt", "resent-56")


def test_another_number_of_classes_than_expected_is_refused(tmp_path: Path) -> None:
    torch.save(random_network("resnet-8", num_classes=100).state_dict(), tmp_path / "m.pt")
    with pytest.raises(CheckpointError, match="has 100 outputs, expected 10"):
        load_model(tmp_path / "m.pt", num_classes=10)
    assert load_model(tmp_path / "m.pt", num_classes=100).info.num_classes == 100


@pytest.mark.parametrize("hint", ["--arch", "arch entry", "config.json"])
def test_timm_networks_load_by_option_by_a_stored_name_and_by_the_hubs_configuration(
    hint: str, tmp_path: Path
) -> None:
    theirs = randomise(timm.create_model("mobilenetv3_small_050", num_classes=11))
    state = {"state_dict": theirs.state_dict()}
    arch = "timm:mobilenetv3_small_050" if hint == "--arch" else None
    if hint == "arch entry":
        state["arch"] = "mobilenetv3_small_050"
    if hint == "config.json":
        (tmp_path / "config.json").write_text(
            '{"architecture": "mobilenetv3_small_050", '
            '"pretrained_cfg": {"mean": [0.1, 0.2, 0.3], "std": [1, 1, 1]}}'
        )
    torch.save(state, tmp_path / "m.pt")
    model = load_model(tmp_path / "m.pt", arch)
    assert (model.info.architecture, model.info.num_classes) == ("timm:mobilenetv3_small_050", 11)
    assert model.info.mean == ((0.1, 0.2, 0.3) if hint == "config.json" else (0.485, 0.456, 0.406))
    images = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        assert torch.equal(model.network(images), theirs(images))


def test_a_configuration_that_is_no_json_is_ignored(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("not json")
    torch.save({"layer.weight": torch.ones(2, 2)}, tmp_path / "m.pt")
    with pytest.raises(CheckpointError, match="no known architecture has the 1 weights"):
        load_model(tmp_path / "m.pt")


class Filled(nn.Module):
    """A network with a buffer that is in no file and that its constructor fills in place."""

    def __init__(self, num_classes: int) -> None:
        super().__init__()
        self.register_buffer("scale", torch.empty(1).fill_(3.0), persistent=False)
        self.fc = nn.Linear(3, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.fc(x.mean(dim=(2, 3))) * self.scale
        return out


def test_buffers_that_no_file_holds_are_built_for_real(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    network = Filled(1000)
    torch.save(network.state_dict(), tmp_path / "m.pt")
    monkeypatch.setattr(
        "robustbench_lite.models.external.build_timm", lambda name, num_classes: Filled(num_classes)
    )
    images = torch.rand(2, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        assert torch.equal(load_model(tmp_path / "m.pt", "timm:filled").network(images), network(images))


def test_weights_and_architecture_by_name_exclude_another_architecture() -> None:
    with pytest.raises(InvalidInput, match="names both weights and architecture"):
        load_model("torchvision:resnet18", "resnet-20")
