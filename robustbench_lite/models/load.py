"""Load a model from whatever a researcher has: a file of any usual format, or a pretrained network's name."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from robustbench_lite.errors import CheckpointError, InvalidInput
from robustbench_lite.models import exported, external
from robustbench_lite.models.checkpoint import (
    KEY,
    pickled_module,
    read_checkpoint,
    read_safetensors,
    sha256_of,
    whole_module,
)
from robustbench_lite.models.classifier import Classifier, Function, describe
from robustbench_lite.models.file_format import file_format
from robustbench_lite.models.hugging_face import is_transformers_folder, load_pretrained, weights_in
from robustbench_lite.models.identify import (
    Match,
    filled_network,
    fit,
    identify,
    identify_by_structure,
    identify_in_timm,
    unknown_architecture,
)
from robustbench_lite.models.normalize import (
    Normalization,
    custom_normalization,
    named_normalization,
    parse_normalization,
    stored_normalization,
    suite_normalization,
)
from robustbench_lite.models.registry import own_family
from robustbench_lite.models.statedict import AUXILIARY_NORM, choose_state, find_states
from robustbench_lite.models.stored_accuracy import stored_accuracy
from robustbench_lite.models.stored_facts import stored_class_names, timm_input_size, torchvision_facts
from robustbench_lite.models.user_code import Reference, build_network, code_sha256, parse_reference

LIBRARIES = ("torchvision:", "timm:", "hf:")


_SAYS_NOTHING = frozenset(("best", "checkpoint", "ckpt", "final", "last", "model", "model_best", "weights"))


@dataclass(frozen=True)
class _Found:
    """A network and what is known of it before its normalisation is settled."""

    network: nn.Module
    architecture: str
    num_classes: int | None
    format: str
    default: Normalization
    carried: bool = False
    notes: tuple[str, ...] = ()
    class_names: tuple[str, ...] | None = None
    input_size: int | None = None
    stored: tuple[float, str] | None = None


@dataclass(frozen=True)
class _Request:
    """The options of load_model that reading a file depends on."""

    arch: str | None
    suite: str | None
    trust: bool
    entry: str | None
    suite_classes: int | None


def shown_name(path: Path) -> str:
    """A file's name for tables; with its folder where the name alone would say nothing."""
    plain = path.name.partition(".")[0] in _SAYS_NOTHING
    return f"{path.absolute().parent.name}/{path.name}" if plain else path.name


