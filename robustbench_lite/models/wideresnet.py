"""Wide residual networks for CIFAR, with the names of the AugMix, TRADES and RobustBench releases."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from robustbench_lite.errors import InvalidInput
from robustbench_lite.models.structure import Layer


class _Block(nn.Module):
    """Pre-activation block; where the width changes, the shortcut starts after the first activation."""

    def __init__(self, inputs: int, outputs: int, stride: int, dropout: float, bias: bool, raw: bool) -> None:
        super().__init__()
        self.bn1 = nn.BatchNorm2d(inputs)
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=bias)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1, bias=bias)
        self.dropout = nn.Dropout(dropout)
        projects = inputs != outputs
        self.convShortcut = nn.Conv2d(inputs, outputs, 1, stride, bias=bias) if projects else None
        self.raw = raw

    def forward(self, x: Tensor) -> Tensor:
        activated = torch.relu(self.bn1(x))
        shortcut = x if self.convShortcut is None else self.convShortcut(x if self.raw else activated)
        residual = torch.relu(self.bn2(self.conv1(activated)))
        return torch.add(shortcut, self.conv2(self.dropout(residual)))


class _Group(nn.Module):
    def __init__(
        self, blocks: int, inputs: int, outputs: int, stride: int, dropout: float, bias: bool, raw: bool
    ) -> None:
        super().__init__()
        first = _Block(inputs, outputs, stride, dropout, bias, raw)
        others = (_Block(outputs, outputs, 1, dropout, bias, raw) for _ in range(blocks - 1))
        self.layer = nn.Sequential(first, *others)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.layer(x)
        return out


class WideResNet(nn.Module):
    """WRN-depth-width for images of 32 x 32 pixels.

    Shape: (N, 3, H, W) -> (N, num_classes).

    Args:
        depth: 6 n + 4 layers.
        width: channels relative to ResNet (16, 32, 64).
        num_classes: outputs.
        dropout: probability of dropping a value between a block's two convolutions.
        bias: convolutions have biases, as in meliketoy/wide-resnet.pytorch and weiaicunzai/pytorch-cifar100.
        raw_shortcut: projections take the block's raw input, as in these two; the weights do not show it.
        linear_end: no ReLU after the last batch norm, as in the second; the weights do not show it.

    Raises:
        InvalidInput: depth is not 6 n + 4.

    Source: Zagoruyko and Komodakis, "Wide Residual Networks" (2016), table 1; the AugMix paper uses WRN-40-2.
    """

    def __init__(
        self,
        depth: int,
        width: int,
        num_classes: int,
        dropout: float = 0.0,
        bias: bool = False,
        raw_shortcut: bool = False,
        linear_end: bool = False,
    ) -> None:
        super().__init__()
        blocks, rest = divmod(depth - 4, 6)
        if rest or blocks < 1:
            raise InvalidInput(f"a wide ResNet has 6 n + 4 layers (16, 28, 40 ...), got {depth}")
        self.conv1 = nn.Conv2d(3, 16, 3, padding=1, bias=bias)
        options = dropout, bias, raw_shortcut
        self.block1 = _Group(blocks, 16, 16 * width, 1, *options)
        self.block2 = _Group(blocks, 16 * width, 32 * width, 2, *options)
        self.block3 = _Group(blocks, 32 * width, 64 * width, 2, *options)
        self.linear_end = linear_end
        self.bn1 = nn.BatchNorm2d(64 * width)
        self.fc = nn.Linear(64 * width, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits of normalised images."""
        x = self.block3(self.block2(self.block1(self.conv1(x))))
        x = self.bn1(x) if self.linear_end else torch.relu(self.bn1(x))
        x = F.adaptive_avg_pool2d(x, 1).flatten(1)
        logits: Tensor = self.fc(x)
        return logits


def propose(layers: Sequence[Layer]) -> list[str]:
    """Return the names of the wide ResNets that may have these layers."""
    kernels = [layer for layer in layers if layer.weight[2:] == (3, 3)]
    if len(kernels) < 7 or kernels[0].weight[:2] != (16, 3) or kernels[1].weight[0] % 16:
        return []
    name = f"wrn-{len(kernels) + 3}-{kernels[1].weight[0] // 16}"
    biased = any(leaf == "bias" for leaf, _ in kernels[0].signature)
    if not biased:
        return [name]
    # meliketoy's and weiaicunzai's networks have equal tensors; the name of the stem tells them apart.
    unrectified = kernels[0].name.rpartition(".")[2] == "init_conv"
    return [f"{name}-bias-raw" + "-linear" * unrectified]


def twins(name: str) -> tuple[str, ...]:
    """Return the wide ResNets with equal tensors and another computation."""
    if "-bias" in name:
        base = name.removesuffix("-linear").removesuffix("-raw")
        return tuple(n for n in (base, f"{base}-raw", f"{base}-raw-linear") if n != name)
    return (name.removesuffix("-raw"),) if name.endswith("-raw") else (f"{name}-raw",)


def identify(shapes: Mapping[str, tuple[int, ...]]) -> list[str]:
    """Return the names of the wide ResNets whose weights could have these names and shapes."""
    first = shapes.get("block1.layer.0.conv1.weight")
    if first is None or first[0] % 16:
        return []
    blocks = sum(f"block1.layer.{i}.conv1.weight" in shapes for i in range(len(shapes)))
    return [f"wrn-{6 * blocks + 4}-{first[0] // 16}"]
