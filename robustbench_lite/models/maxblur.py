"""ResNets for ImageNet that blur before they subsample: max-blur pooling and blurred strides."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from robustbench_lite.models import external

DEPTHS = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3), 50: (3, 4, 6, 3), 101: (3, 4, 23, 3), 152: (3, 8, 36, 3)}
BINOMIAL = {
    2: (1, 1),
    3: (1, 2, 1),
    4: (1, 3, 3, 1),
    5: (1, 4, 6, 4, 1),
    6: (1, 5, 10, 10, 5, 1),
    7: (1, 6, 15, 20, 15, 6, 1),
}
BIN_5 = 5


class BlurPool(nn.Module):
    """A binomial filter on every channel, then every second pixel; borders are reflected.

    Shape: (N, C, H, W) -> (N, C, ceil(H / 2), ceil(W / 2)).

    Args:
        channels: C.
        size: the side of the filter in pixels, a key of BINOMIAL.
    """

    filt: Tensor

    def __init__(self, channels: int, size: int) -> None:
        super().__init__()
        row = torch.tensor(BINOMIAL[size], dtype=torch.float32)
        row = row / row.sum()
        self.register_buffer("filt", torch.outer(row, row).repeat(channels, 1, 1, 1))
        before, after = (size - 1) // 2, size // 2
        self.border = (before, after, before, after)

    def forward(self, images: Tensor) -> Tensor:
        """Blur and subsample."""
        bordered = F.pad(images, self.border, mode="reflect")
        return F.conv2d(bordered, self.filt, stride=2, groups=images.shape[1])


def max_blur_resnet(depth: int, num_classes: int, size: int = BIN_5) -> nn.Module:
    """ResNet-depth whose max pool and strides, but for the first convolution's, are blurred.

    Shape: (N, 3, H, W) -> (N, num_classes).

    Args:
        depth: 18, 34, 50, 101 or 152.
        num_classes: outputs.
        size: the side of the filter, 2 to 7 pixels; 5 gives the clean error that the AugMix paper prints.

    Source: Zhang 2019, "Making Convolutional Networks Shift-Invariant Again", with the parameter names of its
    release (adobe/antialiased-cnns, models_lpf), in which the max pool looks at 2 x 2 pixels.
    """
    # A torchvision ResNet, whose parts are assigned by name.
    network: Any = external.build_torchvision(f"resnet{depth}", num_classes)
    stem = network.bn1.num_features
    network.maxpool = nn.Sequential(nn.MaxPool2d(2, stride=1), BlurPool(stem, size))
    for stage in (network.layer2, network.layer3, network.layer4):
        _blur_stride(stage[0], size)
    return cast(nn.Module, network)


def _blur_stride(block: Any, size: int) -> None:
    """Move a block's stride behind a blur: before its last convolution, and before its shortcut's."""
    strided, last = ("conv2", "conv3") if hasattr(block, "conv3") else ("conv1", "conv2")
    getattr(block, strided).stride = (1, 1)
    convolution = getattr(block, last)
    setattr(block, last, nn.Sequential(BlurPool(convolution.in_channels, size), convolution))
    shortcut, norm = block.downsample
    shortcut.stride = (1, 1)
    block.downsample = nn.Sequential(BlurPool(shortcut.in_channels, size), shortcut, norm)


def identify(shapes: Mapping[str, tuple[int, ...]]) -> list[str]:
    """Return the names of the max-blur ResNets whose weights could have these names and shapes."""
    blur = shapes.get("maxpool.1.filt")
    if blur is None:
        return []
    stages = tuple(
        sum(f"layer{s}.{i}.conv1.weight" in shapes for i in range(len(shapes))) for s in range(1, 5)
    )
    bottleneck = "layer1.0.conv3.weight" in shapes
    depths = [depth for depth, plan in DEPTHS.items() if plan == stages and (depth >= 50) == bottleneck]
    suffix = "" if blur[-1] == BIN_5 else str(blur[-1])
    return [f"resnet-{depth}-maxblur{suffix}" for depth in depths]
