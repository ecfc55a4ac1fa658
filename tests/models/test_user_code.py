"""A user's own network: FILE.py:BUILDER or package.module:BUILDER, as the architecture or as the model."""

from __future__ import annotations

import hashlib
import re
import sys
import types
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner

import robustbench_lite as rb
from robustbench_lite.cli import main
from robustbench_lite.commands._options import titled
from robustbench_lite.errors import CheckpointError, InvalidInput, ModelError
from robustbench_lite.models import build, load_model, save_checkpoint
from robustbench_lite.models.user_code import parse_reference

NETS = """\
import os
import torch
from torch import nn
from parts import Pool

class Net(nn.Module):
    def __init__(self, num_classes, side=4, *, bias=True):
        super().__init__()
        self.pool = Pool(side)
        self.head = nn.Linear(3 * side * side, num_classes, bias=bias)
    def forward(self, x):
        return self.head(self.pool(x).flatten(1))

class Fixed(Net):
    def __init__(self):
        super().__init__(7)

def trained(scale=1.0):
    net = Net(10)
    nn.init.constant_(net.head.weight, scale)
    return net

def predict(images):
    return images.mean(dim=(2, 3)) @ torch.ones(3, 10)

def broken():
    width = 3
    raise ValueError("no such \\n width")

def leaves():
    raise SystemExit(3)

def nothing():
    return None

size = 3
ready = Net(10)
"""
PARTS = """\
from torch import nn

class Pool(nn.AdaptiveAvgPool2d):
    pass
"""


@pytest.fixture
def nets(tmp_path: Path) -> str:
    (tmp_path / "nets.py").write_text(NETS)
    (tmp_path / "parts.py").write_text(PARTS)
    sys.modules.pop("parts", None)
    return str(tmp_path / "nets.py")


@pytest.fixture
def images() -> torch.Tensor:
    return torch.rand(3, 3, 16, 16, generator=torch.Generator().manual_seed(0))


def saved(network: torch.nn.Module, path: Path) -> Path:
    torch.save({"state_dict": {f"module.{k}": v for k, v in network.state_dict().items()}}, path)
    return path


@pytest.mark.parametrize(
    ("call", "keywords"),
    [("Net", {}), ("Net(side=2)", {"side": 2}), ("Net(7, 2, bias=False)", {"side": 2, "bias": False})],
)
def test_a_file_is_an_architecture(
    call: str, keywords: dict[str, int], nets: str, tmp_path: Path, images: torch.Tensor
) -> None:
    network = build(f"{nets}:Net{call[3:].replace('7, 2', 'side=2')}", 7)
    model = load_model(saved(network, tmp_path / "m.pt"), f"{nets}:{call}")
    assert torch.equal(model.network(images), network(images))
    assert model.info.architecture == f"{nets}:{call}"
    assert model.info.code_sha256 == hashlib.sha256(Path(nets).read_bytes()).hexdigest()
    assert model.info.normalization_guessed


def test_the_number_of_classes_comes_from_the_suite_or_from_the_weights(nets: str, tmp_path: Path) -> None:
    path = saved(build(f"{nets}:Net", 7), tmp_path / "m.pt")
    for classes in (None, 7, 1000):
        assert load_model(path, f"{nets}:Net", suite_classes=classes).info.num_classes == 7
    assert load_model(path, f"{nets}:Fixed").network(torch.zeros(1, 3, 8, 8)).shape == (1, 7)


def test_a_module_of_the_working_directory_is_an_architecture(
    nets: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, images: torch.Tensor
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "own_nets_package").mkdir()
    (tmp_path / "own_nets_package" / "small.py").write_text(NETS)
    network = build("own_nets_package.small:Net(side=3)", 10)
    model = load_model(saved(network, tmp_path / "m.pt"), "own_nets_package.small:Net(side=3)")
    assert torch.equal(model.network(images), network(images))
    assert model.info.code_sha256 == hashlib.sha256(NETS.encode()).hexdigest()


@pytest.mark.parametrize("call", ["trained(scale=2.0)", "predict", "ready", "Net"])
def test_a_model_may_be_a_network_that_loads_its_own_weights_or_a_function(
    call: str, nets: str, images: torch.Tensor
) -> None:
    model = load_model(f"{nets}:{call}", suite_classes=10)
    logits = model(images)
    assert logits.shape == (3, 10)
    assert (model.info.format, model.info.normalization) == ("code", "none")
    if call == "predict":
        torch.testing.assert_close(logits, images.mean(dim=(2, 3)).sum(dim=1, keepdim=True).expand(3, 10))
    if call.startswith("trained"):
        assert torch.equal(model.network.head.weight, torch.full((10, 48), 2.0))  # type: ignore[union-attr]
    halved = load_model(f"{nets}:predict", normalize="half")
    torch.testing.assert_close(halved(images), load_model(f"{nets}:predict")(2 * images - 1))