def load_model(
    source: str | os.PathLike[str],
    arch: str | None = None,
    *,
    normalize: str | None = None,
    num_classes: int | None = None,
    suite: str | None = None,
    trust_checkpoint: bool = False,
    entry: str | None = None,
    output: str | None = None,
    suite_classes: int | None = None,
    name: str | None = None,
) -> Classifier:
    """Load a model, in evaluation mode and with its normalisation inside.

    Args:
        source: a file (PyTorch, safetensors, TorchScript, torch.export, ONNX), "torchvision:NAME[@RELEASE]"
            or "timm:NAME" for their pretrained weights, "hf:NAME" or a folder for an image classifier of
            transformers, or your own code: "FILE.py:BUILDER" or
            "package.module:BUILDER", a builder of a network that loads its own weights or a function from
            images (N, 3, H, W) in [0, 1] to logits. Naming a Python file runs it.
        arch: architecture of a state dict; by default it is recognised by its tensors. Your own network is
            "FILE.py:BUILDER" or "package.module:BUILDER", with arguments "nets.py:WRN(depth=16)".
        normalize: name in NORMALIZATIONS, "MEAN,STD" or six numbers; wins over what the file or its
            architecture suggests.
        num_classes: outputs to expect; another number in the file is an error.
        suite: name of the suite that the model will meet, for the default normalisation.
        trust_checkpoint: unpickle whole modules, which runs whatever code the file holds.
        entry: which of several sets of weights in the file to use, for example "state_dict_ema".
        output: which of several outputs of the network are the logits: the name of an ONNX output or of a
            dictionary's entry, or the number in a tuple. By default the one with a column for each class.
        suite_classes: number of classes of the suite that the model will meet; your own builder has it as
            num_classes.
        name: the name of the model in tables and records; by default that of the file.

    Raises:
        CheckpointError: the file can't be read, its architecture is unknown, or its weights don't fit it.
        UnknownName: no such architecture.
        InvalidInput: a normalisation that is none, or code that names no builder.
        ModelError: your own code fails.
        MissingExtra: ONNX or timm without their extra.
    """
    asked = parse_normalization(normalize) if normalize else None
    text = os.fspath(source)
    request = _Request(arch, suite, trust_checkpoint, entry, suite_classes or num_classes)
    path = Path(text).expanduser()
    reference = None if path.exists() else parse_reference(text)
    named = text.startswith(LIBRARIES) and not path.exists()
    if (named or reference is not None) and arch is not None:
        raise InvalidInput(f"{text} names both weights and architecture; leave out the architecture {arch!r}")
    sha256, usual_name = None, text
    if reference is not None:
        opened = _from_code(reference, request)
    elif named:
        opened = _pretrained(text)
    elif not path.exists():
        raise _no_file(text)
    else:
        opened, weights = _from_folder(path, request) if path.is_dir() else (_from_file(path, request), path)
        sha256, usual_name = sha256_of(weights), shown_name(path)
    code = reference or (parse_reference(arch) if arch is not None else None)
    if num_classes is not None and opened.num_classes not in (None, num_classes):
        raise CheckpointError(f"{text} has {opened.num_classes} outputs, expected {num_classes}")
    chosen, notes = asked or opened.default, opened.notes
    if asked and opened.carried and (asked.mean, asked.std) != (opened.default.mean, opened.default.std):
        notes += (f"{asked.name} normalisation, as asked, instead of the file's own {opened.default.name}",)
    network = opened.network.eval()
    for parameter in network.parameters():
        parameter.requires_grad_(False)
    info = describe(
        network,
        chosen,
        name=name or usual_name,
        architecture=opened.architecture,
        source=text,
        sha256=sha256,
        format=opened.format,
        num_classes=opened.num_classes or num_classes,
        notes=notes,
        guessed=asked is None and not opened.carried,
        code_sha256=code_sha256(code) if code is not None else None,
    )
    info = replace(info, class_names=opened.class_names, input_size=opened.input_size)
    if opened.stored is not None:
        info = replace(info, stored_accuracy=opened.stored[0], stored_as=opened.stored[1])
    return Classifier(network, info, output, suite_classes)


def _no_file(text: str) -> CheckpointError:
    """The error for a model that is neither a file nor a name."""
    if text in external.torchvision_names():
        return CheckpointError(f"there is no file {text}; for torchvision's weights say torchvision:{text}")
    if own_family(text) is not None:
        return CheckpointError(f"there is no file {text}; {text} is an architecture, and the model is a file")
    title, equals, rest = text.partition("=")
    also = f", nor a file {rest}, if {title!r} is its title" if equals and rest else ""
    return CheckpointError(f"there is no file {text}{also}")


def _from_code(reference: Reference, request: _Request) -> _Found:
    """A network that loads its own weights, or a function from images to logits."""
    network = build_network(reference, request.suite_classes, images=True)
    default = named_normalization("none", "your own code takes images in [0, 1]")
    if isinstance(network, nn.Module):
        return _Found(network, reference.text, None, "code", default)
    return _Found(Function(network), reference.text, None, "code", default)


def _pretrained(name: str) -> _Found:
    library, _, model = name.partition(":")
    if library == "hf":
        return _from_hugging_face(model, name)
    if library == "timm":
        network, default = external.pretrained_timm(model)
        classes = getattr(network, "num_classes", None)
        return _Found(
            network, name, classes, "timm weights", default, carried=True, input_size=timm_input_size(network)
        )
    network, default, notes = external.pretrained_torchvision(model)
    classes = list(network.state_dict().values())[-1].shape[0]
    architecture = f"torchvision:{model.partition('@')[0]}"
    names, side = torchvision_facts(external.torchvision_weights(model))
    return _Found(network, architecture, classes, "torchvision weights", default, True, notes, names, side)


def _from_hugging_face(source: str, architecture: str) -> _Found:
    """An image classifier of transformers, with what its files state."""
    loaded = load_pretrained(source)
    names, side = loaded.class_names, loaded.input_size
    classes = getattr(getattr(loaded.network, "config", None), "num_labels", None)
    kind, notes = "transformers", loaded.notes
    return _Found(
        loaded.network, architecture, classes, kind, loaded.normalization, loaded.stated, notes, names, side
    )


