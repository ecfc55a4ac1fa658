"""Find which of timm's models a state dict belongs to, by the names and shapes of its tensors."""

from __future__ import annotations

import importlib.util
import re
import warnings
from collections.abc import Mapping
from functools import cache
from typing import Any

from robustbench_lite.errors import require
from robustbench_lite.models.meta_init import without_weights

Shapes = Mapping[str, tuple[int, ...]]

# Files with fewer tensors are none of timm's; the search costs seconds.
FEWEST_TENSORS = 20
# The share of a file's names, numbers left out, that the models of one module of timm must have.
ALIKE = 0.5
# Tensors with one row a class: weight and bias of two heads, in the file and in the model.
OF_HEADS = 8
MODULES = 4


def timm_candidates(shapes: Shapes) -> list[str]:
    """Return the timm models whose tensors have these names and shapes, but for the last layer's size.

    The first search in a process builds one model of each of timm's modules, without weights (about ten
    seconds), then all models of the modules whose names are alike. All of them are kept.

    Args:
        shapes: the shapes of the weights by name.
    """
    if len(shapes) < FEWEST_TENSORS or importlib.util.find_spec("timm") is None:
        return []
    masks = _masks(shapes)
    likeness = {
        module: len(masks & known) / len(masks) for module, known in _representatives().items() if known
    }
    modules = sorted((m for m in likeness if likeness[m] >= ALIKE), key=likeness.__getitem__, reverse=True)
    given = _signature(shapes)
    names = [
        name
        for module in modules[:MODULES]
        for name, signature in _signatures(module).items()
        if len(given ^ signature) <= OF_HEADS and {key for key, _ in given} == {key for key, _ in signature}
    ]
    return sorted(names, key=lambda name: (len(name), name))


def _timm() -> Any:
    return require("timm", "timm", "the search among timm's models")


def _masks(shapes: Shapes) -> frozenset[str]:
    return frozenset(re.sub(r"\d+", "#", key) for key in shapes)


def _signature(shapes: Shapes) -> frozenset[tuple[str, tuple[int, ...]]]:
    """The names and shapes of the tensors, without batch norm's counters."""
    return frozenset((k, s) for k, s in shapes.items() if not k.endswith("num_batches_tracked"))


@cache
def _representatives() -> dict[str, frozenset[str]]:
    """For each of timm's modules, the masked tensor names of its model with the shortest name."""
    timm = _timm()
    return {
        module: _masks(_shapes(min(names, key=len)))
        for module in timm.list_modules()
        if (names := timm.list_models(module=module))
    }


@cache
def _signatures(module: str) -> dict[str, frozenset[tuple[str, tuple[int, ...]]]]:
    timm = _timm()
    return {name: _signature(_shapes(name)) for name in timm.list_models(module=module)}


def _shapes(name: str) -> dict[str, tuple[int, ...]]:
    """The shapes of a timm model; empty where it can't be built without weights."""
    timm = _timm()
    try:
        with warnings.catch_warnings(), without_weights():
            warnings.simplefilter("ignore")
            network = timm.create_model(name, pretrained=False)
    except Exception:  # a few compute with their weights as they are built
        return {}
    return {key: tuple(value.shape) for key, value in network.state_dict().items()}
