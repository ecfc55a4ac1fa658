"""Match the layers of a file with those of a network by kind, shape, order and block, not by name."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

Shape = tuple[int, ...]
Signature = tuple[tuple[str, Shape], ...]

# Names that authors give to the way round a block. A bare digit, as in "residual.0", says nothing.
SHORTCUT = re.compile(r"shortcut|downsample|skip|identity|proj|conv_?sc\b|convdim|conv_?res\b", re.IGNORECASE)
# A part with a number, and something in it.
INSIDE = re.compile(r"\d[^.]*\..")
COUNTER = "num_batches_tracked"


@dataclass(frozen=True)
class Layer:
    """The tensors of one module.

    Attributes:
        name: the name of the module, "" for the tensors of the network itself.
        signature: names of its tensors and their shapes, sorted.
        shortcut: whether its name says that it lies on the way round a block.
        inside: whether its name says that it lies in a numbered part.
    """

    name: str
    signature: Signature
    shortcut: bool
    inside: bool

    @property
    def weight(self) -> Shape:
        """The shape of its weight; () where it has none."""
        return dict(self.signature).get("weight", ())


@dataclass(frozen=True)
class Layers:
    """The layers of a network or a file, in order.

    Attributes:
        by_name: whether the file is sorted by name, so that its order says nothing but for numbers.
    """

    items: tuple[Layer, ...]
    by_name: bool


def layers_of(shapes: Mapping[str, Shape]) -> Layers:
    """Group tensors by module, in the order of the file; in natural order where the file is sorted by name.

    Args:
        shapes: the shapes of the tensors by name; batch norm's counters are passed over.
    """
    keys = [key for key in shapes if not key.endswith(COUNTER)]
    by_name = keys == sorted(keys)
    if by_name:
        keys.sort(key=_natural)
    modules: dict[str, dict[str, Shape]] = {}
    for key in keys:
        module, _, leaf = key.rpartition(".")
        modules.setdefault(module, {})[leaf] = shapes[key]
    items = (
        Layer(
            name,
            tuple(sorted(tensors.items())),
            SHORTCUT.search(name) is not None,
            INSIDE.search(name) is not None,
        )
        for name, tensors in modules.items()
    )
    return Layers(tuple(items), by_name)


def _natural(key: str) -> list[tuple[int, int, str]]:
    return [
        (0, int(part), "") if part.isdigit() else (1, 0, part) for part in re.split(r"(\d+)|\.", key) if part
    ]


def align(given: Layers, expected: Layers) -> dict[str, str] | None:
    """Pair each layer of a file with one of a network: module name -> module name; None where none fits.

    Layers of one kind and shape are paired in order, those of shortcuts apart from the others. The pairing
    counts only where the blocks of the network are blocks in the file too, so that networks with equal layers
    in another order are told apart. In a file that is sorted by name, only numbers can show an order.

    Args:
        given: the layers of the file.
        expected: the layers of the network.
    """
    ours, theirs = expected.items, given.items
    if Counter(layer.signature for layer in theirs) != Counter(layer.signature for layer in ours):
        return None
    for by_role in (True, False):
        if given.by_name and not _ordered_by_numbers(theirs, by_role):
            continue
        pairs = _in_order(theirs, ours, by_role)
        if pairs is not None and _same_blocks(pairs, theirs, ours):
            return pairs
    return None


def _role(layer: Layer, by_role: bool) -> tuple[Signature, bool, bool]:
    return layer.signature, layer.shortcut and by_role, layer.inside and by_role


def _ordered_by_numbers(layers: Sequence[Layer], by_role: bool) -> bool:
    """Whether layers that could be taken for each other have names that differ in numbers alone."""
    masks: defaultdict[tuple[Signature, bool, bool], set[str]] = defaultdict(set)
    for layer in layers:
        masks[_role(layer, by_role)].add(re.sub(r"\d+", "#", layer.name))
    return all(len(names) == 1 for names in masks.values())


def _in_order(given: Sequence[Layer], expected: Sequence[Layer], by_role: bool) -> dict[str, str] | None:
    queues: defaultdict[tuple[Signature, bool, bool], list[str]] = defaultdict(list)
    for layer in reversed(expected):
        queues[_role(layer, by_role)].append(layer.name)
    pairs: dict[str, str] = {}
    for layer in given:
        queue = queues[_role(layer, by_role)]
        if not queue:
            return None
        pairs[layer.name] = queue.pop()
    return pairs


def _same_blocks(pairs: Mapping[str, str], given: Sequence[Layer], expected: Sequence[Layer]) -> bool:
    """Whether the layers of each block of the network share a prefix in the file that no other layer has.

    A file without prefixes, such as one long sequence, must have the layers in the network's very order.
    """
    back = {ours: theirs for theirs, ours in pairs.items()}
    blocks: defaultdict[str, list[str]] = defaultdict(list)
    for layer in expected:
        block = _block(layer.name)
        if block:
            blocks[block].append(back[layer.name])
    claimed: set[str] = set()
    for members in blocks.values():
        if len(members) < 2:
            continue
        prefix = _common(members)
        inside = {name for name in pairs if name.startswith(prefix)}
        if not prefix or inside != set(members) or inside & claimed:
            return [pairs[layer.name] for layer in given] == [layer.name for layer in expected]
        claimed |= inside
    return True


def _block(name: str) -> str:
    """The block that a layer of ours belongs to: its name up to the last number in the middle."""
    match = re.match(r"(.*\.\d+)\.(?=[^.])", name)
    return match.group(1) if match else ""


def _common(names: Sequence[str]) -> str:
    """The longest prefix of all names that ends with a "." or "_"."""
    first, last = min(names), max(names)
    length = next(
        (i for i, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), min(len(first), len(last))
    )
    return first[: max(first.rfind(".", 0, length), first.rfind("_", 0, length)) + 1]
