"""CIFAR networks of plain chains of convolutions: MobileNets, EfficientNet, RegNet, ResNeXt, VGG."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

# Kernel, inputs, outputs, stride, groups of a convolution.
Step = tuple[int, int, int, int, int]


class _Gate(nn.Module):
    """Squeeze and excitation: each channel is scaled by a function of the means of all."""

    def __init__(self, channels: int, squeezed: int, swish: bool) -> None:
        super().__init__()
        self.se1 = nn.Conv2d(channels, squeezed, 1)
        self.se2 = nn.Conv2d(squeezed, channels, 1)
        self.swish = swish

    def forward(self, x: Tensor) -> Tensor:
        means = self.se1(F.adaptive_avg_pool2d(x, 1))
        means = F.silu(means) if self.swish else torch.relu(means)
        return x * torch.sigmoid(self.se2(means))


class _Chain(nn.Module):
    """Convolutions with batch norm, with or without a sum over the block.

    Args:
        steps: the convolutions.
        residual: add the block's input; by a 1 x 1 convolution where `projects`.
        projects: whether the shortcut is a convolution.
        relu_last: activation after the last convolution (after the sum, where there is one).
        gate: channels of the squeeze, before the last convolution; 0 for none.
        swish: x * sigmoid(x) in place of ReLU.
        first: leave the first convolution out of the computation where False; its weights exist all the same.
    """

    def __init__(
        self,
        steps: Sequence[Step],
        *,
        residual: bool = False,
        projects: bool = False,
        relu_last: bool = True,
        gate: int = 0,
        swish: bool = False,
        first: bool = True,
        pointwise_bias: bool = False,
    ) -> None:
        super().__init__()
        for i, (kernel, inputs, outputs, stride, groups) in enumerate(steps, 1):
            bias = pointwise_bias and kernel == 1
            convolution = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=bias)
            self.add_module(f"conv{i}", convolution)
            self.add_module(f"bn{i}", nn.BatchNorm2d(outputs))
            if gate and i == len(steps) - 1:
                self.se = _Gate(outputs, gate, swish)
        self.count, self.residual, self.relu_last, self.gated = len(steps), residual, relu_last, bool(gate)
        self.swish, self.first = swish, first
        self.shortcut = nn.Sequential()
        if projects:
            stride = max(step[3] for step in steps)
            self.shortcut.append(nn.Conv2d(steps[0][1], steps[-1][2], 1, stride, bias=False))
            self.shortcut.append(nn.BatchNorm2d(steps[-1][2]))

    def forward(self, x: Tensor) -> Tensor:
        out = x
        for i in range(1 if self.first else 2, self.count + 1):
            out = self.get_submodule(f"bn{i}")(self.get_submodule(f"conv{i}")(out))
            if i < self.count or (self.relu_last and not self.residual):
                out = F.silu(out) if self.swish else torch.relu(out)
            if self.gated and i == self.count - 1:
                out = self.se(out)
        if self.residual:
            out = torch.add(out, self.shortcut(x))
            out = torch.relu(out) if self.relu_last else out
        return out


class _Stacked(nn.Module):
    """A stem, blocks in `layers` or in numbered stages, perhaps a last convolution, mean, linear layer."""

    def __init__(self, stem: tuple[int, int], stages: Sequence[nn.Sequential], numbered: bool) -> None:
        super().__init__()
        kernel, channels = stem
        self.conv1 = nn.Conv2d(3, channels, kernel, padding=kernel // 2, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.swish = False
        self.names = [f"layer{i}" for i in range(1, len(stages) + 1)] if numbered else ["layers"]
        for name, stage in zip(self.names, stages, strict=True):
            self.add_module(name, stage)
        self.last = False

    def finish(self, features: int, num_classes: int, head: int = 0) -> None:
        """Add the last layers: a 1 x 1 convolution to `head` channels where that is not 0."""
        if head:
            self.conv2 = nn.Conv2d(features, head, 1, bias=False)
            self.bn2 = nn.BatchNorm2d(head)
        self.last = bool(head)
        self.linear = nn.Linear(head or features, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits of normalised images."""
        x = self.bn1(self.conv1(x))
        x = F.silu(x) if self.swish else torch.relu(x)
        for name in self.names:
            x = self.get_submodule(name)(x)
        if self.last:
            x = torch.relu(self.bn2(self.conv2(x)))
        logits: Tensor = self.linear(F.adaptive_avg_pool2d(x, 1).flatten(1))
        return logits


