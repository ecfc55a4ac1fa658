"""Input protocols by name: how the files of a suite become the input of a model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

PROTOCOLS: Final[Mapping[str, str]] = {
    "official": "CenterCrop(224), which keeps the released 224 px images of ImageNet-C as they are",
    "augmix": "Resize(256) and CenterCrop(224) on ImageNet-C too, which enlarges it, as AugMix's script did",
    "robustbench": "Resize((224, 224)), which keeps the released images as they are",
}
"""Protocol -> what it does to ImageNet-C.

All three resize clean ImageNet to 256 and crop the central 224 pixels. CIFAR, Tiny-ImageNet and the frames of
perturbations are used without a transform.
"""
