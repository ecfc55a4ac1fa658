"""The record of an evaluation: out to JSON and back, and short where it is shown."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest

from robustbench_lite.errors import DataError, IncompleteResults, InvalidInput
from robustbench_lite.reference.suites import SUITES
from robustbench_lite.results import CellResult, Results, cells_csv, check_finite

RESULTS = Results(
    spec=SUITES["cifar10-c"],
    protocol="official",
    cells=(
        CellResult("clean", 0, 10, {"error": 0.1}),
        CellResult("fog", 2, 10, {"error": 0.5, "nll": 1.5}),
        CellResult("fog", 1, 10, {"error": 0.25, "nll": 1.0}),
    ),
    summary={"clean_error": 0.1, "mean_error": 0.375},
    intervals={"mean_error": (0.3, 0.45)},
    choices={"mean": "plain"},
    provenance={"model": {"name": "a <b> model"}},
    missing=("snow/1",),
)


def test_json_and_back_is_the_same_record(tmp_path: Path) -> None:
    assert Results.from_json(RESULTS.to_json()) == RESULTS
    RESULTS.save(tmp_path / "run")
    assert Results.load(tmp_path / "run") == RESULTS


def test_values_come_by_name_in_the_order_of_severity_and_without_the_clean_cell() -> None:
    assert RESULTS.by_name() == {"fog": (0.25, 0.5)}
    assert RESULTS.cell("fog", 2).scores["nll"] == 1.5
    with pytest.raises(IncompleteResults, match="frost/3 was not evaluated"):
        RESULTS.cell("frost", 3)


def test_the_csv_has_a_row_a_cell_and_every_score_as_a_column() -> None:
    rows = list(csv.DictReader(io.StringIO(cells_csv(RESULTS.cells))))
    assert [row["severity"] for row in rows] == ["0", "2", "1"]
    assert [row["nll"] for row in rows] == ["", "1.5", "1.0"]


def test_the_data_frame_holds_fractions() -> None:
    table = RESULTS.table()
    assert table["error"].tolist() == [0.1, 0.5, 0.25]


def test_it_is_shown_in_a_line_and_in_escaped_html() -> None:
    shown = "<Results of a <b> model on cifar10-c (partial): 3 cells; clean_error 0.1, mean_error 0.375>"
    assert repr(RESULTS) == shown
    page = RESULTS._repr_html_()
    assert "a &lt;b&gt; model" in page
    assert "37.5" in page
    assert "30.0 to 45.0" in page


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "not a results record"),
        ("[]", "not a results record"),
        ('{"schema_version": 99}', "schema version 99"),
        ('{"schema_version": 1}', "not a results record"),
    ],
)
def test_another_file_is_refused_by_name(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "results.json").write_text(text)
    with pytest.raises(DataError, match=message):
        Results.load(tmp_path)


def test_a_missing_file_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no results at"):
        Results.load(tmp_path / "nowhere")


def test_a_score_that_is_no_number_is_refused_with_its_place() -> None:
    with pytest.raises(InvalidInput, match="fog/1: the score nll is nan"):
        check_finite({"error": 0.5, "nll": float("nan")}, "fog/1")