def _from_folder(path: Path, request: _Request) -> tuple[_Found, Path]:
    """The model in a folder of transformers, or of timm on the hub, and the file of its weights."""
    weights = weights_in(path)
    if weights is None:
        file_format(path)  # says what lies there
        raise CheckpointError(f"{path} is a folder")
    if is_transformers_folder(path):
        loaded = _from_hugging_face(str(path), "transformers")
        return replace(loaded, architecture=f"transformers:{type(loaded.network).__name__}"), weights
    return _from_file(weights, request), weights


def _from_file(path: Path, request: _Request) -> _Found:
    kind = file_format(path)
    if kind in ("torchscript", "export", "onnx"):
        return _from_exported(path, kind, request)
    if kind == "safetensors":
        return _from_content(read_safetensors(path), "safetensors", path, request)
    if kind == "pickle" and not request.trust:
        raise CheckpointError(
            f"{path} is a Python pickle that torch.save didn't write; unpickling it runs code. Pass "
            "`trust_checkpoint=True` if you know who wrote it"
        )
    return _from_content(read_checkpoint(path, request.trust), "state dict", path, request)


def _from_exported(path: Path, kind: str, request: _Request) -> _Found:
    if request.arch is not None:
        raise InvalidInput(f"{path} carries its own computation; leave out the architecture {request.arch!r}")
    classes: int | None = None
    notes: tuple[str, ...] = ()
    if kind == "torchscript":
        network = exported.load_torchscript(path)
    elif kind == "export":
        network = exported.load_export(path, request.trust)
    else:
        network, classes, notes = exported.load_onnx(path)
    return _Found(network, kind, classes, kind, suite_normalization(request.suite, classes), notes=notes)


def _from_content(content: object, kind: str, path: Path, request: _Request) -> _Found:
    module = _module_in(content)
    if module is not None:
        default = suite_normalization(request.suite, None)
        return _Found(module, type(module).__name__, None, "pickled module", default)
    states = find_states(content)
    if not states and (pickled := pickled_module(content)):
        raise whole_module(path, pickled)
    record = content.get(KEY) if isinstance(content, Mapping) else None
    state, notes = choose_state(states, request.entry, str(path))
    if isinstance(record, Mapping):
        match = fit(_own_architecture(record, path, request), state, str(path), record["num_classes"])
    else:
        match = _match(content, state, path, request)
    notes += _notes_on(match, state)
    default, carried = _default_normalization(match, record, path, request.suite)
    return _Found(
        filled_network(match),
        match.architecture,
        match.num_classes or None,
        kind,
        default,
        carried,
        notes,
        stored_class_names(content, _timm_config(path)),
        stored=stored_accuracy(content),
    )


def _own_architecture(record: Mapping[str, Any], path: Path, request: _Request) -> str:
    """The architecture of a checkpoint that we wrote; code is only executed where the user names it."""
    stored = str(record["architecture"])
    if request.arch is None and parse_reference(stored) is not None:
        raise CheckpointError(
            f"{path} was trained with a network of your own code; name that code: `arch='{stored}'`"
        )
    if request.arch is None and not _is_known(stored):
        raise CheckpointError(
            f"{path} was trained with the architecture {stored!r}, which is not registered; load the "
            "plugin that registers it"
        )
    return request.arch or stored


def _is_known(architecture: str) -> bool:
    """Whether a table, or a library, has an architecture of this name."""
    known = ":" in architecture or architecture in external.torchvision_names()
    return known or own_family(architecture) is not None


def _match(content: object, state: dict[str, torch.Tensor], path: Path, request: _Request) -> Match:
    """Match weights by the architecture asked for, by themselves, or by a timm name stored with them."""
    if request.arch is not None:
        return fit(request.arch, state, str(path), request.suite_classes)
    match = identify(state, str(path))
    stored = content.get("arch") if isinstance(content, Mapping) else None
    name = stored if isinstance(stored, str) else _timm_config(path).get("architecture")
    if match is None and isinstance(name, str):
        try:
            match = fit(f"timm:{name}", state, str(path))
        except (CheckpointError, ImportError, InvalidInput):
            match = None
    if match is None:
        match = identify_by_structure(state, str(path))
    if match is None:
        match = identify_in_timm(state)
    if match is None:
        raise CheckpointError(unknown_architecture(state, str(path)))
    return match


