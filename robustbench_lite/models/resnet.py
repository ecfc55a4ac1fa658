"""Residual networks of ImageNet's four-stage plan with a stem for 32 x 32 pixels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from robustbench_lite.models.structure import Layer

STAGES = {
    18: (2, 2, 2, 2),
    34: (3, 4, 6, 3),
    50: (3, 4, 6, 3),
    101: (3, 4, 23, 3),
    152: (3, 8, 36, 3),
}
BOTTLENECK_DEPTH = 50


class _Block(nn.Module):
    """Two 3 x 3 convolutions, or the 1-3-1 bottleneck, then the sum and a ReLU."""

    def __init__(self, inputs: int, planes: int, stride: int, bottleneck: bool) -> None:
        super().__init__()
        outputs = 4 * planes if bottleneck else planes
        kernels, strides, widths = _plan(planes, stride, bottleneck)
        channels = (inputs, *widths)
        for i, (kernel, step) in enumerate(zip(kernels, strides, strict=True)):
            convolution = nn.Conv2d(channels[i], channels[i + 1], kernel, step, kernel // 2, bias=False)
            self.add_module(f"conv{i + 1}", convolution)
            self.add_module(f"bn{i + 1}", nn.BatchNorm2d(channels[i + 1]))
        self.depth = len(kernels)
        self.shortcut = nn.Sequential()
        if stride != 1 or inputs != outputs:
            self.shortcut.append(nn.Conv2d(inputs, outputs, 1, stride, bias=False))
            self.shortcut.append(nn.BatchNorm2d(outputs))

    def forward(self, x: Tensor) -> Tensor:
        out = x
        for i in range(1, self.depth + 1):
            out = self.get_submodule(f"bn{i}")(self.get_submodule(f"conv{i}")(out))
            if i < self.depth:
                out = torch.relu(out)
        return torch.relu(out + self.shortcut(x))


class _PreActBlock(nn.Module):
    """Norm and ReLU come before each convolution; the shortcut projects the activated or the raw input."""

    def __init__(self, inputs: int, planes: int, stride: int, bottleneck: bool, raw: bool) -> None:
        super().__init__()
        outputs = 4 * planes if bottleneck else planes
        kernels, strides, widths = _plan(planes, stride, bottleneck)
        channels = (inputs, *widths)
        for i, (kernel, step) in enumerate(zip(kernels, strides, strict=True)):
            convolution = nn.Conv2d(channels[i], channels[i + 1], kernel, step, kernel // 2, bias=False)
            self.add_module(f"bn{i + 1}", nn.BatchNorm2d(channels[i]))
            self.add_module(f"conv{i + 1}", convolution)
        self.depth = len(kernels)
        self.raw = raw
        self.shortcut: nn.Sequential | None = None
        if stride != 1 or inputs != outputs:
            self.shortcut = nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False))

    def forward(self, x: Tensor) -> Tensor:
        activated = torch.relu(self.get_submodule("bn1")(x))
        shortcut = x if self.shortcut is None else self.shortcut(x if self.raw else activated)
        out = self.get_submodule("conv1")(activated)
        for i in range(2, self.depth + 1):
            out = self.get_submodule(f"conv{i}")(torch.relu(self.get_submodule(f"bn{i}")(out)))
        return torch.add(out, shortcut)


def _plan(
    planes: int, stride: int, bottleneck: bool
) -> tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]:
    """Kernel sizes, strides and output channels of a block's convolutions."""
    if bottleneck:
        return (1, 3, 1), (1, stride, 1), (planes, planes, 4 * planes)
    return (3, 3), (stride, 1), (planes, planes)


