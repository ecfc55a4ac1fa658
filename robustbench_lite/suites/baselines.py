"""A user's own baseline: the errors of another model, from its run or from a CSV file."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Final

from robustbench_lite.errors import DataError, InvalidInput
from robustbench_lite.results import RESULTS_FILE, Results
from robustbench_lite.suite_spec import Baseline, SuiteSpec

_COLUMNS: Final[Mapping[str, str]] = {"corruption": "error", "perturbation": "flip_probability"}
_CLEAN: Final = "clean"


def with_baseline(spec: SuiteSpec, source: str | Path | Baseline) -> SuiteSpec:
    """The suite with its scores divided by those of another model.

    Args:
        spec: The suite.
        source: A finished run of the other model on this suite (its folder or `results.json`); a CSV file; or
            a `Baseline`. The CSV has the columns `corruption`, `severity`, `error`, or `perturbation`,
            `flip_probability`, in fractions; without `severity` an error is the mean over severities. A
            corruption called "clean" gives the clean error.

    Raises:
        DataError: a file that is absent, or is neither.
        InvalidInput: the suite has no corruptions, or the baseline lacks some of its names.
    """
    if spec.kind == "clean":
        raise InvalidInput(f"{spec.name} has no corruptions, so `baseline` has nothing to divide")
    if isinstance(source, Baseline):
        return replace(spec, baseline=source)
    path = Path(source).expanduser()
    if path.is_dir() or path.suffix == ".json":
        return replace(spec, baseline=_of_run(spec, path))
    return replace(spec, baseline=_of_csv(spec, path))


def _of_run(spec: SuiteSpec, path: Path) -> Baseline:
    results = Results.load(path)
    if results.suite != spec.name:
        raise InvalidInput(f"the baseline {path} is a run on {results.suite}, not on {spec.name}")
    if not results.complete or results.estimate is not None:
        raise InvalidInput(f"the baseline {path} is not a finished run over all images")
    values = {
        name: numbers if spec.kind == "corruption" else numbers[:1]
        for name, numbers in results.by_name(spec.cell_score).items()
    }
    fitting = {name: numbers for name, numbers in values.items() if name in spec.names}
    source = str(path if path.name != RESULTS_FILE else path.parent)
    baseline = Baseline(results.model, fitting, results.summary.get("clean_error"), source)
    if spec.kind == "perturbation" or baseline.clean_error is None:
        return baseline
    means = {name: baseline.mean(name) or 0.0 for name in spec.test if name in fitting}
    easy = [name for name, mean in means.items() if mean <= baseline.clean_error]
    if not easy:
        return baseline
    reason = f"because it errs no more on {', '.join(easy)} than on clean images"
    return replace(baseline, clean_error=None, source=f"{source}; without its clean error, {reason}")


def _of_csv(spec: SuiteSpec, path: Path) -> Baseline:
    column = _COLUMNS[spec.kind]
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"the baseline {path} can't be read: {error}") from error
    if not rows or not {spec.kind, column} <= rows[0].keys():
        raise DataError(f"the baseline {path} needs the columns {spec.kind}, {column} and at least one row")
    values: dict[str, list[float]] = {}
    for number, row in enumerate(_by_severity(path, rows), start=2):
        try:
            values.setdefault(row[spec.kind], []).append(float(row[column]))
        except (TypeError, ValueError):
            raise DataError(f"the baseline {path}: {row[column]!r} near line {number} is no number") from None
    clean = values.pop(_CLEAN, [None])[0]
    return Baseline(path.stem, {name: tuple(numbers) for name, numbers in values.items()}, clean, str(path))


def _by_severity(path: Path, rows: list[dict[str, str]]) -> Iterable[dict[str, str]]:
    if "severity" not in rows[0]:
        return rows
    try:
        return sorted(rows, key=lambda row: int(row["severity"] or 0))
    except (TypeError, ValueError):
        raise DataError(f"the baseline {path} has a severity that is no whole number") from None
