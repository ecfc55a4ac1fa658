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
# A file may belong to a classifier when the logarithm of the ratio of their parameter counts is below this.
# torchvision counts inception_v3 with its auxiliary head, and position embeddings grow with the image.
SIZE_TOLERANCE = 0.2
# Classifiers that a message about unknown weights compares with them.
NEAREST = 4
# The older of torchvision's releases: the networks of the published tables.
PREFERRED_WEIGHTS = "IMAGENET1K_V1"
# Pixels, in the preprocessing of ImageNet that the suites share.
USUAL_RESIZE, USUAL_CROP = 256, 224
# Classifiers that convert their input inside, as torchvision's own weights need; the weights do not show it.
CONVERTING = ("googlenet", "inception_v3")


@cache
def torchvision_names() -> tuple[str, ...]:
    """Return the names of torchvision's classifiers."""
    import torchvision

    return tuple(torchvision.models.list_models(module=torchvision.models))


def build_torchvision(name: str, num_classes: int, shapes: Shapes | None = None) -> nn.Module:
    """Build a torchvision classifier with fresh weights.

    Args:
        name: the name in torchvision's list.
        num_classes: outputs.
        shapes: the shapes of the weights that will be loaded; they decide on auxiliary heads and a vision
            transformer's image size, which change neither the name nor the outputs.

    Raises:
        UnknownName: torchvision has no classifier of this name.
    """
    import torchvision

    if name not in torchvision_names():
        raise UnknownName("torchvision model", name, torchvision_names())
    options: dict[str, Any] = {}
    if name in CONVERTING:
        auxiliary = shapes is None or any(key.startswith(AUXILIARY) for key in shapes)
        # torchvision's own weights were ported from networks with other statistics; it converts inside.
        options = {"init_weights": False, "aux_logits": auxiliary, "transform_input": True}
    positions = (shapes or {}).get("encoder.pos_embedding")
    patch = (shapes or {}).get("conv_proj.weight")
    if name.startswith("vit") and positions and patch and len(positions) == 3:
        options["image_size"] = math.isqrt(positions[1] - 1) * patch[-1]
    network: nn.Module = torchvision.models.get_model(name, weights=None, num_classes=num_classes, **options)
    return network


def torchvision_candidates(shapes: Shapes) -> list[str]:
    """Return the torchvision classifiers that weights of these shapes may belong to, the likeliest first.

    A classifier qualifies when the weights have its last layer and, within SIZE_TOLERANCE, its number of
    parameters.
    """
    distances = {
        name: _size_distance(name, shapes) for name in torchvision_names() if _has_head(name, shapes)
    }
    return [name for name in sorted(distances, key=distances.__getitem__) if distances[name] < SIZE_TOLERANCE]


def torchvision_nearest(shapes: Shapes) -> list[str]:
    """Return the torchvision classifiers whose numbers of parameters are nearest, for messages."""
    return sorted(torchvision_names(), key=lambda name: _size_distance(name, shapes))[:NEAREST]


def _has_head(name: str, shapes: Shapes) -> bool:
    return torchvision_head(name) in shapes


def _size_distance(name: str, shapes: Shapes) -> float:
    """Return how far the number of values in these shapes is from a classifier's, as a fraction.

    torchvision's tables count the parameters of networks with 1000 outputs, so a last layer of another size
    is counted as if it had 1000 rows.
    """
    values = {key: math.prod(shape) for key, shape in shapes.items() if not key.startswith(AUXILIARY)}
    total = sum(values.values())
    weight = torchvision_head(name)
    if shapes.get(weight):
        head = values[weight] + values.get(weight.replace("weight", "bias"), 0)
        total += head * 1000 // shapes[weight][0] - head
    return abs(math.log(max(total, 1) / _torchvision_parameters()[name]))


@cache
def _torchvision_parameters() -> dict[str, int]:
    """Return the number of parameters of each classifier, as torchvision's weight tables state it."""
    import torchvision

    return {
        name: next(iter(torchvision.models.get_model_weights(name))).meta["num_params"]
        for name in torchvision_names()
    }


@cache
def torchvision_head(name: str) -> str:
    """Return the name of a torchvision classifier's last weight, which has one row a class."""
    for prefix, head in TORCHVISION_HEADS.items():
        if name.startswith(prefix):
            return f"{head}.weight"
    with without_weights():
        keys = list(build_torchvision(name, 1000).state_dict())
    return next(key for key in reversed(keys) if key.endswith(".weight"))


def torchvision_weights(name: str) -> Any:
    """The record of torchvision's weights: "resnet50", or "resnet50@IMAGENET1K_V2".

    Raises:
        UnknownName: no such model, or no such release of it.
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
    return releases[release]


def pretrained_torchvision(name: str) -> tuple[nn.Module, Normalization, tuple[str, ...]]:
    """Load torchvision's own weights, downloading them where they are not in its cache.

    Args:
        name: "resnet50", or "resnet50@IMAGENET1K_V2" for another release than PREFERRED_WEIGHTS.

    Returns:
        The network, the normalisation of its weights, and notes: the release, unusual preprocessing.

    Raises:
        UnknownName: no such model, or no such release of it.
        CheckpointError: the weights can't be fetched.
    """
    model = name.partition("@")[0]
    weights = torchvision_weights(name)
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
    return network, chosen, (f"weights {release}", *_preprocessing_note(preprocessing))


def stated_normalization(name: str) -> Normalization:
    """Return what torchvision states for the weights of one of its classifiers; its releases agree on it."""
    import torchvision

    preprocessing = next(iter(torchvision.models.get_model_weights(name))).transforms()
    reason = f"what torchvision states for its weights of {name}"
    return custom_normalization(tuple(preprocessing.mean), tuple(preprocessing.std), reason)


def _preprocessing_note(preprocessing: Any) -> tuple[str, ...]:
    """What the preprocessing of these weights differs in from the usual 256 and 224 pixels, bilinear."""
    resize, crop = preprocessing.resize_size[0], preprocessing.crop_size[0]
    how = str(preprocessing.interpolation.value)
    if (resize, crop, how) == (USUAL_RESIZE, USUAL_CROP, "bilinear"):
        return ()
    return (
        f"torchvision states for these weights: resize to {resize} ({how}), crop {crop}; the images of a "
        "suite keep their own size",
    )


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
    """Load timm's own weights, downloading them where they are not in its cache.

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
