"""CIFAR networks with other wiring: SENet, ShuffleNet, ShuffleNetV2, DLA and DenseNet of four blocks."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F


def _convolution(kernel: int, inputs: int, outputs: int, stride: int = 1, groups: int = 1) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False)


def _shuffle(x: Tensor, groups: int) -> Tensor:
    """Interleave the channels of the groups."""
    n, channels, height, width = x.shape
    shuffled = x.reshape(n, groups, channels // groups, height, width).transpose(1, 2)
    return shuffled.reshape(n, channels, height, width)


def _mean(x: Tensor) -> Tensor:
    return F.adaptive_avg_pool2d(x, 1).flatten(1)


class _GatedPreActBlock(nn.Module):
    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.bn1, self.conv1 = nn.BatchNorm2d(inputs), _convolution(3, inputs, outputs, stride)
        self.bn2, self.conv2 = nn.BatchNorm2d(outputs), _convolution(3, outputs, outputs)
        self.shortcut: nn.Sequential | None = None
        if stride != 1 or inputs != outputs:
            self.shortcut = nn.Sequential(_convolution(1, inputs, outputs, stride))
        self.fc1, self.fc2 = nn.Conv2d(outputs, outputs // 16, 1), nn.Conv2d(outputs // 16, outputs, 1)

    def forward(self, x: Tensor) -> Tensor:
        active = torch.relu(self.bn1(x))
        around = x if self.shortcut is None else self.shortcut(active)
        out = self.conv2(torch.relu(self.bn2(self.conv1(active))))
        gate = self.fc2(torch.relu(self.fc1(F.adaptive_avg_pool2d(out, 1))))
        return torch.add(out * torch.sigmoid(gate), around)


class SENet18(nn.Module):
    """Pre-activation ResNet-18 with squeeze and excitation. Shape: (N, 3, H, W) -> (N, num_classes).

    Source: Hu et al. 2018, "Squeeze-and-Excitation Networks"; plan and parameter names of
    kuangliu/pytorch-cifar: batch norm and ReLU after the stem, none before the mean.
    """

    def __init__(self, num_classes: int) -> None:
        super().__init__()
        self.conv1, self.bn1 = _convolution(3, 3, 64), nn.BatchNorm2d(64)
        inputs = 64
        for i, outputs in enumerate((64, 128, 256, 512)):
            first = _GatedPreActBlock(inputs, outputs, 2 if i else 1)
            self.add_module(f"layer{i + 1}", nn.Sequential(first, _GatedPreActBlock(outputs, outputs, 1)))
            inputs = outputs
        self.linear = nn.Linear(inputs, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits of normalised images."""
        x = torch.relu(self.bn1(self.conv1(x)))
        for i in range(1, 5):
            x = self.get_submodule(f"layer{i}")(x)
        logits: Tensor = self.linear(_mean(x))
        return logits


class _ShuffleBlock(nn.Module):
    """ShuffleNet's unit; of stride 2 it is joined with the mean of its input."""

    def __init__(self, inputs: int, outputs: int, stride: int, groups: int, first: int) -> None:
        super().__init__()
        inner = outputs // 4
        self.stride, self.first = stride, first
        self.conv1, self.bn1 = _convolution(1, inputs, inner, groups=first), nn.BatchNorm2d(inner)
        self.conv2, self.bn2 = _convolution(3, inner, inner, stride, inner), nn.BatchNorm2d(inner)
        self.conv3, self.bn3 = _convolution(1, inner, outputs, groups=groups), nn.BatchNorm2d(outputs)

    def forward(self, x: Tensor) -> Tensor:
        out = _shuffle(torch.relu(self.bn1(self.conv1(x))), self.first)
        out = self.bn3(self.conv3(torch.relu(self.bn2(self.conv2(out)))))
        if self.stride == 2:
            return torch.relu(torch.cat((out, F.avg_pool2d(x, 3, 2, padding=1)), dim=1))
        return torch.relu(out + x)


