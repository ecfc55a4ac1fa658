"""The Jensen-Shannon consistency loss."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from robustbench_lite.errors import InvalidInput

VIEWS = 3
"""The clean image and two AugMix images of it."""

_MIXTURE_FLOOR = 1e-7


def jensen_shannon_loss(clean: Tensor, first: Tensor, second: Tensor) -> Tensor:
    """Mean KL divergence of three predictions from their mixture, averaged over the batch.

    The loss is (KL(p_clean || M) + KL(p_1 || M) + KL(p_2 || M)) / 3. M is the mean of the three predictions,
    clipped from below at 1e-7 before the logarithm. The computation uses log-probabilities in single
    precision for logits of every precision.

    Args:
        clean: logits (N,K) of the clean images.
        first: logits (N,K) of the first AugMix images.
        second: logits (N,K) of the second AugMix images.

    Returns:
        float32 scalar in nats, from 0 to log 3.

    Raises:
        InvalidInput: Shapes that differ or are not (N,K) with N at least 1.

    Source: Hendrycks, Mu et al. 2020, "AugMix", eq. 1 and 2; the floor is the published code's.
    """
    if clean.ndim != 2 or not len(clean) or clean.shape != first.shape or clean.shape != second.shape:
        shapes = ", ".join(str(tuple(logits.shape)) for logits in (clean, first, second))
        raise InvalidInput(f"the loss takes three equal sets of logits (N,K), N >= 1; got {shapes}")
    log_p = torch.stack([F.log_softmax(logits.float(), dim=1) for logits in (clean, first, second)])
    log_mixture = log_p.exp().mean(0).clamp(_MIXTURE_FLOOR, 1).log()
    return (log_p.exp() * (log_p - log_mixture)).sum() / (VIEWS * len(clean))


def augmix_loss(logits: Tensor, labels: Tensor, weight: float = 12.0) -> Tensor:
    """Cross-entropy of the clean images plus `weight` times the Jensen-Shannon loss.

    Args:
        logits: (3N,K), the clean images first, then each AugMix view, from one pass of the network over all
            three (so that batch normalisation sees them together).
        labels: int64 (N,).
        weight: The weight of the Jensen-Shannon term, 12 in the paper.

    Returns:
        float32 scalar in nats.

    Raises:
        InvalidInput: The logits are not three times as many as the labels.

    Source: Hendrycks, Mu et al. 2020, "AugMix", section 3.
    """
    if logits.ndim != 2 or labels.ndim != 1 or len(logits) != VIEWS * len(labels) or not len(labels):
        raise InvalidInput(
            "augmix_loss takes logits (3N,K) of clean and two augmented views, and N labels; "
            f"got {tuple(logits.shape)} and {tuple(labels.shape)}"
        )
    clean, first, second = logits.float().chunk(VIEWS)
    return F.cross_entropy(clean, labels) + weight * jensen_shannon_loss(clean, first, second)
