"""Bare state dicts of timm's models are recognised by their tensors, and models with equal tensors named."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import timm
import torch

from robustbench_lite.models import load_model
from robustbench_lite.models.timm_index import timm_candidates
from tests.models.conftest import randomise


@pytest.mark.parametrize(
    ("name", "side"), [("mobilenetv3_small_050", 64), ("resnet10t", 64), ("convnext_atto", 64)]
)
def test_a_bare_state_dict_of_timm_is_recognised(name: str, side: int, tmp_path: Path) -> None:
    theirs = randomise(timm.create_model(name, num_classes=11))
    torch.save({"state_dict": {f"module.{k}": v for k, v in theirs.state_dict().items()}}, tmp_path / "m.pt")
    model = load_model(tmp_path / "m.pt")
    equal = [model.info.architecture, *re.findall(r"`arch='(.*?)'`", " ".join(model.info.notes))]
    assert f"timm:{name}" in equal
    images = torch.rand(1, 3, side, side, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        assert torch.equal(load_model(tmp_path / "m.pt", f"timm:{name}").network(images), theirs(images))
        if model.info.architecture == f"timm:{name}":
            assert torch.equal(model.network(images), theirs(images))
    assert model.info.num_classes == 11


def test_few_tensors_cost_no_search() -> None:
    assert timm_candidates({"conv1.weight": (6, 3, 5, 5), "fc.weight": (10, 6)}) == []