def test_every_mistake_is_one_sentence(nets: str, tmp_path: Path) -> None:
    path = saved(build(f"{nets}:Net", 10), tmp_path / "m.pt")
    (tmp_path / "wrong.py").write_text("def net(:\n    pass\n")
    (tmp_path / "missing.py").write_text("import no_such_module_anywhere\n")
    cases: list[tuple[str, type[Exception], str]] = [
        (f"{tmp_path}/absent.py:Net", InvalidInput, r"there is no file .*absent\.py to build Net from"),
        ("no_such_package.nets:Net", InvalidInput, "there is no module 'no_such_package.nets'"),
        (f"{nets}:net", InvalidInput, r"nets\.py has no builder 'net'; did you mean Net\?"),
        (f"{nets}:broken", ModelError, r"broken fails: ValueError: no such width \(line 28 of nets\.py\)"),
        (f"{nets}:leaves", ModelError, r"leaves fails: SystemExit: 3 \(line 31 of nets\.py\)"),
        (f"{nets}:nothing", ModelError, r"nothing in .*nets\.py returned None, expected a network"),
        (f"{nets}:size", ModelError, r"size in .*nets\.py is an int, expected a class"),
        (f"{nets}:Net(deep=3)", InvalidInput, r"unexpected keyword argument 'deep'; it takes .*side=4"),
        (f"{nets}:Net(side=os.sep)", InvalidInput, "must be literals such as depth=16"),
        (f"{nets}:Net(**{{}})", InvalidInput, "must be literals such as depth=16"),
        (f"{nets}:predict", InvalidInput, r"missing a required argument: 'images'; it takes .*images=\.\.\."),
        (f"{nets}:Net(side=5)", CheckpointError, r"not those of .*1 of another shape \(head\.weight"),
        (f"{tmp_path}/wrong.py:net", ModelError, r"syntax error in line 1 of .*wrong\.py"),
        (
            f"{tmp_path}/missing.py:net",
            ModelError,
            r"ModuleNotFoundError: No module .*\(line 1 of missing\.py\)",
        ),
    ]
    for reference, kind, message in cases:
        with pytest.raises(kind, match=message):
            load_model(path, reference)
    with pytest.raises(InvalidInput, match="names both weights and architecture"):
        load_model(f"{nets}:trained", "resnet-20")


def test_a_function_is_no_architecture_but_a_model(nets: str, tmp_path: Path) -> None:
    path = saved(build(f"{nets}:Net", 10), tmp_path / "m.pt")
    Path(nets).write_text(NETS + "\ndef made():\n    return predict\n")
    with pytest.raises(ModelError, match="can't take the weights of a file; name it as the model"):
        load_model(path, f"{nets}:made")
    with pytest.raises(ModelError, match=r"returns a function; an architecture is a torch\.nn\.Module"):
        build(f"{nets}:made", 10)
    assert load_model(f"{nets}:made")(torch.zeros(1, 3, 8, 8)).shape == (1, 10)


def test_an_edited_file_is_executed_again(nets: str) -> None:
    assert load_model(f"{nets}:trained").network.head.weight[0, 0] == 1  # type: ignore[union-attr,index]
    Path(nets).write_text(NETS.replace("scale=1.0", "scale=5.0"))
    assert load_model(f"{nets}:trained").network.head.weight[0, 0] == 5  # type: ignore[union-attr,index]


def test_a_checkpoint_never_runs_the_code_that_it_names(nets: str, tmp_path: Path) -> None:
    marker = tmp_path / "ran"
    Path(nets).write_text(f"open({str(marker)!r}, 'w').close()\n" + NETS)
    mean = std = (0.5,) * 3
    network = torch.nn.Linear(3, 3)
    save_checkpoint(tmp_path / "m.pt", network, architecture=f"{nets}:Net", num_classes=3, mean=mean, std=std)
    with pytest.raises(CheckpointError, match=rf"own code; name that code: `arch='{re.escape(nets)}:Net'`"):
        load_model(tmp_path / "m.pt")
    assert not marker.exists()


def test_a_checkpoint_of_a_registered_architecture_asks_for_its_plugin(tmp_path: Path) -> None:
    mean = std = (0.5,) * 3
    network = torch.nn.Linear(3, 3)
    save_checkpoint(tmp_path / "m.pt", network, architecture="ours-9", num_classes=3, mean=mean, std=std)
    with pytest.raises(CheckpointError, match=r"m\.pt was trained with the architecture 'ours-9', .* plugin"):
        load_model(tmp_path / "m.pt")


