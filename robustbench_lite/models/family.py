"""The record of an architecture: how it is built, recognised in a file, and fed."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Literal

from torch import nn

from robustbench_lite.errors import InvalidInput
from robustbench_lite.models.meta_init import without_weights
from robustbench_lite.models.normalize import Normalization, parse_normalization, suite_normalization
from robustbench_lite.models.structure import Layer

Shapes = Mapping[str, tuple[int, ...]]
Builder = Callable[..., nn.Module]


@dataclass(frozen=True)
class Family:
    """An architecture, or a family of architectures that differ in a few numbers.

    A family of one network needs `build` alone: `Family(PooledLinear)`.

    Attributes:
        build: the class of the network, or a function that returns one. It takes `num_classes` and the
            keywords of a preset or of `pattern`. The network maps normalised images (N, 3, H, W) to logits
            (N, num_classes).
        presets: name -> keywords of `build`, for example {"wrn-40-2": {"depth": 40, "width": 2}}. Where it
            is empty, the family has one network without keywords, under the family's own name.
        pattern: regular expression of the names of other sizes. Its named groups are keywords of `build`: a
            whole number where the text is one, True for other text; a group that takes no part is left out.
        identify: a function from names and shapes of weights to the names of the networks that may own them.
            Each is then compared strictly, tensor by tensor. Where it is None, or returns None, all presets
            are compared.
        head: the module whose weight has one row a class. Where it is empty, it is found by building the
            network for two numbers of classes.
        normalization: what the public checkpoints of this family expect: a name of `NORMALIZATIONS`,
            "MEAN,STD", six numbers, or a function of (num_classes, suite). Where it is empty, the
            suite's usual one.
        renames: (pattern, replacement) pairs from the parameter names of other releases to those of `build`.
        propose: a function from the layers of a file whose names no family knows to the names of the networks
            to compare by structure. Where it is None, they are the presets, if the family has `identify`.
        twins: a function from a name to the networks that have equal tensors and compute something else.
        he_weights: which layers a training draws as He et al. 2015 do: "convolutions", "all" (with the last
            linear layer), or "" where the network initialises itself.
    """

    build: Builder
    presets: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    pattern: str = ""
    identify: Callable[[Shapes], list[str] | None] | None = None
    head: str = ""
    normalization: str | Callable[[int, str | None], Normalization] = ""
    renames: tuple[tuple[str, str], ...] = ()
    propose: Callable[[Sequence[Layer]], list[str]] | None = None
    twins: Callable[[str], tuple[str, ...]] | None = None
    he_weights: Literal["", "convolutions", "all"] = ""

    def names(self, key: str) -> tuple[str, ...]:
        """Return the names of the presets of a family that is registered as `key`."""
        return tuple(self.presets) or (key,)

    def builder(self, key: str, name: str) -> Builder | None:
        """Return the builder of the network called `name`, None where this family has none of that name.

        Args:
            key: the name under which the family is registered.
            name: the name of a preset, or one that `pattern` describes. Capitals, and "_" for "-", make no
                difference.
        """
        plain = plain_name(name)
        presets = self.presets or {key: {}}
        for preset, keywords in presets.items():
            if plain_name(preset) == plain:
                return partial(self.build, **keywords)
        match = re.fullmatch(self.pattern, plain) if self.pattern else None
        if match is None:
            return None
        groups = {name: text for name, text in match.groupdict().items() if text is not None}
        return partial(self.build, **{k: int(v) if v.isdigit() else True for k, v in groups.items()})

    def default_normalization(self, num_classes: int, suite: str | None) -> Normalization:
        """Return what the public checkpoints of this family expect."""
        if callable(self.normalization):
            return self.normalization(num_classes, suite)
        if self.normalization:
            return parse_normalization(self.normalization, "what the record of the architecture states")
        return suite_normalization(suite, num_classes)


def plain_name(name: str) -> str:
    """Return a name as names are compared: in small letters, with "-" for "_"."""
    return name.lower().replace("_", "-")


def class_tensors(build: Builder) -> dict[str, int]:
    """Return the tensors whose size follows the number of classes, with the dimension that does.

    Args:
        build: takes `num_classes`.
    """
    with without_weights():
        small, large = (
            {k: tuple(v.shape) for k, v in build(num_classes=n).state_dict().items()} for n in (7, 8)
        )
    if list(small) != list(large):
        return {}
    return {
        key: next(
            axis for axis, sizes in enumerate(zip(small[key], large[key], strict=True)) if len(set(sizes)) > 1
        )
        for key in small
        if small[key] != large[key]
    }


def check_family(key: str, family: Family, taken: tuple[str, ...]) -> None:
    """Try a family that a user registers.

    Args:
        key: the name under which it is registered.
        family: the record.
        taken: names of architectures that exist.

    Raises:
        InvalidInput: a name is taken, the builder fails or does not take num_classes, no tensor has one row a
            class, or the normalisation is none.
    """
    for name in family.names(key):
        if plain_name(name) in map(plain_name, taken):
            raise InvalidInput(f"there is already an architecture named {name!r}; choose another name")
        build = family.builder(key, name)
        if build is None:
            raise InvalidInput(f"the architecture {key!r} has no builder for {name!r}")
        try:
            sized = class_tensors(build)
            head = family.head or next((k.rpartition(".")[0] for k in sized), "")
        except Exception as error:
            raise InvalidInput(
                f"the builder of the architecture {name!r} fails with num_classes=7: "
                f"{type(error).__name__}: {error}"
            ) from error
        if f"{head}.weight" not in sized:
            raise InvalidInput(
                f"the architecture {name!r} has no layer {head!r} with one row a class; let num_classes set "
                "the size of the last layer, and name that layer as the head"
            )
    family.default_normalization(7, None)
