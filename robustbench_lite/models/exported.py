"""Networks that come with their own computation: TorchScript, torch.export and ONNX files."""

from __future__ import annotations

import io
import json
import re
import warnings
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from robustbench_lite.errors import CheckpointError, ModelError, require
from robustbench_lite.models.checkpoint import loads_as_data
from robustbench_lite.models.outputs import LONE, named_outputs

# A symbolic shape in a torch.export file is handed to sympy, which evaluates it: plain arithmetic only.
ARITHMETIC = re.compile(r"(?!.*__)[\w\s+\-*/(),<>=&|~%]*(?:\.\d[\w\s+\-*/(),<>=&|~%]*)*")

SYMBOL = re.compile(r"Symbol\('[A-Za-z]\w*'(?:, \w+=(?:True|False))*\)")
# Parts of an archive that are read as text or not at all.
LABELS = re.compile(
    r"(^|/)(archive_format|archive_version|byteorder|version)$|(^|/)(\.data|extra|extra_files)/"
)
RAW_PREFIXES = ("weight_", "tensor_")


def load_torchscript(path: Path) -> nn.Module:
    """Load a TorchScript archive; it runs in PyTorch's interpreter, without unpickling Python objects.

    Raises:
        CheckpointError: damaged, or it needs operators that are not registered.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            network: nn.Module = torch.jit.load(str(path), map_location="cpu")
    except RuntimeError as error:
        first = str(error).strip().splitlines()[0]
        raise CheckpointError(f"{path} is a TorchScript file that can't be loaded: {first}") from error
    return network


class _FixedBatch(nn.Module):
    """Feeds a network that was exported for one batch size, padding the last batch with zeros."""

    def __init__(self, network: nn.Module, batch: int) -> None:
        super().__init__()
        self.network = network
        self.batch = batch

    def forward(self, images: Tensor) -> Tensor | dict[str, Tensor]:
        parts: list[Mapping[str, Tensor]] = []
        for start in range(0, len(images), self.batch):
            chunk = images[start : start + self.batch]
            padding = chunk.new_zeros((self.batch - len(chunk), *chunk.shape[1:]))
            returned = self.network(torch.cat((chunk, padding)))
            parts.append({name: value[: len(chunk)] for name, value in named_outputs(returned).items()})
        joined = {name: torch.cat([part[name] for part in parts]) for name in parts[0]}
        return joined[LONE] if list(joined) == [LONE] else joined


class _Program(nn.Module):
    """An exported program, whose mode is fixed: PyTorch refuses to switch it, even to the mode it is in."""

    def __init__(self, program: torch.export.ExportedProgram) -> None:
        super().__init__()
        self.graph_module = program.module()
        for module in self.modules():
            module.training = False

    def train(self, mode: bool = True) -> _Program:
        return self

    def forward(self, images: Tensor) -> object:
        return self.graph_module(images)


def load_export(path: Path, trust: bool) -> nn.Module:
    """Load a torch.export archive (.pt2).

    PyTorch unpickles parts of such an archive without restriction, so they are checked beforehand.

    Raises:
        CheckpointError: damaged, of another PyTorch version, or it would run code as it is read.
        ModelError: it was exported in training mode.
    """
    if not trust:
        _check_archive(path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            program = torch.export.load(path)
            network = _Program(program)
    except Exception as error:
        first = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise CheckpointError(
            f"{path} is a torch.export file that this PyTorch ({torch.__version__}) can't load: {first}"
        ) from error
    if _trains(program):
        raise ModelError(
            f"{path} was exported in training mode; call .eval() on the model before torch.export"
        )
    batch = _static_batch(program)
    return network if batch is None else _FixedBatch(network, batch)


def _trains(program: torch.export.ExportedProgram) -> bool:
    """Whether batch norm or dropout was recorded in training mode."""
    # Operator name to the place of its training flag.
    flags = {"aten.batch_norm.default": 5, "aten.dropout.default": 2}
    return any(
        len(node.args) > flags[str(node.target)] and bool(node.args[flags[str(node.target)]])
        for node in program.graph.nodes
        if str(node.target) in flags
    )


def _static_batch(program: torch.export.ExportedProgram) -> int | None:
    """The batch size that an export is bound to, None where it is free."""
    inputs = set(program.graph_signature.user_inputs)
    for node in program.graph.nodes:
        if node.op == "placeholder" and node.name in inputs:
            size = node.meta["val"].shape[0]
            return size if isinstance(size, int) else None
    return None


def _check_archive(path: Path) -> None:
    """Refuse an archive whose pickles hold more than data or whose shapes hold more than arithmetic.

    Bare bytes of tensors and the archive's own labels are never unpickled; all else must be plain data.
    """
    with zipfile.ZipFile(path) as archive:
        contents = {name: archive.read(name) for name in archive.namelist()}
    records = [json.loads(content) for name, content in contents.items() if name.endswith(".json")]
    for record in records:
        _check_expressions(record, path)
    raw = _raw_tensors(records)
    for name, content in contents.items():
        if name.endswith(".json") or LABELS.search(name) or name.rpartition("/")[2] in raw:
            continue
        if not loads_as_data(io.BytesIO(content)):
            raise CheckpointError(
                f"{path} would run code as it is read (its part {name} is no plain data); pass "
                "`trust_checkpoint=True` if you know who wrote it"
            )


def _raw_tensors(records: list[Any]) -> set[str]:
    """Names of the parts that the archive's lists declare, without contradiction, to be bytes of a tensor."""
    declared: dict[str, set[bool]] = {}
    for record in records:
        config = record.get("config") if isinstance(record, dict) else None
        for entry in config.values() if isinstance(config, dict) else ():
            if isinstance(entry, dict):
                declared.setdefault(str(entry.get("path_name")), set()).add(entry.get("use_pickle") is False)
    return {name for name, kinds in declared.items() if kinds == {True} and name.startswith(RAW_PREFIXES)}


