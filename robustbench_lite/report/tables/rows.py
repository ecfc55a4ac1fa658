"""The rows of a results table: measured runs, published rows, and the baseline."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

from robustbench_lite import reference
from robustbench_lite.errors import InvalidInput
from robustbench_lite.reference import PublishedRow
from robustbench_lite.results import Results
from robustbench_lite.scores import DIFFICULTY
from robustbench_lite.suite_spec import Baseline, SuiteSpec

T = TypeVar("T")

MEASURED: Final = "measured"
PUBLISHED_MARK: Final = " †"
BASELINE_MARK: Final = " ‡"
ESTIMATED_MARK: Final = " ≈"
_BASELINE: Final = "the baseline: 100 by definition"


@dataclass(frozen=True)
class ReportRow:
    """One model's scores as fractions.

    Attributes:
        model: its name.
        values: corruption -> CE or mean error; perturbation -> flip rate or flip probability.
        mean: mCE, mean error, mFR or mFP; None where it is not defined.
        clean_error: error on the clean images; None where it is not known.
        scores: further headline scores by their names in `Results.summary`.
        intervals: 95 % intervals by the names in `Results.summary`.
        source: "measured", "estimated from ...", or where a published row was read.
        missing: what was not evaluated, in words; the mean is then not printed.
        mark: printed behind the name: published, an own baseline, or estimated from a part of the images.
        selected: whether only some corruptions or severities were evaluated.
        trainings: number of runs that the scores are the mean of; with several, an interval is one standard
            deviation to both sides.
        unplaced: corruption that was evaluated but has no value -> the reason.
        coverage: the part of the official images that was evaluated, "20 of 50,000"; empty for all.
        remark: what a reader must know of a published row.
    """

    model: str
    values: Mapping[str, float] = field(default_factory=dict)
    mean: float | None = None
    clean_error: float | None = None
    scores: Mapping[str, float] = field(default_factory=dict)
    intervals: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    source: str = MEASURED
    missing: str = ""
    mark: str = ""
    selected: bool = False
    trainings: int = 1
    unplaced: Mapping[str, str] = field(default_factory=dict)
    coverage: str = ""
    remark: str = ""


def one_suite(results: Sequence[Results]) -> list[Results]:
    """Return the runs with distinct names: models that share a name are called by their sources.

    Raises:
        InvalidInput: no runs, or runs on different suites.
    """
    suites = list(dict.fromkeys(run.suite for run in results))
    if len(suites) != 1:
        raise InvalidInput(
            f"a table shows runs on one suite, but these are on: {', '.join(suites) or 'none'}"
        )
    names = [run.model for run in results]
    sources = [run.provenance.get("model", {}).get("source") for run in results]
    return [
        run.renamed(source) if source and names.count(run.model) > 1 else run
        for run, source in zip(results, sources, strict=True)
    ]


def measured_rows(results: Results) -> list[ReportRow]:
    """Return the rows of one run: one for corruptions, one for each difficulty of perturbations."""
    if results.kind != "perturbation":
        return [_measured_row(results, corruption_values(results))]
    difficulties = sorted({cell.severity for cell in results.cells if cell.name != "clean"})
    return [
        _measured_row(results, perturbation_values(results, difficulty), difficulty)
        for difficulty in difficulties
    ]


def corruption_values(results: Results) -> dict[str, float]:
    """Return CE (with a baseline) or mean error of each corruption that has all severities of the suite.

    A corruption that the baseline does not have has no CE and is left out.
    """
    errors: dict[str, dict[int, float]] = {}
    for cell in results.cells:
        errors.setdefault(cell.name, {})[cell.severity] = cell.scores["error"]
    means = {
        name: sum(by_severity.values()) / len(by_severity)
        for name, by_severity in errors.items()
        if set(by_severity) == set(results.spec.severities)
    }
    return _divided(means, results.spec.baseline)


def perturbation_values(results: Results, difficulty: int) -> dict[str, float]:
    """Return the flip rate (with a baseline, which has difficulty 1 alone) or the flip probability."""
    if results.spec.baseline is not None and difficulty != 1:
        return {}
    flips = {
        cell.name: cell.scores["flip_probability"] for cell in results.cells if cell.severity == difficulty
    }
    return _divided(flips, results.spec.baseline)


def _divided(values: Mapping[str, float], baseline: Baseline | None) -> dict[str, float]:
    """Return the values divided by the baseline's; names that it lacks are left out."""
    if baseline is None:
        return dict(values)
    divisors = {name: baseline.mean(name) for name in values}
    return {name: values[name] / divisor for name, divisor in divisors.items() if divisor is not None}