class ResNet(nn.Module):
    """ResNet-18 to 152 with a 3 x 3 stem of stride 1, as trained on CIFAR.

    Shape: (N, 3, H, W) -> (N, num_classes).

    Args:
        depth: 18, 34, 50, 101 or 152.
        num_classes: outputs.
        maxpool: keep the 3 x 3 max pool of the ImageNet stem (it has no weights, so a checkpoint can't tell).

    Source: He et al. (2016), table 1; parameter names of kuangliu/pytorch-cifar.
    """

    def __init__(self, depth: int, num_classes: int, maxpool: bool = False) -> None:
        super().__init__()
        bottleneck = depth >= BOTTLENECK_DEPTH
        self.conv1 = nn.Conv2d(3, 64, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.maxpool = nn.MaxPool2d(3, 2, padding=1) if maxpool else nn.Identity()
        inputs = 64
        for i, blocks in enumerate(STAGES[depth]):
            planes = 64 * 2**i
            stage = nn.Sequential()
            for j in range(blocks):
                stage.append(_Block(inputs, planes, 2 if i and not j else 1, bottleneck))
                inputs = 4 * planes if bottleneck else planes
            self.add_module(f"layer{i + 1}", stage)
        self.linear = nn.Linear(inputs, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits of normalised images."""
        x = self.maxpool(torch.relu(self.bn1(self.conv1(x))))
        for i in range(1, 5):
            x = self.get_submodule(f"layer{i}")(x)
        logits: Tensor = self.linear(F.adaptive_avg_pool2d(x, 1).flatten(1))
        return logits


class PreActResNet(nn.Module):
    """Pre-activation ResNet-18, 34 or 50 for CIFAR.

    Shape: (N, 3, H, W) -> (N, num_classes).

    Args:
        depth: 18, 34, 50, 101 or 152.
        num_classes: outputs.
        final_norm: batch norm and ReLU before pooling; the paper has them, kuangliu/pytorch-cifar has not.
        raw_shortcut: projections take the block's raw input, as in Wong et al. (2020) and several RobustBench
            models, instead of the activated one; the weights have the same names either way.

    Source: He et al., "Identity Mappings in Deep Residual Networks" (2016); parameter names of
    kuangliu/pytorch-cifar.
    """

    def __init__(
        self, depth: int, num_classes: int, final_norm: bool = False, raw_shortcut: bool = False
    ) -> None:
        super().__init__()
        bottleneck = depth >= BOTTLENECK_DEPTH
        self.conv1 = nn.Conv2d(3, 64, 3, padding=1, bias=False)
        inputs = 64
        for i, blocks in enumerate(STAGES[depth]):
            planes = 64 * 2**i
            stage = nn.Sequential()
            for j in range(blocks):
                stage.append(_PreActBlock(inputs, planes, 2 if i and not j else 1, bottleneck, raw_shortcut))
                inputs = 4 * planes if bottleneck else planes
            self.add_module(f"layer{i + 1}", stage)
        self.bn = nn.BatchNorm2d(inputs) if final_norm else None
        self.linear = nn.Linear(inputs, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits of normalised images."""
        x = self.conv1(x)
        for i in range(1, 5):
            x = self.get_submodule(f"layer{i}")(x)
        if self.bn is not None:
            x = torch.relu(self.bn(x))
        logits: Tensor = self.linear(F.adaptive_avg_pool2d(x, 1).flatten(1))
        return logits


def propose(layers: Sequence[Layer]) -> list[str]:
    """Return the names of the four-stage CIFAR ResNets that may have these layers."""
    kernels = [layer.weight for layer in layers if layer.weight[2:] == (3, 3)]
    if not kernels or kernels[0] != (64, 3, 3, 3):
        return []
    names = []
    for depth, stages in STAGES.items():
        if len(kernels) == 1 + sum(stages) * (1 if depth >= BOTTLENECK_DEPTH else 2):
            names += [
                f"cifar-resnet-{depth}",
                f"cifar-preact-resnet-{depth}",
                f"cifar-preact-resnet-{depth}-bn",
            ]
    return names


def twins(name: str) -> tuple[str, ...]:
    """Return the networks with equal tensors and another computation: a max pool, or raw shortcuts."""
    suffix = "-raw" if "preact" in name else "-maxpool"
    return (name.removesuffix(suffix),) if name.endswith(suffix) else (f"{name}{suffix}",)


def identify(shapes: Mapping[str, tuple[int, ...]]) -> list[str]:
    """Return the names of the four-stage CIFAR ResNets whose weights could have these names and shapes."""
    if shapes.get("conv1.weight") != (64, 3, 3, 3) or "layer4.0.conv1.weight" not in shapes:
        return []
    stages = tuple(
        sum(f"layer{s}.{i}.conv1.weight" in shapes for i in range(len(shapes))) for s in range(1, 5)
    )
    bottleneck = "layer1.0.conv3.weight" in shapes
    depths = [d for d, plan in STAGES.items() if plan == stages and (d >= BOTTLENECK_DEPTH) == bottleneck]
    if "bn1.weight" in shapes:
        return [f"cifar-resnet-{d}" for d in depths]
    return [f"cifar-preact-resnet-{d}" + "-bn" * ("bn.weight" in shapes) for d in depths]
