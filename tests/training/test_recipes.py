"""The recipes are the paper's."""

from __future__ import annotations

import typing

import pytest

from robustbench_lite.errors import InvalidInput, UnknownName
from robustbench_lite.models.registry import build, own_family
from robustbench_lite.training.methods import METHODS
from robustbench_lite.training.recipes import (
    ARCHITECTURE_NAMES,
    Family,
    TrainingRecipe,
    architecture_name,
    paper_recipe,
)
from robustbench_lite.training.settings import TrainingSettings


@pytest.mark.parametrize(
    ("architecture", "method", "epochs", "weight_decay"),
    [
        ("wrn-40-2", "augmix", 100, 5e-4),
        ("allconv", "standard", 100, 5e-4),
        ("resnext-29-4x32d", "cutout", 200, 5e-4),
        ("densenet-bc-100-12", "augmix", 200, 5e-4),
        ("densenet-40-12", "augmix", 200, 1e-4),
        ("wrn-40-2", "mixup", 100, 1e-4),
        ("wrn-40-2", "cutmix", 100, 5e-4),
    ],
)
def test_cifar_recipes_differ_by_architecture_and_method_as_printed(
    architecture: str, method: str, epochs: int, weight_decay: float
) -> None:
    recipe = paper_recipe("cifar", architecture, method)
    assert (recipe.epochs, recipe.weight_decay) == (epochs, weight_decay)
    assert (recipe.lr, recipe.min_lr, recipe.schedule, recipe.warmup_epochs) == (0.1, 1e-6, "cosine", 0)
    assert (recipe.momentum, recipe.nesterov, recipe.batch_size) == (0.9, True, 128)
    assert (recipe.padding, recipe.flip, recipe.normalization) == (4, True, "half")


def test_augmix_settings_are_those_of_the_paper() -> None:
    recipe = TrainingRecipe()
    assert (recipe.severity, recipe.width, recipe.depth, recipe.alpha) == (3, 3, None, 1)
    assert (recipe.jsd_weight, recipe.all_ops) == (12, False)
    assert (recipe.cutout_size, recipe.mixup_alpha, recipe.attack_radius) == (16, 1, 8 / 255)


def test_imagenet_follows_goyal_with_the_learning_rate_in_proportion_to_the_batch() -> None:
    recipe = paper_recipe("imagenet", "resnet50", "augmix")
    assert (recipe.epochs, recipe.batch_size, recipe.lr, recipe.weight_decay) == (180, 256, 0.1, 1e-4)
    assert (recipe.schedule, recipe.warmup_epochs, recipe.severity) == ("thirds", 5, 1)
    assert (recipe.normalization, recipe.policy) == ("imagenet", "imagenet")
    assert paper_recipe("imagenet", "resnet50", "augmix", {"batch_size": 1024}).lr == pytest.approx(0.4)
    assert paper_recipe("imagenet", "resnet50", "augmix", {"batch_size": 1024, "lr": 0.2}).lr == 0.2


def test_every_field_can_be_changed() -> None:
    changes = {"epochs": 7, "lr": 0.5, "depth": 2, "jsd_weight": 3.0}
    recipe = paper_recipe("cifar", "wrn-40-2", "augmix", changes)
    assert {name: getattr(recipe, name) for name in changes} == changes


@pytest.mark.parametrize(
    ("name", "family", "expected"),
    [
        (None, "cifar", "wrn-40-2"),
        (None, "imagenet", "resnet50"),
        ("densenet", "cifar", "densenet-bc-100-12"),
        ("resnext29", "cifar", "resnext-29-4x32d"),
        ("wrn40-2", "cifar", "wrn-40-2"),
    ],
)
def test_the_papers_short_names_mean_its_networks(name: str | None, family: Family, expected: str) -> None:
    assert architecture_name(name, family) == expected


def test_the_short_names_lead_to_networks_of_the_zoo() -> None:
    assert all(own_family(name) is not None for name in ARCHITECTURE_NAMES.values())


def test_all_rows_of_the_papers_tables_have_a_method() -> None:
    rows = "standard cutout mixup cutmix autoaugment adversarial random-autoaugment random-autoaugment-jsd"
    assert set(METHODS) == {*rows.split(), "augmix-no-jsd", "augmix", "patch-uniform"}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"epochs": 0}, "`epochs=0` must lie between 1 and 100000"),
        ({"lr": float("nan")}, "`lr=nan` must lie between 0 and 10000"),
        ({"severity": 11.0}, "`severity=11.0` must lie between 0.1 and 10"),
        ({"depth": 0}, "`depth=0` must lie between 1 and 100"),
        ({"lr": 1e-7}, "`min_lr=1e-06` is above `lr=1e-07`"),
        ({"epochs": 3, "warmup_epochs": 3}, "`warmup_epochs=3` leaves none of 3 epochs"),
        (
            {"momentum": 0.0},
            r"Nesterov's momentum needs momentum above 0; leave it out too",
        ),
        ({"epochs": 1.5}, r"`epochs=1\.5` must be a whole number"),
        ({"epochs": "3"}, "`epochs='3'` must be a whole number"),
        ({"lr": "high"}, "`lr='high'` must be a number"),
        ({"batch_size": True}, "`batch_size=True` must be a whole number"),
    ],
)
def test_values_out_of_range_are_refused(changes: dict[str, object], message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        paper_recipe("cifar", "wrn-40-2", "augmix", changes)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"schedule": "cosin"}, "unknown schedule 'cosin'; did you mean cosine"),
        ({"normalization": "imagnet"}, "unknown normalization 'imagnet'; did you mean imagenet"),
        ({"policy": "svhn"}, "unknown AutoAugment policy 'svhn'; known: cifar, imagenet"),
        ({"epoch": 3}, "unknown recipe field 'epoch'; did you mean epochs"),
    ],
)
def test_unknown_names_are_refused_with_the_nearest(changes: dict[str, object], message: str) -> None:
    with pytest.raises(UnknownName, match=message):
        paper_recipe("cifar", "wrn-40-2", "augmix", changes)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"amp": "fp8"}, "unknown amp type 'fp8'"),
        ({"seed": -1}, "`seed=-1` must not be negative"),
        ({"clip_grad": 0.0}, "`clip_grad=0.0` must be positive"),
        ({"ema": 1.0}, "`ema=1.0` must be a decay between 0 and 1"),
        ({"save_minutes": -1.0}, "`save_minutes=-1.0` must not be negative"),
    ],
)
def test_settings_out_of_range_are_refused(options: dict[str, typing.Any], message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        TrainingSettings(**options)


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("resnext29", 6_807_882),
        ("densenet", 769_162),
        ("densenet-40-12", 1_059_298),
        ("wrn40-2", 2_243_546),
    ],
)
def test_the_networks_have_the_published_numbers_of_parameters(name: str, parameters: int) -> None:
    network = build(architecture_name(name, "cifar"), 10)
    assert sum(parameter.numel() for parameter in network.parameters()) == parameters


@pytest.mark.parametrize(
    ("method", "epochs"),
    [("augmix", 180), ("augmix-no-jsd", 180), ("autoaugment", 180), ("standard", 90), ("mixup", 90)],
)
def test_imagenet_trains_twice_as_long_with_automatic_augmentation(method: str, epochs: int) -> None:
    assert paper_recipe("imagenet", "resnet50", method).epochs == epochs