def test_the_command_line_evaluates_trains_and_maps_a_users_network(
    nets: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    draws = np.random.default_rng(0)
    arrays = draws.integers(0, 256, (40, 16, 16, 3), dtype=np.uint8), np.arange(40) % 10
    np.savez(tmp_path / "test.npz", images=arrays[0], labels=arrays[1])
    np.savez(tmp_path / "train.npz", images=arrays[0], labels=arrays[1])
    shown = ["--suite", "custom", "--clean-data", "test.npz", "--force", "--bootstrap", "0"]

    def run(*arguments: str) -> str:
        result = CliRunner().invoke(main, list(arguments))
        assert result.exit_code == 0, result.output
        return result.output

    run("eval", "--model", f"{nets}:trained(scale=0.5)", *shown, "--out", "one")
    record = rb.Results.load(Path("one")).provenance["model"]
    assert record["code_sha256"] == hashlib.sha256(NETS.encode()).hexdigest()
    run("eval", "--model", f"Mine={nets}:predict", *shown, "--out", "two")
    assert rb.Results.load(Path("two")).model == "Mine"
    run(
        "train-augmix",
        "--dataset",
        ".",
        "--arch",
        f"{nets}:Net(side=2)",
        "--method",
        "standard",
        "--epochs",
        "1",
        "--batch-size",
        "20",
        "--out",
        "trained",
        "--device",
        "cpu",
    )
    run("eval", "--model", "trained/last.pt", "--arch", f"{nets}:Net(side=2)", *shown, "--out", "three")
    run(
        "fourier",
        "--model",
        f"{nets}:trained",
        "--dataset",
        "test.npz",
        "--size",
        "3",
        "--norm",
        "2",
        "--out",
        "map",
    )
    Path(nets).write_text(NETS + "\n# changed\n")
    result = CliRunner().invoke(
        main, ["eval", "--model", f"{nets}:trained(scale=0.5)", *shown, "--out", "one"]
    )
    assert result.exit_code == 1
    assert "another run" in result.output


def test_a_title_is_not_cut_from_arguments_or_a_mistyped_path(tmp_path: Path) -> None:
    (tmp_path / "a=b.pt").touch()
    cases = {
        "nets.py:WRN(depth=16)": (None, "nets.py:WRN(depth=16)"),
        "Mine=nets.py:WRN(depth=16)": ("Mine", "nets.py:WRN(depth=16)"),
        "best-epoch=14-val=.33.ckpt": (None, "best-epoch=14-val=.33.ckpt"),
        f"A={tmp_path}/a=b.pt": ("A", f"{tmp_path}/a=b.pt"),
        f"A=B={tmp_path}/a=b.pt": ("A=B", f"{tmp_path}/a=b.pt"),
        f"{tmp_path}/a=b.pt": (None, f"{tmp_path}/a=b.pt"),
        "RN=torchvision:resnet50@IMAGENET1K_V2": ("RN", "torchvision:resnet50@IMAGENET1K_V2"),
        "A=missing.pt": ("A", "missing.pt"),
    }
    assert {text: titled(text) for text in cases} == cases


@pytest.mark.parametrize(
    "text", ["torchvision:resnet50", "timm:resnet18", "hf:google/vit", "wrn-40-2", "m.pt"]
)
def test_names_of_libraries_and_files_are_no_code(text: str) -> None:
    assert parse_reference(text) is None


def test_a_mistyped_file_is_named_whole_and_a_home_folder_is_expanded(
    nets: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    saved(build("resnet-8", 10), tmp_path / "epoch=1-val=.3.ckpt")
    with pytest.raises(CheckpointError, match=r"no file best-epoch=14-val=\.33\.ckpt, nor a file 14-val"):
        load_model("best-epoch=14-val=.33.ckpt")
    with pytest.raises(CheckpointError, match="no file wrn-40-2; wrn-40-2 is an architecture"):
        load_model("wrn-40-2")
    assert load_model("~/epoch=1-val=.3.ckpt").info.num_classes == 10
    assert load_model("~/nets.py:trained", suite_classes=10).info.format == "code"
    assert titled("Mine=~/epoch=1-val=.3.ckpt") == ("Mine", "~/epoch=1-val=.3.ckpt")


def test_the_zero_shot_builder_of_the_page_gives_cosines_of_images_and_texts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, images: torch.Tensor
) -> None:
    page = (Path(__file__).parents[2] / "docs" / "models.md").read_text()
    (block,) = re.findall(r"```python zeroshot\n(.*?)```", page, re.DOTALL)
    assert len(block.strip().splitlines()) <= 17
    (tmp_path / "zeroshot.py").write_text(block)

    class Clip(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.visual = torch.nn.Identity()
            self.visual.image_mean, self.visual.image_std = (0.5,) * 3, (0.25,) * 3
            self.text = torch.nn.Parameter(torch.eye(10)[:, :3] + 0.1)

        def encode_text(self, prompts: list[str]) -> torch.Tensor:
            return self.text * len(prompts)

        def encode_image(self, batch: torch.Tensor) -> torch.Tensor:
            return batch.mean(dim=(2, 3))

    fake = types.SimpleNamespace(
        create_model=lambda name, pretrained: Clip(), get_tokenizer=lambda name: lambda prompts: prompts
    )
    monkeypatch.setitem(sys.modules, "open_clip", fake)
    model = load_model(f"{tmp_path}/zeroshot.py:clip", suite_classes=10)
    features = ((images - 0.5) / 0.25).mean(dim=(2, 3))
    cosines = torch.nn.functional.cosine_similarity(features[:, None], Clip().text.detach()[None], dim=2)
    torch.testing.assert_close(model(images), 100 * cosines, rtol=1e-4, atol=1e-3)
