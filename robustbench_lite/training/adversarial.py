"""Projected gradient descent in the l-infinity ball, for adversarial training."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Generator, Tensor
from torch.nn import functional as F


def attack(
    model: Callable[[Tensor], Tensor],
    images: Tensor,
    labels: Tensor,
    *,
    radius: float,
    step: float,
    steps: int,
    draws: Generator,
) -> Tensor:
    """Find images near the given ones that the model gets wrong, from a random start.

    Args:
        model: The function from images in [0, 1] to logits.
        images: float (N, 3, H, W) in [0, 1].
        labels: int64 (N,).
        radius: The radius of the l-infinity ball.
        step: The length of a step.
        steps: The number of steps.
        draws: The source of the random start, which is uniform in the ball.

    Source: Madry et al. 2018, "Towards Deep Learning Models Resistant to Adversarial Attacks".
    """
    noise = torch.empty(images.shape).uniform_(-radius, radius, generator=draws)
    start = (images + noise.to(images.device)).clamp(0, 1)
    return ascend(model, start, images, labels, radius, step, steps)


def ascend(
    model: Callable[[Tensor], Tensor],
    start: Tensor,
    images: Tensor,
    labels: Tensor,
    radius: float,
    step: float,
    steps: int,
) -> Tensor:
    """Take signed gradient steps that raise the cross-entropy, projected onto the ball and onto [0, 1]."""
    low, high = (images - radius).clamp(min=0), (images + radius).clamp(max=1)
    points = start
    for _ in range(steps):
        points = points.detach().requires_grad_()
        # Sum, not mean: the mean over a large batch would underflow the gradients in half precision.
        loss = F.cross_entropy(model(points).float(), labels, reduction="sum")
        (gradient,) = torch.autograd.grad(loss, points)
        points = torch.clamp(points + step * gradient.sign(), low, high)
    return points.detach()