def _check_expressions(value: Any, path: Path) -> None:
    if isinstance(value, dict):
        text = value.get("expr_str")
        if isinstance(text, str) and not ARITHMETIC.fullmatch(SYMBOL.sub("s", text)):
            raise CheckpointError(f"{path} has a shape that is no arithmetic expression: {text[:80]!r}")
        for item in value.values():
            _check_expressions(item, path)
    elif isinstance(value, list):
        for item in value:
            _check_expressions(item, path)


class OnnxNetwork(nn.Module):
    """An ONNX model as a module; ONNX Runtime runs it on the device of the images, where its build can.

    Shape: (N, 3, H, W) float in the model's own normalisation, to (N, classes) on the device of the input, or
    to a dictionary where the model has several outputs. Images are transposed for a model with channels last.

    Raises:
        MissingExtra: ONNX Runtime is not installed.
        CheckpointError: ONNX Runtime can't load the file.
        ModelError: the model doesn't take one batch of images.
    """

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = path
        self.runtime = require("onnxruntime", "onnx", f"running {path.name}")
        self.device = torch.device("cpu")
        self.session = self._session()
        inputs = self.session.get_inputs()
        if len(inputs) != 1 or len(inputs[0].shape) != 4:
            shapes = ", ".join(f"{i.name} {i.shape}" for i in inputs)
            raise ModelError(f"{path} takes {shapes}; expected one batch of images (N, 3, H, W)")
        self.channels_last = inputs[0].shape[1] != 3 and inputs[0].shape[3] == 3
        self.input_name = inputs[0].name
        self.takes_half = "float16" in inputs[0].type
        outputs = self.session.get_outputs()
        self.output_names = [output.name for output in outputs]
        classes = outputs[0].shape if len(outputs) == 1 else ()
        self.num_classes = classes[-1] if classes and isinstance(classes[-1], int) else None
        self.batch = inputs[0].shape[0] if isinstance(inputs[0].shape[0], int) else None

    def _session(self) -> Any:
        """A session on the present device."""
        options = self.runtime.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        options.log_severity_level = 3
        providers: list[Any] = ["CPUExecutionProvider"]
        if self.device.type == "cuda" and "CUDAExecutionProvider" in self.runtime.get_available_providers():
            providers.insert(0, ("CUDAExecutionProvider", {"device_id": self.device.index or 0}))
        try:
            return self.runtime.InferenceSession(str(self.path), options, providers=providers)
        except Exception as error:
            first = (str(error).strip() or type(error).__name__).splitlines()[0]
            raise CheckpointError(
                f"{self.path} is an ONNX file that ONNX Runtime can't load: {first}"
            ) from error

    def forward(self, images: Tensor) -> Tensor | dict[str, Tensor]:
        """Run the session on a batch."""
        if images.device != self.device:
            self.device = images.device
            self.session = self._session()
        kind = torch.float16 if self.takes_half else torch.float32
        laid_out = images.permute(0, 2, 3, 1) if self.channels_last else images
        array = laid_out.detach().to("cpu", kind).contiguous().numpy()
        arrays = self.session.run(None, {self.input_name: array})
        outputs = [torch.from_numpy(one).to(images.device) for one in arrays]
        outputs = [one.float() if one.is_floating_point() else one for one in outputs]
        return outputs[0] if len(outputs) == 1 else dict(zip(self.output_names, outputs, strict=True))


def load_onnx(path: Path) -> tuple[nn.Module, int | None, tuple[str, ...]]:
    """Load an ONNX file.

    Returns:
        The network, the number of outputs (None where the file leaves it open), and notes.
    """
    network = OnnxNetwork(path)
    notes = ("the model takes channels last: the images are transposed",) if network.channels_last else ()
    if network.batch is None:
        return network, network.num_classes, notes
    return _FixedBatch(network, network.batch), network.num_classes, notes
