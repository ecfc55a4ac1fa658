"""Two runs against each other: the intervals, the verdicts, and what is refused."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from torch import nn

import robustbench_lite as rb
from robustbench_lite.cli import main
from robustbench_lite.errors import DataError, InvalidInput, RobustBenchWarning
from robustbench_lite.evaluation.compare import compare
from robustbench_lite.reference.names import TEST_CORRUPTIONS, TEST_PERTURBATIONS
from robustbench_lite.scores import presentation

QUICK = {"device": "cpu", "batch_size": 40, "bootstrap": 0}


class Brightness(nn.Module):
    """Tells the class by the brightness of the first pixels: the fewer there are, the more noise misleads."""

    def __init__(self, side: int) -> None:
        super().__init__()
        self.side = side
        self.register_buffer("levels", (25 * torch.arange(10.0) + 12.07) / 255)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        seen = images[:, :, : self.side, : self.side].mean(dim=(1, 2, 3))
        return -500 * (seen[:, None] - self.levels) ** 2


A, B = Brightness(6), Brightness(1)


@pytest.fixture(scope="module")
def runs(cifar_data: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Run folders of two models on CIFAR-10-C; not to be changed."""
    root = tmp_path_factory.mktemp("runs")
    for name, one in (("a", A), ("b", B)):
        rb.evaluate(one, "cifar10-c", data=cifar_data, out=root / name, **QUICK)
    return root / "a", root / "b"


def errors(run: Path, name: str) -> np.ndarray:
    """Mean over severities of each image's errors, from the kept predictions."""
    cells = [np.load(run / "predictions" / f"{name}-{severity}.npz") for severity in range(1, 6)]
    return np.mean([cell["prediction"] != cell["label"] for cell in cells], axis=0)


def test_differences_are_b_minus_a_with_a_paired_bootstrap_over_images(runs: tuple[Path, Path]) -> None:
    found = compare(*runs, bootstrap=1000, seed=5)
    assert [one.name for one in found.by_name] == list(TEST_CORRUPTIONS)
    for row in found.by_name[:3]:
        first, second = (errors(run, row.name) for run in runs)
        assert (row.first, row.second) == pytest.approx((first.mean(), second.mean()))
        random = np.random.Generator(np.random.Philox(5))
        gaps = second - first
        means = [gaps[random.integers(40, size=40)].mean() for _ in range(1000)]
        assert (row.low, row.high) == pytest.approx(tuple(np.quantile(means, [0.025, 0.975])))
    scores = {one.name: one for one in found.headlines}
    full = [rb.Results.load(run).summary for run in runs]
    for name, one in scores.items():
        assert (one.first, one.second) == pytest.approx((full[0][name], full[1][name]))
    assert scores["nll"].verdict == "worse"


def test_a_run_against_itself_is_no_evidence_of_anything(runs: tuple[Path, Path]) -> None:
    found = compare(runs[0], runs[0], bootstrap=1000)
    for row in (*found.by_name, *found.headlines):
        assert (row.difference, row.low, row.high, row.p, row.verdict) == (0, 0, 0, 1, "no evidence")


def test_the_other_way_round_is_the_opposite(runs: tuple[Path, Path]) -> None:
    there, back = compare(*runs, bootstrap=1000), compare(*runs[::-1], bootstrap=1000)
    for one, other in zip(there.by_name, back.by_name, strict=True):
        assert one.difference == -other.difference
        assert (one.low, one.high) == pytest.approx((-other.high, -other.low))
        assert {one.verdict, other.verdict} in ({"better", "worse"}, {"no evidence"})


def test_a_single_cell_s_row_and_headline_say_the_same(cifar_data: Path, tmp_path: Path) -> None:
    unpaired = tmp_path / "clean.npz"
    with np.load(cifar_data / "cifar10.npz") as clean:
        np.savez(unpaired, **{name: values[::-1] for name, values in clean.items()})
    for name, one in (("a", A), ("b", B)):
        settings = {**QUICK, "data": cifar_data, "clean_data": unpaired}
        chosen = {"corruptions": ["fog"], "severities": [1]}
        with pytest.warns(RobustBenchWarning, match="the clean set"):
            rb.evaluate(one, "cifar10-c", out=tmp_path / name, **settings, **chosen)
    found = compare(tmp_path / "a", tmp_path / "b", bootstrap=1000)
    (row,) = found.by_name
    (headline,) = (one for one in found.headlines if one.name == "selected_mean_error")
    assert row.difference != 0
    # The headline is judged with the others, so its p-value is adjusted; the row is alone.
    assert (row.low, row.high) == (headline.low, headline.high)
    assert row.p <= headline.p


def test_flips_are_compared_too(cifar_data: Path, tmp_path: Path) -> None:
    for name, one in (("a", A), ("b", B)):
        rb.evaluate(one, "cifar10-p", data=cifar_data, out=tmp_path / name, **QUICK)
    found = compare(tmp_path / "a", tmp_path / "b", bootstrap=1000)
    assert [one.name for one in found.by_name] == list(TEST_PERTURBATIONS)
    assert found.score == "flip_probability"
    assert {"mfp", "mt5d", "clean_error"} <= {one.name for one in found.headlines}


