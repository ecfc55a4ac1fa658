"""Learning rates against torch's own schedulers and the published scripts' formulas."""

from __future__ import annotations

import pytest
import torch

from robustbench_lite.training.recipes import paper_recipe
from robustbench_lite.training.schedule import learning_rate

STEPS = 7


def test_the_cosine_is_torchs_annealing_per_step() -> None:
    recipe = paper_recipe("cifar", "wrn-40-2", "augmix", {"epochs": 5})
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=recipe.lr)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 5 * STEPS, eta_min=1e-6)
    for step in range(5 * STEPS):
        assert learning_rate(recipe, step, STEPS) == pytest.approx(optimizer.param_groups[0]["lr"], rel=1e-9)
        optimizer.step()
        scheduler.step()


def test_imagenets_rate_falls_tenfold_after_each_third() -> None:
    recipe = paper_recipe("imagenet", "resnet50", "augmix")
    rates = [learning_rate(recipe, epoch * STEPS, STEPS) for epoch in range(180)]
    assert rates[5:60] == [pytest.approx(0.1)] * 55
    assert rates[60:120] == [pytest.approx(0.01)] * 60
    assert rates[120:] == [pytest.approx(0.001)] * 60


def test_a_number_of_epochs_that_three_does_not_divide_ends_at_a_hundredth() -> None:
    recipe = paper_recipe("imagenet", "resnet50", "standard", {"epochs": 91, "warmup_epochs": 0})
    assert learning_rate(recipe, 90 * STEPS, STEPS) == pytest.approx(0.001)


def test_warm_up_rises_linearly_to_the_full_rate() -> None:
    steps = 5 * STEPS
    recipe = paper_recipe("cifar", "wrn-40-2", "standard", {"warmup_epochs": 5, "schedule": "thirds"})
    rates = [learning_rate(recipe, step, STEPS) for step in range(steps)]
    assert rates == [pytest.approx(0.1 * (step + 1) / steps) for step in range(steps)]


def test_imagenets_warm_up_rises_from_a_tenth_to_the_rate_of_the_batch() -> None:
    steps = 5 * STEPS
    large = paper_recipe("imagenet", "resnet50", "standard", {"batch_size": 8192})
    rates = [learning_rate(large, step, STEPS) for step in range(steps)]
    assert rates == [pytest.approx(0.1 + 3.1 * (step + 1) / steps) for step in range(steps)]
    usual = paper_recipe("imagenet", "resnet50", "standard")
    assert [learning_rate(usual, step, STEPS) for step in range(steps)] == [pytest.approx(0.1)] * steps


def test_a_cosine_after_warm_up_starts_at_the_full_rate_and_ends_at_the_lowest() -> None:
    recipe = paper_recipe("cifar", "wrn-40-2", "augmix", {"epochs": 10, "warmup_epochs": 2})
    assert learning_rate(recipe, 2 * STEPS, STEPS) == pytest.approx(0.1)
    assert learning_rate(recipe, 10 * STEPS - 1, STEPS) < 1e-3
