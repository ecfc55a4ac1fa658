"""Run folders become the content of a report."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np

from robustbench_lite import metrics
from robustbench_lite.errors import DataError, InvalidInput
from robustbench_lite.evaluation.compare import compare
from robustbench_lite.evaluation.example_images import Places, example_images, made_for_the_run
from robustbench_lite.evaluation.run_scores import obstacles
from robustbench_lite.evaluation.store import Columns, RunFolder
from robustbench_lite.report.content import Content, Examples, ModelRun, Reliability, Section
from robustbench_lite.report.fourier.fourier_map import FourierMap
from robustbench_lite.report.tables.comparison import Comparison
from robustbench_lite.results import RESULTS_FILE, Results
from robustbench_lite.suites import Cell

HEATMAP: Final = "heatmap.json"
BINS: Final = 15


@dataclass(frozen=True)
class _StoredRun:
    """A run on disk: its title in the report, its folder, its record, and the predictions of its cells."""

    title: str
    folder: Path
    results: Results
    columns: Mapping[Cell, Columns]


def gather(folders: Sequence[str | Path], places: Places | None = None) -> Content:
    """Read the content of a report.

    Args:
        folders: run folders of `robust eval` and of `robust fourier`, in the order of the models. A folder
            of `robust fourier` for several models stands for each of its maps.
        places: the places of the images, for examples; by default those that the runs recorded.

    Raises:
        DataError: a folder is neither, or is damaged.
        InvalidInput: no folder.
    """
    if not folders:
        raise InvalidInput("a report needs at least one run folder")
    runs: dict[str, list[tuple[Path, Results]]] = {}
    fourier: dict[str, FourierMap] = {}
    for folder in map(Path, folders):
        maps = _maps(folder)
        if not maps or (folder / RESULTS_FILE).exists() or folder.suffix == ".json":
            results = Results.load(folder)
            runs.setdefault(results.suite, []).append((folder, results))
        for place in maps:
            fourier[_distinct(place.name, fourier)] = FourierMap.load(place)
    sections = [_section(suite, _stored(on_suite), places or Places()) for suite, on_suite in runs.items()]
    return Content(tuple(sections), fourier)


def _maps(folder: Path) -> list[Path]:
    """Return the folders with a Fourier map: this one, or those in it."""
    if (folder / HEATMAP).exists():
        return [folder]
    return sorted(path.parent for path in folder.glob(f"*/{HEATMAP}"))


def _distinct(name: str, taken: Iterable[str]) -> str:
    """Return the name, with a number behind it where it is taken."""
    taken = set(taken)
    names = [name, *(f"{name} ({number})" for number in range(2, len(taken) + 2))]
    return next(free for free in names if free not in taken)


def _stored(runs: Sequence[tuple[Path, Results]]) -> list[_StoredRun]:
    """Return the runs with distinct titles and their predictions."""
    stored: list[_StoredRun] = []
    for place, results in runs:
        title = _distinct(results.model, [run.title for run in stored])
        folder = place if place.is_dir() else place.parent
        stored.append(_StoredRun(title, folder, results, _columns(folder, results)))
    return stored


def _columns(folder: Path, results: Results) -> dict[Cell, Columns]:
    """Return the predictions that the run folder still has."""
    store = RunFolder(folder)
    cells = [Cell(cell.name, cell.severity) for cell in results.cells]
    columns = {cell: store.read(cell) for cell in cells}
    return {cell: one for cell, one in columns.items() if one is not None}


def _section(suite: str, runs: Sequence[_StoredRun], places: Places) -> Section:
    """Return the content about one suite."""
    first = runs[0]
    lacking = [(run.title, _lacking(run)) for run in runs]
    apart = [(run.title, "; ".join(obstacles(first.results, run.results))) for run in runs[1:]]
    notes = [f"{titles}: {note}" for titles, note in _merged(lacking)]
    notes += [
        f"{titles} and {first.title} can't be compared: {reasons}." for titles, reasons in _merged(apart)
    ]
    comparison, comparison_notes = _comparison(runs)
    examples, example_notes = _examples(runs, places)
    return Section(
        suite,
        tuple(_model_run(run) for run in runs),
        comparison,
        examples,
        (*notes, *comparison_notes, *example_notes),
    )


def _lacking(run: _StoredRun) -> str:
    """Return a sentence about the predictions that are missing; empty where none is."""
    missing = len(run.results.cells) - len(run.columns)
    if not missing:
        return ""
    return (
        f"{missing} of {len(run.results.cells)} cells have no kept predictions and are left out of the "
        "diagrams that need them."
    )


def _merged(notes: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    """Return each note with the titles of all models that it is about; empty notes are left out."""
    titles: dict[str, list[str]] = {}
    for title, note in notes:
        titles.setdefault(note, []).append(title)
    return [(", ".join(names), note) for note, names in titles.items() if note]


def _model_run(run: _StoredRun) -> ModelRun:
    results = run.results.renamed(run.title)
    if results.kind != "perturbation":
        return ModelRun(run.title, results, reliability=_reliability(results, run.columns))
    flips = {cell: columns["flips"] for cell, columns in run.columns.items() if "flips" in columns}
    standard_errors = {
        (cell.name, cell.severity): float(one.std(dtype=np.float64) / np.sqrt(len(one)))
        for cell, one in flips.items()
    }
    return ModelRun(run.title, results, flip_errors=standard_errors)


def _reliability(results: Results, columns: Mapping[Cell, Columns]) -> dict[int, Reliability]:
    """Return a curve for each severity, over the images of all corruptions that enter the suite's mean."""
    counted = ("clean", *results.spec.test)
    curves = {}
    for level in sorted({cell.severity for cell in columns}):
        cells = [one for cell, one in columns.items() if cell.severity == level and cell.name in counted]
        if not cells:
            continue
        confidence = np.concatenate([one["confidence"] for one in cells])
        correct = np.concatenate([one["prediction"] == one["label"] for one in cells])
        curve = metrics.reliability_curve(confidence, correct, bins=BINS)
        curves[level] = Reliability(
            tuple(curve.confidence.tolist()),
            tuple(curve.accuracy.tolist()),
            tuple(curve.size.tolist()),
        )
    return curves


