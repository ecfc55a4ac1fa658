"""Flip probability and flip rate of perturbation sequences, and their means over ten perturbations."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TypeAlias

import torch

from robustbench_lite.errors import IncompleteResults, InvalidInput, UnknownName
from robustbench_lite.metrics.inputs import Numbers, class_indices
from robustbench_lite.reference.names import PERTURBATION_LISTS

PerturbationList: TypeAlias = str | Sequence[str]
"""The name of one of the two lists of ten ("snow", "spatter"), or the names to average over."""


def flip_probability(predictions: Numbers, *, against_first: bool = False, step: int = 1) -> float:
    """Return the mean over videos of the fraction of frame pairs whose predictions differ.

    Shape: (videos, frames), integer class indices.

    Args:
        predictions: predicted class of every frame.
        against_first: compare every later frame with frame 0 (noise perturbations; `step` does not apply)
            instead of with the frame `step` before it.
        step: the official difficulty: compare frames this far apart, that is, in `step` interleaved chains.

    Raises:
        InvalidInput: empty, not class indices, or no pair of frames to compare.

    Source: Hendrycks & Dietterich 2019, section 4.2; hendrycks/robustness ImageNet-P/test.py, flip_prob.
    """
    classes = class_indices(predictions, "predictions", ndim=2)
    check_pairs(classes.shape[1], against_first=against_first, step=step)
    before, after = paired_frames(classes, against_first=against_first, step=step)
    return int((before != after).sum()) / after.numel()


def paired_frames(
    frames: torch.Tensor, *, against_first: bool, step: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """The two sides of every compared pair, along axis 1."""
    if against_first:
        return frames[:, :1], frames[:, 1:]
    return frames[:, :-step], frames[:, step:]


def check_pairs(frames: int, *, against_first: bool, step: int) -> None:
    """Refuse a step or a number of frames that leaves nothing to compare.

    Raises:
        InvalidInput: `step` is below 1, or there are too few frames.
    """
    if step < 1:
        raise InvalidInput(f"step must be at least 1, but is {step}")
    least = 2 if against_first else step + 1
    if frames < least:
        raise InvalidInput(f"at least {least} frames are needed to compare a pair, but there are {frames}")


def flip_rate(flip_probabilities: Mapping[str, float], baseline: Mapping[str, float]) -> dict[str, float]:
    """Return FR of each perturbation: its flip probability over the baseline's.

    Args:
        flip_probabilities: perturbation -> flip probability.
        baseline: the same of the baseline model; AlexNet's is `reference.baseline("imagenet-p")`.

    Raises:
        InvalidInput: empty, not probabilities, no baseline for a perturbation, or a baseline of 0.

    Source: Hendrycks & Dietterich 2019, section 4.2.
    """
    if not flip_probabilities:
        raise InvalidInput("no flip probabilities: expected a mapping perturbation -> flip probability")
    return _ratios(_checked(flip_probabilities, list(flip_probabilities), top=1), baseline)


def mean_flip_probability(
    flip_probabilities: Mapping[str, float], *, over: PerturbationList = "snow"
) -> float:
    """Return mFP: the mean flip probability over ten perturbations, unnormalised (CIFAR-10-P).

    Args:
        flip_probabilities: perturbation -> flip probability; others than those of `over` never enter.
        over: "snow" (the papers' ten, default), "spatter" (the official CIFAR-P script's ten), or names.

    Raises:
        IncompleteResults: names the perturbations that were not evaluated.
        InvalidInput: not probabilities, or an unknown list.

    Source: AugMix (arXiv 1912.02781), Table 6; hendrycks/robustness ImageNet-P/cifar-p-eval.py (spatter).
    """
    return _mean(_checked(flip_probabilities, perturbation_list(over), top=1))


def mean_flip_rate(
    flip_probabilities: Mapping[str, float], baseline: Mapping[str, float], *, over: PerturbationList = "snow"
) -> float:
    """Return mFR: the mean flip rate over ten perturbations (1.0 is the baseline itself).

    Args:
        flip_probabilities: perturbation -> flip probability; others than those of `over` never enter.
        baseline: perturbation -> the baseline's flip probability.
        over: "snow" (the papers' ten, default), "spatter" (the official CIFAR-P script's ten), or names.

    Raises:
        IncompleteResults: names the perturbations that were not evaluated.
        InvalidInput: not probabilities, an unknown list, no baseline or a baseline of 0.

    Source: Hendrycks & Dietterich 2019, section 4.2; AugMix, Table 3.
    """
    return _mean(_ratios(_checked(flip_probabilities, perturbation_list(over), top=1), baseline))


def mean_top5_distance(
    distances: Mapping[str, float],
    baseline: Mapping[str, float] | None = None,
    *,
    over: PerturbationList = "snow",
) -> float:
    """Return the mean top-5 distance over ten perturbations, divided by a baseline's where one is given.

    AlexNet's top-5 distances are not public, so there is no default baseline: without one the mean is
    unnormalised (0 to 15); with one it is the papers' mT5D.

    Raises:
        IncompleteResults: names the perturbations that were not evaluated.
        InvalidInput: distances outside [0, 15], an unknown list, no baseline for a perturbation.

    Source: Hendrycks & Dietterich 2019, section 4.2 (mT5D).
    """
    values_by_name = _checked(distances, perturbation_list(over), top=15)
    return _mean(values_by_name if baseline is None else _ratios(values_by_name, baseline))


def perturbation_list(over: PerturbationList) -> list[str]:
    """Return the names behind "snow", "spatter" or an explicit sequence.

    Raises:
        UnknownName: the list has no such name.
        InvalidInput: an empty sequence.
    """
    if isinstance(over, str):
        if over not in PERTURBATION_LISTS:
            raise UnknownName("list of perturbations", over, PERTURBATION_LISTS)
        return list(PERTURBATION_LISTS[over])
    if not over:
        raise InvalidInput("the list of perturbations to average over is empty")
    return list(over)


def _checked(values: Mapping[str, float], names: list[str], *, top: float) -> dict[str, float]:
    missing = [name for name in names if name not in values]
    if missing:
        raise IncompleteResults(
            f"not evaluated: {', '.join(missing)}; evaluate what is missing, or average over a shorter list "
            "on purpose with over=[...]"
        )
    values_by_name = {name: float(values[name]) for name in names}
    for name, value in values_by_name.items():
        if not 0 <= value <= top:
            raise InvalidInput(f"the value of {name} must lie in [0, {top:g}], but is {value:g}")
    return values_by_name


def _ratios(values: Mapping[str, float], baseline: Mapping[str, float]) -> dict[str, float]:
    for name in values:
        if name not in baseline:
            raise InvalidInput(f"the baseline has no value for {name}")
        if not 0 < baseline[name] < math.inf:
            raise InvalidInput(f"the baseline of {name} must be positive, but is {baseline[name]:g}")
    return {name: value / baseline[name] for name, value in values.items()}


def _mean(values: Mapping[str, float]) -> float:
    return math.fsum(values.values()) / len(values)
