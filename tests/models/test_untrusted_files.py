"""No code of a file runs unless its user says that it may."""

from __future__ import annotations

import collections
import json
import os
import pickle
import zipfile
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from robustbench_lite.errors import CheckpointError
from robustbench_lite.models import load_model
from robustbench_lite.models.exported import ARITHMETIC, SYMBOL
from tests.models.conftest import random_network


class Shell:
    """Pickles as a call of a function with one argument."""

    def __init__(self, function: Any, argument: str) -> None:
        self.function, self.argument = function, argument

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return self.function, (self.argument,)


CALLS = {"os.system": os.system, "eval": eval, "exec": exec, "os.makedirs": os.makedirs}


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("name", CALLS)
def test_a_pickle_that_calls_a_function_is_refused_and_never_runs(
    name: str, zipped: bool, tmp_path: Path
) -> None:
    trace = tmp_path / "trace"
    code = {"os.system": f"touch {trace}", "os.makedirs": str(trace)}.get(
        name, f"__import__('pathlib').Path({str(trace)!r}).touch()"
    )
    content = {"state_dict": random_network("resnet-8").state_dict(), "extra": Shell(CALLS[name], code)}
    torch.save(content, tmp_path / "m.pt", _use_new_zipfile_serialization=zipped)
    with pytest.raises(
        CheckpointError, match=r"asks to call \S*(system|eval|exec|makedirs) while it is read"
    ):
        load_model(tmp_path / "m.pt")
    assert not trace.exists()
    # The same file does run once it is trusted: the check above can fail.
    load_model(tmp_path / "m.pt", trust_checkpoint=True)
    assert trace.exists()


def test_a_foreign_pickle_needs_trust(tmp_path: Path) -> None:
    (tmp_path / "m.pkl").write_bytes(pickle.dumps({"w": [1.0]}))
    with pytest.raises(
        CheckpointError, match=r"a Python pickle that torch.save didn't write.*trust_checkpoint"
    ):
        load_model(tmp_path / "m.pkl")


class Recipe:
    """A class of a training script, as they lie beside weights."""

    def __init__(self, lr: float) -> None:
        self.lr = lr

    def __setstate__(self, state: object) -> None:
        raise AssertionError("code of the file's class ran")


class OptionDict(dict[str, object]):
    """Like the dictionaries of configuration libraries."""


@pytest.mark.parametrize("zipped", [True, False])
def test_unknown_classes_beside_the_weights_are_inert(zipped: bool, tmp_path: Path, pixels: Tensor) -> None:
    network = random_network("resnet-8")
    content = {
        "state_dict": network.state_dict(),
        "recipe": Recipe(0.1),
        "options": OptionDict(lr=0.1),
        "history": collections.defaultdict(list, {"loss": [1.0]}),
    }
    torch.save(content, tmp_path / "m.pt", _use_new_zipfile_serialization=zipped)
    with torch.inference_mode():
        assert torch.equal(load_model(tmp_path / "m.pt").network(pixels), network(pixels))


