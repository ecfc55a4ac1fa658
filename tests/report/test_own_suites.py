"""A user's own suites, corruptions, baselines and scores in tables, comparisons and reports."""

from __future__ import annotations

import csv
import io
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from robustbench_lite.reference.names import TEST_CORRUPTIONS
from robustbench_lite.reference.suites import SUITES
from robustbench_lite.report import Report, results_table
from robustbench_lite.report.content import Content, ModelRun, Reliability, Section
from robustbench_lite.report.figures.report_figures import section_figures
from robustbench_lite.report.figures.style import looks
from robustbench_lite.report.provenance import definitions
from robustbench_lite.report.tables.comparison import Comparison, ScoreDifference
from robustbench_lite.report.write_report import write_content
from robustbench_lite.results import CellResult, Results
from robustbench_lite.scores import Presentation
from robustbench_lite.suite_spec import Baseline, SuiteSpec

BLOBS = replace(
    SUITES["cifar10-c"],
    name="cifar10-blobs",
    title="CIFAR-10-Blobs",
    test=("blobs", "odd_stripes"),
    validation=(),
    groups={},
    short_names={},
)
SHAKES = replace(
    SUITES["cifar10-p"],
    name="cifar10-shakes",
    title="CIFAR-10-Shakes",
    test=("wobble", "tremor"),
    validation=(),
    groups={},
    short_names={"wobble": "Wob."},
    test_lists={},
    test_list="",
)
BASELINE = Baseline("MyNet", {"blobs": (0.5,), "odd_stripes": (0.1, 0.2, 0.2, 0.2, 0.3)}, source="my run")
ERRORS = {"blobs": 0.4, "odd_stripes": 0.1, "dropout": 0.6}


def run(spec: SuiteSpec, names: tuple[str, ...] | None = None, **fields: Any) -> Results:
    """A run with one error, or flip probability, for each name."""
    scores = {"mean_confidence": 0.9, "nll": 1.0, "brier_score": 0.5}
    cells = [
        CellResult(name, level, 50, {spec.cell_score: ERRORS.get(name, 0.25), **scores})
        for name in names or spec.test
        for level in spec.default_severities
    ]
    record = {"provenance": {"model": {"name": "net"}}, "summary": {spec.mean.key: 0.25}} | fields
    return Results(spec, "official", tuple(cells), **record)


def drawn(report: Report) -> str:
    """The tables as text on one line, so that wrapped notes can be searched."""
    return " ".join(report.render("text").replace("|", " ").split())


def csv_row(report: Report) -> dict[str, str]:
    return next(csv.DictReader(io.StringIO(report.render("csv"))))


def test_a_suite_of_two_corruptions_has_two_columns_and_the_mean_of_two() -> None:
    text = drawn(results_table([run(BLOBS)]))
    assert "Model Clean Blobs Odd stripes Mean" in text
    assert "net — 40.0 10.0 25.0" in text
    assert "mean of 2 corruptions." in text
    assert "15" not in text
    assert "AugMix" not in text


def test_a_suite_of_two_perturbations_has_two_columns_and_no_papers_name_for_its_mean() -> None:
    text = drawn(results_table([run(SHAKES)], published=True))
    assert "Model Clean Wob. Tremor Mean FP" in text
    assert "net — 25.0 25.0 25.0" in text
    assert "Mean FP: mean of 2 perturbations." in text
    assert "mFP" not in text
    assert "ten" not in text.split()


def test_errors_are_divided_by_a_users_own_baseline_and_the_mean_says_so() -> None:
    report = results_table([run(replace(BLOBS, baseline=BASELINE))], published=True)
    # 0.4 / 0.5, and five times 0.1 over 0.1 + 0.2 + 0.2 + 0.2 + 0.3.
    row = csv_row(report)
    assert (float(row["blobs"]), float(row["odd_stripes"])) == pytest.approx((0.8, 0.5))
    text = drawn(report)
    assert "Mean CE (MyNet)" in text
    assert "MyNet ‡ — 100 100 100.0" in text
    assert "‡ my run, the baseline: 100 by definition." in text
    assert "divided by MyNet's (my run; MyNet = 100)" in text
    assert "mCE" not in text
    assert "published:" not in text
    assert r"MyNet $^\ddagger$" in report.render("latex")


def test_a_corruption_that_the_baseline_lacks_has_no_ce_but_its_errors_are_printed() -> None:
    spec = SUITES["imagenet-c"]
    results = run(replace(spec, validation=(*spec.validation, "dropout")), (*TEST_CORRUPTIONS, "dropout"))
    text = drawn(results_table([results]))
    assert "dropout: no CE, because the errors of AlexNet on it are not known; errors cell by cell" in text
    assert "dropout 60.0 60.0 60.0 60.0 60.0" in text
    assert csv_row(results_table([results]))["fog"] != ""


