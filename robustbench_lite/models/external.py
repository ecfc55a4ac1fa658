"""Architectures and weights of torchvision and timm."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn

from robustbench_lite.errors import CheckpointError, UnknownName, require
from robustbench_lite.models.meta_init import without_weights
from robustbench_lite.models.normalize import Normalization, custom_normalization, named_normalization

Shapes = Mapping[str, tuple[int, ...]]

# Classifiers of torchvision by their number of weights (without step counters and auxiliary heads), so that a
# file is compared with a handful of them. Newer models that are missing here are found too, only more slowly.
TORCHVISION_WEIGHTS: dict[int, tuple[str, ...]] = {
    16: ("alexnet",),
    22: ("vgg11",),
    26: ("vgg13",),
    32: ("vgg16",),
    38: ("vgg19",),
    52: ("squeezenet1_0", "squeezenet1_1"),
    54: ("vgg11_bn",),
    66: ("vgg13_bn",),
    84: ("vgg16_bn",),
    102: ("resnet18", "vgg19_bn"),
    152: ("vit_b_16", "vit_b_32"),
    182: ("convnext_tiny", "resnet34"),
    185: ("swin_t",),
    210: ("mobilenet_v3_small",),
    233: ("swin_v2_t",),
    262: ("mnasnet0_5", "mnasnet0_75", "mnasnet1_0", "mnasnet1_3", "mobilenet_v2"),
    266: ("mobilenet_v3_large",),
    267: ("regnet_x_800mf", "resnet50", "resnext50_32x4d", "wide_resnet50_2"),
    282: ("shufflenet_v2_x0_5", "shufflenet_v2_x1_0", "shufflenet_v2_x1_5", "shufflenet_v2_x2_0"),
    287: ("googlenet",),
    293: ("regnet_y_800mf",),
    296: ("vit_l_16", "vit_l_32"),
    297: ("regnet_x_1_6gf",),
    311: ("efficientnet_b0",),
    331: ("regnet_y_400mf",),
    344: ("convnext_base", "convnext_large", "convnext_small"),
    350: ("regnet_y_8gf",),
    353: ("swin_b", "swin_s"),
    357: ("regnet_x_16gf", "regnet_x_400mf"),
    369: ("regnet_y_16gf",),
    372: ("regnet_x_32gf", "regnet_x_8gf"),
    392: ("vit_h_14",),
    402: ("regnet_x_3_2gf",),
    407: ("regnet_y_32gf",),
    426: ("regnet_y_3_2gf",),
    439: ("efficientnet_b1", "efficientnet_b2"),
    449: ("swin_v2_b", "swin_v2_s"),
    472: ("inception_v3",),
    496: ("efficientnet_b3",),
    522: ("resnet101", "resnext101_32x8d", "resnext101_64x4d", "wide_resnet101_2"),
    540: ("regnet_y_128gf", "regnet_y_1_6gf"),
    548: ("maxvit_t",),
    606: ("densenet121",),
    610: ("efficientnet_b4",),
    672: ("efficientnet_v2_s",),
    738: ("efficientnet_b5",),
    777: ("resnet152",),
    806: ("densenet161",),
    846: ("densenet169",),
    852: ("efficientnet_b6",),
    963: ("efficientnet_v2_m",),
    1006: ("densenet201",),
    1037: ("efficientnet_b7",),
    1331: ("efficientnet_v2_l",),
}
# The last layer by the beginning of a model's name.
TORCHVISION_HEADS = {
    "alexnet": "classifier.6",
    "convnext": "classifier.2",
    "densenet": "classifier",
    "efficientnet": "classifier.1",
    "googlenet": "fc",
    "inception": "fc",
    "maxvit": "classifier.5",
    "mnasnet": "classifier.1",
    "mobilenet_v2": "classifier.1",
    "mobilenet_v3": "classifier.3",
    "regnet": "fc",
    "resne": "fc",
    "shufflenet": "fc",
    "squeezenet": "classifier.1",
    "swin": "head",
    "vgg": "classifier.6",
    "vit": "heads.head",
    "wide_resnet": "fc",
}
AUXILIARY = ("aux1.", "aux2.", "AuxLogits.")
# The older of torchvision's releases: the networks of the published tables.
PREFERRED_WEIGHTS = "IMAGENET1K_V1"


@cache
def torchvision_names() -> tuple[str, ...]:
    """Return the names of torchvision's classifiers."""
    import torchvision

    return tuple(torchvision.models.list_models(module=torchvision.models))


def build_torchvision(name: str, num_classes: int, shapes: Shapes | None = None) -> nn.Module:
    """Build a torchvision classifier with fresh weights.

    Args:
        name: as torchvision lists it.
        num_classes: outputs.
        shapes: of the weights that will be loaded; they decide on auxiliary heads and a vision transformer's
            image size, which change neither the name nor the outputs.

    Raises:
        UnknownName: torchvision has no classifier of this name.
    """
    import torchvision

    if name not in torchvision_names():
        raise UnknownName("torchvision model", name, torchvision_names())
    options: dict[str, Any] = {}
    if name in ("googlenet", "inception_v3"):
        auxiliary = shapes is None or any(key.startswith(AUXILIARY) for key in shapes)
        options = {"init_weights": False, "aux_logits": auxiliary}
    positions = (shapes or {}).get("encoder.pos_embedding")
    patch = (shapes or {}).get("conv_proj.weight")
    if name.startswith("vit") and positions and patch and len(positions) == 3:
        options["image_size"] = math.isqrt(positions[1] - 1) * patch[-1]
    network: nn.Module = torchvision.models.get_model(name, weights=None, num_classes=num_classes, **options)
    return network


