"""The learning rate as a function of the step."""

from __future__ import annotations

import math

from robustbench_lite.training.recipes import TrainingRecipe


def learning_rate(recipe: TrainingRecipe, step: int, steps_per_epoch: int) -> float:
    """Return the learning rate of one update.

    Args:
        recipe: The schedule and the rates.
        step: The number of the update, from 0, over all epochs.
        steps_per_epoch: The number of updates per epoch.

    The warm-up rises from `warmup_lr` to `lr`.

    Source: The cosine of Loshchilov and Hutter 2017 per step; Goyal et al. 2017 for warm-up and steps, with
    the thirds of the AugMix paper's ImageNet script.
    """
    warmup = recipe.warmup_epochs * steps_per_epoch
    if recipe.schedule == "cosine":
        total = recipe.epochs * steps_per_epoch - warmup
        done = max(0, step - warmup) / total
        rate = recipe.min_lr + (recipe.lr - recipe.min_lr) * 0.5 * (1 + math.cos(math.pi * done))
    else:
        epoch, third = step // steps_per_epoch, max(1, recipe.epochs // 3)
        rate = recipe.lr * 0.1 ** min(2, epoch // third)
    if step >= warmup:
        return rate
    start = min(recipe.warmup_lr, rate)
    return start + (rate - start) * (step + 1) / warmup
