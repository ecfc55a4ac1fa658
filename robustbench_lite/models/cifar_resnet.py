"""The thin residual networks for CIFAR of He et al.: ResNet-20, 32, 44, 56, 110."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from robustbench_lite.errors import InvalidInput
from robustbench_lite.models.structure import Layer


class _PadShortcut(nn.Module):
    """Option A: every second pixel, and zeros for the channels that are new."""

    def __init__(self, inputs: int, outputs: int, at_end: bool) -> None:
        super().__init__()
        self.before = 0 if at_end else (outputs - inputs) // 2
        self.after = outputs - inputs - self.before

    def forward(self, x: Tensor) -> Tensor:
        return F.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, self.before, self.after))


def _shortcut(inputs: int, outputs: int, stride: int, projection: bool, at_end: bool) -> nn.Module:
    if inputs == outputs:
        return nn.Sequential()
    if projection:
        return nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))
    return _PadShortcut(inputs, outputs, at_end)


class _Block(nn.Module):
    def __init__(self, inputs: int, outputs: int, stride: int, projection: bool, at_end: bool) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.shortcut = _shortcut(inputs, outputs, stride, projection, at_end)

    def forward(self, x: Tensor) -> Tensor:
        residual = self.bn2(self.conv2(torch.relu(self.bn1(self.conv1(x)))))
        return torch.relu(residual + self.shortcut(x))


def _stage(
    blocks: int, inputs: int, outputs: int, stride: int, projection: bool, at_end: bool
) -> nn.Sequential:
    first = _Block(inputs, outputs, stride, projection, at_end)
    return nn.Sequential(first, *(_Block(outputs, outputs, 1, projection, at_end) for _ in range(blocks - 1)))


class CifarResNet(nn.Module):
    """ResNet-depth of section 4.2: three stages of 16, 32 and 64 channels.

    Shape: (N, 3, H, W) -> (N, num_classes).

    Args:
        depth: 6 n + 2 layers.
        num_classes: outputs.
        projection: shortcuts between stages are 1 x 1 convolutions (option B) instead of padding (option A).
        stem: channels of the first convolution; others than 16 need a projection in the first block too.
        grid: side of the grid of means that the linear layer reads, 1 in the paper.
        at_end: option A adds the empty channels behind the others instead of on both sides; the weights do
            not show it.

    Raises:
        InvalidInput: depth is not 6 n + 2.

    Source: He, Zhang, Ren and Sun, "Deep Residual Learning for Image Recognition" (2016), section 4.2;
    parameter names of akamaster/pytorch_resnet_cifar10.
    """

    def __init__(
        self,
        depth: int,
        num_classes: int,
        projection: bool = False,
        stem: int = 16,
        grid: int = 1,
        at_end: bool = False,
    ) -> None:
        super().__init__()
        blocks, rest = divmod(depth - 2, 6)
        if rest or blocks < 1:
            raise InvalidInput(f"a CIFAR ResNet has 6 n + 2 layers (20, 32, 44 ...), got {depth}")
        self.conv1 = nn.Conv2d(3, stem, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(stem)
        self.layer1 = _stage(blocks, stem, 16, 1, projection or stem != 16, at_end)
        self.layer2 = _stage(blocks, 16, 32, 2, projection, at_end)
        self.layer3 = _stage(blocks, 32, 64, 2, projection, at_end)
        self.grid = grid
        self.linear = nn.Linear(64 * grid**2, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits of normalised images."""
        x = torch.relu(self.bn1(self.conv1(x)))
        x = F.adaptive_avg_pool2d(self.layer3(self.layer2(self.layer1(x))), self.grid).flatten(1)
        logits: Tensor = self.linear(x)
        return logits


def propose(layers: Sequence[Layer]) -> list[str]:
    """Return the names of the CIFAR ResNets that may have these layers."""
    kernels = [layer.weight for layer in layers if layer.weight[2:] == (3, 3)]
    linear = [layer.weight for layer in layers if len(layer.weight) == 2]
    if len(kernels) < 7 or kernels[0][1] != 3 or kernels[-1][0] != 64 or not linear:
        return []
    projects = any(layer.weight[2:] == (1, 1) for layer in layers)
    stem = f"-stem{kernels[0][0]}" if kernels[0][0] != 16 else ""
    side = math.isqrt(linear[-1][1] // 64)
    grid = f"-grid{side}" if side > 1 else ""
    return [f"resnet-{len(kernels) + 1}" + "-b" * projects + stem + grid]


def twins(name: str) -> tuple[str, ...]:
    """Return the CIFAR ResNets with equal tensors and another computation: option A's other padding."""
    if "-b" in name:
        return ()
    return (name.removesuffix("-end"),) if name.endswith("-end") else (f"{name}-end",)


def identify(shapes: Mapping[str, tuple[int, ...]]) -> list[str]:
    """Return the names of the CIFAR ResNets whose weights could have these names and shapes."""
    if shapes.get("conv1.weight") != (16, 3, 3, 3) or "layer3.0.conv1.weight" not in shapes:
        return []
    blocks = sum(f"layer1.{i}.conv1.weight" in shapes for i in range(len(shapes)))
    return [f"resnet-{6 * blocks + 2}" + "-b" * ("layer2.0.shortcut.0.weight" in shapes)]
