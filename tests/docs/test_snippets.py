"""The code in docs/extending.md, docs/train-augmix.md and docs/eval.md does what the pages say."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import robustbench_lite as rb
from robustbench_lite.corruptions import CORRUPTIONS
from robustbench_lite.models import FAMILIES
from robustbench_lite.models.checkpoint import save_checkpoint
from robustbench_lite.suites import SUITES, Cell

DOCS = Path(__file__).resolve().parents[2] / "docs"
PAGES = [DOCS / "extending.md", DOCS / "train-augmix.md", DOCS / "eval.md"]
BLOCK = re.compile(r"^```python (\S+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
BLOCKS = {name: code for page in PAGES for name, code in BLOCK.findall(page.read_text())}
IMAGES = 24


@pytest.fixture(autouse=True)
def _registries_as_they_were() -> Iterator[None]:
    """The snippets extend registries of the whole process: put them back."""
    tables: list[Any] = [CORRUPTIONS, SUITES, FAMILIES]
    kept = [dict(table) for table in tables]
    yield
    for table, before in zip(tables, kept, strict=True):
        table.clear()
        table.update(before)


@pytest.fixture
def names(tmp_path: Path) -> dict[str, Any]:
    """What the page says is at hand."""
    draws = np.random.default_rng(0)
    images = draws.integers(0, 256, (IMAGES, 32, 32, 3), dtype=np.uint8)
    labels = np.arange(IMAGES) % 10
    np.savez(tmp_path / "test.npz", images=images, labels=labels)

    def model(batch: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.adaptive_avg_pool2d(batch, (1, 4)).flatten(1)[:, :10] * 50

    return {"rb": rb, "images": images, "labels": labels, "folder": tmp_path, "model": model}


def run(block: str, names: dict[str, Any]) -> None:
    exec(compile(BLOCKS[block], f"docs:{block}", "exec"), names)


def test_each_block_is_under_twenty_lines() -> None:
    lengths = {name: len(text.splitlines()) for name, text in BLOCKS.items()}
    assert lengths
    assert max(lengths.values()) < 20, lengths


def test_every_python_block_of_the_pages_is_tested() -> None:
    assert sum(page.read_text().count("```python") for page in PAGES) == len(BLOCKS)
    source = Path(__file__).read_text()
    assert [name for name in BLOCKS if f'run("{name}"' not in source] == []


def test_a_new_corruption_is_generated_and_evaluated_and_its_draws_are_the_image_s_own(
    names: dict[str, Any],
) -> None:
    run("corruption", names)
    images, corrupted = names["images"], names["corrupted"]
    black = (corrupted == 0).all(axis=3) & ~(images == 0).all(axis=3)
    assert black.mean() == pytest.approx(0.2, abs=0.01)
    assert (corrupted[~black] == images[~black]).all()
    alone = names["corrupt"](images[5:6], "dropout", 3, index=[5])
    assert (alone[0] == corrupted[5]).all()

    run("corruption-suite", names)
    assert len(names["results"].by_name()["dropout"]) == 5
    assert "mean_error" not in names["results"].summary


def test_a_suite_in_a_known_layout_is_one_entry(names: dict[str, Any]) -> None:
    folder = names["folder"] / "CIFAR-10-Blobs"
    folder.mkdir()
    np.save(folder / "labels.npy", np.tile(names["labels"], 5).astype(np.uint8))
    for name in ("blobs", "stripes"):
        np.save(folder / f"{name}.npy", np.concatenate([names["images"]] * 5))
    run("suite", names)
    suite = names["suite"]
    assert suite.cells == tuple(Cell(name, s) for name in ("blobs", "stripes") for s in range(1, 6))
    assert suite.images == IMAGES


def test_a_suite_in_a_layout_of_its_own_is_a_class(names: dict[str, Any]) -> None:
    for severity in (1, 2):
        np.save(names["folder"] / f"fog{severity}.npy", names["images"])
    run("suite-layout", names)
    run("suite-layout-use", names)
    results = names["results"]
    assert [(cell.name, cell.severity, cell.n) for cell in results.cells] == [
        ("fog", 1, IMAGES),
        ("fog", 2, IMAGES),
    ]
    assert results.provenance["data"]["layout"] == "one .npy a cell"


@pytest.mark.parametrize(
    ("block", "name"), [("architecture", "pooled-linear"), ("architecture-sizes", "pooled-mlp-24")]
)
def test_a_new_architecture_is_built_recognised_and_loaded(
    names: dict[str, Any], block: str, name: str
) -> None:
    run("architecture", names)
    if block == "architecture-sizes":
        run("architecture-sizes", names)

    network = rb.models.build(name, 7)
    bare, own = names["folder"] / "bare.pt", names["folder"] / "own.pt"
    torch.save(network.state_dict(), bare)
    save_checkpoint(own, network, architecture=name, num_classes=7, mean=(0.5,) * 3, std=(0.5,) * 3)
    images = torch.rand(2, 3, 32, 32)
    for path in (bare, own):
        loaded = rb.load_model(path)
        assert (loaded.info.architecture, loaded.info.num_classes) == (name, 7)
        torch.testing.assert_close(loaded(images), network(2 * images - 1))


def test_a_score_is_worked_out_from_the_predictions_that_a_run_keeps(names: dict[str, Any]) -> None:
    names["run"] = names["folder"] / "run"
    results = rb.evaluate(
        names["model"],
        "custom-c",
        clean_data=names["folder"] / "test.npz",
        corruptions=["contrast"],
        severities=[1],
        out=names["run"],
        force=True,
    )
    run("score", names)
    assert set(names["scores"]) == {"clean-0", "contrast-1"}
    value, low, high = names["scores"]["contrast-1"]
    assert low <= value <= high
    assert value <= results.cell("contrast", 1).scores["error"]


def test_augmix_in_a_pipeline_of_torchvision_s(names: dict[str, Any]) -> None:
    names["torch"] = torch
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