def test_a_corruption_outside_the_lists_of_its_suite_stands_outside_the_mean() -> None:
    text = drawn(results_table([run(SUITES["cifar10-c"], (*TEST_CORRUPTIONS, "dropout"))]))
    assert "Not in the mean" in text
    assert "Mean Dropout" in text
    assert csv_row(results_table([run(SUITES["cifar10-c"], ("fog", "dropout"))]))["dropout"] == "0.6"


def test_a_users_own_score_is_printed_as_its_entry_says() -> None:
    shown = {"doubt": Presentation("Doubt of the model", "Doubt", digits=3, percent=False)}
    summary = {"mean_error": 0.25, "doubt": 0.1234, "clean_doubt": 0.0456, "selected_doubt": 0.3}
    report = results_table([run(BLOBS, summary=summary, shown=shown)])
    assert "Doubt of the model 0.046 0.123 0.300" in drawn(report)
    assert "| Doubt | Doubt of the selection | Clean doubt |" in report.render("markdown")
    assert (csv_row(report)["doubt"], csv_row(report)["clean_doubt"]) == ("0.1234", "0.0456")
    difference = ScoreDifference("doubt", 1.25, 1.5, 0.125, 0.375, 0.01)
    comparison = Comparison("cifar10-blobs", "a", "b", "error", (), (difference,), (), shown=shown)
    assert "Doubt of the model 1.250 1.500 +0.250" in drawn(comparison.report())


def test_a_part_of_the_official_images_is_named_beside_the_number() -> None:
    data = {"mode": "unverified", "images": 20, "official_images": 10_000}
    results = run(BLOBS, provenance={"model": {"name": "net"}, "data": data})
    text = drawn(results_table([results]))
    assert "net (20 of 10,000 images) — 40.0 10.0 25.0" in text
    assert "Images: unverified, 20 in each cell, 20 of 10,000 images." in text
    assert csv_row(results_table([results]))["model"] == "net"


@pytest.mark.parametrize("spec", [BLOBS, replace(BLOBS, baseline=BASELINE), SHAKES], ids=["c", "ce", "p"])
def test_a_report_of_a_users_own_suite_has_its_figures_and_its_names(spec: SuiteSpec, tmp_path: Path) -> None:
    curve = Reliability((0.5, 0.9), (0.4, 0.8), (25, 25))
    runs = tuple(ModelRun(name, run(spec).renamed(name), {1: curve}) for name in ("one", "two"))
    rows = tuple(ScoreDifference(name, 0.3, 0.2, -0.15, -0.05, 0.01) for name in spec.test)
    comparison = Comparison(spec.name, "one", "two", spec.cell_score, rows, (), (), spec.title)
    page = write_content(Content((Section(spec.name, runs, comparison),)), tmp_path).read_text()
    assert f"<h2>{spec.title}</h2>" in page
    assert all(spec.heading(name) in page for name in spec.test)
    assert f"Of 2 {spec.kind}s better on 2" in page
    assert (tmp_path / "tables" / f"{spec.name}-comparison.csv").exists()


def test_the_panels_of_a_users_own_corruptions_have_their_names() -> None:
    section = Section(BLOBS.name, (ModelRun("net", run(BLOBS)),))
    severity = section_figures(section, looks(["net"]))[0].figure
    assert [axis.get_title(loc="left") for axis in severity.axes if axis.axison] == ["Blobs", "Odd stripes"]


def test_other_severities_than_five_are_drawn_and_averaged() -> None:
    spec = replace(BLOBS, severities=(1, 2, 3))
    assert "Error: mean over 3 severities" in drawn(results_table([run(spec)]))
    severity, heatmap = section_figures(Section(spec.name, (ModelRun("net", run(spec)),)), looks(["net"]))[:2]
    assert [label.get_text() for label in severity.figure.axes[0].get_xticklabels()] == [
        "clean",
        "1",
        "2",
        "3",
    ]
    assert [label.get_text() for label in heatmap.figure.axes[0].get_xticklabels()] == ["1", "2", "3"]


def test_definitions_that_differ_between_suites_are_all_shown() -> None:
    sections = [
        Section(spec.name, (ModelRun("net", run(spec, choices={"mean_error": text, "brier": "a sum"})),))
        for spec, text in ((BLOBS, "mean of two"), (SUITES["cifar10-c"], "mean of fifteen"))
    ]
    assert definitions(sections) == {
        "mean error": ["CIFAR-10-Blobs: mean of two", "CIFAR-10-C: mean of fifteen"],
        "brier": ["a sum"],
    }


def test_names_of_suites_are_text_not_markup(tmp_path: Path) -> None:
    spec = replace(BLOBS, title="<b>&")
    page = write_content(Content((Section(spec.name, (ModelRun("net", run(spec)),)),)), tmp_path).read_text()
    assert "<b>" not in page
    assert "<h2>&lt;b&gt;&amp;</h2>" in page