MOBILENET = ((64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), *[(512, 1)] * 5, (1024, 2), (1024, 1))


class MobileNet(_Stacked):
    """MobileNet for CIFAR. Shape: (N, 3, H, W) -> (N, num_classes).

    Args:
        num_classes: outputs.
        pointwise_bias: 1 x 1 convolutions have biases, as in weiaicunzai/pytorch-cifar100.

    Source: Howard et al. 2017, "MobileNets", table 1, with strides for 32 pixels; parameter names of
    kuangliu/pytorch-cifar.
    """

    def __init__(self, num_classes: int, pointwise_bias: bool = False) -> None:
        blocks, inputs = nn.Sequential(), 32
        for outputs, stride in MOBILENET:
            steps = ((3, inputs, inputs, stride, inputs), (1, inputs, outputs, 1, 1))
            blocks.append(_Chain(steps, pointwise_bias=pointwise_bias))
            inputs = outputs
        super().__init__((3, 32), [blocks], numbered=False)
        self.finish(inputs, num_classes)


# Expansion, output channels, blocks, stride.
MOBILENET_V2 = (
    (1, 16, 1, 1),
    (6, 24, 2, 1),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)


class MobileNetV2(_Stacked):
    """MobileNetV2 for CIFAR, with ReLU and projections. Shape: (N, 3, H, W) -> (N, num_classes).

    Source: Sandler et al. 2018, "MobileNetV2", table 2, with strides for 32 pixels; in
    kuangliu/pytorch-cifar every block of stride 1 has a sum, by a convolution where the width changes.
    """

    def __init__(self, num_classes: int) -> None:
        blocks, inputs = nn.Sequential(), 32
        for expansion, outputs, count, stride in MOBILENET_V2:
            for i in range(count):
                step = 1 if i else stride
                inner = expansion * inputs
                steps = (
                    (1, inputs, inner, 1, 1),
                    (3, inner, inner, step, inner),
                    (1, inner, outputs, 1, 1),
                )
                adds = step == 1
                projects = adds and inputs != outputs
                blocks.append(_Chain(steps, residual=adds, projects=projects, relu_last=False))
                inputs = outputs
        super().__init__((3, 32), [blocks], numbered=False)
        self.finish(inputs, num_classes, head=1280)


# Expansion, output channels, blocks, kernel, stride.
EFFICIENTNET_B0 = (
    (1, 16, 1, 3, 1),
    (6, 24, 2, 3, 2),
    (6, 40, 2, 5, 2),
    (6, 80, 3, 3, 2),
    (6, 112, 3, 5, 1),
    (6, 192, 4, 5, 2),
    (6, 320, 1, 3, 1),
)


class EfficientNetB0(_Stacked):
    """EfficientNet-B0 for CIFAR, without a head. Shape: (N, 3, H, W) -> (N, num_classes).

    Source: Tan and Le 2019, "EfficientNet", table 1; parameter names of kuangliu/pytorch-cifar, where the
    first block has an expansion that is not computed.
    """

    def __init__(self, num_classes: int) -> None:
        blocks, inputs = nn.Sequential(), 32
        for expansion, outputs, count, kernel, stride in EFFICIENTNET_B0:
            for i in range(count):
                step = 1 if i else stride
                inner = expansion * inputs
                steps = (
                    (1, inputs, inner, 1, 1),
                    (kernel, inner, inner, step, inner),
                    (1, inner, outputs, 1, 1),
                )
                blocks.append(
                    _Chain(
                        steps,
                        residual=step == 1 and inputs == outputs,
                        relu_last=False,
                        gate=inputs // 4,
                        swish=True,
                        first=expansion != 1,
                    )
                )
                inputs = outputs
        super().__init__((3, 32), [blocks], numbered=False)
        self.swish = True
        self.finish(inputs, num_classes)


# Blocks and widths of the four stages, channels of a group, whether there is squeeze and excitation.
REGNETS = {
    "x-200mf": ((1, 1, 4, 7), (24, 56, 152, 368), 8, False),
    "x-400mf": ((1, 2, 7, 12), (32, 64, 160, 384), 16, False),
    "y-400mf": ((1, 2, 7, 12), (32, 64, 160, 384), 16, True),
}


