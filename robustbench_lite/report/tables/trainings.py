"""Several trainings of one method as one row: the mean and the standard deviation of their results."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import replace

from robustbench_lite.errors import InvalidInput
from robustbench_lite.results import CellResult, Results


def over_trainings(title: str, runs: Sequence[Results]) -> Results:
    """Return the mean over runs on one suite that differ in the training alone.

    Every score of every cell and every headline score is averaged. `intervals` holds one sample standard
    deviation (n - 1) to both sides of the mean; `provenance["trainings"]` holds the number of runs.

    Args:
        title: the name of the row.
        runs: two or more.

    Raises:
        InvalidInput: fewer than two runs, or runs that differ in suite, protocol, images or cells, are not
            finished, or are of the same model file.
    """
    if len(runs) < 2:
        raise InvalidInput(f"{title}: a mean over trainings needs two runs at least, got {len(runs)}")
    first = runs[0]
    for run in runs[1:]:
        for what, one, other in zip(_WHAT, _same_in_all(first), _same_in_all(run), strict=True):
            if one != other:
                raise InvalidInput(f"{title}: its runs differ in {what}: {first.model} and {run.model}")
    models = [run.provenance.get("model", {}).get("sha256") for run in runs]
    if len({model for model in models if model is not None}) < sum(model is not None for model in models):
        raise InvalidInput(f"{title}: two of its runs are of the same model file, not of two trainings")
    values = {name: [run.summary[name] for run in runs] for name in first.summary}
    means = {name: statistics.fmean(column) for name, column in values.items()}
    spread = {name: statistics.stdev(column) for name, column in values.items()}
    warnings = dict.fromkeys(text for run in runs for text in run.provenance.get("warnings", ()))
    return replace(
        first,
        cells=tuple(_mean(cells) for cells in zip(*(run.cells for run in runs), strict=True)),
        summary=means,
        intervals={name: (mean - spread[name], mean + spread[name]) for name, mean in means.items()},
        provenance={
            **first.provenance,
            "model": {"name": title},
            "trainings": len(runs),
            "warnings": list(warnings),
        },
    )


_WHAT = (
    "suite",
    "protocol",
    "what they measured",
    "the definitions chosen",
    "their cells",
    "their images",
    "their clean images",
)


def _same_in_all(run: Results) -> tuple[object, ...]:
    """Return what the runs of one method must share, in the order of `_WHAT`."""
    data, clean = (run.provenance.get(key) or {} for key in ("data", "clean_data"))
    cells = [(cell.name, cell.severity, cell.n) for cell in run.cells]
    measured = (run.complete, sorted(run.summary), run.estimate)
    fingerprints = data.get("fingerprint"), clean.get("fingerprint")
    # The mean has intervals of its own, so that those of the runs may differ.
    choices = {name: text for name, text in run.choices.items() if name != "intervals"}
    spec = (run.suite, run.spec.test, run.spec.validation, run.spec.severities, run.spec.baseline)
    return spec, run.protocol, measured, choices, cells, *fingerprints


def _mean(cells: Sequence[CellResult]) -> CellResult:
    first = cells[0]
    shared = [name for name in first.scores if all(name in cell.scores for cell in cells)]
    scores = {name: statistics.fmean(cell.scores[name] for cell in cells) for name in shared}
    return replace(first, scores=scores)