def _comparison(runs: Sequence[_StoredRun]) -> tuple[Comparison | None, list[str]]:
    """Return the comparison of two runs, and why it is missing where it is."""
    if len(runs) != 2 or obstacles(runs[0].results, runs[1].results):
        return None, []
    try:
        comparison = compare(runs[0].folder, runs[1].folder)
    except DataError as error:
        return None, [f"The two models are not compared: {error}."]
    return replace(comparison, first=runs[0].title, second=runs[1].title), []


def _examples(runs: Sequence[_StoredRun], places: Places) -> tuple[Examples | None, list[str]]:
    """Return images with the answers of all runs that saw the same images, or why there are none."""
    first = runs[0].results
    if places.images == 0 or first.kind != "corruption":
        return None, []
    comparable = [run for run in runs if not obstacles(first, run.results)]
    if not comparable or first.estimate is not None:
        return None, ["No example images: the runs are not finished, or are estimates from samples."]
    if missing := _missing_images(first, places):
        return None, [missing]
    try:
        return example_images(first, {run.title: run.columns for run in comparable}, places), []
    except (DataError, InvalidInput) as error:
        return None, [f"No example images: {error}."]


def _missing_images(results: Results, places: Places) -> str:
    """Return which recorded images are not there and the option that names them; empty where all are."""
    data, clean = (results.provenance.get(key) or {} for key in ("data", "clean_data"))
    needed = [("data", places.data, data), ("clean_data", places.clean_data, clean)]
    if made_for_the_run(data):
        needed = [("clean_data", places.clean_data or places.data, data)]
    for option, given, record in needed:
        root = record.get("root")
        if given is None and root is not None and not Path(root).exists():
            return f"No example images: {root} is not found from here; give `{option}=DIR`."
    return ""
