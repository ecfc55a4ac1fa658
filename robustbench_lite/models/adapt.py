"""A classifier on images of another size, or with its outputs in the classes of another list."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from robustbench_lite.errors import ModelError
from robustbench_lite.models.classifier import Classifier

INTERPOLATIONS = ("bicubic", "bilinear")


class ResizeInput(nn.Module):
    """Resize images to a side in pixels, antialiased; the shorter side of images that are not square.

    Images in 0..255 are rounded to whole levels, as a resized image file has them; images in [0, 1] are not.

    Shape: (N, 3, H, W) to (N, 3, side, side), uint8 or float.

    Source: Pillow's resize, which torchvision's Resize with antialias follows. 98 % of the values are equal,
    the others differ by up to two levels, as torchvision's own do from Pillow's.
    """

    def __init__(self, side: int, interpolation: str = "bicubic") -> None:
        super().__init__()
        self.side = side
        self.interpolation = interpolation

    def forward(self, images: Tensor) -> Tensor:
        """Resize a batch."""
        height, width = images.shape[2:]
        shorter = min(height, width)
        if shorter == self.side:
            return images
        size = (round(self.side * height / shorter), round(self.side * width / shorter))
        if images.dtype != torch.uint8:
            return self._interpolated(images, size)
        # Pillow resizes the rows, rounds, and resizes the columns.
        rows = self._interpolated(images.float(), (height, size[1])).round().clamp(0, 255)
        return self._interpolated(rows, size).round().clamp(0, 255).to(torch.uint8)

    def _interpolated(self, images: Tensor, size: tuple[int, int]) -> Tensor:
        return F.interpolate(images, size, mode=self.interpolation, antialias=True)


class FlipChannels(nn.Module):
    """Turn RGB images into BGR images.

    Shape: (N, 3, H, W) to the same.
    """

    def forward(self, images: Tensor) -> Tensor:
        """Flip the channels of a batch."""
        return images.flip(1)


class SelectOutputs(nn.Module):
    """Pick outputs of a network, in the order of the classes of a suite.

    Shape: (N, outputs) to (N, classes).
    """

    index: Tensor

    def __init__(self, index: Sequence[int]) -> None:
        super().__init__()
        self.register_buffer("index", torch.tensor(list(index)), persistent=False)

    def forward(self, logits: Tensor) -> Tensor:
        """Pick the columns.

        Raises:
            ModelError: the network has too few outputs.
        """
        if logits.ndim != 2 or logits.shape[1] <= int(self.index.max()):
            raise ModelError(
                f"the model returned shape {tuple(logits.shape)}, but output {int(self.index.max())} is "
                "asked for; outputs are counted from 0"
            )
        return logits.index_select(1, self.index)


class SigmoidOutput(nn.Module):
    """Turn the one output of a two-class network into the logits (0, z) of classes 0 and 1.

    Shape: (N, 1) to (N, 2). The softmax of (0, z) is the sigmoid of z.

    Args:
        probabilities: the output is the sigmoid already.
    """

    def __init__(self, *, probabilities: bool) -> None:
        super().__init__()
        self.probabilities = probabilities

    def forward(self, outputs: Tensor) -> Tensor:
        """Return two logits for each image."""
        score = outputs.float().logit(eps=1e-7) if self.probabilities else outputs
        return torch.cat([torch.zeros_like(score), score], dim=1)


def adapted(
    classifier: Classifier,
    *,
    before: nn.Module | None = None,
    after: nn.Module | None = None,
    note: str = "",
    num_classes: int | None = None,
) -> Classifier:
    """The same classifier with a stage before its normalisation or after its network.

    Args:
        classifier: stays as it is; the weights are shared.
        before: a function from images to images.
        after: a function from outputs to logits.
        note: what the stage does, for the record of the model.
        num_classes: classes of the suite, where the stage after the network changes their number.
    """
    other = copy.copy(classifier)
    other._modules = dict(classifier._modules)
    if before is not None:
        other.before = nn.Sequential(*other.before, before)
    if after is not None:
        other.after = nn.Sequential(*other.after, after)
    info = classifier.info
    notes = (*info.notes, note) if note else info.notes
    other.info = replace(info, notes=notes, num_classes=num_classes or info.num_classes)
    return other
