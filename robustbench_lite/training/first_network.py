"""The first network of a training: new weights, the weights of a checkpoint, or the user's own module."""

from __future__ import annotations

import copy
import hashlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import nn

from robustbench_lite.errors import InvalidInput, ModelError
from robustbench_lite.models import NORMALIZATIONS, load_model
from robustbench_lite.training.data import Dataset
from robustbench_lite.training.initialise import fresh_network
from robustbench_lite.training.recipes import architecture_name
from robustbench_lite.training.settings import TrainingSettings


@dataclass(frozen=True)
class FirstNetwork:
    """A network with its first weights.

    Attributes:
        network: The network, from normalised images (N, 3, H, W) to logits (N, classes).
        architecture: A name of the zoo, or the class of the user's own module.
        own: Whether it is the user's own module, which no name can build again.
        weights: The SHA-256 of given weights; None for new weights, which the seed decides.
        changes: The fields of the recipe that the given weights decide.
        notes: The sentences that the user should see.
    """

    network: nn.Module
    architecture: str
    own: bool = False
    weights: str | None = None
    changes: dict[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def first_network(
    model: nn.Module | None, init: str | Path | None, settings: TrainingSettings, dataset: Dataset
) -> FirstNetwork:
    """Return a copy of the user's module, a network with the weights of a file, or one with new weights.

    Raises:
        InvalidInput: `model` is used with `arch` or `init`, or the normalisation of the weights has no name.
        CheckpointError: The file can't be read.
        UnknownName: There is no such architecture.
        ModelError: The outputs of `model` are not the classes of the data set.
    """
    if model is not None:
        if settings.arch is not None or init is not None:
            raise InvalidInput(
                "a network of your own has its architecture and weights: leave `arch=...` and `init=...` out"
            )
        return _own(model, dataset)
    if init is not None:
        return _from_file(init, settings, dataset)
    architecture = architecture_name(settings.arch, dataset.family)
    return FirstNetwork(fresh_network(architecture, dataset.classes, settings.seed), architecture)


def _own(model: nn.Module, dataset: Dataset) -> FirstNetwork:
    if not isinstance(model, nn.Module):
        raise InvalidInput(f"model is a torch module to train, got {type(model).__name__}")
    network = copy.deepcopy(model).cpu().float()
    if not any(parameter.requires_grad for parameter in network.parameters()):
        raise InvalidInput(f"{type(model).__name__} has no parameter that requires a gradient")
    height, width = dataset.train.size
    try:
        with torch.no_grad():
            logits = network.eval()(torch.zeros(2, 3, height, width))
    except Exception as error:
        raise ModelError(
            f"{type(model).__name__} fails on images (2, 3, {height}, {width}): {type(error).__name__}: "
            f"{error}"
        ) from error
    shape = tuple(logits.shape) if isinstance(logits, torch.Tensor) else type(logits).__name__
    if shape != (2, dataset.classes):
        raise ModelError(
            f"{type(model).__name__} returns {shape} for 2 images, expected logits of shape "
            f"(2, {dataset.classes}) for the {dataset.classes} classes of {dataset.name}"
        )
    return FirstNetwork(network.train(), type(model).__name__, True, _sha256(network))


def _from_file(init: str | Path, settings: TrainingSettings, dataset: Dataset) -> FirstNetwork:
    arch = None if settings.arch is None else architecture_name(settings.arch, dataset.family)
    loaded = load_model(init, arch)
    info = loaded.info
    if info.format in ("torchscript", "export", "onnx", "pickled module"):
        raise InvalidInput(f"{init} is a {info.format}, which can't be trained further; give a state dict")
    if info.normalization not in NORMALIZATIONS:
        raise InvalidInput(
            f"{init} was trained with a normalisation of its own (mean {info.mean}, deviation {info.std}), "
            f"which has no name here; a training knows {', '.join(NORMALIZATIONS)}"
        )
    notes = [
        f"The training starts from {info.name}: {info.architecture}, normalisation {info.normalization}."
    ]
    network = loaded.network
    if info.num_classes != dataset.classes:
        network, fresh = _with_fresh_head(network, info.architecture, dataset.classes, settings.seed)
        notes.append(
            f"It has {info.num_classes} classes and {dataset.name} {dataset.classes}, so these tensors start "
            f"fresh: {', '.join(fresh)}."
        )
    for parameter in network.parameters():
        parameter.requires_grad_(True)
    return FirstNetwork(
        network.train(),
        info.architecture,
        weights=_sha256(loaded.network),
        changes={"normalization": info.normalization},
        notes=tuple(notes),
    )


def _with_fresh_head(
    network: nn.Module, architecture: str, classes: int, seed: int
) -> tuple[nn.Module, list[str]]:
    """Build a new network, copy every tensor of equal shape, and return the names of the other tensors."""
    fresh = fresh_network(architecture, classes, seed)
    state, given = fresh.state_dict(), network.state_dict()
    fitting = {
        name: value for name, value in given.items() if name in state and state[name].shape == value.shape
    }
    fresh.load_state_dict({**state, **fitting})
    return fresh, [name for name in state if name not in fitting]


def _sha256(network: nn.Module) -> str:
    digest = hashlib.sha256()
    for name, tensor in network.state_dict().items():
        digest.update(f"{name} {tuple(tensor.shape)}".encode())
        digest.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()
