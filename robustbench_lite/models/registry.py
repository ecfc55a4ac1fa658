"""The architectures that can be built by name, and how each one's weights are recognised."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from torch import nn

from robustbench_lite.errors import ModelError, UnknownName
from robustbench_lite.models import (
    allconv,
    cifar_resnet,
    densenet,
    efficientnet_lite,
    external,
    maxblur,
    resnet,
    resnext,
    wideresnet,
)
from robustbench_lite.models.allconv import AllConvNet
from robustbench_lite.models.cifar_blocks import (
    REGNETS,
    VGG,
    VGGS,
    EfficientNetB0,
    FlatResNeXt,
    MobileNet,
    MobileNetV2,
    RegNet,
)
from robustbench_lite.models.cifar_mixed import (
    DENSE_BLOCKS,
    DLA,
    SHUFFLENET_V2,
    FourBlockDenseNet,
    SENet18,
    ShuffleNet,
    ShuffleNetV2,
)
from robustbench_lite.models.cifar_resnet import CifarResNet
from robustbench_lite.models.densenet import DenseNet
from robustbench_lite.models.efficientnet_lite import EfficientNetLite
from robustbench_lite.models.family import Builder, Family, Shapes, check_family
from robustbench_lite.models.maxblur import max_blur_resnet
from robustbench_lite.models.normalize import Normalization, cifar_statistics, named_normalization
from robustbench_lite.models.resnet import PreActResNet, ResNet
from robustbench_lite.models.resnext import ResNeXt
from robustbench_lite.models.user_code import Reference, build_network, parse_reference
from robustbench_lite.models.wideresnet import WideResNet


def _fixed(name: str, reason: str) -> Callable[[int, str | None], Normalization]:
    return lambda num_classes, suite: named_normalization(name, reason)


def _keys(present: str, lacking: str = "no such tensor") -> Callable[[Shapes], list[str] | None]:
    """Recognise a family by a tensor that its networks have, and one that they lack."""
    return lambda shapes: None if present in shapes and lacking not in shapes else []


def _plain(build: Builder, name: str, key: str) -> Family:
    """A family of one network in the spelling of kuangliu/pytorch-cifar."""
    return Family(build, {name: {}}, "", _keys(key), "linear", cifar_statistics)


# Batch norm, and the hidden layers, of the VGGs for CIFAR.
VGG_KINDS: dict[str, dict[str, Any]] = {
    "": {},
    "-bn": {"norm": True},
    "-fc512": {"hidden": 512},
    "-bn-fc512": {"norm": True, "hidden": 512},
    "-fc4096": {"hidden": 4096},
    "-bn-fc4096": {"norm": True, "hidden": 4096},
}

# torchvision's names, which several collections of CIFAR networks use.
_FLAT_RENAMES = ((r"\bdownsample\b", "shortcut"), (r"^fc\.", "linear."))


def _sizes(name: str, keywords: tuple[str, ...], *sizes: tuple[int, ...]) -> dict[str, dict[str, int]]:
    """The presets of a family whose names are made from the numbers that its builder takes."""
    return {name.format(*numbers): dict(zip(keywords, numbers, strict=True)) for numbers in sizes}


_AUGMIX = "how the AugMix authors train this architecture"
_augmix = _fixed("half", _AUGMIX)

FAMILIES: dict[str, Family] = {
    "allconv": Family(
        AllConvNet,
        pattern="allconv(net)?",
        identify=allconv.identify,
        head="classifier",
        normalization=_augmix,
        he_weights="convolutions",
    ),
    "wrn": Family(
        WideResNet,
        _sizes("wrn-{}-{}", ("depth", "width"), (16, 4), (28, 10), (34, 10), (40, 2)),
        r"wrn-?(?P<depth>\d+)-(?P<width>\d+)(?P<bias>-bias)?(?P<raw_shortcut>-raw)?(?P<linear_end>-linear)?",
        wideresnet.identify,
        "fc",
        _fixed("half", f"{_AUGMIX}; adversarially trained releases (TRADES, RobustBench) want none"),
        (
            (r"\bconv_shortcut\b", "convShortcut"),
            (r"\bshortcut\.(?=weight)", "convShortcut."),
            (r"^linear\.", "fc."),
        ),
        wideresnet.propose,
        wideresnet.twins,
        "convolutions",
    ),
    "densenet": Family(
        DenseNet,
        {
            "densenet-bc-100-12": {"depth": 100, "growth": 12, "bottleneck": True},
            "densenet-40-12": {"depth": 40, "growth": 12},
        },
        r"densenet(?P<bottleneck>-bc)?-?(?P<depth>\d+)-(?P<growth>\d+)",
        densenet.identify,
        "fc",
        _augmix,
        propose=densenet.propose,
        he_weights="convolutions",
    ),
    "resnext": Family(
        ResNeXt,
        _sizes("resnext-{}-{}x{}d", ("depth", "cardinality", "width"), (29, 4, 32), (29, 32, 4)),
        r"resnext-?(?P<depth>\d+)-(?P<cardinality>\d+)x(?P<width>\d+)d?",
        resnext.identify,
        "classifier",
        _augmix,
        propose=resnext.propose,
        he_weights="all",
    ),
    "resnet": Family(
        CifarResNet,
        _sizes("resnet-{}", ("depth",), (20,), (32,), (44,), (56,), (110,)),
        # Depths 50 and 152 fit this plan too, but those names mean the ImageNet networks.
        r"resnet-?(?!50$|152$)(?P<depth>\d+)(?P<at_end>-end)?",
        cifar_resnet.identify,
        "linear",
        _fixed("imagenet", "how the public CIFAR ResNets (akamaster/pytorch_resnet_cifar10) were trained"),
        _FLAT_RENAMES,
        cifar_resnet.propose,
        cifar_resnet.twins,
        "all",
    ),
    "resnet-b": Family(
        partial(CifarResNet, projection=True),
        _sizes("resnet-{}-b", ("depth",), (20,), (56,)),
        r"resnet-?(?P<depth>\d+)-b(-stem(?P<stem>\d+))?(-grid(?P<grid>\d+))?",
        cifar_resnet.identify,
        "linear",
        cifar_statistics,
        _FLAT_RENAMES,
        cifar_resnet.propose,
        he_weights="all",
    ),
    "cifar-resnet": Family(
        ResNet,
        _sizes("cifar-resnet-{}", ("depth",), (18,), (34,), (50,)),
        r"cifar-resnet-?(?P<depth>18|34|50|101|152)(?P<maxpool>-maxpool)?",
        resnet.identify,
        "linear",
        cifar_statistics,
        _FLAT_RENAMES,
        resnet.propose,
        resnet.twins,
    ),
    "cifar-preact-resnet": Family(
        PreActResNet,
        {
            "cifar-preact-resnet-18": {"depth": 18},
            "cifar-preact-resnet-18-bn": {"depth": 18, "final_norm": True},
            "cifar-preact-resnet-18-raw": {"depth": 18, "raw_shortcut": True},
            "cifar-preact-resnet-18-bn-raw": {"depth": 18, "final_norm": True, "raw_shortcut": True},
        },
        r"cifar-preact-resnet-?(?P<depth>18|34|50|101|152)(?P<final_norm>-bn)?(?P<raw_shortcut>-raw)?",
        resnet.identify,
        "linear",
        cifar_statistics,
        ((r"^fc\.", "linear."),),
        resnet.propose,
        resnet.twins,
    ),
    "resnet-maxblur": Family(
        max_blur_resnet,
        {"resnet-50-maxblur": {"depth": 50}},
        r"resnet-?(?P<depth>18|34|50|101|152)-maxblur(?P<size>[2-7])?",
        maxblur.identify,
        "fc",
        _fixed("imagenet", "how the max-blur ResNets were trained"),
    ),
    "efficientnet-lite": Family(
        EfficientNetLite,
        _sizes("efficientnet-lite{}", ("variant",), (0,), (1,), (2,), (3,), (4,)),
        r"efficientnet-?lite-?(?P<variant>[0-4])",
        efficientnet_lite.identify,
        "_fc",
        _fixed("half", "how the EfficientNet-Lite weights were trained"),
    ),
    "cifar-vgg": Family(
        VGG,
        {
            f"cifar-vgg-{depth}{kind}": {"depth": depth, **options}
            for depth in VGGS
            for kind, options in VGG_KINDS.items()
        },
        r"cifar-vgg-?(?P<depth>11|13|16|19)(?P<norm>-bn)?(-fc(?P<hidden>\d+))?",
        _keys("features.0.weight", lacking="features.0.layers"),
        "",
        cifar_statistics,
    ),
    "cifar-mobilenet": _plain(MobileNet, "cifar-mobilenet", "layers.12.conv2.weight"),
    "cifar-mobilenet-bias": _plain(
        partial(MobileNet, pointwise_bias=True), "cifar-mobilenet-bias", "layers.12.conv2.bias"
    ),
    "cifar-mobilenet-v2": _plain(MobileNetV2, "cifar-mobilenet-v2", "layers.16.conv3.weight"),
    "cifar-efficientnet-b0": _plain(EfficientNetB0, "cifar-efficientnet-b0", "layers.15.se.se1.weight"),
    "cifar-senet-18": _plain(SENet18, "cifar-senet-18", "layer4.1.fc2.weight"),
    "cifar-dla": _plain(DLA, "cifar-dla", "layer4.left_node.conv1.weight"),
    "cifar-simple-dla": _plain(
        partial(DLA, simple=True), "cifar-simple-dla", "layer3.left_tree.conv1.weight"
    ),
    "cifar-regnet": Family(
        RegNet,
        {f"cifar-regnet-{variant}": {"variant": variant} for variant in REGNETS},
        "",
        _keys("layer4.6.conv3.weight"),
        "linear",
        cifar_statistics,
    ),
    "cifar-resnext": Family(
        FlatResNeXt,
        _sizes("cifar-resnext-29-{}x{}d", ("cardinality", "width"), (2, 64), (4, 64), (8, 64), (32, 4)),
        r"cifar-resnext-?29-(?P<cardinality>\d+)x(?P<width>\d+)d",
        _keys("layer3.2.conv3.weight", lacking="layer4.0.conv1.weight"),
        "linear",
        cifar_statistics,
    ),
    "cifar-shufflenet": Family(
        ShuffleNet,
        _sizes("cifar-shufflenet-g{}", ("groups",), (2,), (3,)),
        "",
        _keys("layer2.7.conv3.weight", lacking="layer1.0.conv5.weight"),
        "linear",
        cifar_statistics,
    ),
    "cifar-shufflenet-v2": Family(
        ShuffleNetV2,
        {f"cifar-shufflenet-v2-{tenths / 10:g}x": {"tenths": tenths} for tenths in SHUFFLENET_V2},
        "",
        _keys("layer1.0.conv5.weight"),
        "linear",
        cifar_statistics,
    ),
    "cifar-densenet": Family(
        FourBlockDenseNet,
        {
            **{f"cifar-densenet-{d}": {"depth": d, "growth": 48 if d == 161 else 32} for d in DENSE_BLOCKS},
            "cifar-densenet-121-12": {"depth": 121, "growth": 12},
        },
        "",
        _keys("dense4.0.bn1.weight"),
        "linear",
        cifar_statistics,
    ),
}
"""Name of a family -> its record. A user's own is added by `robustbench_lite.plugins.register`."""


