"""What each method shows the network."""

from __future__ import annotations

import importlib
import warnings
from dataclasses import replace
from types import ModuleType
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from robustbench_lite.errors import InvalidInput, UnknownName
from robustbench_lite.training.adversarial import ascend, attack
from robustbench_lite.training.methods import METHODS, Batch, consistency, method_of
from robustbench_lite.training.recipes import TrainingRecipe
from robustbench_lite.training.seeds import generator

RECIPE = TrainingRecipe(cutout_size=4, patch_size=4, patch_strength=0.3, attack_steps=2)


@pytest.fixture(scope="module")
def foolbox() -> ModuleType:
    with warnings.catch_warnings():
        # Its last release reads a SciPy namespace that is on its way out.
        warnings.simplefilter("ignore", DeprecationWarning)
        return importlib.import_module("foolbox")


def linear_model(images: torch.Tensor) -> torch.Tensor:
    weights = torch.linspace(-1, 1, 3 * 3 * 8 * 8).view(3, -1)
    return images.flatten(1) @ weights.T


def batch(seed: int = 0) -> Batch:
    images = torch.randint(0, 256, (6, 3, 8, 8), dtype=torch.uint8, generator=generator(1))
    return Batch(images, torch.tensor([0, 1, 2, 0, 1, 2]), 3, linear_model, generator(seed))


@pytest.mark.parametrize("name", METHODS)
def test_views_are_floats_in_0_1_and_repeat_with_the_generator(name: str) -> None:
    method = METHODS[name]
    images, targets = method.views(batch(), RECIPE)
    again, _ = method.views(batch(), RECIPE)
    assert images.dtype == torch.float32
    assert 0 <= float(images.min()) <= float(images.max()) <= 1
    assert images.shape == ((3 if method.loss is consistency else 1) * 6, 3, 8, 8)
    assert len(targets) == 6
    assert torch.equal(images, again)


@pytest.mark.parametrize("name", [name for name in METHODS if name != "standard"])
def test_other_draws_give_other_views(name: str) -> None:
    views = [METHODS[name].views(batch(seed), RECIPE)[0] for seed in range(4)]
    assert any(not torch.equal(views[0], other) for other in views[1:])


CHAINED = {"severity": 1.0, "depth": 1, "all_ops": True}
MIXED = CHAINED | {"width": 2, "alpha": 0.3}
REACHED: dict[str, dict[str, Any]] = {
    "cutout": {"cutout_size": 2},
    "mixup": {"mixup_alpha": 0.2},
    "cutmix": {"cutmix_alpha": 0.2, "cutmix_probability": 0.0},
    "autoaugment": {"policy": "imagenet"},
    "adversarial": {"attack_radius": 0.01, "attack_step": 0.001, "attack_steps": 5},
    "random-autoaugment": CHAINED,
    "random-autoaugment-jsd": CHAINED,
    "augmix-no-jsd": MIXED,
    "augmix": MIXED,
    "patch-uniform": {"patch_size": 2, "patch_strength": 0.1},
}


@pytest.mark.parametrize(
    ("name", "field"), [(name, field) for name, used in REACHED.items() for field in used]
)
def test_the_recipes_fields_reach_the_method(name: str, field: str) -> None:
    before = replace(RECIPE, cutmix_probability=1.0, attack_step=0.02)
    after = replace(before, **{field: REACHED[name][field]})
    views = [METHODS[name].views(batch(), recipe)[0] for recipe in (before, after)]
    assert not torch.equal(*views)


@pytest.mark.parametrize("name", ["augmix", "random-autoaugment-jsd"])
def test_consistency_methods_show_the_clean_images_first_then_two_different_views(name: str) -> None:
    clean, first, second = METHODS[name].views(batch(), RECIPE)[0].chunk(3)
    assert torch.equal(clean, batch().images.float() / 255)
    assert not torch.equal(first, clean)
    assert not torch.equal(first, second)


def test_the_consistency_loss_is_cross_entropy_of_the_clean_third_plus_weighted_divergence() -> None:
    logits, labels = torch.randn((12, 3), generator=generator(2)), torch.tensor([0, 1, 2, 0])
    clean, first, second = (part.softmax(1) for part in logits.chunk(3))
    mixture = (clean + first + second) / 3
    divergence = (
        sum(F.kl_div(mixture.log(), part, reduction="batchmean") for part in (clean, first, second)) / 3
    )
    expected = F.cross_entropy(logits[:4], labels) + 12 * divergence
    torch.testing.assert_close(METHODS["augmix"].loss(logits, labels, RECIPE), expected)


