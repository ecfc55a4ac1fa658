"""The training methods that the AugMix paper compares: the inputs of the network and the loss of each."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any, Final, cast

import torch
from torch import Generator, Tensor
from torch.nn import functional as F

from robustbench_lite import augmix
from robustbench_lite.errors import InvalidInput, UnknownName
from robustbench_lite.training.adversarial import attack
from robustbench_lite.training.recipes import TrainingRecipe

Model = Callable[[Tensor], Tensor]
Shown = tuple[Tensor, Tensor]


@dataclass(frozen=True)
class Batch:
    """The input of a method.

    Attributes:
        images: uint8 (N, 3, H, W), after the random crop and mirror.
        labels: int64 (N,).
        classes: The number of classes.
        model: The function from images in [0, 1] to logits, in evaluation mode, for methods that need the
            network.
        draws: The source of all randomness.
    """

    images: Tensor
    labels: Tensor
    classes: int
    model: Model
    draws: Generator


def cross_entropy(logits: Tensor, targets: Tensor, recipe: TrainingRecipe) -> Tensor:
    """Mean cross-entropy with labels (N,) or with probabilities (N, K), in single precision."""
    return F.cross_entropy(logits.float(), targets)


def consistency(logits: Tensor, targets: Tensor, recipe: TrainingRecipe) -> Tensor:
    """Cross-entropy of the clean third of the logits plus the weighted Jensen-Shannon loss of the three."""
    return augmix.augmix_loss(logits, targets, recipe.jsd_weight)


@dataclass(frozen=True)
class Method:
    """One row of the paper's tables.

    Attributes:
        views: Images in [0, 1], float (V * N, 3, H, W), and targets: labels (N,), or probabilities (N, K).
            The first N images belong to the targets; further views share the network's batch with them.
        loss: The loss of all logits and the targets.
        uses: The fields of the recipe that this method uses, in addition to the common fields.
        needs: The fields among them that the user must set.
    """

    views: Callable[[Batch, TrainingRecipe], Shown]
    loss: Callable[[Tensor, Tensor, TrainingRecipe], Tensor] = cross_entropy
    uses: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()


def _unit(images: Tensor) -> Tensor:
    return images.float().div_(255)


def _standard(batch: Batch, recipe: TrainingRecipe) -> Shown:
    return _unit(batch.images), batch.labels


def _cutout(batch: Batch, recipe: TrainingRecipe) -> Shown:
    return augmix.cutout(_unit(batch.images), recipe.cutout_size, generator=batch.draws), batch.labels


def _mixup(batch: Batch, recipe: TrainingRecipe) -> Shown:
    images = _unit(batch.images)
    return augmix.mixup(images, batch.labels, batch.classes, recipe.mixup_alpha, generator=batch.draws)


def _cutmix(batch: Batch, recipe: TrainingRecipe) -> Shown:
    return augmix.cutmix(
        _unit(batch.images),
        batch.labels,
        batch.classes,
        recipe.cutmix_alpha,
        recipe.cutmix_probability,
        generator=batch.draws,
    )


def _autoaugment(batch: Batch, recipe: TrainingRecipe) -> Shown:
    return _unit(augmix.autoaugment(batch.images, recipe.policy, generator=batch.draws)), batch.labels


def _random_view(batch: Batch, recipe: TrainingRecipe) -> Tensor:
    augmented = augmix.random_autoaugment(
        batch.images,
        severity=recipe.severity,
        depth=recipe.depth,
        all_ops=recipe.all_ops,
        generator=batch.draws,
    )
    return _unit(augmented)


def _random_autoaugment(batch: Batch, recipe: TrainingRecipe) -> Shown:
    return _random_view(batch, recipe), batch.labels


def _random_autoaugment_jsd(batch: Batch, recipe: TrainingRecipe) -> Shown:
    views = [_unit(batch.images), _random_view(batch, recipe), _random_view(batch, recipe)]
    return torch.cat(views), batch.labels


def _adversarial(batch: Batch, recipe: TrainingRecipe) -> Shown:
    images = attack(
        batch.model,
        _unit(batch.images),
        batch.labels,
        radius=recipe.attack_radius,
        step=recipe.attack_step,
        steps=recipe.attack_steps,
        draws=batch.draws,
    )
    return images, batch.labels


def _augmix_settings(recipe: TrainingRecipe) -> dict[str, Any]:
    return {name: getattr(recipe, name) for name in ("severity", "width", "depth", "alpha", "all_ops")}


def _augmix_no_jsd(batch: Batch, recipe: TrainingRecipe) -> Shown:
    mixed = augmix.augment_and_mix(batch.images, **_augmix_settings(recipe), generator=batch.draws)
    return mixed, batch.labels


def _augmix(batch: Batch, recipe: TrainingRecipe) -> Shown:
    views = augmix.augmix_views(batch.images, **_augmix_settings(recipe), generator=batch.draws)
    return views.flatten(0, 1), batch.labels


def _patch_uniform(batch: Batch, recipe: TrainingRecipe) -> Shown:
    # `method_of` has checked that both are set.
    size, strength = cast(int, recipe.patch_size), cast(float, recipe.patch_strength)
    patched = augmix.patch_uniform(_unit(batch.images), size, strength, generator=batch.draws)
    return patched, batch.labels


_CHAIN: Final = ("severity", "depth", "all_ops")
_MIX: Final = (*_CHAIN, "width", "alpha")
_PATCH: Final = ("patch_size", "patch_strength")

METHODS: Final[dict[str, Method]] = {
    "standard": Method(_standard),
    "cutout": Method(_cutout, uses=("cutout_size",)),
    "mixup": Method(_mixup, uses=("mixup_alpha",)),
    "cutmix": Method(_cutmix, uses=("cutmix_alpha", "cutmix_probability")),
    "autoaugment": Method(_autoaugment, uses=("policy",)),
    "adversarial": Method(_adversarial, uses=("attack_radius", "attack_step", "attack_steps")),
    "random-autoaugment": Method(_random_autoaugment, uses=_CHAIN),
    "random-autoaugment-jsd": Method(_random_autoaugment_jsd, consistency, (*_CHAIN, "jsd_weight")),
    "augmix-no-jsd": Method(_augmix_no_jsd, uses=_MIX),
    "augmix": Method(_augmix, consistency, (*_MIX, "jsd_weight")),
    "patch-uniform": Method(_patch_uniform, uses=_PATCH, needs=_PATCH),
}
"""Name -> method. AutoAugment and Random AutoAugment are those with an asterisk in the paper."""


def method_of(name: str, recipe: TrainingRecipe, changed: Collection[str] = ()) -> Method:
    """Return a method by name, and check that the recipe fits it.

    Args:
        name: A name of `METHODS`.
        recipe: All hyper-parameters.
        changed: The fields of the recipe that the user has set.

    Raises:
        UnknownName: There is no such method.
        InvalidInput: A field that the method needs is missing, or the user has set a field that it does not
            use.
    """
    if name not in METHODS:
        raise UnknownName("training method", name, METHODS)
    method = METHODS[name]
    for field in method.needs:
        if getattr(recipe, field) is None:
            raise InvalidInput(
                f"{name} needs {field}: the paper tuned {' and '.join(method.needs)} and does not print them"
            )
    for field in changed:
        users = [other for other, one in METHODS.items() if field in one.uses]
        if users and name not in users:
            raise InvalidInput(
                f"{name} does not use {field}, which goes with {', '.join(users)}; leave it out"
            )
    return method
