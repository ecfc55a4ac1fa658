"""Several models as one: the mean of their probabilities."""

from __future__ import annotations

import copy
import hashlib
import math
from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor, nn

from robustbench_lite.errors import InvalidInput, ModelError
from robustbench_lite.models.classifier import Classifier, ModelInfo


class Ensemble(nn.Module):
    """Classifiers side by side on the same images, each with its own normalisation.

    Shape: (N, 3, H, W) as Classifier takes them, to (N, classes): log of the mean probability, which is a
    set of logits whose softmax is that mean.
    """

    def __init__(self, members: Sequence[Classifier], info: ModelInfo) -> None:
        super().__init__()
        self.members = nn.ModuleList(members)
        self.info = info
        self.eval()

    def forward(self, images: Tensor) -> Tensor:
        """Return the log of the members' mean probability, without leaving the log domain."""
        logits = [member(images) for member in self.members]
        widths = {tuple(one.shape) for one in logits}
        if len(widths) > 1:
            raise ModelError(f"the members of {self.info.name} return different shapes: {sorted(widths)}")
        log_probs = torch.stack([one.float().log_softmax(dim=1) for one in logits])
        return log_probs.logsumexp(dim=0) - math.log(len(logits))


def renamed(model: Classifier | Ensemble, name: str) -> Classifier | Ensemble:
    """The same model, with the same weights, under another name."""
    other = copy.copy(model)
    other.info = replace(model.info, name=name)
    return other


def ensemble(models: Sequence[Classifier]) -> Ensemble:
    """Average the probabilities of several classifiers.

    Raises:
        InvalidInput: no model.
        ModelError: the models have different numbers of outputs.

    Source: AugMix paper, figure 7.
    """
    if not models:
        raise InvalidInput("an ensemble needs one model at least, got none")
    infos = [model.info for model in models]
    widths = {info.num_classes for info in infos if info.num_classes is not None}
    if len(widths) > 1:
        listed = ", ".join(f"{info.name} {info.num_classes}" for info in infos)
        raise ModelError(f"an ensemble's models need the same number of outputs, got {listed}")
    hashes = [info.sha256 for info in infos]
    known = all(value is not None for value in hashes)
    info = ModelInfo(
        name=" + ".join(info.name for info in infos),
        architecture="ensemble(" + ", ".join(info.architecture for info in infos) + ")",
        source=" + ".join(info.source for info in infos),
        sha256=hashlib.sha256("".join(map(str, hashes)).encode()).hexdigest() if known else None,
        format="ensemble",
        num_classes=widths.pop() if widths else None,
        normalization="per member",
        normalization_reason="; ".join(
            f"{i.name}: {i.normalization}, {i.normalization_reason}" for i in infos
        ),
        mean=(),
        std=(),
        parameters=sum(info.parameters for info in infos),
        notes=tuple(f"{info.name}: {note}" for info in infos for note in info.notes),
    )
    return Ensemble(models, info)
