"""Find the weights inside a checkpoint, and strip what training wrappers add to their names."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from robustbench_lite.errors import CheckpointError

State = dict[str, Tensor]

# Entries that hold weights, best first, and words in an entry's path that say "an average of weights".
PLAIN_ENTRIES = (
    "state_dict",
    "model_state_dict",
    "model",
    "net",
    "network",
    "weights",
    "params",
    "classifier",
)
EMA_WORDS = re.compile(r"(^|[._])(ema|swa|averaged?|avg|params_ema|shadow)([._]|$)")
SKIPPED_ENTRIES = re.compile(r"optim|^opt$|sched|scaler|^amp$|rng|callback|loops|meters?$|config|args|hparam")
# Components that wrappers insert anywhere in a name (torch.compile, FSDP, activation checkpointing).
INSERTED = re.compile(r"(?:^|(?<=\.))(?:_orig_mod|_fsdp_wrapped_module|_checkpoint_wrapped_module)\.")
PREFIXES = ("module", "model", "net", "network", "backbone", "student", "1")
# What may stand beside the network in a training module without being a part of it.
BESIDE = re.compile(
    r"^(criterion|loss|.*metric|.*_acc|.*_ece|teacher|.*ema|swa|target|momentum|queue|attacker|normali[sz]er?"
    r"|mean|std|mu|sigma|0\.)"
)
# What a training module that is the network itself keeps beside its layers.
TRAINING_PARTS = re.compile(
    r"^(criterion|loss\w*|\w*metrics?|(train|val|test)_\w+|ce|bce|attacker|teacher)\."
)
# The auxiliary statistics of timm's split batch norm; the network that is evaluated has the clean ones.
AUXILIARY_NORM = re.compile(r"\.aux_bn\.\d+\.")
# Counters that weight averaging and FLOP counting leave among the weights.
CLUTTER = re.compile(r"(^|\.)(n_averaged|total_ops|total_params)$")
MAX_DEPTH = 4
# The share of all tensors that make a prefix that of the network.
MOST = 0.8
STATISTICS = {
    "mean": "mean",
    "mu": "mean",
    "new_mean": "mean",
    "std": "std",
    "sigma": "std",
    "new_std": "std",
}


@dataclass(frozen=True)
class Variant:
    """One way to read a state dict: a prefix taken off, other entries left aside.

    Attributes:
        state: weights by name.
        rest: entries that are left aside: losses, averages, metrics.
        mean: the mean of the inputs, where the file carries it beside the network.
        std: the standard deviation of the inputs, given as `mean` is.
    """

    state: State
    rest: tuple[str, ...] = ()
    mean: tuple[float, float, float] | None = None
    std: tuple[float, float, float] | None = None


def find_states(content: object) -> dict[str, State]:
    """Return every state dict inside a file's content, by its path such as "model.state_dict"."""
    return dict(_walk(content, "", 0))


def _walk(content: object, path: str, depth: int) -> Iterator[tuple[str, State]]:
    if isinstance(content, list | tuple) and depth <= MAX_DEPTH:
        for number, value in enumerate(content):
            yield from _walk(value, f"{path}.{number}" if path else str(number), depth + 1)
    if not isinstance(content, Mapping) or depth > MAX_DEPTH:
        return
    tensors = {
        key: value for key, value in content.items() if isinstance(key, str) and isinstance(value, Tensor)
    }
    if any("." in key or value.ndim > 1 for key, value in tensors.items()):
        yield path, tensors
        return
    for key, value in content.items():
        if isinstance(key, str) and not SKIPPED_ENTRIES.search(key.lower()):
            yield from _walk(value, f"{path}.{key}" if path else key, depth + 1)


def choose_state(
    states: Mapping[str, State], entry: str | None, source: str
) -> tuple[State, tuple[str, ...]]:
    """Choose the weights to evaluate: the plain ones; an average if asked for or if there is nothing else.

    Args:
        states: the result of `find_states`.
        entry: path of the entry to use, None for the rule above.
        source: the file, for messages.

    Returns:
        The weights, and notes on the choice where there was one.

    Raises:
        CheckpointError: no weights, no such entry, or several that nothing tells apart.
    """
    if not states:
        raise CheckpointError(f"{source} holds no weights: no dictionary of named tensors was found in it")
    if entry is not None:
        matching = [path for path in states if entry in (path, path.rpartition(".")[2])]
        if entry not in states and len(matching) != 1:
            raise CheckpointError(f"{source} has no weights under {entry!r}; it has {_listed(states)}")
        named = entry if entry in states else matching[0]
        return states[named], (f"weights from {named!r}, as asked",)
    _refuse_a_list(states, source)
    plain = [path for path in states if not EMA_WORDS.search(path)]
    chosen = _best(plain) if plain else _best(list(states))
    if chosen is None:
        raise CheckpointError(
            f"{source} holds several sets of weights: {_listed(states)}; choose one of them, "
            f"for example `entry='{next(iter(states))}'`"
        )
    others = [path for path in states if path != chosen]
    if not plain:
        return states[chosen], (f"averaged weights from {chosen!r}: the file has no others",)
    if others:
        return states[chosen], (f"weights from {chosen!r}; the file also has {', '.join(map(repr, others))}",)
    return states[chosen], ()


