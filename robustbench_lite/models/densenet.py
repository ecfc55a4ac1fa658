"""Densely connected networks for CIFAR, with the parameter names of google-research/augmix."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from robustbench_lite.errors import InvalidInput
from robustbench_lite.models.structure import Layer


class _Layer(nn.Module):
    """Adds `growth` channels, through a 1 x 1 bottleneck of four times as many where asked."""

    def __init__(self, inputs: int, growth: int, bottleneck: bool) -> None:
        super().__init__()
        self.bn1 = nn.BatchNorm2d(inputs)
        self.bn2: nn.BatchNorm2d | None = None
        if bottleneck:
            self.conv1 = nn.Conv2d(inputs, 4 * growth, 1, bias=False)
            self.bn2 = nn.BatchNorm2d(4 * growth)
            self.conv2 = nn.Conv2d(4 * growth, growth, 3, padding=1, bias=False)
        else:
            self.conv1 = nn.Conv2d(inputs, growth, 3, padding=1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        new = self.conv1(torch.relu(self.bn1(x)))
        if self.bn2 is not None:
            new = self.conv2(torch.relu(self.bn2(new)))
        return torch.cat((x, new), dim=1)


class _Transition(nn.Module):
    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.bn1 = nn.BatchNorm2d(inputs)
        self.conv1 = nn.Conv2d(inputs, outputs, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return F.avg_pool2d(self.conv1(torch.relu(self.bn1(x))), 2)


class DenseNet(nn.Module):
    """DenseNet (k, depth) of three blocks for images of 32 x 32 pixels, plain or in the -BC form.

    Shape: (N, 3, H, W) -> (N, num_classes).

    Args:
        depth: 6 n + 4 layers with bottlenecks, 3 n + 4 without.
        growth: k, the channels that each layer adds.
        num_classes: outputs.
        bottleneck: the B of -BC, and with it compression by half between blocks, the C.

    Raises:
        InvalidInput: no whole number of layers a block gives this depth.

    Source: Huang et al., "Densely Connected Convolutional Networks" (2017), section 3; the AugMix paper
    trains -BC with k = 12, depth 100.
    """

    def __init__(self, depth: int, growth: int, num_classes: int, bottleneck: bool = False) -> None:
        super().__init__()
        layers, rest = divmod(depth - 4, 6 if bottleneck else 3)
        if rest or layers < 1:
            form = "6 n + 4" if bottleneck else "3 n + 4"
            raise InvalidInput(f"a DenseNet of this form has {form} layers, got {depth}")
        channels = 2 * growth
        self.conv1 = nn.Conv2d(3, channels, 3, padding=1, bias=False)
        for i in (1, 2, 3):
            block = (_Layer(channels + j * growth, growth, bottleneck) for j in range(layers))
            self.add_module(f"dense{i}", nn.Sequential(*block))
            channels += layers * growth
            if i < 3:
                outputs = channels // 2 if bottleneck else channels
                self.add_module(f"trans{i}", _Transition(channels, outputs))
                channels = outputs
        self.bn1 = nn.BatchNorm2d(channels)
        self.fc = nn.Linear(channels, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits of normalised images."""
        x = self.conv1(x)
        for name in ("dense1", "trans1", "dense2", "trans2", "dense3"):
            x = self.get_submodule(name)(x)
        logits: Tensor = self.fc(F.adaptive_avg_pool2d(torch.relu(self.bn1(x)), 1).flatten(1))
        return logits


def propose(layers: Sequence[Layer]) -> list[str]:
    """Return the names of the DenseNets that may have these layers."""
    kernels = [layer.weight for layer in layers if layer.weight[2:] == (3, 3)]
    count, rest = divmod(len(kernels) - 1, 3)
    if rest or count < 1 or kernels[0][1] != 3:
        return []
    growth = kernels[1][0]
    return [f"densenet-bc-{6 * count + 4}-{growth}", f"densenet-{3 * count + 4}-{growth}"]


def identify(shapes: Mapping[str, tuple[int, ...]]) -> list[str]:
    """Return the names of the DenseNets whose weights could have these names and shapes."""
    stem = shapes.get("conv1.weight")
    if stem is None or "dense1.0.conv1.weight" not in shapes:
        return []
    layers = sum(f"dense1.{i}.conv1.weight" in shapes for i in range(len(shapes)))
    if "dense1.0.conv2.weight" in shapes:
        return [f"densenet-bc-{6 * layers + 4}-{stem[0] // 2}"]
    return [f"densenet-{3 * layers + 4}-{stem[0] // 2}"]
