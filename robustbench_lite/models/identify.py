"""Tell an architecture from the names and shapes of its weights."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache

import torch
from torch import Tensor, nn

from robustbench_lite.errors import CheckpointError, InvalidInput, ModelError, UnknownName
from robustbench_lite.models import external
from robustbench_lite.models.family import Builder, Family, class_tensors
from robustbench_lite.models.meta_init import without_weights
from robustbench_lite.models.registry import FAMILIES, architecture_names, build, own_family
from robustbench_lite.models.statedict import State, Variant, fill_counters, rename, variants
from robustbench_lite.models.structure import COUNTER, Layer, Layers, align, layers_of
from robustbench_lite.models.timm_index import timm_candidates
from robustbench_lite.models.user_code import Reference, build_network, parse_reference, takes_num_classes

Shapes = dict[str, tuple[int, ...]]
# torchvision's older DenseNet files put a dot between a layer's kind and its number.
TORCHVISION_RENAMES = ((r"(denselayer\d+\.(?:norm|conv))\.(\d)\.", r"\1\2."),)
SHOWN_KEYS = 3
SHOWN_CANDIDATES = 3
# The share of a file's tensors that an architecture must have, to be named as near.
SHARED = 0.25
# How many of a file's last tensors may have one row a class.
CLASS_GUESSES = 4


@dataclass(frozen=True)
class Difference:
    """How a file's weights differ from an architecture's; `shared` counts the equal names and shapes."""

    architecture: str
    missing: tuple[str, ...]
    unexpected: tuple[str, ...]
    reshaped: tuple[str, ...]
    shared: int = 0

    def __len__(self) -> int:
        return len(self.missing) + len(self.unexpected) + len(self.reshaped)

    def __str__(self) -> str:
        parts = [
            f"{len(keys)} {label} ({', '.join(keys[:SHOWN_KEYS])}{', ...' if len(keys) > SHOWN_KEYS else ''})"
            for label, keys in (
                ("missing", self.missing),
                ("unexpected", self.unexpected),
                ("of another shape", self.reshaped),
            )
            if keys
        ]
        return f"{self.architecture}: {'; '.join(parts)}"


@dataclass(frozen=True)
class Match:
    """An architecture whose weights a file holds, and those weights under the architecture's names.

    `by_structure` says that the file has other names and the layers alone decided; `alike` are further models
    of timm with equal tensors.
    """

    architecture: str
    num_classes: int
    network: nn.Module
    state: State
    variant: Variant
    by_structure: bool = False
    alike: tuple[str, ...] = ()


def shapes_of(state: Mapping[str, Tensor]) -> Shapes:
    """Return the shapes of weights by name."""
    return {key: tuple(value.shape) for key, value in state.items()}


def identify(state: State, source: str) -> Match | None:
    """Find the architecture of ours or of torchvision whose weights a state dict holds, all and no more.

    Raises:
        CheckpointError: several architectures fit.
    """
    for variant in variants(state):
        results = list(_own_matches(variant))
        if not any(isinstance(result, Match) for result in results):
            results += _torchvision_matches(variant)
        matches = [result for result in results if isinstance(result, Match)]
        if len(matches) == 1:
            return matches[0]
        if matches:
            raise _ambiguous([match.architecture for match in matches], source)
    return None


def identify_in_timm(state: State) -> Match | None:
    """Find the timm model, where timm is installed, whose weights a state dict holds, all and no more."""
    for variant in variants(state):
        names = timm_candidates(shapes_of(variant.state))
        matches = [
            match for name in names if isinstance(match := _compare_timm(f"timm:{name}", variant), Match)
        ]
        if matches:
            return replace(matches[0], alike=tuple(match.architecture for match in matches[1:]))
    return None


def _ambiguous(names: Sequence[str], source: str) -> CheckpointError:
    return CheckpointError(
        f"the weights in {source} fit several architectures ({', '.join(names)}) that compute different "
        f"things; say which one it is, for example `arch='{names[0]}'`"
    )


def identify_by_structure(state: State, source: str) -> Match | None:
    """Find the network whose layers a state dict holds under other names.

    The kinds, shapes, order and blocks of the layers decide (see `structure.align`).

    Raises:
        CheckpointError: several architectures fit.
    """
    for variant in variants(state):
        shapes = shapes_of(variant.state)
        given = layers_of(shapes)
        classes = next((layer.weight[0] for layer in reversed(given.items) if len(layer.weight) == 2), 0)
        if not classes or any(not layer.weight for layer in given.items):
            continue
        matches = [
            match
            for name in _proposals(given.items)
            if (match := _aligned(name, classes, given, variant)) is not None
        ]
        if len(matches) > 1:
            raise _ambiguous([match.architecture for match in matches], source)
        if matches:
            return matches[0]
    return None


def _proposals(given: Sequence[Layer]) -> Iterator[str]:
    names = dict.fromkeys(
        name
        for key, family in FAMILIES.items()
        if family.identify is not None
        for name in (family.propose(given) if family.propose is not None else family.names(key))
    )
    for name in names:
        if _layer_count(name) == len(given):
            yield name


@cache
def _layer_count(name: str) -> int:
    """The number of layers of a network; building all of them takes a second or two, once."""
    try:
        with without_weights():
            return len(layers_of(shapes_of(build(name, 10).state_dict())).items)
    except InvalidInput:  # no such depth
        return -1


def _aligned(name: str, classes: int, given: Layers, variant: Variant) -> Match | None:
    with without_weights():
        network = _construct(name, classes, variant.state)
    expected = network.state_dict()
    pairs = align(given, layers_of(shapes_of(expected)))
    if pairs is None:
        return None
    renamed: State = {}
    for key, value in variant.state.items():
        module, _, leaf = key.rpartition(".")
        if module in pairs:
            renamed[f"{pairs[module]}.{leaf}"] = value
    filled = fill_counters(renamed, expected)
    if len(_difference(name, shapes_of(expected), shapes_of(filled))):
        return None
    return Match(name, classes, network, filled, variant, by_structure=True)


def fit(architecture: str, state: State, source: str, num_classes: int | None = None) -> Match:
    """Match a state dict with an architecture that the user named.

    Args:
        architecture: a registered name, torchvision:NAME, timm:NAME, or a reference to the user's own code.
        state: the weights.
        source: the file, for messages.
        num_classes: outputs, where they are known; for the user's own code only, others show them.

    Raises:
        CheckpointError: the names or shapes differ; the message lists the first differences.
        UnknownName: there is no such architecture.
        InvalidInput: there is no such file or builder.
        ModelError: the user's own code fails.
    """
    reference = parse_reference(architecture)
    results = (
        (_compare_named(architecture, variant) for variant in variants(state))
        if reference is None
        else _compare_code(reference, state, num_classes)
    )
    differences: list[Difference] = []
    for result in results:
        if isinstance(result, Match):
            return result
        differences.append(result)
    best = min(differences, key=len)
    raise CheckpointError(f"the weights in {source} are not those of {best}")


def _compare_code(
    reference: Reference, state: State, num_classes: int | None
) -> Iterator[Match | Difference]:
    """Build the user's own network, with each number of classes that may be meant, and compare it."""
    counts: list[int | None] = [num_classes]
    if takes_num_classes(reference):
        rows = [value.shape[0] for value in reversed(state.values()) if value.ndim in (1, 2)]
        counts = list(dict.fromkeys([*counts, None, *rows[:CLASS_GUESSES]]))
    built, failure = False, None
    for count in counts:
        try:
            network = build_network(reference, count)
        except InvalidInput as error:  # without num_classes the builder may lack an argument
            failure = error
            continue
        if not isinstance(network, nn.Module):
            raise ModelError(
                f"{reference.text} returns a function, which can't take the weights of a file; name it as "
                "the model instead of the architecture"
            )
        for variant in variants(state):
            yield _compare_with(network, reference.text, count or 0, variant.state, variant)
        built = True
    if failure is not None and not built:
        raise failure


