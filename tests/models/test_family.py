"""A user's own architecture: one record, and the package builds, recognises, evaluates and trains it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from robustbench_lite.errors import InvalidInput
from robustbench_lite.models import FAMILIES, Family, architecture_names, build, load_model
from robustbench_lite.plugins import register
from robustbench_lite.training.initialise import fresh_network


@pytest.fixture(autouse=True)
def _families_as_before() -> Iterator[None]:
    kept = dict(FAMILIES)
    yield
    FAMILIES.clear()
    FAMILIES.update(kept)


class Pooled(nn.Module):
    def __init__(self, num_classes: int, side: int = 8) -> None:
        super().__init__()
        self.pool = nn.AdaptiveAvgPool2d(side)
        self.scores = nn.Linear(3 * side * side, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.scores(self.pool(x).flatten(1))
        return out


def test_a_family_of_one_network_needs_its_class_alone(tmp_path: Path) -> None:
    register("pooled_linear", Family(Pooled))
    network = build("Pooled-Linear", 12)
    torch.save(network.state_dict(), tmp_path / "m.pt")
    model = load_model(tmp_path / "m.pt")
    assert (model.info.architecture, model.info.num_classes) == ("pooled_linear", 12)
    assert model.info.normalization == "none"
    images = torch.rand(2, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    assert torch.equal(model(images), network(images))
    assert "pooled_linear" in architecture_names()
    assert isinstance(fresh_network("pooled_linear", 3, seed=0), Pooled)


def test_a_family_of_sizes_is_recognised_by_its_presets_and_others_by_name(tmp_path: Path) -> None:
    sizes = {f"pooled-{side}": {"side": side} for side in (4, 8)}
    register("pooled", Family(Pooled, sizes, r"pooled-(?P<side>\d+)", normalization="0.4,0.2"))
    torch.save(build("pooled-4", 5).state_dict(), tmp_path / "4.pt")
    torch.save(build("pooled-6", 5).state_dict(), tmp_path / "6.pt")
    model = load_model(tmp_path / "4.pt")
    assert (model.info.architecture, model.info.mean, model.info.std) == ("pooled-4", (0.4,) * 3, (0.2,) * 3)
    assert load_model(tmp_path / "6.pt", "pooled-6").info.num_classes == 5


class Headless(nn.Module):
    def __init__(self, num_classes: int) -> None:
        super().__init__()
        self.scores = nn.Linear(3, 10)


def failing(num_classes: int) -> nn.Module:
    raise ValueError("no weights today")


@pytest.mark.parametrize(
    ("name", "family", "message"),
    [
        ("wrn-40-2", Family(Pooled), r"already an architecture named 'wrn-40-2'"),
        ("resnet50", Family(Pooled), r"already an architecture named 'resnet50'"),
        ("own", Family(Headless), "has no layer '' with one row a class"),
        ("own", Family(Pooled, head="pool"), "has no layer 'pool' with one row a class"),
        ("own", Family(failing), "builder of the architecture 'own' fails .* ValueError: no weights today"),
        ("own", Family(Pooled, normalization="halves"), "normalization 'halves' is neither"),
    ],
)
def test_a_family_that_can_not_work_is_refused(name: str, family: Family, message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        register(name, family)
    assert FAMILIES.get(name) is not family