def test_mixing_methods_give_probabilities_as_targets() -> None:
    for name in ("mixup", "cutmix"):
        _, targets = METHODS[name].views(batch(), TrainingRecipe(cutmix_probability=1.0))
        torch.testing.assert_close(targets.sum(1), torch.ones(6))
        assert (targets.max(1).values < 1).any()


def test_the_loss_with_probabilities_is_the_mean_over_the_two_labels() -> None:
    logits = torch.randn((4, 3), generator=generator(2))
    one, two = torch.tensor([0, 1, 2, 0]), torch.tensor([1, 1, 0, 2])
    targets = 0.3 * F.one_hot(one, 3) + 0.7 * F.one_hot(two, 3)
    expected = 0.3 * F.cross_entropy(logits, one) + 0.7 * F.cross_entropy(logits, two)
    torch.testing.assert_close(METHODS["mixup"].loss(logits, targets, RECIPE), expected)


def test_pgd_takes_the_steps_of_foolbox(foolbox: ModuleType) -> None:
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Tanh(), nn.Flatten(), nn.Linear(144, 3)).eval()
    for number, parameter in enumerate(network.parameters()):
        parameter.data = torch.randn(parameter.shape, generator=generator(number)) / 3
    images = torch.rand((5, 3, 8, 8), generator=generator(9))
    labels = torch.tensor([0, 1, 2, 1, 0])
    ours = ascend(network, images, images, labels, radius=0.03, step=0.01, steps=7)
    assert all(parameter.grad is None for parameter in network.parameters())
    theirs = foolbox.attacks.LinfPGD(abs_stepsize=0.01, steps=7, random_start=False)
    model = foolbox.PyTorchModel(network, bounds=(0, 1), device="cpu")
    expected = theirs.run(model, images, foolbox.criteria.Misclassification(labels), epsilon=0.03)
    torch.testing.assert_close(ours, expected, rtol=0, atol=1e-6)


def test_the_attack_stays_in_the_ball_and_raises_the_loss() -> None:
    images, labels = batch().images.float() / 255, batch().labels
    found = attack(linear_model, images, labels, radius=0.1, step=0.05, steps=4, draws=generator(3))
    assert float((found - images).abs().max()) <= 0.1 + 1e-6
    assert 0 <= float(found.min()) <= float(found.max()) <= 1
    assert F.cross_entropy(linear_model(found), labels) > F.cross_entropy(linear_model(images), labels)


def test_an_unknown_method_is_refused_with_the_nearest() -> None:
    with pytest.raises(UnknownName, match="unknown training method 'augmx'; did you mean augmix"):
        method_of("augmx", TrainingRecipe())


def test_patch_uniform_asks_for_what_the_paper_does_not_print() -> None:
    with pytest.raises(InvalidInput, match="patch-uniform needs patch_size: the paper tuned patch_size and"):
        method_of("patch-uniform", TrainingRecipe())
    with pytest.raises(InvalidInput, match="patch-uniform needs patch_strength"):
        method_of("patch-uniform", TrainingRecipe(patch_size=8))


def test_every_field_that_reaches_a_method_is_one_of_its_own() -> None:
    for name, method in METHODS.items():
        own = {*REACHED.get(name, {}), *(["jsd_weight"] if method.loss is consistency else [])}
        assert set(method.uses) == own, name


def test_a_field_of_another_method_is_refused_with_those_that_use_it() -> None:
    with pytest.raises(InvalidInput, match=r"standard does not use severity, which goes with random-autoaug"):
        method_of("standard", TrainingRecipe(severity=5.0), {"severity": 5.0})
    with pytest.raises(InvalidInput, match=r"augmix-no-jsd does not use jsd_weight, which goes with"):
        method_of("augmix-no-jsd", TrainingRecipe(), ["epochs", "jsd_weight"])
    assert method_of("augmix", TrainingRecipe(), ["epochs", "jsd_weight"]) is METHODS["augmix"]
