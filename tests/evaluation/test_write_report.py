"""A report from what a user has: run folders."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from torch import nn

import robustbench_lite as rb

QUICK = {"device": "cpu", "batch_size": 40, "bootstrap": 0}


@pytest.fixture
def run(cifar_data: Path, model: nn.Module, tmp_path: Path) -> Path:
    rb.evaluate(model, "cifar10-c", data=cifar_data, corruptions=["fog"], out=tmp_path / "run", **QUICK)
    return tmp_path / "run"


def test_run_folders_become_a_page_with_tables_and_figures(run: Path, tmp_path: Path) -> None:
    page = rb.write_report([run], tmp_path / "report", title="Mine & yours", images=0)
    assert page == tmp_path / "report" / "report.html"
    assert "Mine &amp; yours" in page.read_text()
    assert any((tmp_path / "report/tables").glob("*.csv"))
    assert any((tmp_path / "report/figures").glob("*.png"))
    alone = rb.write_report(str(run), tmp_path / "alone", title="Mine & yours", images=0)
    assert alone.read_text() == page.read_text()


def test_class_names_are_a_list_or_a_file(run: Path, tmp_path: Path) -> None:
    names = [f"kind {number}" for number in range(10)]
    (tmp_path / "names.txt").write_text("\n".join(names))
    pages = [
        rb.write_report(run, tmp_path / f"report {number}", classes=classes, images=2).read_text()
        for number, classes in enumerate((names, tmp_path / "names.txt"))
    ]
    assert pages[0] == pages[1]
    assert "kind 3" in pages[0] or "kind 1" in pages[0]


def test_what_makes_no_report_is_refused(run: Path, tmp_path: Path) -> None:
    with pytest.raises(rb.errors.InvalidInput, match="`images=21` must lie between 0 and 20"):
        rb.write_report(run, tmp_path / "report", images=21)
    with pytest.raises(rb.errors.InvalidInput, match="at least one run folder"):
        rb.write_report([], tmp_path / "report")
    with pytest.raises(rb.errors.DataError, match="no results at"):
        rb.write_report(tmp_path / "nowhere", tmp_path / "report")


def test_the_results_of_a_run_stand_for_its_folder(run: Path, cifar_data: Path, tmp_path: Path) -> None:
    results = rb.Results.load(run)
    page = rb.write_report(results, tmp_path / "one", images=0)
    assert page.read_text() == rb.write_report([run], tmp_path / "other", images=0).read_text()
    with pytest.raises(rb.errors.InvalidInput, match=r"in no run folder, .* evaluate with `out=DIR`"):
        rb.write_report([replace(results, folder=None)], tmp_path / "none")
