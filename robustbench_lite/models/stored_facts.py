"""What files and libraries state beside the weights: the names of the classes, the size of the images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from torch import nn

from robustbench_lite.models.checkpoint import KEY

NAME_KEYS: Final = ("class_names", "classes", "class_to_idx", "idx_to_class", "id2label", "label_names")
"""Where training scripts keep the names of the classes."""


def stored_class_names(content: object, config: Mapping[str, Any]) -> tuple[str, ...] | None:
    """The names of the outputs in their order, from a checkpoint or the config.json beside it.

    Args:
        content: what the file holds.
        config: the configuration beside the file, empty where there is none.
    """
    record = content.get(KEY) if isinstance(content, Mapping) else None
    for place in (record, content, config):
        if not isinstance(place, Mapping):
            continue
        for key in NAME_KEYS:
            if (names := _names(place.get(key))) is not None:
                return names
    return None


def _names(value: object) -> tuple[str, ...] | None:
    if isinstance(value, Mapping) and value:
        pairs = [(value_, key) for key, value_ in value.items()]
        if not all(isinstance(number, int) for number, _ in pairs):
            if not all(str(key).isdecimal() for key in value):
                return None
            pairs = [(int(str(key)), name) for key, name in value.items()]
        if {number for number, _ in pairs} != set(range(len(pairs))):
            return None
        value = [name for _, name in sorted(pairs, key=lambda pair: int(pair[0]))]
    if isinstance(value, Sequence) and not isinstance(value, str | bytes) and value:
        return tuple(value) if all(isinstance(name, str) for name in value) else None
    return None


def torchvision_facts(weights: Any) -> tuple[tuple[str, ...], int]:
    """The class names and the image side of torchvision's weights."""
    return tuple(weights.meta["categories"]), int(weights.transforms().crop_size[0])


def timm_input_size(network: nn.Module) -> int | None:
    """The image side that a timm network's configuration asks for."""
    config = getattr(network, "pretrained_cfg", None)
    size = config.get("input_size") if isinstance(config, Mapping) else None
    return int(size[-1]) if size else None