class ShuffleNet(nn.Module):
    """ShuffleNet with 2 or 3 groups for CIFAR. Shape: (N, 3, H, W) -> (N, num_classes).

    Source: Zhang et al. 2018, "ShuffleNet", table 1; stem, strides and parameter names of
    kuangliu/pytorch-cifar.
    """

    def __init__(self, groups: int, num_classes: int) -> None:
        super().__init__()
        self.conv1, self.bn1 = _convolution(1, 3, 24), nn.BatchNorm2d(24)
        width, inputs = {2: 200, 3: 240}[groups], 24
        for i, count in enumerate((4, 8, 4)):
            outputs = width * 2**i
            stage = nn.Sequential()
            for j in range(count):
                first = 1 if inputs == 24 else groups
                grown = outputs if j else outputs - inputs
                stage.append(_ShuffleBlock(inputs, grown, 1 if j else 2, groups, first))
                inputs = outputs
            self.add_module(f"layer{i + 1}", stage)
        self.linear = nn.Linear(inputs, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits of normalised images."""
        x = torch.relu(self.bn1(self.conv1(x)))
        for i in range(1, 4):
            x = self.get_submodule(f"layer{i}")(x)
        logits: Tensor = self.linear(_mean(x))
        return logits


class _SplitBlock(nn.Module):
    """One half of the channels passes by."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.side = channels // 2
        self.conv1, self.bn1 = _convolution(1, self.side, self.side), nn.BatchNorm2d(self.side)
        self.conv2 = _convolution(3, self.side, self.side, groups=self.side)
        self.bn2 = nn.BatchNorm2d(self.side)
        self.conv3, self.bn3 = _convolution(1, self.side, self.side), nn.BatchNorm2d(self.side)

    def forward(self, x: Tensor) -> Tensor:
        out = torch.relu(self.bn1(self.conv1(x[:, self.side :])))
        out = torch.relu(self.bn3(self.conv3(self.bn2(self.conv2(out)))))
        return _shuffle(torch.cat((x[:, : self.side], out), dim=1), 2)


class _DownBlock(nn.Module):
    """Two branches of stride 2."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        half = outputs // 2
        self.conv1, self.bn1 = _convolution(3, inputs, inputs, 2, inputs), nn.BatchNorm2d(inputs)
        self.conv2, self.bn2 = _convolution(1, inputs, half), nn.BatchNorm2d(half)
        self.conv3, self.bn3 = _convolution(1, inputs, half), nn.BatchNorm2d(half)
        self.conv4, self.bn4 = _convolution(3, half, half, 2, half), nn.BatchNorm2d(half)
        self.conv5, self.bn5 = _convolution(1, half, half), nn.BatchNorm2d(half)

    def forward(self, x: Tensor) -> Tensor:
        left = torch.relu(self.bn2(self.conv2(self.bn1(self.conv1(x)))))
        right = self.bn4(self.conv4(torch.relu(self.bn3(self.conv3(x)))))
        right = torch.relu(self.bn5(self.conv5(right)))
        return _shuffle(torch.cat((left, right), dim=1), 2)


# Channels of the three stages and of the last convolution, by the width in tenths.
SHUFFLENET_V2 = {
    5: (48, 96, 192, 1024),
    10: (116, 232, 464, 1024),
    15: (176, 352, 704, 1024),
    20: (224, 488, 976, 2048),
}


class ShuffleNetV2(nn.Module):
    """ShuffleNetV2 for CIFAR. Shape: (N, 3, H, W) -> (N, num_classes).

    Args:
        tenths: width in tenths, a key of SHUFFLENET_V2.
        num_classes: outputs.

    Source: Ma et al. 2018, "ShuffleNet V2", table 5; stem and parameter names of kuangliu/pytorch-cifar.
    """

    def __init__(self, tenths: int, num_classes: int) -> None:
        super().__init__()
        *widths, last = SHUFFLENET_V2[tenths]
        self.conv1, self.bn1 = _convolution(3, 3, 24), nn.BatchNorm2d(24)
        inputs = 24
        for i, (width, count) in enumerate(zip(widths, (3, 7, 3), strict=True)):
            blocks = (_SplitBlock(width) for _ in range(count))
            self.add_module(f"layer{i + 1}", nn.Sequential(_DownBlock(inputs, width), *blocks))
            inputs = width
        self.conv2, self.bn2 = _convolution(1, inputs, last), nn.BatchNorm2d(last)
        self.linear = nn.Linear(last, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits of normalised images."""
        x = torch.relu(self.bn1(self.conv1(x)))
        for i in range(1, 4):
            x = self.get_submodule(f"layer{i}")(x)
        logits: Tensor = self.linear(_mean(torch.relu(self.bn2(self.conv2(x)))))
        return logits


class _ResidualBlock(nn.Module):
    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.conv1, self.bn1 = _convolution(3, inputs, outputs, stride), nn.BatchNorm2d(outputs)
        self.conv2, self.bn2 = _convolution(3, outputs, outputs), nn.BatchNorm2d(outputs)
        self.shortcut = nn.Sequential()
        if stride != 1 or inputs != outputs:
            self.shortcut.append(_convolution(1, inputs, outputs, stride))
            self.shortcut.append(nn.BatchNorm2d(outputs))

    def forward(self, x: Tensor) -> Tensor:
        out = self.bn2(self.conv2(torch.relu(self.bn1(self.conv1(x)))))
        return torch.relu(out + self.shortcut(x))


class _Root(nn.Module):
    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv, self.bn = _convolution(1, inputs, outputs), nn.BatchNorm2d(outputs)

    def forward(self, parts: Sequence[Tensor]) -> Tensor:
        return torch.relu(self.bn(self.conv(torch.cat(list(parts), dim=1))))


class _SimpleTree(nn.Module):
    """Two subtrees in a row and a root that joins what they return."""

    def __init__(self, inputs: int, outputs: int, level: int, stride: int) -> None:
        super().__init__()
        self.root = _Root(2 * outputs, outputs)
        if level == 1:
            self.left_tree: nn.Module = _ResidualBlock(inputs, outputs, stride)
            self.right_tree: nn.Module = _ResidualBlock(outputs, outputs, 1)
        else:
            self.left_tree = _SimpleTree(inputs, outputs, level - 1, stride)
            self.right_tree = _SimpleTree(outputs, outputs, level - 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        left = self.left_tree(x)
        joined: Tensor = self.root((left, self.right_tree(left)))
        return joined


class _Tree(nn.Module):
    """A tree whose root joins the subtrees of every lower level and two blocks."""

    def __init__(self, inputs: int, outputs: int, level: int, stride: int) -> None:
        super().__init__()
        self.root = _Root((level + 1) * outputs, outputs)
        self.levels = [f"level_{i}" for i in reversed(range(1, level))]
        for name in self.levels:
            self.add_module(name, _Tree(inputs, outputs, int(name[-1]), stride))
        self.left_node = _ResidualBlock(
            outputs if self.levels else inputs, outputs, 1 if self.levels else stride
        )
        self.right_node = _ResidualBlock(outputs, outputs, 1)

    def forward(self, x: Tensor) -> Tensor:
        parts = []
        for name in (*self.levels, "left_node", "right_node"):
            x = self.get_submodule(name)(x)
            parts.append(x)
        joined: Tensor = self.root(parts)
        return joined


class DLA(nn.Module):
    """Deep layer aggregation for CIFAR. Shape: (N, 3, H, W) -> (N, num_classes).

    Args:
        num_classes: outputs.
        simple: trees of two equal subtrees, the variant that kuangliu/pytorch-cifar recommends.

    Source: Yu et al. 2018, "Deep Layer Aggregation"; plan and parameter names of kuangliu/pytorch-cifar.
    """

    def __init__(self, num_classes: int, simple: bool = False) -> None:
        super().__init__()
        for name, inputs, outputs in (("base", 3, 16), ("layer1", 16, 16), ("layer2", 16, 32)):
            part = nn.Sequential(_convolution(3, inputs, outputs), nn.BatchNorm2d(outputs), nn.ReLU())
            self.add_module(name, part)
        tree = _SimpleTree if simple else _Tree
        self.layer3 = tree(32, 64, 1, 1)
        self.layer4 = tree(64, 128, 2, 2)
        self.layer5 = tree(128, 256, 2, 2)
        self.layer6 = tree(256, 512, 1, 2)
        self.linear = nn.Linear(512, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits of normalised images."""
        for name in ("base", "layer1", "layer2", "layer3", "layer4", "layer5", "layer6"):
            x = self.get_submodule(name)(x)
        logits: Tensor = self.linear(_mean(x))
        return logits


class _DenseLayer(nn.Module):
    def __init__(self, inputs: int, growth: int) -> None:
        super().__init__()
        self.bn1, self.conv1 = nn.BatchNorm2d(inputs), _convolution(1, inputs, 4 * growth)
        self.bn2, self.conv2 = nn.BatchNorm2d(4 * growth), _convolution(3, 4 * growth, growth)

    def forward(self, x: Tensor) -> Tensor:
        new = self.conv1(torch.relu(self.bn1(x)))
        # The new channels come first.
        return torch.cat((self.conv2(torch.relu(self.bn2(new))), x), dim=1)


class _Transition(nn.Module):
    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.bn, self.conv = nn.BatchNorm2d(inputs), _convolution(1, inputs, outputs)

    def forward(self, x: Tensor) -> Tensor:
        return F.avg_pool2d(self.conv(torch.relu(self.bn(x))), 2)


# Layers of the four blocks.
DENSE_BLOCKS = {121: (6, 12, 24, 16), 161: (6, 12, 36, 24), 169: (6, 12, 32, 32), 201: (6, 12, 48, 32)}


class FourBlockDenseNet(nn.Module):
    """DenseNet-121 to 201 with a stem for 32 x 32 pixels. Shape: (N, 3, H, W) -> (N, num_classes).

    Args:
        depth: a key of DENSE_BLOCKS.
        growth: channels that each layer adds; 32 (48 for depth 161), or 12 for the small one of CIFAR.
        num_classes: outputs.

    Source: Huang et al. 2017, table 1; parameter names of kuangliu/pytorch-cifar, where a layer's new
    channels come before the older ones.
    """

    def __init__(self, depth: int, growth: int, num_classes: int) -> None:
        super().__init__()
        channels = 2 * growth
        self.conv1 = _convolution(3, 3, channels)
        for i, count in enumerate(DENSE_BLOCKS[depth], 1):
            layers = (_DenseLayer(channels + j * growth, growth) for j in range(count))
            self.add_module(f"dense{i}", nn.Sequential(*layers))
            channels += count * growth
            if i < 4:
                self.add_module(f"trans{i}", _Transition(channels, channels // 2))
                channels //= 2
        self.bn = nn.BatchNorm2d(channels)
        self.linear = nn.Linear(channels, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits of normalised images."""
        x = self.conv1(x)
        for i in range(1, 5):
            x = self.get_submodule(f"dense{i}")(x)
            x = self.get_submodule(f"trans{i}")(x) if i < 4 else x
        logits: Tensor = self.linear(_mean(torch.relu(self.bn(x))))
        return logits
