"""Find the cause of a clean error near chance, before hours of evaluation."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from robustbench_lite.errors import ModelError
from robustbench_lite.evaluation.prepared_model import Forward
from robustbench_lite.models import NORMALIZATIONS

_TRIED = 512
# The 99.9 % quantile of the chi-squared distribution with one degree of freedom.
_CLEARLY = 10.83


def near_chance(accuracy: float, n: int, classes: int) -> bool:
    """Return whether an accuracy over n images is little better than guessing.

    The margin above chance is half of chance, at most 10 points, plus three standard errors.
    """
    chance = 1 / classes
    return accuracy <= chance + min(chance / 2, 0.1) + 3 * math.sqrt(chance * (1 - chance) / n)


def explain_near_chance(
    forward: Forward,
    images: torch.Tensor,
    labels: torch.Tensor,
    mean: Sequence[float],
    std: Sequence[float],
) -> str:
    """Try the usual mistakes on a few images, and say which one explains the error.

    Args:
        forward: The model on its device.
        images: uint8 (n, H, W, 3) clean images on the device; at most 512 are used.
        labels: int64 (n,) on the device.
        mean: The mean that the model subtracts from images in [0, 1]; empty where it is unknown.
        std: The standard deviation that the model divides by afterwards.

    Returns:
        One or two sentences with the likely cause and the option that solves it.
    """
    images, labels = images[:_TRIED], labels[:_TRIED]
    best, right = _best_change(forward, images, labels, mean, std)
    accuracy = float(right.float().mean())
    classes = int(forward(images[:1]).shape[1])
    if not near_chance(accuracy, len(labels), classes):
        return f"on {len(labels)} images {best} brings the error to {100 * (1 - accuracy):.1f} %"
    predicted = forward(images).argmax(1)
    relabelled = _best_relabelling(predicted.cpu().numpy(), labels.cpu().numpy(), classes)
    gain = relabelled - float((predicted == labels).float().mean())
    if len(labels) >= 10 * classes and gain > 0.1 and not near_chance(relabelled, len(labels), 3 * classes):
        return (
            f"renumbering the classes brings the error to {100 * (1 - relabelled):.1f} %: the checkpoint's "
            "class order is not the suite's"
        )
    return (
        "no usual normalisation and no channel order reduces it: the weights may be untrained, belong to "
        "another data set, or need another input size or layout"
    )


@dataclass(frozen=True)
class Doubt:
    """A normalisation, or another change of the input, that makes the model clearly better.

    Attributes:
        text: What the change is and how the error changes.
        gain: The increase of the accuracy, a fraction.
    """

    text: str
    gain: float


def doubt(
    forward: Forward,
    images: torch.Tensor,
    labels: torch.Tensor,
    mean: Sequence[float],
    std: Sequence[float],
) -> Doubt | None:
    """Look for a normalisation that is clearly better than a guessed one; None where there is none.

    Args:
        forward: The model on its device.
        images: uint8 (n, H, W, 3) clean images on the device.
        labels: int64 (n,) on the device.
        mean: The mean that the model subtracts from images in [0, 1].
        std: The standard deviation that the model divides by afterwards.

    Source: McNemar 1947 for two classifiers on the same images, at p = 0.001.
    """
    now = _right(forward, images, labels, lambda unit: unit)
    best, then = _best_change(forward, images, labels, mean, std)
    gained, lost = int((then & ~now).sum()), int((now & ~then).sum())
    if gained <= lost or (gained - lost) ** 2 <= _CLEARLY * (gained + lost):
        return None
    before, after = (100 * (1 - float(right.float().mean())) for right in (now, then))
    text = f"on {len(labels)} clean images {best} brings the error from {before:.1f} to {after:.1f} %"
    return Doubt(text, (gained - lost) / len(labels))


def _best_change(
    forward: Forward,
    images: torch.Tensor,
    labels: torch.Tensor,
    mean: Sequence[float],
    std: Sequence[float],
) -> tuple[str, torch.Tensor]:
    """Return the change under which most predictions are right, and which ones are, bool (n,)."""
    right = {name: _right(forward, images, labels, change) for name, change in _changes(mean, std).items()}
    best = max(right, key=lambda name: int(right[name].sum()))
    return best, right[best]


def _changes(
    mean: Sequence[float], std: Sequence[float]
) -> dict[str, Callable[[torch.Tensor], torch.Tensor]]:
    """Return each possible remedy and the change of images in [0, 1] that has the same effect."""

    def as_normalised_by(name: str) -> Callable[[torch.Tensor], torch.Tensor]:
        other_mean, other_std = (torch.tensor(values) for values in NORMALIZATIONS[name])
        own_mean, own_std = torch.tensor(list(mean or (0.0,) * 3)), torch.tensor(list(std or (1.0,) * 3))

        def change(images: torch.Tensor) -> torch.Tensor:
            shape = (1, 3, 1, 1)
            put = [value.to(images).view(shape) for value in (other_mean, other_std, own_mean, own_std)]
            return (images - put[0]) / put[1] * put[3] + put[2]

        return change

    return {
        **{f"`normalize={name!r}`": as_normalised_by(name) for name in NORMALIZATIONS},
        "feeding BGR channels": lambda images: images.flip(1),
        "feeding values 0 to 255": lambda images: images * 255,
    }


def _right(
    forward: Forward,
    images: torch.Tensor,
    labels: torch.Tensor,
    change: Callable[[torch.Tensor], torch.Tensor],
) -> torch.Tensor:
    changed = Forward(lambda batch: forward.model(change(batch / 255)), forward.device, forward.settings)
    try:
        parts = zip(images.split(64), labels.split(64), strict=True)
        return torch.cat([changed(part).argmax(1) == truth for part, truth in parts])
    except (RuntimeError, ValueError, ModelError):
        return torch.zeros_like(labels, dtype=torch.bool)


def _best_relabelling(
    predicted: np.ndarray[tuple[int], np.dtype[np.int64]],
    labels: np.ndarray[tuple[int], np.dtype[np.int64]],
    classes: int,
) -> float:
    confusion = np.zeros((classes, classes), dtype=np.int64)
    np.add.at(confusion, (predicted, labels), 1)
    return float(confusion.max(axis=1).sum() / len(labels))
