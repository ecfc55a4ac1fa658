"""Run folders that version 0.1.0 wrote stay readable: as tables, in comparisons and in reports."""

from __future__ import annotations

import json
import shutil
import tarfile
from pathlib import Path

import pytest
from click.testing import CliRunner

from robustbench_lite.cli import main
from robustbench_lite.reference.suites import SUITES
from robustbench_lite.results import Results

ARCHIVE = Path(__file__).parent / "data" / "runs-0.1.0.tar.xz"


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("old")
    with tarfile.open(ARCHIVE) as archive:
        archive.extractall(folder, filter="data")
    return folder / "runs"


def robust(*arguments: object) -> str:
    result = CliRunner().invoke(main, [*map(str, arguments)])
    assert result.exit_code == 0, result.output
    return result.stdout


def test_the_suite_s_record_is_added_to_results_that_name_the_suite_alone(runs: Path) -> None:
    assert json.loads((runs / "imagenet-c" / "results.json").read_text())["schema_version"] == 1
    imagenet = Results.load(runs / "imagenet-c")
    assert imagenet.spec == SUITES["imagenet-c"]
    assert Results.from_json(imagenet.to_json()) == imagenet
    own = Results.load(runs / "custom-p-a")
    assert (own.kind, own.spec.test_list, "spatter" in own.spec.test) == ("perturbation", "spatter", True)
    assert (own.spec.own, own.spec.classes, own.spec.mean.key) == (True, 4, "mfp")


@pytest.mark.parametrize(
    ("run", "mean", "key"),
    [("imagenet-c", "mCE", "mce"), ("custom-c-a", "Mean", "mean_error"), ("custom-p-a", "mFP", "mfp")],
)
def test_a_table_shows_the_numbers_that_the_run_holds(runs: Path, run: str, mean: str, key: str) -> None:
    summary = json.loads((runs / run / "results.json").read_text())["summary"]
    text = robust("table", runs / run)
    assert mean in text
    assert f"{100 * summary[key]:.1f}" in text
    record = json.loads(robust("table", runs / run, "--format", "json"))
    assert [row[key] for row in record["rows"]] == [summary[key]]


@pytest.mark.parametrize("suite", ["custom-c", "custom-p"])
def test_two_old_runs_are_compared(runs: Path, suite: str) -> None:
    text = robust("compare", runs / f"{suite}-a", runs / f"{suite}-b")
    assert "B (net b) against A (net a)" in text
    assert "Holm" in text


def test_old_runs_make_a_report(runs: Path, tmp_path: Path) -> None:
    folders = ["custom-c-a", "custom-c-b", "custom-p-a", "custom-p-b", "imagenet-c"]
    robust("report", *(runs / name for name in folders), "--out", tmp_path / "report")
    page = (tmp_path / "report" / "report.html").read_text()
    assert "mCE" in page
    assert "net a" in page


def test_results_of_a_later_version_are_refused_with_its_number(runs: Path, tmp_path: Path) -> None:
    folder = tmp_path / "later"
    shutil.copytree(runs / "custom-c-a", folder)
    record = json.loads((folder / "results.json").read_text())
    (folder / "results.json").write_text(json.dumps({**record, "schema_version": 9}))
    result = CliRunner().invoke(main, ["table", str(folder)])
    assert (result.exit_code, result.stderr.count("\n")) == (1, 1)
    assert "results of schema version 9; this version reads 1 and 2" in result.stderr