def filled_network(match: Match) -> nn.Module:
    """Return a match's network with its weights in place."""
    network = match.network
    state = OrderedDict(match.state)
    # Some torchvision modules refuse weights without the version that is kept beside them.
    state._metadata = getattr(network.state_dict(), "_metadata", None)  # type: ignore[attr-defined]
    unfilled = any(value.is_meta for value in (*network.parameters(), *network.buffers()))
    network.load_state_dict(state, strict=True, assign=unfilled)
    if any(value.is_meta for value in (*network.parameters(), *network.buffers())):
        # A buffer that is in no file and that the constructor fills in place: build again, at the usual cost.
        with torch.random.fork_rng(devices=[]):
            network = _construct(match.architecture, match.num_classes, match.state)
        network.load_state_dict(state, strict=True)
    return network


def _construct(architecture: str, num_classes: int, state: State) -> nn.Module:
    """Build a network; where the weights decide on options that the name leaves open, as they say."""
    if architecture.startswith("torchvision:"):
        return external.build_torchvision(architecture.partition(":")[2], num_classes, shapes_of(state))
    return build(architecture, num_classes)


def _compare_named(architecture: str, variant: Variant) -> Match | Difference:
    if architecture.startswith("timm:"):
        return _compare_timm(architecture, variant)
    own = own_family(architecture)
    if own is not None:
        return _compare_own(architecture, *own, variant)
    name = architecture.removeprefix("torchvision:")
    if name == architecture and name not in external.torchvision_names():
        raise UnknownName("architecture", name, [*architecture_names(), *external.torchvision_names()])
    return _compare_torchvision(name, variant)


