"""Which mean and deviation a model gets, and why."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from robustbench_lite.errors import InvalidInput
from robustbench_lite.models import load_model
from robustbench_lite.models.normalize import (
    NORMALIZATIONS,
    cifar_statistics,
    custom_normalization,
    parse_normalization,
    suite_normalization,
)
from tests.models.conftest import random_network

DEFAULTS = [
    ("wrn-10-1", 10, None, "half"),
    ("wrn-10-1", 100, "cifar100-c", "half"),
    ("allconv", 10, None, "half"),
    ("resnext-11-4x32d", 10, None, "half"),
    ("densenet-10-6", 10, None, "half"),
    ("resnet-8", 10, "cifar10-c", "imagenet"),
    ("resnet-14-b", 10, "cifar10-c", "cifar10-per-image"),
    ("resnet-14-b", 100, None, "cifar100"),
    ("efficientnet-lite0", 10, "imagenet-c", "half"),
]


@pytest.mark.parametrize(("name", "classes", "suite", "expected"), DEFAULTS)
def test_the_default_is_how_the_public_checkpoints_were_trained(
    name: str, classes: int, suite: str | None, expected: str, tmp_path: Path
) -> None:
    torch.save(random_network(name, classes).state_dict(), tmp_path / "m.pt")
    info = load_model(tmp_path / "m.pt", suite=suite).info
    assert info.normalization == expected
    assert (info.mean, info.std) == NORMALIZATIONS[expected]
    assert info.normalization_reason


@pytest.mark.parametrize(
    ("suite", "classes", "expected"),
    [
        ("cifar10-c", None, "half"),
        ("cifar100-p", 100, "half"),
        ("imagenet-c", None, "imagenet"),
        ("tiny-imagenet-c", 200, "imagenet"),
        (None, 1000, "imagenet"),
        (None, 10, "half"),
        (None, None, "none"),
    ],
)
def test_a_network_of_unknown_origin_gets_its_suites_usual_statistics(
    suite: str | None, classes: int | None, expected: str
) -> None:
    assert suite_normalization(suite, classes).name == expected


@pytest.mark.parametrize(
    ("classes", "name"), [(10, "cifar10-per-image"), (100, "cifar100"), (200, "imagenet")]
)
def test_kuanglius_statistics_follow_the_classes(classes: int, name: str) -> None:
    assert cifar_statistics(classes, None).name == name


def test_names_pairs_and_six_numbers_are_read() -> None:
    assert parse_normalization("half").mean == (0.5, 0.5, 0.5)
    pair = parse_normalization("0.4, 0.25")
    assert (pair.name, pair.mean, pair.std) == ("custom", (0.4, 0.4, 0.4), (0.25, 0.25, 0.25))
    six = parse_normalization("0.4914,0.4822,0.4465,0.2470,0.2435,0.2616")
    assert six.name == "cifar10"
    assert parse_normalization("0.5,0.5").name == "half"


@pytest.mark.parametrize("text", ["cifar", "0.5", "0.5,0.5,0.5", "a,b", ""])
def test_anything_else_is_refused_with_the_choices(text: str) -> None:
    with pytest.raises(InvalidInput, match=r"neither imagenet\|cifar10\|.* nor MEAN,STD nor six numbers"):
        parse_normalization(text)


def test_a_pair_of_sequences_is_refused_with_the_text_to_write() -> None:
    with pytest.raises(InvalidInput, match=r"`normalize` is text, a name or .*MEAN,STD.*, got \(\(0\.5"):
        parse_normalization(((0.5,) * 3, (0.5,) * 3))  # type: ignore[arg-type]


def test_numbers_on_the_scale_of_255_are_refused() -> None:
    with pytest.raises(InvalidInput, match="on the scale of 0 to 255 they are `normalize='0"):
        parse_normalization("127.5,127.5")
    with pytest.raises(InvalidInput, match="deviations above 0"):
        custom_normalization((0.5, 0.5, 0.5), (0.5, 0.0, 0.5), "test")
