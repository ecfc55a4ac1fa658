"""Pretrained networks by name, without the network: what is asked for, what is said when it can't be had."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.error import URLError

import pytest
import timm
import torch
import torchvision

from robustbench_lite.errors import CheckpointError, UnknownName
from robustbench_lite.models import external, load_model
from tests.models.conftest import randomise

FETCH = "torchvision.models._api.load_state_dict_from_url"


def test_torchvisions_weights_are_those_of_the_published_tables(monkeypatch: pytest.MonkeyPatch) -> None:
    state = torchvision.models.resnet18().state_dict()
    asked: list[tuple[str, Any]] = []

    def fetch(url: str, **options: Any) -> dict[str, torch.Tensor]:
        asked.append((url, options["check_hash"]))
        return state

    monkeypatch.setattr(FETCH, fetch)
    info = load_model("torchvision:resnet18").info
    assert asked == [(torchvision.models.ResNet18_Weights.IMAGENET1K_V1.url, True)]
    assert (info.architecture, info.num_classes) == ("torchvision:resnet18", 1000)
    assert info.notes == ("weights IMAGENET1K_V1",)
    assert (info.normalization, info.normalization_reason) == (
        "imagenet",
        "what torchvision states for IMAGENET1K_V1",
    )


def test_another_release_is_named_after_an_at_sign(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def fetch(url: str, **options: Any) -> dict[str, torch.Tensor]:
        asked.append(url)
        raise URLError("no network")

    monkeypatch.setattr(FETCH, fetch)
    with pytest.raises(
        CheckpointError, match=r"resnet50@IMAGENET1K_V2 can't be fetched from https.*no network.*path"
    ):
        load_model("torchvision:resnet50@IMAGENET1K_V2")
    assert asked == [torchvision.models.ResNet50_Weights.IMAGENET1K_V2.url]


def test_unknown_names_and_releases_are_answered_with_the_nearest() -> None:
    with pytest.raises(UnknownName, match="unknown release of resnet18 'V9'; known: DEFAULT, IMAGENET1K_V1"):
        load_model("torchvision:resnet18@V9")
    with pytest.raises(UnknownName, match="unknown torchvision model 'resnet51'"):
        load_model("torchvision:resnet51")
    with pytest.raises(UnknownName, match="unknown timm model 'resnet51'"):
        load_model("timm:resnet51")


def test_timms_weights_that_cant_be_had_say_how_else(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(name: str, **options: Any) -> None:
        raise OSError("offline")

    monkeypatch.setattr(timm, "create_model", fail)
    with pytest.raises(
        CheckpointError, match=r"timm:resnet18 can't be fetched \(OSError\).*architecture timm:resnet18"
    ):
        load_model("timm:resnet18")


def test_timms_normalisation_comes_from_its_configuration(monkeypatch: pytest.MonkeyPatch) -> None:
    create = timm.create_model
    monkeypatch.setattr(timm, "create_model", lambda name, pretrained: create(name, pretrained=False))
    info = load_model("timm:tf_efficientnet_lite0").info
    assert (info.normalization, info.num_classes) == ("half", 1000)
    assert info.normalization_reason == "what timm states for tf_efficientnet_lite0"


@pytest.mark.parametrize("name", ["googlenet", "inception_v3"])
def test_networks_that_convert_their_input_give_torchvisions_own_logits(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    theirs = randomise(torchvision.models.get_model(name, init_weights=False, transform_input=True))
    torch.save(theirs.state_dict(), tmp_path / "m.pth")
    (release,) = torchvision.models.get_model_weights(name)
    monkeypatch.setattr(type(release), "get_state_dict", lambda self, **options: theirs.state_dict())
    images = torch.rand(1, 3, 96, 96, generator=torch.Generator().manual_seed(0))
    mean, std = (torch.tensor(v).view(1, 3, 1, 1) for v in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))
    with torch.inference_mode():
        expected = theirs((images - mean) / std)
        for source in (f"torchvision:{name}", tmp_path / "m.pth"):
            model = load_model(source)
            assert torch.equal(model(images), expected)
    assert any("transform_input" in note for note in model.info.notes)


def test_the_statistics_and_the_size_of_weights_are_torchvisions(monkeypatch: pytest.MonkeyPatch) -> None:
    assert external.stated_normalization("efficientnet_v2_l").name == "half"
    assert external.stated_normalization("resnet50").name == "imagenet"
    weights = torchvision.models.ResNet50_Weights
    theirs = torchvision.models.resnet50()
    monkeypatch.setattr(weights, "get_state_dict", lambda self, **options: theirs.state_dict())
    second = load_model("torchvision:resnet50@IMAGENET1K_V2").info.notes
    assert second[0] == "weights IMAGENET1K_V2"
    assert second[1].startswith("torchvision states for these weights: resize to 232 (bilinear), crop 224")
    assert load_model("torchvision:resnet50").info.notes == ("weights IMAGENET1K_V1",)
