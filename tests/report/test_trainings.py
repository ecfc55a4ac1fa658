"""Runs of several trainings as one row."""

from __future__ import annotations

import statistics
from dataclasses import replace
from typing import Any

import pytest

from robustbench_lite.errors import InvalidInput
from robustbench_lite.reference.names import TEST_CORRUPTIONS
from robustbench_lite.reference.suites import SUITES
from robustbench_lite.report import over_trainings, results_table
from robustbench_lite.results import CellResult, Results

ERRORS = (0.10, 0.12, 0.17)


def run(error: float, sha256: str | None = None, **fields: Any) -> Results:
    """Every cell of CIFAR-10-C with the same error, of a model of its own."""
    cells = tuple(
        CellResult(name, severity, 1000, {"error": error, "nll": 2 * error})
        for name in TEST_CORRUPTIONS
        for severity in range(1, 6)
    )
    model = {"name": f"net {error}", "sha256": sha256 or f"{error}"}
    provenance = {"model": model, "data": {"fingerprint": "images", "images": 1000}}
    usual = {"cells": cells, "summary": {"mean_error": error}, "intervals": {"mean_error": (0.0, 1.0)}}
    record = Results(SUITES["cifar10-c"], "official", (), provenance=provenance, complete=True)
    return replace(record, **(usual | fields))


def test_scores_are_means_and_intervals_one_sample_deviation_to_both_sides() -> None:
    mean_run = over_trainings("ours", [run(error) for error in ERRORS])
    mean, deviation = statistics.fmean(ERRORS), statistics.stdev(ERRORS)
    assert (mean_run.model, mean_run.trainings) == ("ours", 3)
    assert mean_run.summary["mean_error"] == pytest.approx(mean)
    assert mean_run.intervals["mean_error"] == pytest.approx((mean - deviation, mean + deviation))
    assert mean_run.cell("fog", 3).scores == pytest.approx({"error": mean, "nll": 2 * mean})
    assert Results.from_json(mean_run.to_json()) == mean_run


def test_the_deviation_is_printed_behind_the_mean_and_has_a_column_of_its_own() -> None:
    report = results_table([over_trainings("ours", [run(error) for error in ERRORS]), run(0.2)])
    # The mean of 10, 12 and 17 is 13, their sample deviation the square root of 13.
    assert "13.0 ± 3.6" in report.render("text")
    assert "20.0 [0.0, 100.0]" in report.render("text")
    assert "±: standard deviation over 3 trainings." in report.render("text")
    assert r"13.0 $\pm$ 3.6" in report.render("latex")
    ours = report.render("csv").splitlines()
    record = dict(zip(ours[0].split(","), ours[1].split(","), strict=True))
    assert float(record["mean_error_sd"]) == pytest.approx(0.13**0.5 / 10)


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (run(0.2, spec=SUITES["cifar100-c"]), "its runs differ in suite: net 0.1 and net 0.2"),
        (run(0.2, protocol="augmix"), "its runs differ in protocol"),
        (run(0.2, complete=False), "its runs differ in what they measured"),
        (run(0.2, cells=run(0.2).cells[:-1]), "its runs differ in their cells"),
        (run(0.2, choices={"mfp": "with spatter"}), "its runs differ in the definitions chosen"),
        (run(0.2, provenance={"model": {"name": "b", "sha256": "b"}}), "its runs differ in their images"),
        (run(0.2, sha256="0.1"), "two of its runs are of the same model file"),
    ],
)
def test_runs_that_are_no_trainings_of_one_method_are_refused(other: Results, message: str) -> None:
    with pytest.raises(InvalidInput, match=f"ours: {message}"):
        over_trainings("ours", [run(0.1), other])


def test_warnings_of_every_training_are_kept() -> None:
    doubtful = run(0.2)
    doubtful = replace(doubtful, provenance={**doubtful.provenance, "warnings": ["the labels are others"]})
    mean_run = over_trainings("ours", [run(0.1, choices={"intervals": "seed 1"}), doubtful])
    assert mean_run.provenance["warnings"] == ["the labels are others"]


def test_a_single_run_has_no_deviation() -> None:
    with pytest.raises(InvalidInput, match="ours: a mean over trainings needs two runs at least, got 1"):
        over_trainings("ours", [run(0.1)])
