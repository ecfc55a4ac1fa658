"""TorchScript, torch.export and ONNX files give the logits of the network that they were made from."""

from __future__ import annotations

import sys
import warnings
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor, nn

from robustbench_lite.errors import CheckpointError, InvalidInput, MissingExtra, ModelError
from robustbench_lite.models import Classifier, assert_eval, load_model, optimise_for_inference
from tests.models.conftest import random_network


def assert_close(model: Classifier, network: nn.Module, images: Tensor) -> None:
    with torch.inference_mode():
        torch.testing.assert_close(model.network(images), network(images), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("frozen", [False, True])
def test_torchscript(frozen: bool, tmp_path: Path, pixels: Tensor) -> None:
    network = random_network("resnet-8")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        traced = torch.jit.trace(network, pixels)
        if frozen:
            traced = torch.jit.freeze(traced)
        # Named as many people name it: what the file is must be seen from its content.
        traced.save(str(tmp_path / "m.pth"))
    model = load_model(tmp_path / "m.pth", suite="cifar10-c")
    assert (model.info.format, model.info.normalization) == ("torchscript", "half")
    assert_eval(model)
    assert_close(model, network, pixels[:3])
    faster, _ = optimise_for_inference(model, pixels)
    with torch.inference_mode():
        torch.testing.assert_close(faster(pixels), model(pixels), rtol=1e-4, atol=1e-4)


def export(network: nn.Module, images: Tensor, path: Path, dynamic: bool) -> Path:
    shapes = ({0: torch.export.Dim("batch", min=1, max=4096)},) if dynamic else None
    torch.export.save(torch.export.export(network, (images,), dynamic_shapes=shapes), path)
    return path


@pytest.mark.parametrize("dynamic", [True, False])
def test_torch_export_with_a_free_and_with_a_fixed_batch(
    dynamic: bool, tmp_path: Path, pixels: Tensor
) -> None:
    network = random_network("resnet-8")
    model = load_model(export(network, pixels[:3], tmp_path / "m.pt2", dynamic), normalize="imagenet")
    assert (model.info.format, model.info.normalization) == ("export", "imagenet")
    assert_eval(model.eval())
    # Four images through an export for three: a full batch and a padded one.
    assert_close(model, network, pixels)


def test_an_export_in_training_mode_is_refused(tmp_path: Path, pixels: Tensor) -> None:
    network = random_network("resnet-8").train()
    with pytest.raises(ModelError, match="exported in training mode"):
        load_model(export(network, pixels, tmp_path / "m.pt2", False))


def test_an_export_of_another_kind_says_what_went_wrong(tmp_path: Path, pixels: Tensor) -> None:
    import zipfile

    path = export(random_network("resnet-8"), pixels, tmp_path / "m.pt2", False)
    with zipfile.ZipFile(path) as source, zipfile.ZipFile(tmp_path / "cut.pt2", "w") as out:
        for name in source.namelist():
            if "models/" not in name:
                out.writestr(name, source.read(name))
    with pytest.raises(CheckpointError, match=r"torch.export file that this PyTorch \(\S+\) can't load"):
        load_model(tmp_path / "cut.pt2")


def onnx_model(path: Path, shape: list[int | str], kind: int = TensorProto.FLOAT) -> nn.Module:
    """A convolution, a pool and a linear layer, as ONNX and as the module it states."""
    generator = torch.Generator().manual_seed(0)
    network = nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 10)
    )
    for parameter in network.parameters():
        parameter.data.normal_(0, 0.5, generator=generator)
    dtype = np.float16 if kind == TensorProto.FLOAT16 else np.float32
    state = {k.replace(".", "_"): v.numpy().astype(dtype) for k, v in network.state_dict().items()}
    nodes = [
        helper.make_node("Conv", ["images", "0_weight", "0_bias"], ["c"]),
        helper.make_node("Relu", ["c"], ["r"]),
        helper.make_node("GlobalAveragePool", ["r"], ["p"]),
        helper.make_node("Flatten", ["p"], ["f"]),
        helper.make_node("Gemm", ["f", "4_weight", "4_bias"], ["logits"], transB=1),
    ]
    graph = helper.make_graph(
        nodes,
        "net",
        [helper.make_tensor_value_info("images", kind, shape)],
        [helper.make_tensor_value_info("logits", kind, [shape[0], 10])],
        [numpy_helper.from_array(v, k) for k, v in state.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.checker.check_model(model)
    onnx.save(model, path)
    return network.eval()


@pytest.mark.parametrize("batch", ["N", 3])
def test_onnx_with_a_free_and_with_a_fixed_batch(batch: int | str, tmp_path: Path, pixels: Tensor) -> None:
    network = onnx_model(tmp_path / "m.weights", [batch, 3, 32, 32])
    model = load_model(tmp_path / "m.weights", suite="imagenet-c")
    assert (model.info.format, model.info.num_classes) == ("onnx", 10)
    assert model.info.normalization == "imagenet"
    assert_close(model, network, pixels)
    same, note = optimise_for_inference(model, pixels)
    assert same is model
    assert note == "as loaded"


def test_onnx_in_half_precision(tmp_path: Path, pixels: Tensor) -> None:
    network = onnx_model(tmp_path / "m.onnx", ["N", 3, 32, 32], TensorProto.FLOAT16)
    with torch.inference_mode():
        logits = load_model(tmp_path / "m.onnx").network(pixels)
        assert logits.dtype == torch.float32
        torch.testing.assert_close(logits, network(pixels), rtol=0.01, atol=0.01)


def test_onnx_that_takes_no_images_is_refused_with_a_sentence(tmp_path: Path) -> None:
    graph = helper.make_graph(
        [helper.make_node("Add", ["x", "x"], ["y"])],
        "net",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 7])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", 7])],
    )
    onnx.save(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9),
        tmp_path / "m.onnx",
    )
    with pytest.raises(ModelError, match=r"takes x \['N', 7\]; expected one batch of images"):
        load_model(tmp_path / "m.onnx")


def test_a_damaged_onnx_file_says_so(tmp_path: Path) -> None:
    onnx_model(tmp_path / "m.onnx", ["N", 3, 32, 32])
    content = (tmp_path / "m.onnx").read_bytes()
    (tmp_path / "m.onnx").write_bytes(content[: len(content) // 2])
    with pytest.raises(CheckpointError, match="ONNX file that ONNX Runtime can't load"):
        load_model(tmp_path / "m.onnx")


def test_onnx_without_its_extra_names_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    onnx_model(tmp_path / "m.onnx", ["N", 3, 32, 32])
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(MissingExtra, match=r"pip install 'robustbench-lite\[onnx\]'"):
        load_model(tmp_path / "m.onnx")


def test_a_damaged_torchscript_file_says_so(tmp_path: Path, pixels: Tensor) -> None:
    import zipfile

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.trace(random_network("resnet-8"), pixels).save(str(tmp_path / "m.pt"))
    with zipfile.ZipFile(tmp_path / "m.pt") as source, zipfile.ZipFile(tmp_path / "cut.pt", "w") as out:
        for name in source.namelist():
            if not name.endswith("data.pkl"):
                out.writestr(name, source.read(name))
    with pytest.raises(CheckpointError, match="TorchScript file that can't be loaded"):
        load_model(tmp_path / "cut.pt")


def test_a_format_with_its_own_computation_takes_no_architecture(tmp_path: Path) -> None:
    onnx_model(tmp_path / "m.onnx", ["N", 3, 32, 32])
    with pytest.raises(
        InvalidInput, match="carries its own computation; leave out the architecture 'resnet-8'"
    ):
        load_model(tmp_path / "m.onnx", "resnet-8")
