"""The code in docs/extending.md, docs/train-augmix.md and docs/eval.md does what the pages say."""

from __future__ import annotations

import doctest
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import robustbench_lite as rb
from robustbench_lite.models import registry
from robustbench_lite.models.checkpoint import save_checkpoint
from robustbench_lite.suites import Cell

ROOT = Path(__file__).resolve().parents[2]
BLOCK = re.compile(r"^```(python|console) ?(\S*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
EXTENDING = BLOCK.findall((ROOT / "docs" / "extending.md").read_text())
FILES = {name: text for language, name, text in EXTENDING if language == "python"}
SNIPPETS = {
    name: text
    for page in ("train-augmix", "eval")
    for language, name, text in BLOCK.findall((ROOT / "docs" / f"{page}.md").read_text())
    if language == "python"
}
IMAGES = 24

pytestmark = pytest.mark.usefixtures("tables_as_before")


def commands(text: str) -> list[tuple[str, str]]:
    """The commands of a console block, each with the output that the page shows."""
    parts = re.split(r"^\$ ", text.replace("\\\n", " "), flags=re.MULTILINE)[1:]
    return [(command, output) for command, _, output in (part.partition("\n") for part in parts)]


def executed(command: str, folder: Path) -> str:
    """What a command prints in a folder, in a process of its own."""
    program, *arguments = shlex.split(command)
    start = {"python": [sys.executable], "robust": [sys.executable, "-m", "robustbench_lite"]}[program]
    done = subprocess.run(
        [*start, *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "100"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{command}\n{done.stderr}"
    return done.stdout


def test_the_page_about_additions_works_from_an_empty_folder(tmp_path: Path) -> None:
    """Its files are written and its commands run in the order of the page, and print what it shows."""
    compare = doctest.OutputChecker().check_output
    printed = 0
    for language, name, text in EXTENDING:
        if language == "python":
            (tmp_path / name).write_text(text)
            if name == "setup.py":
                executed("python setup.py", tmp_path)
            continue
        for command, expected in commands(text):
            output = executed(command, tmp_path)
            if expected:
                printed += 1
                flags = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
                assert compare(expected, output, flags), f"{command}\n{output}"
    assert printed >= 5


def test_each_addition_is_one_call_in_one_short_file() -> None:
    additions = {name: text for name, text in FILES.items() if "rb.register(" in text}
    assert len(additions) == 6
    for name, text in additions.items():
        assert text.count("rb.register(") == 1, name
        assert len(text.splitlines()) <= 20, name


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the files of the page, and images of 32 x 32 pixels."""
    for name, text in FILES.items():
        (tmp_path / name).write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path


IMAGES_OF_32 = np.random.default_rng(0).integers(0, 256, (IMAGES, 32, 32, 3), dtype=np.uint8)
LABELS = np.arange(IMAGES) % 10


def test_the_draws_of_the_corruption_are_those_of_each_image(folder: Path) -> None:
    rb.load_plugin(folder / "dropout.py")
    corrupted = rb.corruptions.corrupt(IMAGES_OF_32, "dropout", 3)
    black = (corrupted == 0).all(axis=3) & ~(IMAGES_OF_32 == 0).all(axis=3)
    assert black.mean() == pytest.approx(0.2, abs=0.01)
    assert (corrupted[~black] == IMAGES_OF_32[~black]).all()
    alone = rb.corruptions.corrupt(IMAGES_OF_32[5:6], "dropout", 3, index=[5])
    assert (alone[0] == corrupted[5]).all()


def test_a_suite_on_disk_in_a_known_layout_is_one_entry(folder: Path) -> None:
    (folder / "CIFAR-10-Blobs").mkdir()
    np.save(folder / "CIFAR-10-Blobs" / "labels.npy", np.tile(LABELS, 5).astype(np.uint8))
    for name in ("blobs", "stripes"):
        np.save(folder / "CIFAR-10-Blobs" / f"{name}.npy", np.concatenate([IMAGES_OF_32] * 5))
    rb.load_plugin(folder / "cifar10_blobs.py")
    suite = rb.load_suite("cifar10-blobs", folder)
    assert suite.cells == tuple(Cell(name, s) for name in ("blobs", "stripes") for s in range(1, 6))
    assert suite.images == IMAGES


def mean_colour(images: torch.Tensor) -> torch.Tensor:
    return torch.nn.functional.adaptive_avg_pool2d(images, (1, 4)).flatten(1)[:, :10] * 50


def test_a_suite_in_a_layout_of_its_own_is_a_class(folder: Path) -> None:
    for severity in (1, 2):
        np.save(folder / f"fog{severity}.npy", IMAGES_OF_32)
    names: dict[str, Any] = {}
    exec(compile(FILES["cells.py"], "cells.py", "exec"), names)
    results = rb.evaluate(mean_colour, names["open_folder"](folder, LABELS), force=True)
    cells = [(cell.name, cell.severity, cell.n) for cell in results.cells]
    assert cells == [("fog", 1, IMAGES), ("fog", 2, IMAGES)]
    assert results.provenance["data"]["layout"] == "one .npy a cell"


@pytest.mark.parametrize(
    ("file", "name"), [("pooled_linear.py", "pooled-linear"), ("pooled_mlp.py", "pooled-mlp-24")]
)
def test_a_new_architecture_is_built_recognised_and_loaded(folder: Path, file: str, name: str) -> None:
    rb.load_plugin(folder / file)
    network = registry.build(name, 7)
    bare, own = folder / "bare.pt", folder / "own.pt"
    torch.save(network.state_dict(), bare)
    save_checkpoint(own, network, architecture=name, num_classes=7, mean=(0.5,) * 3, std=(0.5,) * 3)
    images = torch.rand(2, 3, 32, 32)
    for path in (bare, own):
        loaded = rb.load_model(path)
        assert (loaded.info.architecture, loaded.info.num_classes) == (name, 7)
        torch.testing.assert_close(loaded(images), network(2 * images - 1))


@pytest.fixture
def names(tmp_path: Path) -> dict[str, Any]:
    """What the pages about training and evaluation say is at hand."""
    np.savez(tmp_path / "test.npz", images=IMAGES_OF_32, labels=LABELS)
    return {
        "rb": rb,
        "torch": torch,
        "images": IMAGES_OF_32,
        "labels": LABELS,
        "folder": tmp_path,
        "model": mean_colour,
    }


def run(block: str, names: dict[str, Any]) -> None:
    exec(compile(SNIPPETS[block], f"docs:{block}", "exec"), names)


def test_every_python_block_of_these_pages_is_tested() -> None:
    source = Path(__file__).read_text()
    assert [name for name in SNIPPETS if f'run("{name}"' not in source] == []


def test_augmix_in_a_pipeline_of_torchvision_s(names: dict[str, Any]) -> None:
    run("transform", names)
    image = Image.fromarray(names["images"][0])
    one, other = names["transform"](image), names["transform"](image)
    assert one.shape == (3, 32, 32)
    assert -1 <= one.min() < one.max() <= 1
    assert not torch.equal(one, other)


def test_augmix_with_its_loss_in_a_loop_of_one_s_own(names: dict[str, Any]) -> None:
    images = torch.from_numpy(names["images"]).permute(0, 3, 1, 2)
    names["loader"] = [(images, torch.from_numpy(names["labels"]))] * 2
    network = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(3072, 10))
    before = network[1].weight.detach().clone()
    names["network"], names["optimizer"] = network, torch.optim.SGD(network.parameters(), 0.01)
    run("loss", names)
    assert not torch.equal(network[1].weight, before)
    assert names["views"].shape == (3, IMAGES, 3, 32, 32)


def test_training_takes_a_network_and_arrays(names: dict[str, Any]) -> None:
    names["network"] = torch.nn.Sequential(
        torch.nn.Conv2d(3, 4, 3), torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten(), torch.nn.Linear(4, 10)
    )
    run("train", names)
    assert names["trained"].classifier(torch.rand(2, 3, 32, 32)).shape == (2, 10)


def test_an_opened_model_and_suite_are_evaluated_as_their_names_are(names: dict[str, Any]) -> None:
    folder = names["folder"]
    network = rb.train(
        (names["images"], names["labels"]),
        test_data=(names["images"], names["labels"]),
        arch="resnet-8",
        epochs=1,
        batch_size=8,
        out=folder / "run",
    )
    names["checkpoint"] = network.last
    run("composed", names)
    short = rb.evaluate(
        network.last,
        "custom-c",
        clean_data=folder / "test.npz",
        normalize="half",
        corruptions=["fog"],
        severities=[1, 3],
        force=True,
    )
    assert names["results"].summary == short.summary
