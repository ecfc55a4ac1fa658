"""Brier scores: over all classes, and of the predicted class alone."""

from __future__ import annotations

import torch

from robustbench_lite.errors import InvalidInput
from robustbench_lite.metrics.inputs import (
    Numbers,
    as_tensor,
    class_indices,
    confidences_and_correct,
    float64_tensor,
)


def brier_score(probs: Numbers, labels: Numbers) -> float:
    """Return the multi-class Brier score: mean over examples of sum_k (p_k - [y = k])^2, 0 to 2.

    The AugMix paper's text describes `top_label_brier_score`; this is the usual score elsewhere.

    Args:
        probs: (n, classes), probabilities: rows in [0, 1] that add up to 1.
        labels: (n,), class indices.

    Raises:
        InvalidInput: empty, NaN or infinite, not probabilities (logits, say), lengths differ, or a label
            out of range.

    Source: Brier 1950; Ovadia et al. 2019, section 3.
    """
    given = as_tensor(probs, "probs", ndim=2)
    half = given.dtype in (torch.float16, torch.bfloat16)
    values = float64_tensor(given, "probs", ndim=2)
    _check_probabilities(values, tolerance=1e-2 if half else 1e-4)
    target = class_indices(labels, "labels", ndim=1, classes=values.shape[1]).to(values.device)
    if len(target) != len(values):
        raise InvalidInput(f"{len(values)} rows of probs, but {len(target)} labels")
    of_label = values.gather(1, target.unsqueeze(1)).squeeze(1)
    return float((values.square().sum(dim=1) - of_label.square() + (1 - of_label).square()).mean())


def top_label_brier_score(confidences: Numbers, correct: Numbers) -> float:
    """Return the Brier score of the event "the prediction is right": mean of (c - [right])^2, 0 to 1.

    Args:
        confidences: (n,), softmax probability of the predicted class.
        correct: (n,), whether the prediction is right.

    Raises:
        InvalidInput: empty, lengths differ, or confidences outside [0, 1].

    Source: AugMix (arXiv 1912.02781), Appendix E: RMS calibration error squared plus refinement, which is
        this score before binning (Nguyen & O'Connor 2015).
    """
    confidence, right = confidences_and_correct(confidences, correct)
    return float(((confidence - right) ** 2).mean())


def _check_probabilities(values: torch.Tensor, *, tolerance: float) -> None:
    low, high = float(values.min()), float(values.max())
    if low < 0 or high > 1 + tolerance:
        raise InvalidInput(
            f"probs must lie in [0, 1], but go from {low:g} to {high:g}: pass softmax(logits), not logits"
        )
    sums = values.sum(dim=1)
    worst = float((sums - 1).abs().max())
    if worst > tolerance:
        raise InvalidInput(
            f"each row of probs must add up to 1, but one is off by {worst:g}: pass softmax(logits)"
        )
