"""Read what PyTorch and safetensors store, without running code from the file; write our own."""

from __future__ import annotations

import argparse
import collections
import functools
import hashlib
import os
import pathlib
import pickle
import re
import sys
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

import numpy as np
import safetensors
import safetensors.torch
import torch
from torch import nn

from robustbench_lite.atomic_write import atomic_path
from robustbench_lite.errors import CheckpointError
from robustbench_lite.models.file_format import AGAIN

FORMAT = 1
KEY = "robustbench_lite"
MAX_STAND_INS = 100

_GLOBAL = re.compile(r"GLOBAL ([\w.]+) was not an allowed global")
_BLOCKED = re.compile(r"GLOBAL ([\w.]+) whose module \S+ is blocked")


class StandIn:
    """An inert object in the place of one whose class is not loaded: it takes anything and does nothing."""

    def __init__(self, *args: object, **kwargs: object) -> None: ...

    def __setstate__(self, state: object) -> None: ...


@functools.cache
def _harmless() -> list[Any]:
    """What training scripts store beside weights: numbers of NumPy, parsed options, paths."""
    numpy_core = np._core if hasattr(np, "_core") else np.core
    scalar, reconstruct = numpy_core.multiarray.scalar, numpy_core.multiarray._reconstruct
    dtypes = [type(np.dtype(kind)) for kind in "?bBhHiIlLqQefdFDgGSUM"]
    return [
        argparse.Namespace,
        np.ndarray,
        np.dtype,
        *dtypes,
        (scalar, "numpy.core.multiarray.scalar"),
        (scalar, "numpy._core.multiarray.scalar"),
        (reconstruct, "numpy.core.multiarray._reconstruct"),
        (reconstruct, "numpy._core.multiarray._reconstruct"),
        (_without_factory, "collections.defaultdict"),
        (_as_list, "collections.deque"),
        (_as_dict, "collections.Counter"),
        *(
            (pathlib.PurePosixPath, f"{module}.{name}")
            for module in ("pathlib", "pathlib._local")
            for name in ("PosixPath", "WindowsPath", "PurePosixPath", "PureWindowsPath")
        ),
        *(
            (kind, f"{module}.{kind.__name__}")
            for module in ("builtins", "__builtin__")
            for kind in _BUILTINS
        ),
    ]


def _without_factory(*factory: object) -> collections.OrderedDict[object, object]:
    """A dictionary for a defaultdict, which the restricted unpickler can't fill."""
    return collections.OrderedDict()


def _as_list(*arguments: object) -> list[object]:
    """A list for a deque; what the file holds for it is appended."""
    first = arguments[0] if arguments else ()
    return list(first) if isinstance(first, list | tuple) else []


def _as_dict(*arguments: object) -> dict[object, object]:
    """A dictionary for a counter."""
    return dict(arguments[0]) if arguments and isinstance(arguments[0], dict) else {}


# Modules of the standard library whose classes scripts store beside weights. They are stood in for, not run.
_INERT_MODULES = frozenset(
    (
        "collections",
        "datetime",
        "decimal",
        "enum",
        "fractions",
        "functools",
        "logging",
        "time",
        "types",
        "uuid",
    )
)

_BUILTINS: tuple[type, ...] = (dict, list, tuple, set, frozenset, int, float, bool, str, slice)


def read_checkpoint(path: Path, trust: bool) -> object:
    """Read what torch.save wrote: a state dict, a dictionary around one, or a pickled module.

    Classes that are not installed or not known become inert StandIn objects; no code of the file runs.

    Args:
        path: the file.
        trust: unpickle everything, which runs whatever code the file asks for.

    Raises:
        CheckpointError: damaged, or it calls functions of the standard library as it is read.
    """
    if trust:
        return _read_trusting(path)
    stand_ins: dict[str, Any] = {}
    for _ in range(MAX_STAND_INS):
        try:
            with torch.serialization.safe_globals(
                [*_harmless(), *((c, name) for name, c in stand_ins.items())]
            ):
                return _load(path, weights_only=True)
        except pickle.UnpicklingError as error:
            if "Only persistent_load of storage" in str(error):
                # The older format keeps a module's source code beside it, under a reference of its own.
                raise whole_module(path, "with its source code") from error
            name = _unknown_global(str(error), path)
            if name is None or name in stand_ins:
                raise CheckpointError(f"{path} can't be read as weights: {_first_line(error)}") from error
            stand_ins[name] = _stand_in(name)
        except (EOFError, RuntimeError, ValueError, KeyError, OSError, AttributeError, TypeError) as error:
            raise CheckpointError(
                f"{path} is damaged or incomplete ({_first_line(error)}); {AGAIN}"
            ) from error
    raise CheckpointError(
        f"{path} refers to more than {MAX_STAND_INS} unknown classes; it holds more than weights"
    )