def _refuse_a_list(states: Mapping[str, State], source: str) -> None:
    """Ask which network is meant, where a file holds a list of several."""
    lists: dict[str, int] = {}
    for path in states:
        parent, _, number = path.rpartition(".")
        if number.isdigit():
            lists[parent] = lists.get(parent, 0) + 1
    for parent, count in lists.items():
        if count > 1 and len(states) == count:
            place = f" under {parent!r}" if parent else ""
            raise CheckpointError(
                f"{source} holds a list of {count} networks{place}; choose one of them: `entry='0'` to "
                f"`entry='{count - 1}'`"
            )


def _best(paths: list[str]) -> str | None:
    """The path whose last component comes first in PLAIN_ENTRIES; a lone path always."""
    if len(paths) == 1:
        return paths[0]
    for name in PLAIN_ENTRIES:
        matching = [path for path in paths if path.split(".")[-1] == name or path.split(".")[0] == name]
        if len(matching) == 1:
            return matching[0]
    return None


def _listed(states: Mapping[str, State]) -> str:
    return ", ".join(repr(path) if path else "(top level)" for path in states)


def variants(state: State) -> Iterator[Variant]:
    """Yield the ways to read a state dict, the most literal first, without what wrappers insert in names."""
    clean = {
        INSERTED.sub("", key): value
        for key, value in state.items()
        if not CLUTTER.search(key) and not AUXILIARY_NORM.search(key)
    }
    current = Variant({key: _plain_tensor(value) for key, value in clean.items()})
    seen: set[frozenset[str]] = set()
    while frozenset(current.state) not in seen:
        seen.add(frozenset(current.state))
        yield current
        parts = [key for key in current.state if TRAINING_PARTS.match(key)]
        if parts and len(parts) < len(current.state):
            kept = {key: value for key, value in current.state.items() if key not in parts}
            yield Variant(kept, (*current.rest, *parts), current.mean, current.std)
        stripped = _strip(current)
        if stripped is None:
            return
        current = stripped


def _strip(variant: Variant) -> Variant | None:
    """Take the first component off all names, or a known one where the rest is no part of a network."""
    heads = {key.partition(".")[0] for key in variant.state if "." in key}
    whole = {key for key in variant.state if "." not in key}
    alone = len(heads) == 1 and not whole
    prefix = heads.pop() if alone else next((p for p in PREFIXES if p in heads), "") or _main_head(variant)
    inner = {k.partition(".")[2]: v for k, v in variant.state.items() if k.startswith(prefix + ".")}
    outer = {k: v for k, v in variant.state.items() if not k.startswith(prefix + ".")}
    if not prefix or not all(BESIDE.match(key) or value.ndim < 2 for key, value in outer.items()):
        return None
    mean, std, used = _carried_normalization(outer)
    rest = (*variant.rest, *(key for key in outer if key not in used))
    return Variant(inner, rest, mean or variant.mean, std or variant.std)


def _main_head(variant: Variant) -> str:
    """The first component of nearly all names, where it is none of the usual ones; "" where there is none."""
    counts: dict[str, int] = {}
    for key in variant.state:
        head, dot, _ = key.partition(".")
        counts[head] = counts.get(head, 0) + bool(dot)
    head = max(counts, key=counts.__getitem__, default="")
    return head if counts.get(head, 0) >= MOST * len(variant.state) else ""


def _carried_normalization(
    outer: State,
) -> tuple[tuple[float, float, float] | None, tuple[float, float, float] | None, tuple[str, ...]]:
    """A mean and a deviation of three channels each, stored as buffers beside the network."""
    statistics: dict[str, tuple[str, tuple[float, float, float]]] = {}
    for key, value in sorted(outer.items(), key=lambda item: -item[0].count(".")):
        kind = STATISTICS.get(key.rpartition(".")[2])
        if kind and value.numel() == 3:
            numbers = value.flatten().double().tolist()
            statistics[kind] = (key, (numbers[0], numbers[1], numbers[2]))
    if "mean" not in statistics or "std" not in statistics:
        return None, None, ()
    return statistics["mean"][1], statistics["std"][1], (statistics["mean"][0], statistics["std"][0])


def _plain_tensor(value: Tensor) -> Tensor:
    """Weights as float32 (files may hold halves or doubles); counters and indices as they are."""
    return value.detach().float() if value.is_floating_point() else value.detach()


def rename(state: State, rules: tuple[tuple[str, str], ...]) -> State:
    """Translate parameter names by regular expressions, in order; not at all if two would clash."""
    renamed: State = {}
    for key, value in state.items():
        for pattern, replacement in rules:
            key = re.sub(pattern, replacement, key)
        renamed[key] = value
    return renamed if len(renamed) == len(state) else state


def fill_counters(state: State, expected: Mapping[str, Tensor]) -> State:
    """Add batch norm's step counters where a file left them out; evaluation never reads them."""
    missing = (key for key in expected if key.endswith("num_batches_tracked") and key not in state)
    return {**state, **{key: torch.zeros((), dtype=torch.long) for key in missing}}
