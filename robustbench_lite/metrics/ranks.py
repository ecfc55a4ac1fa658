"""Distances between the class rankings of two frames: top-5 distance and Zipf distance."""

from __future__ import annotations

import torch

from robustbench_lite.errors import InvalidInput
from robustbench_lite.metrics.flips import check_pairs, paired_frames
from robustbench_lite.metrics.inputs import Numbers, as_tensor, check_finite

TOP = 5
_VALUES_AT_ONCE = 8_000_000


def top5_distance(logits: Numbers, *, against_first: bool = False, step: int = 1) -> float:
    """Return the top-5 distance: mean over frame pairs, then over videos; 0 (same ranking) to 15.

    Shape: (videos, frames, classes) with at least 6 classes. Logits, not probabilities, which may tie
    where logits do not; equal scores rank by class index. Not symmetric: only the five classes of a pair's
    first frame are followed.

    Args:
        logits: scores of every frame.
        against_first: compare every later frame with frame 0 (noise perturbations; `step` does not apply).
        step: compare frames this far apart.

    Raises:
        InvalidInput: empty, NaN or infinite, fewer than 6 classes, or no pair of frames to compare.

    Source: Hendrycks & Dietterich 2019, section 4.2; hendrycks/robustness ImageNet-P/test.py.
    """
    scores = _checked(logits, against_first=against_first, step=step)
    if scores.shape[2] <= TOP:
        raise InvalidInput(f"top-5 distance needs at least 6 classes, but the logits have {scores.shape[2]}")
    total = 0.0
    for block in _blocks(scores):
        top = class_order(block)[..., :TOP]
        total += float(top5_distance_per_video(top, against_first=against_first, step=step).sum())
    return total / scores.shape[0]


def zipf_distance(logits: Numbers, *, against_first: bool = False, step: int = 1) -> float:
    """Return the Zipf distance: differences of 1/rank weighted by 1/rank, mean over pairs, then videos.

    Shape: (videos, frames, classes). Arguments as `top5_distance`.

    Raises:
        InvalidInput: empty, NaN or infinite, or no pair of frames to compare.

    Source: hendrycks/robustness ImageNet-P/test.py; sum over i of |1/i - 1/sigma(i)| / i over all classes.
    """
    scores = _checked(logits, against_first=against_first, step=step)
    total = 0.0
    for block in _blocks(scores):
        order = class_order(block)
        total += float(zipf_distance_per_video(order, against_first=against_first, step=step).sum())
    return total / scores.shape[0]


def class_order(scores: torch.Tensor) -> torch.Tensor:
    """Classes from the highest score to the lowest along the last axis; equal scores by class index."""
    comparable = scores.float() if scores.dtype in (torch.float16, torch.bfloat16) else scores
    return comparable.argsort(dim=-1, descending=True, stable=True)


def top5_distance_per_video(top: torch.Tensor, *, against_first: bool, step: int) -> torch.Tensor:
    """Mean top-5 distance of each video from its frames' top-5 lists; (videos, frames, 5) -> (videos,).

    The five lists suffice: a class that left the top five counts as sixth wherever it went.
    """
    before, after = paired_frames(top, against_first=against_first, step=step)
    matches = before.unsqueeze(-1) == after.unsqueeze(-2)
    places = torch.arange(TOP, device=top.device)
    moved_to = torch.where(matches, places, TOP).amin(dim=-1)
    distances = (moved_to - places).abs().sum(dim=-1)
    return distances.to(_precision(top)).mean(dim=1)


def zipf_distance_per_video(order: torch.Tensor, *, against_first: bool, step: int) -> torch.Tensor:
    """Mean Zipf distance of each video from its frames' class orders; (videos, frames, K) -> (videos,).

    The sum runs over classes instead of ranks, so one scatter of 1/rank replaces two permutations.
    """
    weights = 1 / torch.arange(1, order.shape[-1] + 1, device=order.device, dtype=_precision(order))
    by_class = torch.empty_like(order, dtype=weights.dtype).scatter_(-1, order, weights.expand_as(order))
    before, after = paired_frames(by_class, against_first=against_first, step=step)
    return ((before - after).abs() * before).sum(dim=-1).mean(dim=1)


def _precision(values: torch.Tensor) -> torch.dtype:
    """float64, except where the device has none."""
    return torch.float32 if values.device.type == "mps" else torch.float64


def _checked(logits: Numbers, *, against_first: bool, step: int) -> torch.Tensor:
    scores = as_tensor(logits, "logits", ndim=3)
    check_finite(scores, "logits")
    check_pairs(scores.shape[1], against_first=against_first, step=step)
    return scores


def _blocks(scores: torch.Tensor) -> tuple[torch.Tensor, ...]:
    """Groups of videos whose rankings fit in memory."""
    videos = max(1, _VALUES_AT_ONCE // (scores.shape[1] * scores.shape[2]))
    return torch.split(scores, videos)