def _measured_row(results: Results, values: Mapping[str, float], difficulty: int = 1) -> ReportRow:
    suffix = "" if difficulty == 1 else f"{DIFFICULTY}{difficulty}"
    summary = dict(results.summary)
    mean = summary.pop(results.spec.mean.key + suffix, None)
    estimate = results.estimate
    return ReportRow(
        model=results.model if difficulty == 1 else f"{results.model} (difficulty {difficulty})",
        values=values,
        mean=mean,
        clean_error=summary.pop("clean_error", None),
        scores=_of_difficulty(summary, suffix),
        intervals=_of_difficulty(results.intervals, suffix),
        missing=_missing(results) if mean is None and estimate is None else "",
        source=MEASURED if estimate is None else _sampling(estimate),
        mark="" if estimate is None else ESTIMATED_MARK,
        selected=any("selected_" in name for name in summary),
        trainings=results.trainings,
        unplaced=_unplaced(results, values),
        coverage=results.coverage.partition(" images")[0],
    )


def _of_difficulty(scores: Mapping[str, T], suffix: str) -> dict[str, T]:
    """Return the headline scores of one difficulty, without the suffix of their names."""
    return {
        name.removesuffix(suffix): value
        for name, value in scores.items()
        if (name.endswith(suffix) if suffix else DIFFICULTY not in name)
    }


def _unplaced(results: Results, values: Mapping[str, float]) -> dict[str, str]:
    """Return the corruptions that were evaluated but have no value, with the reason."""
    if results.kind != "corruption":
        return {}
    names = dict.fromkeys(cell.name for cell in results.cells if cell.name not in ("clean", *values))
    baseline = results.spec.baseline
    return {
        name: "not all severities were evaluated"
        if baseline is None or name in baseline.values
        else f"no CE, because the errors of {baseline.name} on it are not known"
        for name in names
    }


def _missing(results: Results) -> str:
    if results.missing:
        names = ", ".join(results.missing[:5])
        more = f" and {len(results.missing) - 5} more" if len(results.missing) > 5 else ""
        return f"no files for {names}{more}"
    if not results.complete:
        return "the run is not finished"
    return "not defined for the cells that were asked for"


def _sampling(estimate: Mapping[str, Any]) -> str:
    return (
        f"estimated from {estimate['images']:,} of {estimate['of']:,} images of each cell, drawn anew for "
        f"each (seed {estimate['seed']})"
    )


def reference_rows(spec: SuiteSpec, measured: Sequence[ReportRow], paper: str) -> list[ReportRow]:
    """Return the baseline's row and the rows of a paper's tables.

    Args:
        spec: the suite.
        measured: the rows above them.
        paper: a key of `reference.PAPERS`.

    Raises:
        UnknownName: no such paper.
    """
    published = [published_row(row) for row in reference.published_rows(spec, paper=paper)]
    baseline = spec.baseline
    if baseline is None:
        return published
    names = [*spec.test, *dict.fromkeys(name for row in measured for name in row.values)]
    row = ReportRow(
        model=baseline.name,
        values=dict.fromkeys(names, 1.0),
        mean=1.0,
        clean_error=baseline.clean_error,
        source=f"{baseline.source}, the baseline: 100 by definition" if baseline.source else _BASELINE,
        mark=PUBLISHED_MARK if spec.published_baseline else BASELINE_MARK,
    )
    return [row, *published]


def published_row(row: PublishedRow) -> ReportRow:
    """Return a row of a paper's table."""
    shared = ("relative_mce", "rms_calibration_error", "clean_rms_calibration_error")
    return ReportRow(
        model=f"{row.method}, {row.architecture}",
        values=row.values,
        mean=row.mean,
        clean_error=row.clean_error,
        scores={name: value for name, value in row.other.items() if name in shared},
        source=row.source,
        mark=PUBLISHED_MARK,
        remark=row.note,
    )