def _load(path: Path, weights_only: bool) -> object:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return torch.load(path, map_location="cpu", weights_only=weights_only)


def _read_trusting(path: Path) -> object:
    try:
        return _load(path, weights_only=False)
    except Exception as error:
        raise CheckpointError(
            f"{path} can't be unpickled ({type(error).__name__}: {_first_line(error)}); the code that "
            "defines its classes must be importable: run from the folder of the training script, for example"
        ) from error


def _unknown_global(message: str, path: Path) -> str | None:
    """The class that stopped a load; functions of the standard library are never stood in for."""
    blocked = _BLOCKED.search(message)
    found = _GLOBAL.search(message)
    name = blocked.group(1) if blocked else found.group(1) if found else None
    if name is None:
        return None
    root = name.partition(".")[0]
    foreign = root not in sys.stdlib_module_names and root not in ("__builtin__", "nt")
    if blocked or "." not in name or not (foreign or root in _INERT_MODULES):
        raise CheckpointError(
            f"{path} asks to call {name} while it is read, which no set of weights needs; it was not run. "
            "Pass `trust_checkpoint=True` only if you know who wrote the file"
        )
    return name


def _stand_in(name: str) -> Callable[..., object]:
    """A class of its own for each name, so that messages can say it; subclasses of dict stay dicts."""
    if name.endswith("Dict"):
        return collections.OrderedDict
    return type("StandIn", (StandIn,), {"stands_for": name})


def _first_line(error: BaseException) -> str:
    """The telling line of an error; torch puts general advice before the cause."""
    text = str(error).rpartition("WeightsUnpickler error: ")[2].strip()
    return (text or type(error).__name__).splitlines()[0][:200]


def whole_module(path: Path, kind: str) -> CheckpointError:
    """Return the error for a module that was pickled whole."""
    return CheckpointError(
        f"{path} holds a whole pickled module ({kind}), not just weights; loading it runs code from the "
        "file. Save its state_dict() instead, or give `trust_checkpoint=True` if you know who "
        "wrote it"
    )


def pickled_module(content: object) -> str | None:
    """Return the class of an object pickled whole, at the top or one level down, None if there is none."""
    inside: Sequence[object] = list(content.values()) if isinstance(content, Mapping) else [content]
    for value in inside:
        if isinstance(value, nn.Module):
            return type(value).__name__
        if isinstance(value, StandIn):
            return str(getattr(value, "stands_for", "an unknown class"))
    return None


def read_safetensors(path: Path) -> dict[str, torch.Tensor]:
    """Read the tensors of a safetensors file.

    Raises:
        CheckpointError: damaged.
    """
    try:
        return safetensors.torch.load_file(path)
    except safetensors.SafetensorError as error:
        raise CheckpointError(
            f"{path} is a damaged safetensors file ({_first_line(error)}); {AGAIN}"
        ) from error


def save_checkpoint(
    path: str | os.PathLike[str],
    network: nn.Module,
    *,
    architecture: str,
    num_classes: int,
    mean: Sequence[float],
    std: Sequence[float],
    class_names: Sequence[str] | None = None,
    method: str | None = None,
    settings: Mapping[str, object] | None = None,
) -> None:
    """Write a checkpoint that carries its architecture and normalisation, so that it loads with no option.

    The file appears whole or not at all.

    Args:
        path: where to; an older file there is replaced.
        network: the bare network, without its Classifier.
        architecture: name that `build` knows.
        num_classes: outputs.
        mean: the mean of the inputs in [0, 1], three numbers.
        std: the standard deviation of the inputs, given as `mean` is.
        class_names: the names of the classes, in the order of the outputs.
        method: how it was trained, for example "augmix".
        settings: the settings of the training; numbers, strings, lists and dictionaries.
    """
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    record = {
        "format": FORMAT,
        "architecture": architecture,
        "num_classes": num_classes,
        "mean": [float(m) for m in mean],
        "std": [float(s) for s in std],
        "class_names": None if class_names is None else list(class_names),
        "method": method,
        "settings": dict(settings or {}),
    }
    state = {key: value.detach().cpu().contiguous() for key, value in network.state_dict().items()}
    with atomic_path(target) as partial, partial.open("wb") as stream:
        torch.save({KEY: record, "state_dict": state}, stream)


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file in hexadecimal."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def loads_as_data(stream: IO[bytes]) -> bool:
    """Return whether what torch.save wrote here is data alone, so that unpickling it runs no code."""
    try:
        with torch.serialization.safe_globals(_harmless()), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            torch.load(stream, map_location="cpu", weights_only=True)
    except Exception:
        return False
    return True