def torchvision_candidates(shapes: Shapes) -> list[str]:
    """Return the torchvision classifiers that have as many weights as given."""
    listed = {name for names in TORCHVISION_WEIGHTS.values() for name in names}
    unlisted = [name for name in torchvision_names() if name not in listed]
    return [*TORCHVISION_WEIGHTS.get(_count(shapes), ()), *unlisted]


def torchvision_nearest(shapes: Shapes) -> list[str]:
    """Return the torchvision classifiers whose numbers of weights are nearest, for messages."""
    counts = sorted(TORCHVISION_WEIGHTS, key=lambda count: abs(count - _count(shapes)))
    return [name for count in counts[:2] for name in TORCHVISION_WEIGHTS[count]]


def _count(shapes: Shapes) -> int:
    return sum(not key.endswith("num_batches_tracked") and not key.startswith(AUXILIARY) for key in shapes)


def torchvision_head(name: str) -> str:
    """Return the name of a torchvision classifier's last weight, which has one row a class."""
    for prefix, head in TORCHVISION_HEADS.items():
        if name.startswith(prefix):
            return f"{head}.weight"
    with without_weights():
        return list(build_torchvision(name, 1000).state_dict())[-1]


def pretrained_torchvision(name: str) -> tuple[nn.Module, Normalization, str]:
    """Load torchvision's own weights, downloading them where its cache has them not.

    Args:
        name: "resnet50", or "resnet50@IMAGENET1K_V2" for another release than PREFERRED_WEIGHTS.

    Returns:
        The network, the normalisation of its weights, and the release.

    Raises:
        UnknownName: no such model, or no such release of it.
        CheckpointError: the weights can't be fetched.
    """
    import torchvision

    model, _, release = name.partition("@")
    if model not in torchvision_names():
        raise UnknownName("torchvision model", model, torchvision_names())
    releases = torchvision.models.get_model_weights(model)
    known = list(releases.__members__)
    release = release or (PREFERRED_WEIGHTS if PREFERRED_WEIGHTS in known else known[-1])
    if release not in known:
        raise UnknownName(f"release of {model}", release, known)
    weights = releases[release]
    release = weights.name
    try:
        state: dict[str, Tensor] = weights.get_state_dict(progress=False, check_hash=True)
    except (OSError, RuntimeError) as error:
        raise CheckpointError(
            f"torchvision's weights {model}@{release} can't be fetched from {weights.url} ({error}); "
            "download that file elsewhere and pass its path as the model"
        ) from error
    with without_weights():
        network = build_torchvision(model, len(weights.meta["categories"]))
    network.load_state_dict(
        {k: state[k] for k in network.state_dict() if k in state}, strict=True, assign=True
    )
    preprocessing = weights.transforms()
    chosen = custom_normalization(
        tuple(preprocessing.mean), tuple(preprocessing.std), f"what torchvision states for {release}"
    )
    return network, chosen, release


def build_timm(name: str, num_classes: int) -> nn.Module:
    """Build a timm model with fresh weights.

    Raises:
        MissingExtra: timm is not installed.
        UnknownName: timm has no model of this name.
    """
    timm = _timm(name)
    network: nn.Module = timm.create_model(name, pretrained=False, num_classes=num_classes)
    return network


def pretrained_timm(name: str) -> tuple[nn.Module, Normalization]:
    """Load timm's own weights, downloading them where its cache has them not.

    Raises:
        MissingExtra: timm is not installed.
        UnknownName: timm has no model of this name.
        CheckpointError: the weights can't be fetched.
    """
    timm = _timm(name)
    try:
        with torch.random.fork_rng(devices=[]), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            network: nn.Module = timm.create_model(name, pretrained=True)
    except Exception as error:
        raise CheckpointError(
            f"the pretrained weights of timm:{name} can't be fetched ({type(error).__name__}); download them "
            f"elsewhere and pass the file as the model with the architecture timm:{name}"
        ) from error
    return network, timm_normalization(network, f"what timm states for {name}")


def timm_normalization(network: nn.Module, reason: str) -> Normalization:
    """Return the normalisation that a timm model's configuration states, ImageNet's where it states none."""
    config = getattr(network, "pretrained_cfg", None) or {}
    mean, std = config.get("mean"), config.get("std")
    if mean is None or std is None:
        return named_normalization("imagenet", "the usual statistics of timm's models")
    return custom_normalization(tuple(mean), tuple(std), reason)


def _timm(name: str) -> Any:
    timm = require("timm", "timm", f"the model timm:{name}")
    if not timm.is_model(name.partition(".")[0]):
        raise UnknownName("timm model", name, timm.list_models())
    return timm
