"""`robust corrupt` with a corruption of a user's own: the files, their manifest, and worker processes."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner, Result
from PIL import Image

import robustbench_lite as rb
from robustbench_lite.cli import main
from robustbench_lite.corruptions import CORRUPTIONS, Corruption, corrupt, levels
from robustbench_lite.errors import DataError, InvalidInput, PluginError
from robustbench_lite.plugins import register
from robustbench_lite.plugins.loading import _LOADED, load_plugin
from robustbench_lite.plugins.workers import add_in_worker, additions_for_workers

pytestmark = pytest.mark.usefixtures("tables_as_before")

DROPOUT = """\
import torch
from robustbench_lite.corruptions import CORRUPTIONS, Corruption, levels
from robustbench_lite.plugins import register

def dropout(images, parameters, draws):
    u = draws.uniform(0, 1, (1, *images.shape[2:]))
    return torch.where(u < parameters.share, torch.zeros_like(images), images)

register("dropout", Corruption(dropout, levels(share=(0.05, 0.1, 0.2, 0.3, 0.4))))
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    images = np.random.default_rng(0).integers(0, 256, (6, 32, 32, 3), np.uint8)
    np.savez(tmp_path / "own.npz", images=images, labels=np.arange(6))
    (tmp_path / "dropout.py").write_text(DROPOUT)
    return tmp_path


def run(folder: Path, *arguments: object) -> Result:
    data = ["--suite", "custom-c", "--clean-data", folder / "own.npz", "--out", folder / "made"]
    return CliRunner().invoke(main, ["corrupt", *map(str, [*data, *arguments])])


def forget_plugins(folder: Path) -> None:
    """As if a new process had started."""
    _LOADED.clear()
    CORRUPTIONS.pop("dropout", None)


def test_a_suite_holds_a_corruption_of_one_s_own_and_its_manifest_the_digest(folder: Path) -> None:
    result = run(folder, "--corruptions", "dropout", "--plugin", folder / "dropout.py")
    assert result.exit_code == 0, result.output
    images = np.load(folder / "own.npz")["images"]
    stored = np.load(folder / "made" / "custom-C" / "dropout.npy")
    assert np.array_equal(stored[12:18], corrupt(images, "dropout", 3, profile="cifar"))
    manifest = json.loads((folder / "made" / "custom-C" / "manifest.json").read_text())
    (plugin,) = _LOADED.values()
    assert manifest["plugins"] == [
        {"plugin": "dropout.py", "sha256": plugin.sha256, "adds": ["corruption dropout"]}
    ]


def test_a_manifest_gains_a_corruption_and_refuses_a_changed_one(folder: Path) -> None:
    plugin = ["--plugin", folder / "dropout.py"]
    manifest = folder / "made" / "custom-C" / "manifest.json"
    assert run(folder, "--corruptions", "contrast").exit_code == 0
    assert "plugins" not in json.loads(manifest.read_text())
    assert run(folder, "--corruptions", "dropout", *plugin).exit_code == 0
    assert [one["adds"] for one in json.loads(manifest.read_text())["plugins"]] == [["corruption dropout"]]
    forget_plugins(folder)
    (folder / "dropout.py").write_text(DROPOUT.replace("0.05", "0.06"))
    result = run(folder, "--corruptions", "dropout", *plugin)
    assert result.exit_code == 1
    assert "holds the corruption dropout, made by other code than dropout.py" in result.stderr
    assert run(folder, "--corruptions", "fog", *plugin).exit_code == 0


def test_a_damaged_manifest_is_one_line(folder: Path) -> None:
    (folder / "made" / "custom-C").mkdir(parents=True)
    (folder / "made" / "custom-C" / "manifest.json").write_text("[]")
    result = run(folder, "--corruptions", "contrast")
    assert result.exit_code == 1
    assert "manifest.json can't be read; remove it to write the suite again" in result.stderr


def test_a_corruption_that_nothing_registers_is_unknown(folder: Path) -> None:
    assert "unknown corruption of custom-c 'dropout'" in run(folder, "--corruptions", "dropout").stderr


