"""Forward passes written from the papers as functions of a state dict, one operation a line."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

State = dict[str, Tensor]


def norm(x: Tensor, w: State, name: str, epsilon: float = 1e-5) -> Tensor:
    mean, variance = w[f"{name}.running_mean"], w[f"{name}.running_var"]
    gain, shift = w[f"{name}.weight"], w[f"{name}.bias"]
    column = (1, -1, 1, 1)
    scaled = (x - mean.view(column)) / torch.sqrt(variance.view(column) + epsilon)
    return scaled * gain.view(column) + shift.view(column)


def blocks(w: State, prefix: str) -> int:
    return len({key.removeprefix(prefix).split(".")[1] for key in w if key.startswith(f"{prefix}.")})


def head(x: Tensor, w: State, name: str) -> Tensor:
    return x.mean(dim=(2, 3)) @ w[f"{name}.weight"].T + w[f"{name}.bias"]


def wide_resnet(x: Tensor, w: State) -> Tensor:
    """Zagoruyko and Komodakis: BN-ReLU-conv twice a block; the first ReLU also feeds a changing shortcut."""
    x = F.conv2d(x, w["conv1.weight"], padding=1)
    for group in (1, 2, 3):
        for i in range(blocks(w, f"block{group}.layer")):
            p = f"block{group}.layer.{i}"
            stride = 2 if group > 1 and i == 0 else 1
            active = F.relu(norm(x, w, f"{p}.bn1"))
            out = F.conv2d(active, w[f"{p}.conv1.weight"], stride=stride, padding=1)
            out = F.conv2d(F.relu(norm(out, w, f"{p}.bn2")), w[f"{p}.conv2.weight"], padding=1)
            if f"{p}.convShortcut.weight" in w:
                x = F.conv2d(active, w[f"{p}.convShortcut.weight"], stride=stride)
            x = x + out
    return head(F.relu(norm(x, w, "bn1")), w, "fc")


def cifar_resnet(x: Tensor, w: State) -> Tensor:
    """He et al., section 4.2: conv-BN-ReLU-conv-BN, sum, ReLU; option A or B between stages."""
    x = F.relu(norm(F.conv2d(x, w["conv1.weight"], padding=1), w, "bn1"))
    for stage in (1, 2, 3):
        for i in range(blocks(w, f"layer{stage}")):
            p = f"layer{stage}.{i}"
            stride = 2 if stage > 1 and i == 0 else 1
            out = F.relu(norm(F.conv2d(x, w[f"{p}.conv1.weight"], stride=stride, padding=1), w, f"{p}.bn1"))
            out = norm(F.conv2d(out, w[f"{p}.conv2.weight"], padding=1), w, f"{p}.bn2")
            if f"{p}.shortcut.0.weight" in w:
                x = norm(F.conv2d(x, w[f"{p}.shortcut.0.weight"], stride=stride), w, f"{p}.shortcut.1")
            elif stride == 2:
                x = x[:, :, ::2, ::2]
                zeros = torch.zeros_like(x[:, : x.shape[1] // 2])
                x = torch.cat((zeros, x, zeros), dim=1)
            x = F.relu(x + out)
    return head(x, w, "linear")


def preact_resnet(x: Tensor, w: State, raw: bool) -> Tensor:
    """He et al. (2016b), two convolutions a block; the projection reads the activated or the raw input."""
    x = F.conv2d(x, w["conv1.weight"], padding=1)
    for stage in (1, 2, 3, 4):
        for i in range(blocks(w, f"layer{stage}")):
            p = f"layer{stage}.{i}"
            stride = 2 if stage > 1 and i == 0 else 1
            active = F.relu(norm(x, w, f"{p}.bn1"))
            out = F.conv2d(active, w[f"{p}.conv1.weight"], stride=stride, padding=1)
            out = F.conv2d(F.relu(norm(out, w, f"{p}.bn2")), w[f"{p}.conv2.weight"], padding=1)
            if f"{p}.shortcut.0.weight" in w:
                x = F.conv2d(x if raw else active, w[f"{p}.shortcut.0.weight"], stride=stride)
            x = x + out
    if "bn.weight" in w:
        x = F.relu(norm(x, w, "bn"))
    return head(x, w, "linear")


def densenet(x: Tensor, w: State) -> Tensor:
    """Huang et al.: every layer reads all maps before it; 1 x 1 convolution and pool between blocks."""
    x = F.conv2d(x, w["conv1.weight"], padding=1)
    for block in (1, 2, 3):
        for i in range(blocks(w, f"dense{block}")):
            p = f"dense{block}.{i}"
            new = F.relu(norm(x, w, f"{p}.bn1"))
            if f"{p}.conv2.weight" in w:
                new = F.relu(norm(F.conv2d(new, w[f"{p}.conv1.weight"]), w, f"{p}.bn2"))
                new = F.conv2d(new, w[f"{p}.conv2.weight"], padding=1)
            else:
                new = F.conv2d(new, w[f"{p}.conv1.weight"], padding=1)
            x = torch.cat((x, new), dim=1)
        if block < 3:
            x = F.conv2d(F.relu(norm(x, w, f"trans{block}.bn1")), w[f"trans{block}.conv1.weight"])
            x = F.avg_pool2d(x, 2)
    return head(F.relu(norm(x, w, "bn1")), w, "fc")


def resnext(x: Tensor, w: State, groups: int) -> Tensor:
    """Xie et al., form C: 1 x 1, grouped 3 x 3, 1 x 1."""
    x = F.relu(norm(F.conv2d(x, w["conv_1_3x3.weight"], padding=1), w, "bn_1"))
    for stage in (1, 2, 3):
        for i in range(blocks(w, f"stage_{stage}")):
            p = f"stage_{stage}.{i}"
            stride = 2 if stage > 1 and i == 0 else 1
            out = F.relu(norm(F.conv2d(x, w[f"{p}.conv_reduce.weight"]), w, f"{p}.bn_reduce"))
            out = F.conv2d(out, w[f"{p}.conv_conv.weight"], stride=stride, padding=1, groups=groups)
            out = F.conv2d(F.relu(norm(out, w, f"{p}.bn")), w[f"{p}.conv_expand.weight"])
            out = norm(out, w, f"{p}.bn_expand")
            if f"{p}.downsample.0.weight" in w:
                x = F.conv2d(x, w[f"{p}.downsample.0.weight"], stride=stride)
                x = norm(x, w, f"{p}.downsample.1")
            x = F.relu(x + out)
    return head(x, w, "classifier")


def allconv(x: Tensor, w: State) -> Tensor:
    """The released AugMix variant: nine convolutions with sigmoid GELU, two max pools, one 8 x 8 window."""
    plan = ((0, 1), (3, 1), (6, 1), "pool", (11, 1), (14, 1), (17, 1), "pool", (22, 0), (25, 1), (28, 1))
    for step in plan:
        if isinstance(step, str):
            x = F.max_pool2d(x, 2)
            continue
        index, padding = step
        x = F.conv2d(x, w[f"features.{index}.weight"], w[f"features.{index}.bias"], padding=padding)
        x = norm(x, w, f"features.{index + 1}")
        x = x * torch.sigmoid(1.702 * x)
    return x[:, :, :8, :8].mean(dim=(2, 3)) @ w["classifier.weight"].T + w["classifier.bias"]


def conv_norm(x: Tensor, w: State, conv: str, bn: str, stride: int = 1, depthwise: bool = False) -> Tensor:
    weight = w[f"{conv}.weight"]
    groups = x.shape[1] // weight.shape[1]
    assert groups == (x.shape[1] if depthwise else groups)
    out = F.conv2d(
        x, weight, w.get(f"{conv}.bias"), stride=stride, padding=weight.shape[2] // 2, groups=groups
    )
    return norm(out, w, bn)


def units(x: Tensor, w: State, p: str, count: int, strides: dict[int, int], skip: int = 0) -> Tensor:
    """conv-BN units 1 ... count with ReLU between them, not after the last."""
    for i in range(1 + skip, count + 1):
        x = conv_norm(x, w, f"{p}.conv{i}", f"{p}.bn{i}", strides.get(i, 1))
        x = F.relu(x) if i < count else x
    return x


def mobilenet(x: Tensor, w: State) -> Tensor:
    """Howard et al.: depthwise 3 x 3, then 1 x 1, each with BN and ReLU; strides for 32 pixels."""
    x = F.relu(conv_norm(x, w, "conv1", "bn1"))
    for i, stride in enumerate((1, 2, 1, 2, 1, 2, 1, 1, 1, 1, 1, 2, 1)):
        x = F.relu(conv_norm(x, w, f"layers.{i}.conv1", f"layers.{i}.bn1", stride, depthwise=True))
        x = F.relu(conv_norm(x, w, f"layers.{i}.conv2", f"layers.{i}.bn2"))
    return head(x, w, "linear")


def mobilenet_v2(x: Tensor, w: State) -> Tensor:
    """kuangliu/pytorch-cifar: expand, depthwise, project; a sum in every block of stride 1."""
    x = F.relu(conv_norm(x, w, "conv1", "bn1"))
    strides = [1, 1, 1, 2, 1, 1, 2, 1, 1, 1, 1, 1, 1, 2, 1, 1, 1]
    for i, stride in enumerate(strides):
        p = f"layers.{i}"
        out = units(x, w, p, 3, {2: stride})
        if stride == 1:
            if f"{p}.shortcut.0.weight" in w:
                x = conv_norm(x, w, f"{p}.shortcut.0", f"{p}.shortcut.1")
            out = out + x
        x = out
    return head(F.relu(conv_norm(x, w, "conv2", "bn2")), w, "linear")


def efficientnet_b0(x: Tensor, w: State) -> Tensor:
    """kuangliu/pytorch-cifar: swish, squeeze and excitation, no head; the first block does not expand."""

    def swish(t: Tensor) -> Tensor:
        return t * torch.sigmoid(t)

    x = swish(conv_norm(x, w, "conv1", "bn1"))
    for i, stride in enumerate((1, 2, 1, 2, 1, 2, 1, 1, 1, 1, 1, 2, 1, 1, 1, 1)):
        p = f"layers.{i}"
        out = x if i == 0 else swish(conv_norm(x, w, f"{p}.conv1", f"{p}.bn1"))
        out = swish(conv_norm(out, w, f"{p}.conv2", f"{p}.bn2", stride))
        gate = F.conv2d(out.mean(dim=(2, 3), keepdim=True), w[f"{p}.se.se1.weight"], w[f"{p}.se.se1.bias"])
        gate = F.conv2d(swish(gate), w[f"{p}.se.se2.weight"], w[f"{p}.se.se2.bias"])
        out = conv_norm(out * torch.sigmoid(gate), w, f"{p}.conv3", f"{p}.bn3")
        x = out + x if out.shape == x.shape and stride == 1 else out
    return head(x, w, "linear")


def bottlenecks(x: Tensor, w: State, strides: tuple[int, ...]) -> Tensor:
    """RegNet and ResNeXt of kuangliu/pytorch-cifar: 1-3-1 with groups, a sum, ReLU."""
    x = F.relu(conv_norm(x, w, "conv1", "bn1"))
    for stage, first in enumerate(strides, 1):
        for i in range(blocks(w, f"layer{stage}")):
            p, stride = f"layer{stage}.{i}", 1 if i else first
            out = F.relu(conv_norm(x, w, f"{p}.conv1", f"{p}.bn1"))
            out = F.relu(conv_norm(out, w, f"{p}.conv2", f"{p}.bn2", stride))
            if f"{p}.se.se1.weight" in w:
                mean = out.mean(dim=(2, 3), keepdim=True)
                gate = F.relu(F.conv2d(mean, w[f"{p}.se.se1.weight"], w[f"{p}.se.se1.bias"]))
                out = out * torch.sigmoid(F.conv2d(gate, w[f"{p}.se.se2.weight"], w[f"{p}.se.se2.bias"]))
            out = conv_norm(out, w, f"{p}.conv3", f"{p}.bn3")
            if f"{p}.shortcut.0.weight" in w:
                x = conv_norm(x, w, f"{p}.shortcut.0", f"{p}.shortcut.1", stride)
            x = F.relu(out + x)
    return head(x, w, "linear")


def senet(x: Tensor, w: State) -> Tensor:
    """kuangliu/pytorch-cifar: the pre-activation block of ResNet-18, scaled per channel before the sum."""
    x = F.relu(conv_norm(x, w, "conv1", "bn1"))
    for stage in (1, 2, 3, 4):
        for i in range(2):
            p, stride = f"layer{stage}.{i}", 2 if stage > 1 and i == 0 else 1
            active = F.relu(norm(x, w, f"{p}.bn1"))
            out = F.conv2d(active, w[f"{p}.conv1.weight"], stride=stride, padding=1)
            out = F.conv2d(F.relu(norm(out, w, f"{p}.bn2")), w[f"{p}.conv2.weight"], padding=1)
            gate = F.conv2d(out.mean(dim=(2, 3), keepdim=True), w[f"{p}.fc1.weight"], w[f"{p}.fc1.bias"])
            gate = torch.sigmoid(F.conv2d(F.relu(gate), w[f"{p}.fc2.weight"], w[f"{p}.fc2.bias"]))
            if f"{p}.shortcut.0.weight" in w:
                x = F.conv2d(active, w[f"{p}.shortcut.0.weight"], stride=stride)
            x = out * gate + x
    return head(x, w, "linear")


def interleave(x: Tensor, groups: int) -> Tensor:
    per = x.shape[1] // groups
    order = [g * per + i for i in range(per) for g in range(groups)]
    return x[:, order]


def shufflenet(x: Tensor, w: State, groups: int) -> Tensor:
    """Zhang et al.: grouped 1 x 1, shuffle, depthwise, grouped 1 x 1; stride 2 joins the mean."""
    x = F.relu(conv_norm(x, w, "conv1", "bn1"))
    for stage in (1, 2, 3):
        for i in range(blocks(w, f"layer{stage}")):
            p, stride = f"layer{stage}.{i}", 1 if i else 2
            out = F.relu(conv_norm(x, w, f"{p}.conv1", f"{p}.bn1"))
            out = interleave(out, 1 if stage == 1 and i == 0 else groups)
            out = F.relu(conv_norm(out, w, f"{p}.conv2", f"{p}.bn2", stride))
            out = conv_norm(out, w, f"{p}.conv3", f"{p}.bn3")
            x = F.relu(out + x if stride == 1 else torch.cat((out, F.avg_pool2d(x, 3, 2, 1)), 1))
    return head(x, w, "linear")


def shufflenet_v2(x: Tensor, w: State) -> Tensor:
    """Ma et al.: half of the channels passes by; the first unit of a stage has two branches of stride 2."""
    x = F.relu(conv_norm(x, w, "conv1", "bn1"))
    for stage in (1, 2, 3):
        p = f"layer{stage}.0"
        left = conv_norm(x, w, f"{p}.conv1", f"{p}.bn1", 2)
        left = F.relu(conv_norm(left, w, f"{p}.conv2", f"{p}.bn2"))
        right = F.relu(conv_norm(x, w, f"{p}.conv3", f"{p}.bn3"))
        right = F.relu(
            conv_norm(conv_norm(right, w, f"{p}.conv4", f"{p}.bn4", 2), w, f"{p}.conv5", f"{p}.bn5")
        )
        x = interleave(torch.cat((left, right), 1), 2)
        for i in range(1, blocks(w, f"layer{stage}")):
            p = f"layer{stage}.{i}"
            kept, out = x.chunk(2, dim=1)
            out = F.relu(conv_norm(out, w, f"{p}.conv1", f"{p}.bn1"))
            out = conv_norm(out, w, f"{p}.conv2", f"{p}.bn2")
            out = F.relu(conv_norm(out, w, f"{p}.conv3", f"{p}.bn3"))
            x = interleave(torch.cat((kept, out), 1), 2)
    return head(F.relu(conv_norm(x, w, "conv2", "bn2")), w, "linear")


def residual(x: Tensor, w: State, p: str, stride: int) -> Tensor:
    out = units(x, w, p, 2, {1: stride})
    if f"{p}.shortcut.0.weight" in w:
        x = conv_norm(x, w, f"{p}.shortcut.0", f"{p}.shortcut.1", stride)
    return F.relu(out + x)


def dla(x: Tensor, w: State) -> Tensor:
    """Yu et al., as in kuangliu/pytorch-cifar: the simple trees, or those whose roots join every level."""

    def tree(t: Tensor, p: str, level: int, stride: int) -> Tensor:
        if f"{p}.left_tree.conv1.weight" in w:
            left = residual(t, w, f"{p}.left_tree", stride)
            parts = [left, residual(left, w, f"{p}.right_tree", 1)]
        elif f"{p}.left_tree.root.conv.weight" in w:
            left = tree(t, f"{p}.left_tree", level - 1, stride)
            parts = [left, tree(left, f"{p}.right_tree", level - 1, 1)]
        elif level == 1:
            left = residual(t, w, f"{p}.left_node", stride)
            parts = [left, residual(left, w, f"{p}.right_node", 1)]
        else:
            below = tree(t, f"{p}.level_1", 1, stride)
            left = residual(below, w, f"{p}.left_node", 1)
            parts = [below, left, residual(left, w, f"{p}.right_node", 1)]
        return F.relu(conv_norm(torch.cat(parts, 1), w, f"{p}.root.conv", f"{p}.root.bn"))

    for name in ("base", "layer1", "layer2"):
        x = F.relu(conv_norm(x, w, f"{name}.0", f"{name}.1"))
    for name, level, stride in (("layer3", 1, 1), ("layer4", 2, 2), ("layer5", 2, 2), ("layer6", 1, 2)):
        x = tree(x, name, level, stride)
    return head(x, w, "linear")


def four_block_densenet(x: Tensor, w: State) -> Tensor:
    """Huang et al., four blocks; kuangliu/pytorch-cifar puts new channels before the older ones."""
    x = F.conv2d(x, w["conv1.weight"], padding=1)
    for block in (1, 2, 3, 4):
        for i in range(blocks(w, f"dense{block}")):
            p = f"dense{block}.{i}"
            new = F.conv2d(F.relu(norm(x, w, f"{p}.bn1")), w[f"{p}.conv1.weight"])
            new = F.conv2d(F.relu(norm(new, w, f"{p}.bn2")), w[f"{p}.conv2.weight"], padding=1)
            x = torch.cat((new, x), dim=1)
        if block < 4:
            x = F.conv2d(F.relu(norm(x, w, f"trans{block}.bn")), w[f"trans{block}.conv.weight"])
            x = F.avg_pool2d(x, 2)
    return head(F.relu(norm(x, w, "bn")), w, "linear")


def vgg(x: Tensor, w: State, stages: tuple[int, ...]) -> Tensor:
    """Simonyan and Zisserman: 3 x 3 convolutions in five stages, then linear layers."""
    place = 0
    for count in stages:
        for _ in range(count):
            x = F.conv2d(x, w[f"features.{place}.weight"], w[f"features.{place}.bias"], padding=1)
            normed = f"features.{place + 1}.running_mean" in w
            x = F.relu(norm(x, w, f"features.{place + 1}") if normed else x)
            place += 3 if normed else 2
        x = F.max_pool2d(x, 2)
        place += 1
    x = x.flatten(1)
    if "classifier.weight" in w:
        return F.linear(x, w["classifier.weight"], w["classifier.bias"])
    for i in (0, 3, 5):
        x = F.linear(x, w[f"classifier.{i}.weight"], w[f"classifier.{i}.bias"])
        x = F.relu(x) if i < 5 else x
    return x