class RegNet(_Stacked):
    """RegNet for CIFAR. Shape: (N, 3, H, W) -> (N, num_classes).

    Args:
        variant: a key of REGNETS.
        num_classes: outputs.

    Source: Radosavovic et al. 2020, "Designing Network Design Spaces"; stem, strides and parameter names of
    kuangliu/pytorch-cifar.
    """

    def __init__(self, variant: str, num_classes: int) -> None:
        depths, widths, group, gated = REGNETS[variant]
        stages, inputs = [], 64
        for depth, width, stride in zip(depths, widths, (1, 1, 2, 2), strict=True):
            stage = nn.Sequential()
            for i in range(depth):
                step = 1 if i else stride
                steps = (
                    (1, inputs, width, 1, 1),
                    (3, width, width, step, width // group),
                    (1, width, width, 1, 1),
                )
                gate = round(inputs / 4) if gated else 0
                stage.append(_Chain(steps, residual=True, projects=step != 1 or inputs != width, gate=gate))
                inputs = width
            stages.append(stage)
        super().__init__((3, 64), stages, numbered=True)
        self.finish(inputs, num_classes)


class FlatResNeXt(_Stacked):
    """ResNeXt-29 for CIFAR with a 1 x 1 stem. Shape: (N, 3, H, W) -> (N, num_classes).

    Args:
        cardinality: groups of the 3 x 3 convolutions.
        width: channels of a group in the first stage; blocks widen to twice the groups' channels.
        num_classes: outputs.

    Source: Xie et al. 2017; plan and parameter names of kuangliu/pytorch-cifar, which widens by 2, not by 4.
    """

    def __init__(self, cardinality: int, width: int, num_classes: int) -> None:
        stages, inputs, inner = [], 64, cardinality * width
        for stride in (1, 2, 2):
            stage = nn.Sequential()
            for i in range(3):
                step = 1 if i else stride
                steps = (
                    (1, inputs, inner, 1, 1),
                    (3, inner, inner, step, cardinality),
                    (1, inner, 2 * inner, 1, 1),
                )
                stage.append(_Chain(steps, residual=True, projects=step != 1 or inputs != 2 * inner))
                inputs = 2 * inner
            stages.append(stage)
            inner *= 2
        super().__init__((1, 64), stages, numbered=True)
        self.finish(inputs, num_classes)


# Convolutions of the five stages.
VGGS = {11: (1, 1, 2, 2, 2), 13: (2, 2, 2, 2, 2), 16: (2, 2, 3, 3, 3), 19: (2, 2, 4, 4, 4)}
VGG_WIDTHS = (64, 128, 256, 512, 512)


class VGG(nn.Module):
    """VGG for images of 32 x 32 pixels. Shape: (N, 3, 32, 32) -> (N, num_classes).

    Args:
        depth: 11, 13, 16 or 19.
        num_classes: outputs.
        norm: batch norm after each convolution.
        hidden: width of two hidden linear layers; 0 for a single linear layer.

    Source: Simonyan and Zisserman 2015; parameter names of kuangliu/pytorch-cifar (one linear layer),
    chengyangfu/pytorch-vgg-cifar10 (hidden 512) and weiaicunzai/pytorch-cifar100 (hidden 4096).
    """

    def __init__(self, depth: int, num_classes: int, norm: bool = False, hidden: int = 0) -> None:
        super().__init__()
        self.features = nn.Sequential()
        inputs = 3
        for count, outputs in zip(VGGS[depth], VGG_WIDTHS, strict=True):
            for _ in range(count):
                self.features.append(nn.Conv2d(inputs, outputs, 3, padding=1))
                if norm:
                    self.features.append(nn.BatchNorm2d(outputs))
                self.features.append(nn.ReLU())
                inputs = outputs
            self.features.append(nn.MaxPool2d(2))
        self.classifier: nn.Module = nn.Linear(inputs, num_classes)
        if hidden:
            first, second = nn.Linear(inputs, hidden), nn.Linear(hidden, hidden)
            parts = (nn.ReLU(), nn.Dropout(), second, nn.ReLU(), nn.Linear(hidden, num_classes))
            self.classifier = nn.Sequential(first, *parts)

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits of normalised images."""
        logits: Tensor = self.classifier(self.features(x).flatten(1))
        return logits
