"""The logits are found in whatever a network returns, or a sentence says which outputs there are."""

from __future__ import annotations

import re
import warnings
from collections import OrderedDict, namedtuple
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor, nn

from robustbench_lite.errors import CheckpointError, ModelError
from robustbench_lite.models import as_classifier, load_model

Pair = namedtuple("Pair", ["features", "scores"])


class Returns(nn.Module):
    """A linear network that returns what it is told to, around its logits."""

    def __init__(self, wrap: Any) -> None:
        super().__init__()
        self.wrap = wrap
        self.linear = nn.Linear(3, 10)

    def logits(self, images: Tensor) -> Tensor:
        out: Tensor = self.linear(images.mean(dim=(2, 3)))
        return out

    def forward(self, images: Tensor) -> Any:
        return self.wrap(images.mean(dim=(2, 3)), self.logits(images))


class Wrapped:
    """As transformers returns: an object with an attribute."""

    def __init__(self, logits: Tensor) -> None:
        self.logits = logits


FORMS: dict[str, Any] = {
    "tensor": lambda features, logits: logits,
    "tuple": lambda features, logits: (features, logits),
    "list with other shapes": lambda features, logits: [logits, features[:, :, None, None], None],
    "dictionary": lambda features, logits: {"features": features, "out": logits},
    "dictionary with logits": lambda features, logits: {"aux": logits + 1, "logits": logits},
    "ordered dictionary": lambda features, logits: OrderedDict(loss=features.sum(), logits=logits),
    "named tuple": lambda features, logits: Pair(features, logits),
    "object": lambda features, logits: Wrapped(logits),
}


@pytest.mark.parametrize("form", FORMS)
def test_the_output_with_a_column_for_each_class_is_the_logits(form: str, pixels: Tensor) -> None:
    network = Returns(FORMS[form])
    model = as_classifier(network, suite_classes=10)
    with torch.inference_mode():
        assert torch.equal(model(pixels), network.logits(pixels))


def test_several_outputs_of_that_width_are_asked_about_and_the_advice_works(pixels: Tensor) -> None:
    network = Returns(lambda features, logits: {"main": logits, "aux": logits + 1})
    with pytest.raises(ModelError, match="returns several outputs") as caught:
        as_classifier(network, suite_classes=10)(pixels)
    assert re.findall(r"`output='(\w+)'`", str(caught.value)) == ["main", "aux"]
    with torch.inference_mode():
        assert torch.equal(as_classifier(network, output="aux")(pixels), network.logits(pixels) + 1)
        pair = Returns(lambda features, logits: (logits, logits + 1))
        assert torch.equal(as_classifier(pair, output="1")(pixels), pair.logits(pixels) + 1)
    with pytest.raises(ModelError, match=r"has no output 'head'; it returns main \(4, 10\), aux \(4, 10\)"):
        as_classifier(network, output="head")(pixels)
    with pytest.raises(ModelError, match="the model returned str, expected a tensor of logits"):
        as_classifier(Returns(lambda features, logits: "cat"))(pixels)


WEIGHT = np.arange(30, dtype=np.float32).reshape(3, 10) / 30