class Tiny(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(3, 10)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.fc(x.mean(dim=(2, 3)))
        return out


@pytest.mark.parametrize(
    "wrap", [lambda m: m, lambda m: {"model": m, "epoch": 1}], ids=["alone", "in a dict"]
)
@pytest.mark.parametrize("zipped", [True, False])
def test_a_whole_module_needs_trust(wrap: Any, zipped: bool, tmp_path: Path, pixels: Tensor) -> None:
    network = Tiny().train()
    torch.save(wrap(network), tmp_path / "m.pt", _use_new_zipfile_serialization=zipped)
    with pytest.raises(CheckpointError, match=r"a whole pickled module \(.*\).*`trust_checkpoint=True`"):
        load_model(tmp_path / "m.pt")
    model = load_model(tmp_path / "m.pt", trust_checkpoint=True, suite="cifar10-c")
    assert (model.info.format, model.info.architecture) == ("pickled module", "Tiny")
    assert not model.network.training
    with torch.inference_mode():
        assert torch.equal(model.network(pixels), network(pixels))


def test_a_module_whose_class_is_gone_says_what_is_missing(tmp_path: Path) -> None:
    torch.save(Tiny(), tmp_path / "m.pt")
    content = {}
    with zipfile.ZipFile(tmp_path / "m.pt") as archive:
        for name in archive.namelist():
            content[name] = archive.read(name).replace(b"Tiny", b"Gone")
    with zipfile.ZipFile(tmp_path / "gone.pt", "w") as archive:
        for name, data in content.items():
            archive.writestr(name, data)
    with pytest.raises(CheckpointError, match=r"can't be unpickled .*Gone.*must be importable"):
        load_model(tmp_path / "gone.pt", trust_checkpoint=True)


def exported(path: Path) -> Path:
    torch.export.save(torch.export.export(Tiny().eval(), (torch.zeros(2, 3, 8, 8),)), path)
    return path


def replaced(path: Path, ending: str, content: bytes) -> Path:
    """A copy of an archive in which one part is another."""
    target = path.with_name(f"changed-{path.name}")
    with zipfile.ZipFile(path) as source, zipfile.ZipFile(target, "w") as out:
        for name in source.namelist():
            out.writestr(name, content if name.endswith(ending) else source.read(name))
    return target


def test_an_export_with_a_pickle_that_calls_is_refused_and_never_runs(tmp_path: Path) -> None:
    path = exported(tmp_path / "m.pt2")
    trace = tmp_path / "trace"
    torch.save(((Shell(os.system, f"touch {trace}"),), {}), tmp_path / "inputs.pt")
    changed = replaced(path, "sample_inputs/model.pt", (tmp_path / "inputs.pt").read_bytes())
    with pytest.raises(CheckpointError, match=r"would run code as it is read .*sample_inputs"):
        load_model(changed)
    assert not trace.exists()


@pytest.mark.parametrize("flag", [True, False])
@pytest.mark.parametrize("protocol", [0, 2])
def test_an_export_with_a_pickled_constant_is_refused_and_never_runs(
    protocol: int, flag: bool, tmp_path: Path
) -> None:
    trace = tmp_path / "trace"
    path = exported(tmp_path / "m.pt2")
    code = pickle.dumps(Shell(os.system, f"touch {trace}"), protocol=protocol)
    entry = {"path_name": "opaque_obj_0", "is_param": False, "use_pickle": flag, "tensor_meta": None}
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("m/data/constants/opaque_obj_0", code)
    changed = replaced(path, "constants_config.json", json.dumps({"config": {"c": entry}}).encode())
    with pytest.raises(CheckpointError, match=r"would run code as it is read .*opaque_obj_0"):
        load_model(changed)
    assert not trace.exists()


def test_an_export_s_own_symbols_are_arithmetic() -> None:
    for text in (
        "Symbol('s77', positive=True, integer=True)",
        "2*s77 + 1",
        "FloorDiv(s0, 2)",
        "Max(1, s0)",
        "0.5*s0",
    ):
        assert ARITHMETIC.fullmatch(SYMBOL.sub("s", text)), text
    for text in (
        "().__class__",
        "os.system",
        "f('x')",
        "Symbol('s', a=open('x'))",
        "a.b",
        "x[0]",
        "lambda: 0; 1",
    ):
        assert not ARITHMETIC.fullmatch(SYMBOL.sub("s", text)), text


def test_an_export_with_a_shape_that_is_no_arithmetic_is_refused(tmp_path: Path) -> None:
    path = exported(tmp_path / "m.pt2")
    evil = {"expr_str": "__import__('os').system('true')"}
    with pytest.raises(CheckpointError, match="a shape that is no arithmetic expression"):
        load_model(replaced(path, "model_constants_config.json", json.dumps({"config": [evil]}).encode()))


def test_more_unknown_classes_than_any_training_script_has_are_refused(tmp_path: Path) -> None:
    # A dictionary whose one entry is a tuple of 101 classes, in pickle's own operations.
    classes = b"".join(b"celsewhere\nKind%d\n" % i for i in range(101))
    content = b"\x80\x02}X\x01\x00\x00\x00k(" + classes + b"ts."
    legacy = tmp_path / "m.pth"
    torch.save({}, legacy, _use_new_zipfile_serialization=False)
    head = legacy.read_bytes()
    legacy.write_bytes(head.replace(b"\x80\x02}q\x00.", content))
    with pytest.raises(CheckpointError, match="more than 100 unknown classes"):
        load_model(legacy)
