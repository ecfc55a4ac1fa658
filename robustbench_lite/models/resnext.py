"""ResNeXt for CIFAR, with the parameter names of google-research/augmix."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from robustbench_lite.errors import InvalidInput
from robustbench_lite.models.structure import Layer


class _Block(nn.Module):
    def __init__(self, inputs: int, planes: int, cardinality: int, width: int, stride: int) -> None:
        super().__init__()
        inner = cardinality * (planes * width // 64)
        outputs = 4 * planes
        self.conv_reduce = nn.Conv2d(inputs, inner, 1, bias=False)
        self.bn_reduce = nn.BatchNorm2d(inner)
        self.conv_conv = nn.Conv2d(inner, inner, 3, stride, padding=1, groups=cardinality, bias=False)
        self.bn = nn.BatchNorm2d(inner)
        self.conv_expand = nn.Conv2d(inner, outputs, 1, bias=False)
        self.bn_expand = nn.BatchNorm2d(outputs)
        self.downsample: nn.Sequential | None = None
        if stride != 1 or inputs != outputs:
            projection = nn.Conv2d(inputs, outputs, 1, stride, bias=False)
            self.downsample = nn.Sequential(projection, nn.BatchNorm2d(outputs))

    def forward(self, x: Tensor) -> Tensor:
        out = torch.relu(self.bn_reduce(self.conv_reduce(x)))
        out = torch.relu(self.bn(self.conv_conv(out)))
        out = self.bn_expand(self.conv_expand(out))
        return torch.relu(out + (x if self.downsample is None else self.downsample(x)))


class ResNeXt(nn.Module):
    """ResNeXt-depth (cardinality x width d) of three stages for images of 32 x 32 pixels.

    Shape: (N, 3, H, W) -> (N, num_classes).

    Args:
        depth: 9 n + 2 layers.
        cardinality: groups of the 3 x 3 convolutions.
        width: channels of a group in the first stage.
        num_classes: outputs.

    Raises:
        InvalidInput: depth is not 9 n + 2.

    Source: Xie et al., "Aggregated Residual Transformations" (2017), section 5.3. What the AugMix paper calls
    ResNeXt-29 (32 x 4) has cardinality 4 and width 32 in its authors' code: here `resnext-29-4x32d`.
    """

    def __init__(self, depth: int, cardinality: int, width: int, num_classes: int) -> None:
        super().__init__()
        blocks, rest = divmod(depth - 2, 9)
        if rest or blocks < 1:
            raise InvalidInput(f"a CIFAR ResNeXt has 9 n + 2 layers (29, 38, 47 ...), got {depth}")
        self.conv_1_3x3 = nn.Conv2d(3, 64, 3, padding=1, bias=False)
        self.bn_1 = nn.BatchNorm2d(64)
        inputs = 64
        for i, planes in enumerate((64, 128, 256)):
            stage = nn.Sequential()
            for j in range(blocks):
                stage.append(_Block(inputs, planes, cardinality, width, 2 if i and not j else 1))
                inputs = 4 * planes
            self.add_module(f"stage_{i + 1}", stage)
        self.classifier = nn.Linear(inputs, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits of normalised images."""
        x = torch.relu(self.bn_1(self.conv_1_3x3(x)))
        for i in (1, 2, 3):
            x = self.get_submodule(f"stage_{i}")(x)
        logits: Tensor = self.classifier(F.adaptive_avg_pool2d(x, 1).flatten(1))
        return logits


def propose(layers: Sequence[Layer]) -> list[str]:
    """Return the names of the CIFAR ResNeXts that may have these layers."""
    grouped = [w for w in (layer.weight for layer in layers) if w[2:] == (3, 3) and w[1] and w[0] > w[1] > 3]
    blocks, rest = divmod(len(grouped), 3)
    if not blocks or rest:
        return []
    return [f"resnext-{9 * blocks + 2}-{grouped[0][0] // grouped[0][1]}x{grouped[0][1]}d"]


def identify(shapes: Mapping[str, tuple[int, ...]]) -> list[str]:
    """Return the names of the CIFAR ResNeXts whose weights could have these names and shapes."""
    grouped = shapes.get("stage_1.0.conv_conv.weight")
    if grouped is None or len(grouped) != 4 or not grouped[1]:
        return []
    blocks = sum(f"stage_1.{i}.conv_conv.weight" in shapes for i in range(len(shapes)))
    return [f"resnext-{9 * blocks + 2}-{grouped[0] // grouped[1]}x{grouped[1]}d"]
