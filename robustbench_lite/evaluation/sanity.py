"""Find the cause of a clean error near chance, before hours of evaluation."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from scipy.stats import binomtest

from robustbench_lite.errors import ModelError
from robustbench_lite.evaluation.prepared_model import Forward
from robustbench_lite.models import NORMALIZATIONS

_TRIED = 512
_DOUBTFUL = 0.001
UNEXPLAINED = (
    "no usual normalisation, order of channels or order of classes repairs it: the weights may be "
    "untrained, of another data set, or need another input size or layout"
)


def near_chance(accuracy: float, n: int, classes: int) -> bool:
    """Whether an accuracy over n images is no better, or little better, than guessing.

    No better: guessing reaches it in more than 5 % of such samples (exact, one-sided). Little better: it is
    at most half as much again, and at most 10 points more. An accuracy without an error is never near chance.

    Source: the exact binomial test.
    """
    chance = 1 / classes
    right = round(accuracy * n)
    if right == n:
        return False
    if accuracy <= chance + min(chance / 2, 0.1):
        return True
    return bool(binomtest(right, n, chance, alternative="greater").pvalue > 0.05)


def plausible(accuracy: float, n: int, classes: int) -> bool:
    """Whether an accuracy over n images can be that of a model that was trained for these classes.

    It is not near chance, and a third of the way from guessing to no error at least.
    """
    chance = 1 / classes
    return accuracy >= chance + (1 - chance) / 3 and not near_chance(accuracy, n, classes)


def remedy(
    forward: Forward,
    images: torch.Tensor,
    labels: torch.Tensor,
    mean: Sequence[float],
    std: Sequence[float],
) -> str | None:
    """Try the usual mistakes on a few images, and say which one explains an error near chance.

    Args:
        forward: The model on its device.
        images: uint8 (n, H, W, 3) clean images on the device; at most 512 are used.
        labels: int64 (n,) on the device.
        mean: The mean that the model subtracts from images in [0, 1]; empty where it is unknown.
        std: The standard deviation that the model divides by afterwards.

    Returns:
        A sentence with the option that solves it; None where none does.
    """
    images, labels = images[:_TRIED], labels[:_TRIED]
    now = _right(forward, images, labels, lambda unit: unit)
    best, right = _best_change(forward, images, labels, mean, std)
    accuracy = float(right.float().mean())
    classes = int(forward(images[:1]).shape[1])
    gained, lost = int((right & ~now).sum()), int((now & ~right).sum())
    beyond_doubt = (
        gained + lost > 0 and binomtest(gained, gained + lost, 0.5, alternative="greater").pvalue < _DOUBTFUL
    )
    if beyond_doubt and plausible(accuracy, len(labels), classes):
        return f"on {len(labels)} images {best} brings the error to {100 * (1 - accuracy):.1f} %"
    return None


def _best_change(
    forward: Forward,
    images: torch.Tensor,
    labels: torch.Tensor,
    mean: Sequence[float],
    std: Sequence[float],
) -> tuple[str, torch.Tensor]:
    """Return the change under which most predictions are right, and which ones are, bool (n,)."""
    right = {
        name: _right(forward, images, labels, change) for name, change in input_changes(mean, std).items()
    }
    best = max(right, key=lambda name: int(right[name].sum()))
    return best, right[best]


def input_changes(
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
        "`channels='bgr'`": lambda images: images.flip(1),
        "`normalize='0,0.00392156862745098'` (values 0 to 255)": lambda images: images * 255,
    }


def predictions_under(
    forward: Forward, images: torch.Tensor, change: Callable[[torch.Tensor], torch.Tensor]
) -> torch.Tensor:
    """Classes that the model predicts, int64 (n,), after a change of the images; -1 where it fails."""
    changed = Forward(lambda batch: forward.model(change(batch / 255)), forward.device, forward.settings)
    try:
        return changed(images).argmax(1)
    except (RuntimeError, ValueError, ModelError):
        return torch.full((len(images),), -1, device=images.device)


def _right(
    forward: Forward,
    images: torch.Tensor,
    labels: torch.Tensor,
    change: Callable[[torch.Tensor], torch.Tensor],
) -> torch.Tensor:
    parts = zip(images.split(64), labels.split(64), strict=True)
    return torch.cat([predictions_under(forward, part, change) == truth for part, truth in parts])
