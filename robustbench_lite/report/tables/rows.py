"""What stands in a row of a results table: a measured run, or a published row beside it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from robustbench_lite import reference
from robustbench_lite.reference import PublishedRow
from robustbench_lite.reference.names import SEVERITIES
from robustbench_lite.results import Results

MEASURED = "measured"
BASELINE = "Hendrycks & Dietterich 2019, the baseline: 100 by definition"
PUBLISHED_MARK = " †"
ESTIMATED_MARK = " ≈"


@dataclass(frozen=True)
class ReportRow:
    """One model's scores as fractions.

    Attributes:
        model: its name.
        values: corruption -> CE or mean error; perturbation -> flip rate or flip probability.
        mean: mCE, mean error, mFR or mFP; None where it is not defined.
        clean_error: error on the clean set; None where it is not known.
        scores: further headline scores by their names in `Results.summary`.
        intervals: 95 % intervals by the names in `Results.summary`.
        source: "measured", "estimated from ...", or where a published row was read.
        missing: what was not evaluated, in words; the mean is then not printed.
        mark: printed behind the name: published, or estimated from a part of the images.
        selected: whether only some corruptions or severities were asked for.
        trainings: how many runs the scores are the mean of; with several, intervals are one standard
            deviation to both sides.
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


def measured_rows(results: Results, mean_key: str) -> list[ReportRow]:
    """Rows of one run: one for -C, one for each difficulty that was run for -P.

    Args:
        results: the run.
        mean_key: the headline's name in its summary.
    """
    if results.kind != "perturbation":
        return [_row(results, results.model, corruption_values(results), mean_key)]
    difficulties = sorted({cell.severity for cell in results.cells if cell.name != "clean"})
    rows = []
    for difficulty in difficulties:
        suffix = "" if difficulty == 1 else f"_difficulty_{difficulty}"
        model = results.model if difficulty == 1 else f"{results.model} (difficulty {difficulty})"
        rows.append(_row(results, model, perturbation_values(results, difficulty), mean_key + suffix, suffix))
    return rows


def _row(
    results: Results, model: str, values: Mapping[str, float], mean_key: str, suffix: str = ""
) -> ReportRow:
    summary = dict(results.summary)
    mean = summary.pop(mean_key, None)
    return ReportRow(
        model=model,
        values=values,
        mean=mean,
        clean_error=summary.pop("clean_error", None),
        scores={name.removesuffix(suffix): value for name, value in summary.items() if name.endswith(suffix)},
        intervals={
            name.removesuffix(suffix): value
            for name, value in results.intervals.items()
            if name.endswith(suffix)
        },
        missing=_missing(results) if mean is None and results.estimate is None else "",
        source=MEASURED if results.estimate is None else _sampling(results.estimate),
        mark="" if results.estimate is None else ESTIMATED_MARK,
        selected=any("selected_" in name for name in summary),
        trainings=results.trainings,
    )


def _sampling(estimate: Mapping[str, Any]) -> str:
    return (
        f"estimated from {estimate['images']:,} of {estimate['of']:,} images of each cell, drawn anew for "
        f"each (seed {estimate['seed']})"
    )


def corruption_values(results: Results) -> dict[str, float]:
    """CE (ImageNet-C) or mean error of each corruption of which all five severities were evaluated."""
    errors: dict[str, dict[int, float]] = {}
    for cell in results.cells:
        errors.setdefault(cell.name, {})[cell.severity] = cell.scores["error"]
    below = reference.baseline_means() if results.suite == "imagenet-c" else {}
    return {
        name: sum(by_severity.values()) / len(SEVERITIES) / below.get(name, 1.0)
        for name, by_severity in errors.items()
        if set(by_severity) == set(SEVERITIES)
    }


def perturbation_values(results: Results, difficulty: int) -> dict[str, float]:
    """Flip rate (ImageNet-P, which has a baseline at difficulty 1 alone) or flip probability."""
    rates = results.suite == "imagenet-p"
    if rates and difficulty != 1:
        return {}
    below = reference.baseline("imagenet-p") if rates else {}
    return {
        cell.name: cell.scores["flip_probability"] / below.get(cell.name, 1.0)
        for cell in results.cells
        if cell.severity == difficulty and cell.name != "clean"
    }


def published_row(row: PublishedRow) -> ReportRow:
    """A row of a paper's table."""
    same = ("relative_mce", "rms_calibration_error", "clean_rms_calibration_error")
    return ReportRow(
        model=f"{row.method}, {row.architecture}",
        values=row.values,
        mean=row.mean,
        clean_error=row.clean_error,
        scores={name: value for name, value in row.other.items() if name in same},
        source=row.source,
        mark=PUBLISHED_MARK,
    )


def baseline_row(suite: str, names: Sequence[str]) -> ReportRow | None:
    """AlexNet, which is 100 % by definition where a suite's scores are divided by its own; else None.

    Args:
        suite: name.
        names: corruptions or perturbations of the table.
    """
    if suite not in ("imagenet-c", "imagenet-p"):
        return None
    return ReportRow(
        model="AlexNet",
        values=dict.fromkeys(names, 1.0),
        mean=1.0,
        clean_error=reference.baseline_clean_error() if suite == "imagenet-c" else None,
        source=BASELINE,
        mark=PUBLISHED_MARK,
    )


def _missing(results: Results) -> str:
    if results.missing:
        shown = ", ".join(results.missing[:5])
        more = f" and {len(results.missing) - 5} more" if len(results.missing) > 5 else ""
        return f"no files for {shown}{more}"
    if not results.complete:
        return "the run is not finished"
    return "not defined for the cells that were asked for"
