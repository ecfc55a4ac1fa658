"""A user's own AlexNet: a baseline from a run, from a CSV file, or from numbers."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from robustbench_lite.errors import DataError, InvalidInput
from robustbench_lite.reference.names import TEST_CORRUPTIONS
from robustbench_lite.reference.suites import SUITES
from robustbench_lite.results import CellResult, Results
from robustbench_lite.suite_spec import Baseline
from robustbench_lite.suites.baselines import with_baseline

SPEC = SUITES["cifar10-c"]


def errors(severity: int) -> float:
    return 0.1 + 0.1 * severity


@pytest.fixture
def run(tmp_path: Path) -> Path:
    cells = [CellResult("clean", 0, 10, {"error": 0.05})]
    cells += [CellResult(n, s, 10, {"error": errors(s)}) for n in TEST_CORRUPTIONS for s in range(1, 6)]
    provenance = {"model": {"name": "My AlexNet"}}
    results = Results(SPEC, "official", tuple(cells), {"clean_error": 0.05}, provenance=provenance)
    results.save(tmp_path / "run")
    return tmp_path / "run"


def csv_of(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def rows(*names: str) -> str:
    return "".join(f"{n},{s},{errors(s)}\n" for n in names for s in (2, 1, 3, 5, 4))


def test_a_finished_run_is_a_baseline(run: Path) -> None:
    spec = with_baseline(SPEC, run)
    assert spec.baseline is not None
    assert (spec.baseline.name, spec.baseline.clean_error) == ("My AlexNet", 0.05)
    assert spec.baseline.values["fog"] == tuple(map(errors, range(1, 6)))
    assert (spec.mean.key, spec.mean.heading) == ("baseline_mce", "Mean CE (My AlexNet)")
    assert with_baseline(SPEC, run / "results.json").baseline == spec.baseline


def test_a_csv_file_is_a_baseline_in_any_order_of_severities(run: Path, tmp_path: Path) -> None:
    text = "corruption,severity,error\nclean,0,0.05\n" + rows(*TEST_CORRUPTIONS)
    spec = with_baseline(SPEC, csv_of(tmp_path / "mine.csv", text))
    of_run = with_baseline(SPEC, run).baseline
    assert spec.baseline is not None
    assert of_run is not None
    assert (spec.baseline.values, spec.baseline.clean_error) == (of_run.values, of_run.clean_error)


def test_a_csv_file_without_severities_holds_the_means(tmp_path: Path) -> None:
    text = "corruption,error\n" + "".join(f"{name},0.4\n" for name in TEST_CORRUPTIONS)
    spec = with_baseline(SPEC, csv_of(tmp_path / "mine.csv", text))
    assert spec.baseline is not None
    assert spec.baseline.total("fog", 5) == pytest.approx(2.0)


def test_flip_probabilities_are_a_baseline_of_a_p_suite(tmp_path: Path) -> None:
    spec = SUITES["cifar10-p"]
    text = "perturbation,flip_probability\n" + "".join(f"{name},0.1\n" for name in spec.test)
    normalised = with_baseline(spec, csv_of(tmp_path / "mine.csv", text))
    assert (normalised.mean.key, normalised.mean.heading) == ("mean_flip_rate", "Mean FR (mine)")


def test_numbers_are_a_baseline() -> None:
    baseline = Baseline("Mine", dict.fromkeys(TEST_CORRUPTIONS, (0.5,)))
    assert with_baseline(SPEC, baseline).baseline == baseline


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        ("name,error\nfog,0.5\n", DataError, "needs the columns corruption, error and at least one row"),
        ("corruption,error\n", DataError, "at least one row"),
        ("corruption,error\nfog,half\n", DataError, "'half' near line 2 is no number"),
        ("corruption,severity,error\nfog,first,0.5\n", DataError, "a severity that is no whole number"),
        ("corruption,error\nfog,0.5\n", InvalidInput, "lacks gaussian_noise"),
        ("corruption,error\n" + "".join(f"{n},50\n" for n in TEST_CORRUPTIONS), InvalidInput, "up to 1"),
    ],
)
def test_a_file_that_is_no_baseline_is_refused(
    tmp_path: Path, text: str, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        with_baseline(SPEC, csv_of(tmp_path / "mine.csv", text))


def test_what_is_no_baseline_for_this_suite_is_refused(run: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="can't be read"):
        with_baseline(SPEC, tmp_path / "absent.csv")
    with pytest.raises(InvalidInput, match="is a run on cifar10-c, not on cifar100-c"):
        with_baseline(SUITES["cifar100-c"], run)
    with pytest.raises(InvalidInput, match="cifar10 has no corruptions, so `baseline` has nothing to divide"):
        with_baseline(SUITES["cifar10"], run)
    results = Results.load(run)
    Results(SPEC, "official", results.cells[:9], provenance=results.provenance, complete=False).save(run)
    with pytest.raises(InvalidInput, match="is not a finished run over all images"):
        with_baseline(SPEC, run)


def test_a_run_that_errs_no_more_on_a_corruption_than_on_clean_images_divides_without_its_clean_error(
    run: Path,
) -> None:
    results = Results.load(run)
    cells = [replace(cell, scores={"error": 0.04}) if cell.name == "fog" else cell for cell in results.cells]
    replace(results, cells=tuple(cells)).save(run)
    baseline = with_baseline(SPEC, run).baseline
    assert baseline is not None
    assert baseline.clean_error is None
    assert "without its clean error, because it errs no more on fog than on clean images" in baseline.source