def test_loading_is_the_same_in_python(folder: Path) -> None:
    load_plugin(folder / "dropout.py")
    assert run(folder, "--corruptions", "dropout").exit_code == 0


def test_worker_processes_have_the_plugin_too(folder: Path) -> None:
    plugin = ["--plugin", folder / "dropout.py", "--corruptions", "dropout,contrast"]
    result = run(folder, *plugin, "--workers", "2")
    assert result.exit_code == 0, result.output
    images = np.load(folder / "own.npz")["images"]
    stored = np.load(folder / "made" / "custom-C" / "dropout.npy")
    assert np.array_equal(stored[:6], corrupt(images, "dropout", 1, profile="cifar"))


def test_a_plugin_that_changes_before_a_worker_loads_it_is_refused(folder: Path) -> None:
    load_plugin(folder / "dropout.py")
    additions = additions_for_workers(["dropout"])
    forget_plugins(folder)
    (folder / "dropout.py").write_text(DROPOUT.replace("0.05", "0.06"))
    with pytest.raises(PluginError, match=r"dropout.py has changed since it was loaded; start again"):
        add_in_worker(additions)


def shared(images: torch.Tensor, parameters: Any, draws: Any) -> torch.Tensor:
    return images.clone()


def test_records_of_a_script_travel_to_workers_where_they_can(folder: Path) -> None:
    five = levels(share=(0.1, 0.2, 0.3, 0.4, 0.5))
    register("shared", Corruption(shared, five))
    register("local", Corruption(lambda images, parameters, draws: images.clone(), five))
    additions = additions_for_workers(["shared", "fog"])
    del CORRUPTIONS["shared"]
    add_in_worker(additions)
    assert CORRUPTIONS["shared"].kernel is shared
    with pytest.raises(InvalidInput, match="worker processes can't use local, which one process alone def"):
        additions_for_workers(["local"])
    unknown = replace(additions, own=additions.own.replace(b"shared", b"sharem", 2))
    with pytest.raises(InvalidInput, match="worker processes can't use shared"):
        add_in_worker(unknown)


def test_a_picture_and_a_contact_sheet_take_a_corruption_of_one_s_own_and_groups(folder: Path) -> None:
    picture = folder / "picture.png"
    Image.fromarray(np.load(folder / "own.npz")["images"][0]).save(picture)
    plugin = ["--plugin", str(folder / "dropout.py")]
    arguments = ["corrupt", str(picture), "--contact-sheet", "--corruptions", "noise,dropout", *plugin]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 0, result.output
    sheet = np.asarray(Image.open(folder / "picture-contact-sheet.png"))
    assert sheet.shape[0] == 4 * (3 * 32 + 4) + 12 + 12  # four rows of threefold tiles with a gap of 4


def test_a_written_suite_is_evaluated_from_disk_with_the_corruption_of_one_s_own(folder: Path) -> None:
    load_plugin(folder / "dropout.py")
    images = np.random.default_rng(0).integers(0, 256, (20, 32, 32, 3), np.uint8)
    (folder / "CIFAR-10-C").mkdir()
    np.save(folder / "CIFAR-10-C" / "labels.npy", np.tile(np.arange(20) % 10, 5).astype(np.uint8))
    np.save(folder / "CIFAR-10-C" / "dropout.npy", np.concatenate([images] * 5))
    suite = rb.load_suite("cifar10-c", folder, corruptions=["dropout"])
    assert [cell.name for cell in suite.cells] == ["dropout"] * 5
    assert suite.spec.heading("dropout") == "Dropout"
    with pytest.raises(DataError, match=r"cells of CIFAR-10-C are missing in .*: fog 1-5"):
        rb.load_suite("cifar10-c", folder, corruptions=["dropout", "fog"])


def test_a_written_suite_is_no_set_of_clean_images(folder: Path) -> None:
    assert run(folder, "--corruptions", "contrast").exit_code == 0
    with pytest.raises(DataError, match=r"custom-C is a suite that `robust corrupt` wrote, .* clean images"):
        rb.load_suite("custom-c", clean_data=folder / "made" / "custom-C")