def test_estimates_from_the_same_images_are_compared_as_estimates(cifar_data: Path, tmp_path: Path) -> None:
    for name, one, seed in (("a", A, 0), ("b", B, 0), ("c", A, 1)):
        settings = {**QUICK, "data": cifar_data, "budget": 0.5, "seed": seed}
        rb.evaluate(one, "cifar10-c", out=tmp_path / name, **settings)
    found = compare(tmp_path / "a", tmp_path / "b")
    (row,) = (one for one in found.headlines if one.name == "mean_error")
    assert row.low < row.difference < row.high
    assert row.verdict == "worse"
    names = [one.name for one in found.headlines if "calibration" in one.name]
    assert names
    assert all("debiased" in name for name in names)
    assert any("estimates from the same 20 of 40 images" in note for note in found.notes)
    with pytest.raises(InvalidInput, match=r"images: a sample of 20 of 40 \(seed 0\) and .*\(seed 1\)"):
        compare(tmp_path / "a", tmp_path / "c")


def changed(run: Path, folder: Path, **fields: object) -> Path:
    """A copy of a run whose record says something else."""
    copy = folder / "changed"
    shutil.copytree(run, copy)
    record = json.loads((copy / "results.json").read_text())
    for name, value in fields.items():
        *path, last = name.split("__")
        place = record
        for part in path:
            place = place[part]
        place.setdefault(last, None)
        place[last] = value(place[last]) if callable(value) else value
    (copy / "results.json").write_text(json.dumps(record))
    return copy


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"spec__name": "cifar100-c"}, "suites 'cifar10-c' and 'cifar100-c'"),
        ({"protocol": "augmix"}, "input protocols 'official' and 'augmix'"),
        ({"provenance__data__fingerprint": "0" * 64}, r"data: .*fingerprint 00000000\)"),
        ({"provenance__clean_data__fingerprint": "1" * 64}, r"clean images: .*fingerprint 11111111\)"),
        ({"complete": False}, "is not finished"),
        ({"cells": lambda cells: cells[:-1]}, "only one of them has the cells jpeg_compression 5"),
        ({"cells": lambda cells: cells[:-9]}, "and 4 more"),
        ({"cells": lambda cells: [{**cell, "n": 39} for cell in cells]}, "images of .*: 40 and 39"),
        ({"spec__test": lambda names: names[:-1]}, "test names"),
        ({"provenance__estimate": {"images": 3, "of": 9, "seed": 0}}, "all of them and a sample of 3 of 9"),
    ],
)
def test_runs_that_differ_in_more_than_the_model_are_refused(
    runs: tuple[Path, Path], tmp_path: Path, fields: dict[str, object], message: str
) -> None:
    with pytest.raises(InvalidInput, match=f"can't be compared: .*{message}"):
        compare(runs[0], changed(runs[1], tmp_path, **fields))


def test_predictions_that_are_gone_are_named(runs: tuple[Path, Path], tmp_path: Path) -> None:
    copy = changed(runs[1], tmp_path)
    (copy / "predictions" / "fog-3.npz").unlink()
    with pytest.raises(DataError, match=r"fog-3\.npz is not there"):
        compare(runs[0], copy)


def test_too_few_replicates_for_a_p_value_are_refused(runs: tuple[Path, Path]) -> None:
    with pytest.raises(InvalidInput, match="`bootstrap=100` is too small"):
        compare(*runs, bootstrap=100)


def test_scores_are_told_in_words() -> None:
    assert presentation("clean_brier_score").title == "Clean Brier (0 to 2)"
    assert presentation("mfp_difficulty_2").title == "mFP, difficulty 2"


def test_the_command_prints_every_format(runs: tuple[Path, Path]) -> None:
    arguments = ["compare", *map(str, runs), "--bootstrap", "1000", "--format"]
    text = CliRunner().invoke(main, [*arguments, "text"]).output
    assert "CIFAR-10-C: B (Brightness) against A (Brightness), error %" in text
    assert "15 rows are judged together: p-values are Holm-adjusted" in text
    assert "With 40 images the intervals are rough" in text
    assert max(map(len, text.splitlines())) <= 120
    rows = json.loads(CliRunner().invoke(main, [*arguments, "json"]).output)["rows"]
    assert {"name", "key", "first", "second", "difference", "difference_low", "p", "verdict"} <= set(rows[0])
    assert len(rows) == 31
    for style in ("csv", "markdown", "latex"):
        result = CliRunner().invoke(main, [*arguments, style])
        assert result.exit_code == 0, result.output
    assert r"\textbf" not in result.output


def test_the_command_says_in_one_line_why_it_refuses(runs: tuple[Path, Path], tmp_path: Path) -> None:
    other = changed(runs[1], tmp_path, protocol="augmix")
    result = CliRunner().invoke(main, ["compare", str(runs[0]), str(other)])
    assert result.exit_code == 1
    assert result.stderr.startswith("Error: these runs can't be compared: input protocols")


def test_results_are_compared_as_their_folders_are(
    runs: tuple[Path, Path], cifar_data: Path, tmp_path: Path
) -> None:
    by_folder = compare(*runs, bootstrap=1000)
    loaded = compare(rb.Results.load(runs[0]), rb.Results.load(runs[1] / "results.json"), bootstrap=1000)
    fresh = rb.evaluate(B, "cifar10-c", data=cifar_data, out=tmp_path / "b", **QUICK)
    assert by_folder == loaded == compare(runs[0], fresh, bootstrap=1000)
    assert '"folder"' not in (tmp_path / "b" / "results.json").read_text()
    nowhere = rb.evaluate(B, "cifar10-c", data=cifar_data, **QUICK)
    with pytest.raises(InvalidInput, match=r"in no run folder, .* evaluate with `out=DIR`"):
        compare(runs[0], nowhere)