def architecture_names() -> list[str]:
    """Return the names of our own architectures and of those that were registered, without torchvision's."""
    return [name for key, family in FAMILIES.items() for name in family.names(key)]


def own_family(name: str) -> tuple[Family, Builder] | None:
    """Return the family and the builder of one of the registered architectures, None for any other name.

    "resnet-20" and "resnet20" are ours; "resnet18" without the hyphen is torchvision's.
    """
    if "-" not in name and name in external.torchvision_names():
        return None
    for key, family in FAMILIES.items():
        builder = family.builder(key, name)
        if builder is not None:
            return family, builder
    return None


def check_registration(key: str, family: Family) -> None:
    """Try a family that a user registers.

    Raises:
        InvalidInput: a name is taken, or the record can't work.
    """
    others = (name for other, known in FAMILIES.items() if other != key for name in known.names(other))
    check_family(key, family, (*others, *external.torchvision_names()))


def build(name: str, num_classes: int) -> nn.Module:
    """Build a network of an architecture with fresh weights.

    Args:
        name: a preset of FAMILIES, another size of its family ("wrn-22-4"), "torchvision:NAME" (or
            just NAME where it is none of ours), "timm:NAME", or the user's own code: "FILE.py:BUILDER" or
            "package.module:BUILDER", with arguments such as "nets.py:WRN(depth=16)".
        num_classes: outputs; the user's own builder has it where it takes an argument of this name.

    Raises:
        UnknownName: nothing is called so.
        ModelError: the user's own code fails, or returns no module.
        InvalidInput: the depth is none that the family has.
        MissingExtra: a timm name without timm installed.
    """
    reference = parse_reference(name)
    if reference is not None:
        return _from_code(reference, num_classes)
    own = own_family(name)
    if own is not None:
        return own[1](num_classes=num_classes)
    library, _, rest = name.rpartition(":")
    if library == "timm":
        return external.build_timm(rest, num_classes)
    if library == "torchvision" or (not library and rest in external.torchvision_names()):
        return external.build_torchvision(rest, num_classes)
    raise UnknownName("architecture", name, [*architecture_names(), *external.torchvision_names()])


def _from_code(reference: Reference, num_classes: int) -> nn.Module:
    network = build_network(reference, num_classes)
    if not isinstance(network, nn.Module):
        raise ModelError(f"{reference.text} returns a function; an architecture is a torch.nn.Module")
    return network
