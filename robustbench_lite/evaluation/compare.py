"""Is the difference between two runs real? Paired over images, from the predictions that the runs kept."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from robustbench_lite.errors import DataError, InvalidInput
from robustbench_lite.evaluation.influence import Headline, own_group
from robustbench_lite.evaluation.paired_tests import Pair, holm, judged
from robustbench_lite.evaluation.store import RunFolder
from robustbench_lite.evaluation.summary import Scores, headlines
from robustbench_lite.report.tables.comparison import Comparison
from robustbench_lite.results import Results
from robustbench_lite.suites import CLEAN, Cell

FEW_IMAGES: Final = 200


def compare(
    first: str | Path | Results, second: str | Path | Results, *, bootstrap: int = 4000, seed: int = 0
) -> Comparison:
    """Compare two models on one suite: the differences of their scores, paired image by image.

    Args:
        first: run folder of A, or its results, as `evaluate` returns them or `Results.load` reads them.
        second: run folder of B, or its results.
        bootstrap: replicates of the bootstrap over images, and of the swaps that p-values come from.
        seed: seed of both.

    Raises:
        InvalidInput: results that no folder keeps, or runs that can't be compared, because their suites,
            protocols, data, cells or images differ; the message says how.
        DataError: a folder holds no finished run with its predictions.
    """
    if bootstrap < 1000:
        raise InvalidInput(
            f"`bootstrap={bootstrap}` is too small: p-values near 5 % need at least 1000 replicates"
        )
    runs = [one if isinstance(one, Results) else Results.load(one) for one in (first, second)]
    reasons = obstacles(*runs)
    if reasons:
        raise InvalidInput("these runs can't be compared: " + "; ".join(reasons))
    a, b = (_scores(run, _folder(run)) for run in runs)
    heads = [headlines(one, means=not runs[0].missing)[0] for one in (a, b)]
    rows = _pairs(_by_name(a), _by_name(b))
    found = judged([*rows, *_pairs(*heads)], _populations(runs[0], a), bootstrap, seed)
    return Comparison(
        suite=runs[0].suite,
        first=runs[0].model,
        second=runs[1].model,
        score=_row_score(runs[0]),
        by_name=holm(found[: len(rows)]),
        headlines=holm(found[len(rows) :]),
        notes=_notes(runs[0], bootstrap, seed),
        title=runs[0].spec.title,
        shown=runs[0].shown,
    )


def _folder(run: Results) -> Path:
    """The run folder, which has the predictions."""
    if run.folder is None:
        raise InvalidInput(
            f"the results of {run.model} are in no run folder, and comparing needs the predictions that "
            "are kept "
            "there; evaluate with `out=DIR`"
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
        found = folder.read(cell)
        if found is None:
            raise DataError(
                f"{folder.cell_path(cell)} is not there or damaged: comparing needs the predictions that "
                "`robust eval` keeps in the run folder"
            )
        columns[cell] = found
    results = {Cell(one.name, one.severity): one for one in run.cells}
    return Scores(run.spec, columns, results, sampled=run.estimate is not None)


def _populations(run: Results, scores: Scores) -> dict[str, int] | None:
    if run.estimate is None:
        return None
    found = {own_group(cell): int(run.estimate["of"]) for cell in scores.cells}
    clean = run.provenance.get("clean_data") or run.provenance["data"]
    return found | {own_group(CLEAN): int(clean["images"])}


def _row_score(run: Results) -> str:
    if run.spec.baseline is None:
        return run.spec.cell_score
    return "FR" if run.kind == "perturbation" else "CE"


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


def _pairs(first: Mapping[str, Headline], second: Mapping[str, Headline]) -> list[Pair]:
    """The scores that both have, but for the released code's twin of one of them."""
    both = [name for name in first if name in second and not name.endswith("_released")]
    return [Pair(name, first[name], second[name]) for name in both]


def _notes(run: Results, replicates: int, seed: int) -> tuple[str, ...]:
    notes = ["B - A: negative where B is better. All scores are better when lower."]
    if run.estimate is not None:
        notes.append(
            f"Both runs are estimates from the same {run.estimate['images']} of {run.estimate['of']} images "
            "of each cell; intervals and p-values are for the difference over all images of these files, and "
            "leave out how other images would differ, which a comparison of full runs counts."
        )
    else:
        notes.append(
            f"Intervals: paired bootstrap over images, an image's copies together; {replicates} replicates, "
            f"seed {seed}. p: the models' outcomes swapped image by image, exact for a single cell's errors; "
            "where it is 0.05 or more before adjustment the interval reaches to 0. Calibration errors "
            "linearised. The p-values of the headline scores are Holm-adjusted together."
        )
    fewest = min(cell.n for cell in run.cells)
    if fewest < FEW_IMAGES:
        notes.append(f"With {fewest} images the intervals are rough.")
    return tuple(notes)
