"""New weights, drawn as the authors of each architecture do."""

from __future__ import annotations

import torch
from torch import nn

from robustbench_lite.models import build
from robustbench_lite.models.registry import own_family
from robustbench_lite.training.seeds import seeded_modules


def fresh_network(architecture: str, classes: int, seed: int) -> nn.Module:
    """Build a network whose weights depend only on the architecture and the seed.

    Raises:
        UnknownName: There is no such architecture.

    Source: The models of google-research/augmix: convolutions from N(0, 2 / (k * k * outputs)), biases of
    linear layers 0.
    """
    with seeded_modules(torch.device("cpu"), seed, "weights"):
        network = build(architecture, classes)
        own = own_family(architecture)
        if own is not None and own[0].he_weights:
            for module in network.modules():
                _draw(module, linear=own[0].he_weights == "all")
    return network


def _draw(module: nn.Module, *, linear: bool) -> None:
    if isinstance(module, nn.Conv2d):
        nn.init.kaiming_normal_(module.weight, mode="fan_out")
    elif isinstance(module, nn.Linear):
        nn.init.zeros_(module.bias)
        if linear:
            nn.init.kaiming_normal_(module.weight)