def onnx_file(
    path: Path, *, last: bool = False, widths: tuple[int, ...] = (10,), batch: int | str = "N"
) -> Path:
    """The mean of each channel times a matrix; further outputs have other widths or are equal but for 1."""
    shape = [batch, 8, 8, 3] if last else [batch, 3, 8, 8]
    axes = [1, 2] if last else [2, 3]
    nodes = [helper.make_node("ReduceMean", ["images"], ["means"], axes=axes, keepdims=0)]
    outputs, constants = [], []
    for number, width in enumerate(widths):
        weight = numpy_helper.from_array(WEIGHT[:, :width] + number, f"w{number}")
        constants.append(weight)
        nodes.append(helper.make_node("MatMul", ["means", f"w{number}"], [f"out{number}"]))
        outputs.append(helper.make_tensor_value_info(f"out{number}", TensorProto.FLOAT, [batch, width]))
    images = helper.make_tensor_value_info("images", TensorProto.FLOAT, shape)
    graph = helper.make_graph(nodes, "g", [images], outputs, constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    onnx.save(model, path)
    return path


def expected(images: Tensor, number: int = 0) -> Tensor:
    return images.mean(dim=(2, 3)) @ (torch.from_numpy(WEIGHT) + number)


@pytest.fixture
def small() -> Tensor:
    return torch.rand(5, 3, 8, 8, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("batch", ["N", 2])
@pytest.mark.parametrize("last", [True, False])
def test_onnx_with_channels_last_is_transposed_and_noted(
    last: bool, batch: int | str, tmp_path: Path, small: Tensor
) -> None:
    model = load_model(onnx_file(tmp_path / "m.onnx", last=last, batch=batch), normalize="none")
    torch.testing.assert_close(model(small), expected(small))
    assert model.info.notes == (("the model takes channels last: the images are transposed",) if last else ())


@pytest.mark.parametrize("batch", ["N", 2])
def test_onnx_with_several_outputs_gives_the_suites_width_or_asks(
    batch: int | str, tmp_path: Path, small: Tensor
) -> None:
    one = onnx_file(tmp_path / "one.onnx", widths=(4, 10), batch=batch)
    model = load_model(one, normalize="none", suite_classes=10)
    torch.testing.assert_close(model(small), expected(small, 1))
    two = onnx_file(tmp_path / "two.onnx", widths=(10, 10), batch=batch)
    with pytest.raises(ModelError, match="`output='out0'` or `output='out1'`"):
        load_model(two, normalize="none", suite_classes=10)(small)
    torch.testing.assert_close(load_model(two, normalize="none", output="out1")(small), expected(small, 1))


STRANGERS = {
    "m.tflite": (b"\x1c\x00\x00\x00TFL3\x14\x00", "a TFLite model; export the model to ONNX"),
    "m.h5": (b"\x89HDF\r\n\x1a\n", r"an HDF5 file \(Keras\); export the model to ONNX"),
    "m.msgpack": (b"\x81\xa6params\x81", r"a msgpack file \(JAX, Flax\); export the model to ONNX"),
    "folder/saved_model.pb": (b"\x08\x01", "a TensorFlow SavedModel; export the model to ONNX"),
    "orbax/_CHECKPOINT_METADATA": (b"{}", r"a checkpoint of JAX \(Orbax\); export the model to ONNX"),
}


@pytest.mark.parametrize("name", STRANGERS)
def test_models_of_other_frameworks_are_named_with_the_way_to_onnx(name: str, tmp_path: Path) -> None:
    content, message = STRANGERS[name]
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match=message):
        load_model(path.parent if "/" in name else path)


def test_a_keras_archive_is_named(tmp_path: Path) -> None:
    import zipfile

    with zipfile.ZipFile(tmp_path / "m.keras", "w") as archive:
        archive.writestr("config.json", "{}")
        archive.writestr("model.weights.h5", b"")
    with pytest.raises(CheckpointError, match="is a Keras model; export the model to ONNX"):
        load_model(tmp_path / "m.keras")


class WithConstants(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(3, 10)

    def forward(self, images: Tensor) -> Tensor:
        shift = torch.tensor([0.1, 0.2, 0.3]).view(1, 3, 1, 1)
        out: Tensor = self.linear((images - shift).mean(dim=(2, 3)))
        return out


@pytest.mark.parametrize("form", ["torchscript", "export"])
def test_files_with_tensor_constants_load(form: str, tmp_path: Path, pixels: Tensor) -> None:
    network = WithConstants().eval()
    if form == "export":
        torch.export.save(torch.export.export(network, (pixels,)), tmp_path / "m.pt2")
    else:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            torch.jit.script(network).save(str(tmp_path / "m.pt2"))
    model = load_model(tmp_path / "m.pt2", normalize="none")
    with torch.inference_mode():
        torch.testing.assert_close(model(pixels), network(pixels))