def _notes_on(match: Match, state: dict[str, torch.Tensor]) -> tuple[str, ...]:
    notes: tuple[str, ...] = ()
    if match.variant.rest:
        left = ", ".join(match.variant.rest[:3])
        notes += (f"{len(match.variant.rest)} tensors beside the network are left aside: {left}",)
    if match.alike:
        notes += (
            f"equal tensors also fit {len(match.alike)} models of timm ({', '.join(match.alike[:3])}"
            f"{', ...' if len(match.alike) > 3 else ''}), which may compute something else: name yours with "
            f"`arch='{match.alike[0]}'`",
        )
    split = [key for key in state if AUXILIARY_NORM.search(key)]
    if split:
        notes += (
            f"split batch norm: the statistics of clean images are used, {len(split)} auxiliary tensors are "
            f"left aside ({split[0]}, ...)",
        )
    dtypes = {str(v.dtype).removeprefix("torch.") for v in state.values() if v.is_floating_point()} - {
        "float32"
    }
    if dtypes:
        notes += (f"weights stored as {', '.join(sorted(dtypes))}, computed in float32",)
    if match.architecture.removeprefix("torchvision:") in external.CONVERTING:
        notes += (
            "the input is converted inside (transform_input), as torchvision's own weights need; the weights "
            "do not show whether your training had it on",
        )
    if match.by_structure:
        family = own_family(match.architecture)
        twins = family[0].twins(match.architecture) if family and family[0].twins else ()
        also = f"; equal tensors also fit {', '.join(twins)} (`arch='{twins[0]}'`)" if twins else ""
        notes += (
            "the names of the weights are no known release's: the shapes, order and blocks of the layers are "
            f"those of {match.architecture}{also}",
        )
    elif match.architecture.startswith("cifar-preact") and not match.architecture.endswith("-raw"):
        notes += (
            f"the same weights also fit {match.architecture}-raw; the clean error tells which is right",
        )
    return notes


def _module_in(content: object) -> nn.Module | None:
    """A module that was pickled whole; averaged ones only where there is no other."""
    if isinstance(content, nn.Module):
        return content.float()
    if isinstance(content, Mapping):
        modules = {k: v for k, v in content.items() if isinstance(v, nn.Module) and "loss" not in str(k)}
        plain = [v for k, v in modules.items() if "ema" not in str(k)]
        if modules:
            return (plain or list(modules.values()))[0].float()
    return None


def _default_normalization(
    match: Match, record: object, path: Path, suite: str | None
) -> tuple[Normalization, bool]:
    """What the file itself states, else what its architecture's public checkpoints expect."""
    if isinstance(record, Mapping):
        mean, std = record["mean"], record["std"]
        return custom_normalization(tuple(mean), tuple(std), "stored in the checkpoint"), True
    if match.variant.mean is not None and match.variant.std is not None:
        reason = "stored in the checkpoint beside the network"
        return stored_normalization(match.variant.mean, match.variant.std, reason), True
    if match.architecture.startswith("timm:"):
        config = _timm_config(path).get("pretrained_cfg")
        if isinstance(config, Mapping) and config.get("mean") and config.get("std"):
            stated = tuple(config["mean"]), tuple(config["std"])
            return custom_normalization(*stated, "stated by config.json beside the weights"), True
        return external.timm_normalization(match.network, f"what timm states for {match.architecture}"), False
    if parse_reference(match.architecture) is not None:
        return suite_normalization(suite, match.num_classes or None), False
    family = own_family(match.architecture)
    if family is not None:
        return family[0].default_normalization(match.num_classes, suite), False
    return external.stated_normalization(match.architecture.removeprefix("torchvision:")), False


def _timm_config(path: Path) -> dict[str, Any]:
    """The configuration that the Hugging Face hub keeps beside timm's weights."""
    config = path.with_name("config.json")
    if not config.is_file():
        return {}
    try:
        content = json.loads(config.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}
