"""Finished runs as scores with influence values, and the reasons why two of them can't be compared."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from robustbench_lite.errors import DataError, InvalidInput
from robustbench_lite.evaluation.influence import Headline, own_group
from robustbench_lite.evaluation.store import RunFolder
from robustbench_lite.evaluation.summary import Scores, headlines
from robustbench_lite.results import Results
from robustbench_lite.suites import CLEAN, Cell


@dataclass(frozen=True)
class RunScores:
    """The scores of one finished run.

    Attributes:
        results: The run's record.
        rows: Corruption -> its error over severities (CE with a baseline); perturbation -> its flips.
        headlines: Headline score -> its value and influence; the released code's twins are left out.
        populations: The images there are in each group, where the run is a sample of them.
    """

    results: Results
    rows: Mapping[str, Headline]
    headlines: Mapping[str, Headline]
    populations: Mapping[str, int] | None

    @property
    def row_score(self) -> str:
        """What `rows` show: "error", "flip_probability", or with a baseline "CE" or "FR"."""
        if self.results.spec.baseline is None:
            return self.results.spec.cell_score
        return "FR" if self.results.kind == "perturbation" else "CE"


def read_run(run: str | Path | Results, *, means: bool = True) -> RunScores:
    """Read a run's predictions and work out its scores again.

    Args:
        run: A run folder, or its results.
        means: False leaves out the means over cells.

    Raises:
        InvalidInput: results that no folder keeps.
        DataError: a folder that holds no run, or not all of its predictions.
    """
    results = run if isinstance(run, Results) else Results.load(run)
    scores = _scores(results, run_folder(results))
    whole = headlines(scores, means=means and not results.missing)[0]
    shown = {name: one for name, one in whole.items() if not name.endswith("_released")}
    return RunScores(results, _by_name(scores), shown, _populations(results, scores))


def run_folder(run: Results) -> Path:
    """The run folder, which has the predictions.

    Raises:
        InvalidInput: results that no folder keeps.
    """
    if run.folder is None:
        raise InvalidInput(
            f"the results of {run.model} are in no run folder, which would keep the predictions; "
            "evaluate with `out=DIR`"
        )
    return Path(run.folder)


def obstacles(first: Results, second: Results) -> list[str]:
    """Why two runs can't be compared, a phrase for each reason; none where they can."""
    reasons = [
        f"{what} {of_first!r} and {of_second!r}"
        for what, of_first, of_second in (
            ("suites", first.suite, second.suite),
            ("input protocols", first.protocol, second.protocol),
            ("test names", first.spec.test, second.spec.test),
        )
        if of_first != of_second
    ]
    reasons += [f"the run of {run.model} is not finished" for run in (first, second) if not run.complete]
    if first.spec.baseline != second.spec.baseline:
        reasons.append(f"baselines {_baseline_name(first)} and {_baseline_name(second)}, or their values")
    if reasons:
        return reasons
    if first.estimate != second.estimate:
        return [f"images: {_sample(first)} and {_sample(second)}"]
    cells = [{Cell(cell.name, cell.severity): cell.n for cell in run.cells} for run in (first, second)]
    both = cells[0].keys() & cells[1].keys()
    if alone := sorted((cells[0].keys() ^ cells[1].keys()) - {CLEAN}):
        more = f" and {len(alone) - 5} more" if len(alone) > 5 else ""
        reasons.append(f"only one of them has the cells {', '.join(map(str, alone[:5]))}{more}")
    counts = [cell for cell in sorted(both) if cells[0][cell] != cells[1][cell]]
    reasons += [f"images of {cell}: {cells[0][cell]} and {cells[1][cell]}" for cell in counts[:1]]
    if not reasons:
        reasons = _data(first, second, "data", "data")
    if CLEAN in both:
        reasons += _data(first, second, "clean_data", "clean images")
    return reasons


def _data(first: Results, second: Results, key: str, what: str) -> list[str]:
    """A phrase where the two runs read different files, or generated their images differently."""
    records: list[Mapping[str, Any]] = [run.provenance.get(key) or {} for run in (first, second)]
    if records[0].get("fingerprint") == records[1].get("fingerprint"):
        return []
    return [f"{what}: {_files(records[0])} and {_files(records[1])}"]


def _files(record: Mapping[str, Any]) -> str:
    recipe = ", ".join(f"{key} {record[key]}" for key in ("profile", "seed", "as_stored") if key in record)
    made = f"{record.get('mode', 'files')} {recipe}".strip()
    return f"{record.get('root', 'unknown')} ({made}; fingerprint {str(record.get('fingerprint'))[:8]})"


def _baseline_name(run: Results) -> str:
    return run.spec.baseline.name if run.spec.baseline is not None else "none"


def _sample(run: Results) -> str:
    if run.estimate is None:
        return "all of them"
    return f"a sample of {run.estimate['images']} of {run.estimate['of']} (seed {run.estimate['seed']})"


def _scores(run: Results, place: Path) -> Scores:
    """The cells of a run with the predictions in its folder."""
    folder = RunFolder(place if place.is_dir() else place.parent)
    columns = {}
    for cell in (Cell(one.name, one.severity) for one in run.cells):
        stored = folder.read(cell)
        if stored is None:
            raise DataError(
                f"{folder.cell_path(cell)} is not there or damaged: comparing needs the predictions that "
                "`robust eval` keeps in the run folder"
            )
        columns[cell] = stored
    results = {Cell(one.name, one.severity): one for one in run.cells}
    return Scores(run.spec, columns, results, sampled=run.estimate is not None)


def _populations(run: Results, scores: Scores) -> dict[str, int] | None:
    if run.estimate is None:
        return None
    sizes = {own_group(cell): int(run.estimate["of"]) for cell in scores.cells}
    clean = run.provenance.get("clean_data") or run.provenance["data"]
    return sizes | {own_group(CLEAN): int(clean["images"])}


def _by_name(scores: Scores) -> dict[str, Headline]:
    """Each corruption's error over its severities (CE with a baseline), each perturbation's flips."""
    rows: dict[str, Headline] = {}
    for name in dict.fromkeys(cell.name for cell in scores.cells):
        cells = [cell for cell in scores.cells if cell.name == name]
        baseline = scores.spec.baseline
        divisor = 1.0 if baseline is None else baseline.mean(name)
        if divisor is None:
            continue
        if scores.spec.kind != "perturbation":
            rows[name] = scores.mean(dict.fromkeys(cells, 1 / (len(cells) * divisor)), "error")
            continue
        for cell in cells:
            title = name if cell.severity == 1 else f"{name} (difficulty {cell.severity})"
            if baseline is None or cell.severity == 1:
                rows[title] = scores.mean({cell: 1 / divisor}, "flip_probability")
    return rows
