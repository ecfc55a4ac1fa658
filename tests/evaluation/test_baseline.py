"""A user's own AlexNet needs no code: its run, or a CSV file, divides the errors of another model."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner

import robustbench_lite as rb
from robustbench_lite.cli import main
from robustbench_lite.errors import InvalidInput
from robustbench_lite.reference.names import TEST_CORRUPTIONS

QUICK = {"device": "cpu", "batch_size": 40, "bootstrap": 200, "force": True}


CODE = """
import torch

class Shades(torch.nn.Module):
    def forward(self, images):
        return -(10 * images.mean((1, 2, 3))[:, None] - torch.arange(10.0)).abs()
"""


class Bright(torch.nn.Module):
    """Counts the brightness into ten classes."""

    def __init__(self, slope: float) -> None:
        super().__init__()
        self.slope = slope

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        place = 10 * self.slope * images.mean((1, 2, 3))
        return -(place[:, None] - torch.arange(10.0)).abs()


@pytest.fixture
def runs(cifar_data: Path, tmp_path: Path) -> tuple[rb.Results, rb.Results]:
    first = rb.evaluate(
        Bright(1.0), "cifar10-c", data=cifar_data, out=tmp_path / "mine", name="My AlexNet", **QUICK
    )
    second = rb.evaluate(Bright(0.7), "cifar10-c", data=cifar_data, baseline=tmp_path / "mine", **QUICK)
    return first, second


def test_the_mean_is_that_of_the_ratios_and_is_named_after_the_baseline(
    runs: tuple[rb.Results, rb.Results],
) -> None:
    baseline, results = (run.by_name() for run in runs)
    ratios = [sum(results[name]) / sum(baseline[name]) for name in TEST_CORRUPTIONS]
    found = runs[1]
    assert found.summary["baseline_mce"] == pytest.approx(sum(ratios) / 15)
    low, high = found.intervals["baseline_mce"]
    assert low <= found.summary["baseline_mce"] <= high
    assert "mce" not in found.summary
    assert "Mean CE (My AlexNet)" in rb.Results.from_json(found.to_json()).spec.mean.heading


def test_a_model_divided_by_itself_has_100_percent(cifar_data: Path, tmp_path: Path, runs: object) -> None:
    same = rb.evaluate(Bright(1.0), "cifar10-c", data=cifar_data, baseline=tmp_path / "mine", **QUICK)
    assert same.summary["baseline_mce"] == pytest.approx(1)
    assert same.summary["baseline_relative_mce"] == pytest.approx(1)


def test_the_command_takes_a_csv_file(cifar_data: Path, tmp_path: Path) -> None:
    lines = ["corruption,error", *(f"{name},0.5" for name in TEST_CORRUPTIONS)]
    (tmp_path / "half.csv").write_text("\n".join(lines))
    (tmp_path / "nets.py").write_text(CODE)
    command = ["eval", "--model", f"{tmp_path}/nets.py:Shades", "--suite", "cifar10-c", "--force"]
    command += ["--data", cifar_data, "--out", tmp_path / "out", "--baseline", tmp_path / "half.csv"]
    result = CliRunner().invoke(main, [*map(str, command), "--batch-size", "40", "--bootstrap", "0"])
    assert result.exit_code == 0, result.output
    assert "Mean CE (half)" in result.stdout
    summary = json.loads((tmp_path / "out" / "results.json").read_text())["summary"]
    assert summary["baseline_mce"] == pytest.approx(summary["mean_error"] / 0.5)


def test_a_clean_set_has_nothing_to_divide(cifar_data: Path, tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="cifar10 has no corruptions, so `baseline` has nothing to divide"):
        rb.evaluate(Bright(1.0), "cifar10", data=cifar_data, baseline=tmp_path / "absent", **QUICK)