def _own_matches(variant: Variant) -> Iterator[Match | Difference]:
    tried: set[str] = set()
    for key, family in FAMILIES.items():
        for name in _named_in(key, family, variant.state):
            if name not in tried:
                tried.add(name)
                yield _compare_named(name, variant)


def _named_in(key: str, family: Family, state: State) -> list[str]:
    """The family's candidates for these weights; names of another convention may hide which variant it is."""
    if family.identify is None:
        return list(family.names(key))
    literal = shapes_of(state)
    candidates = family.identify(shapes_of(rename(state, family.renames)))
    if candidates is None:
        return list(family.names(key))
    if any(".downsample." in key for key in literal) and any(
        name.startswith("cifar-resnet") for name in candidates
    ):
        # torchvision's names with a 3 x 3 stem: whether its max pool was kept can't be seen.
        return [*candidates, *(f"{name}-maxpool" for name in candidates)]
    return [name for name in candidates if own_family(name) is not None]


def _compare_own(name: str, family: Family, builder: Builder, variant: Variant) -> Match | Difference:
    state = rename(variant.state, family.renames)
    key = f"{family.head}.weight" if family.head else next(iter(class_tensors(builder)), "")
    head = state.get(key)
    return _compare(name, head.shape[0] if head is not None and head.ndim else 10, state, variant)


def _torchvision_matches(variant: Variant) -> Iterator[Match | Difference]:
    state = rename(variant.state, TORCHVISION_RENAMES)
    for name in external.torchvision_candidates(shapes_of(state)):
        yield _compare_torchvision(name, variant)


def _compare_torchvision(name: str, variant: Variant) -> Match | Difference:
    state = rename(variant.state, TORCHVISION_RENAMES)
    head = state.get(external.torchvision_head(name))
    classes = head.shape[0] if head is not None and head.ndim else 1000
    return _compare(f"torchvision:{name}", classes, state, variant)


def _compare_timm(name: str, variant: Variant) -> Match | Difference:
    with without_weights():
        network = build(name, 1000)
    last = list(network.state_dict())[-1]
    stated = (getattr(network, "pretrained_cfg", None) or {}).get("classifier")
    head = variant.state.get(f"{stated}.weight" if isinstance(stated, str) else last)
    return _compare(name, head.shape[0] if head is not None and head.ndim else 1000, variant.state, variant)


def _compare(name: str, classes: int, state: State, variant: Variant) -> Match | Difference:
    with without_weights():
        network = _construct(name, classes, state)
    return _compare_with(network, name, classes, state, variant)


def _compare_with(
    network: nn.Module, name: str, classes: int, state: State, variant: Variant
) -> Match | Difference:
    expected = network.state_dict()
    filled = fill_counters(state, expected)
    difference = _difference(name, shapes_of(expected), shapes_of(filled))
    return difference if len(difference) else Match(name, classes, network, filled, variant)


def _difference(label: str, expected: Shapes, given: Shapes) -> Difference:
    return Difference(
        label,
        tuple(key for key in expected if key not in given),
        tuple(key for key in given if key not in expected),
        tuple(
            f"{key} {given[key]} instead of {expected[key]}"
            for key in expected
            if key in given and given[key] != expected[key]
        ),
        sum(given.get(key) == shape for key, shape in expected.items() if not key.endswith(COUNTER)),
    )


def unknown_architecture(state: State, source: str) -> str:
    """Say that weights belong to no known architecture, what to do, and which architectures are near."""
    barest = list(variants(state))[-1]
    names = [*architecture_names(), *external.torchvision_nearest(shapes_of(barest.state))]
    results = [_compare_named(name, barest) for name in names]
    own = sum(not key.endswith(COUNTER) for key in barest.state)
    nearest = [r for r in results if isinstance(r, Difference) and r.shared >= SHARED * own]
    listed = "; ".join(f"[{difference}]" for difference in sorted(nearest, key=len)[:SHOWN_CANDIDATES])
    keys = ", ".join(list(barest.state)[:SHOWN_KEYS])
    return (
        f"no known architecture has the {len(barest.state)} weights of {source} ({keys}, ...). Name the code "
        "of the network as the architecture (`arch='FILE.py:BUILDER'`), or export the network to TorchScript "
        "or ONNX and name that file, or pass the network itself in Python (rb.evaluate(module, ...)). A "
        "library's network is `arch='torchvision:NAME'` or `arch='timm:NAME'`"
        + (f"; nearest: {listed}" if listed else "")
    )
