"""Run folders -> what a report is drawn from."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from robustbench_lite import metrics
from robustbench_lite.errors import DataError, InvalidInput
from robustbench_lite.evaluation.compare import compare, obstacles
from robustbench_lite.evaluation.example_images import Places, example_images
from robustbench_lite.evaluation.store import Columns, RunFolder
from robustbench_lite.reference.names import VALIDATION_CORRUPTIONS
from robustbench_lite.report.content import Content, Examples, ModelRun, Reliability, Section
from robustbench_lite.report.fourier.fourier_map import FourierMap
from robustbench_lite.results import RESULTS_FILE, Results
from robustbench_lite.suites import Cell

HEATMAP = "heatmap.json"
BINS = 15


def gather(folders: Sequence[str | Path], places: Places | None = None) -> Content:
    """Read everything a report shows.

    Args:
        folders: run folders of `robust eval` and of `robust fourier`, in the order of the models. A folder
            of `robust fourier` for several models stands for each of its maps.
        places: where the images lie, for examples; where the runs found them by default.

    Raises:
        DataError: a folder is neither, or damaged.
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
    sections = tuple(_section(suite, found, places or Places()) for suite, found in runs.items())
    return Content(sections, fourier)


def _maps(folder: Path) -> list[Path]:
    """Folders with a Fourier map: this one, or those in it."""
    if (folder / HEATMAP).exists():
        return [folder]
    return sorted(path.parent for path in folder.glob(f"*/{HEATMAP}"))


def _distinct(name: str, taken: Iterable[str]) -> str:
    found, number = name, 1
    while found in taken:
        number += 1
        found = f"{name} ({number})"
    return found


def _section(suite: str, found: Sequence[tuple[Path, Results]], places: Places) -> Section:
    runs: list[ModelRun] = []
    notes: list[tuple[str, str]] = []
    for folder, results in found:
        title = _distinct(results.model, [run.title for run in runs])
        run, lack = _run(title, folder if folder.is_dir() else folder.parent, results)
        runs.append(run)
        notes += [(title, lack)] if lack else []
    first = found[0][1]
    apart = [
        (run.title, "; ".join(reasons)) for run in runs[1:] if (reasons := obstacles(first, run.results))
    ]
    told = [f"{titles}: {note}" for titles, note in _merged(notes)]
    told += [
        f"{titles} and {runs[0].title} can't be compared: {reasons}." for titles, reasons in _merged(apart)
    ]
    section = Section(suite, tuple(runs), notes=tuple(told))
    if len(found) == 2 and not obstacles(first, found[1][1]):
        try:
            comparison = compare(found[0][0], found[1][0])
            section = replace(
                section, comparison=replace(comparison, first=runs[0].title, second=runs[1].title)
            )
        except DataError as error:
            section = replace(section, notes=(*section.notes, f"The two models are not compared: {error}."))
    if section.kind != "corruption":
        return section
    examples, note = _examples(found, runs, places)
    return replace(section, examples=examples, notes=(*section.notes, *note))


def _merged(notes: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    """Models that share a note, together: their titles and the note."""
    titles: dict[str, list[str]] = {}
    for title, note in notes:
        titles.setdefault(note, []).append(title)
    return [(", ".join(names), note) for note, names in titles.items()]


def _run(title: str, folder: Path, results: Results) -> tuple[ModelRun, str]:
    """A run, and what it lacks in a sentence."""
    results = results.renamed(title)
    columns = _columns(folder, results)
    missing = len(results.cells) - len(columns)
    note = ""
    if missing:
        note = (
            f"{missing} of {len(results.cells)} cells have no kept predictions and are left out of the "
            "diagrams that need them."
        )
    if results.kind != "perturbation":
        return ModelRun(title, results, reliability=_reliability(columns)), note
    flips = {cell: found["flips"] for cell, found in columns.items() if "flips" in found}
    spread = {
        (cell.name, cell.severity): float(one.std(dtype=np.float64) / np.sqrt(len(one)))
        for cell, one in flips.items()
    }
    return ModelRun(title, results, flip_errors=spread), note


def _columns(folder: Path, results: Results) -> dict[Cell, Columns]:
    kept = RunFolder(folder)
    found = {
        Cell(cell.name, cell.severity): kept.read(Cell(cell.name, cell.severity)) for cell in results.cells
    }
    return {cell: columns for cell, columns in found.items() if columns is not None}


def _reliability(columns: dict[Cell, Columns]) -> dict[int, Reliability]:
    """A curve for each severity, over the images of all its corruptions but the validation ones."""
    levels = sorted({cell.severity for cell in columns})
    curves = {}
    for level in levels:
        parts = [
            found
            for cell, found in columns.items()
            if cell.severity == level and cell.name not in VALIDATION_CORRUPTIONS
        ]
        if not parts:
            continue
        confidence = np.concatenate([part["confidence"] for part in parts])
        correct = np.concatenate([part["prediction"] == part["label"] for part in parts])
        curve = metrics.reliability_curve(confidence, correct, bins=BINS)
        curves[level] = Reliability(
            tuple(curve.confidence.tolist()),
            tuple(curve.accuracy.tolist()),
            tuple(curve.size.tolist()),
        )
    return curves


def _examples(
    found: Sequence[tuple[Path, Results]], runs: Sequence[ModelRun], places: Places
) -> tuple[Examples | None, list[str]]:
    """Pictures of the first run's images, with the answers of every run on the same images."""
    if places.images == 0:
        return None, []
    first = found[0][1]
    same = [
        (run.title, folder if folder.is_dir() else folder.parent, results)
        for (folder, results), run in zip(found, runs, strict=True)
        if not obstacles(first, results)
    ]
    if not same or first.estimate is not None:
        return None, ["No example images: the runs are not finished, or are estimates from samples."]
    if lost := _lost(first, places):
        return None, [lost]
    answers = {
        title: _columns(folder if folder.is_dir() else folder.parent, results)
        for title, folder, results in same
    }
    try:
        return example_images(first, answers, places), []
    except (DataError, InvalidInput) as error:
        return None, [f"No example images: {error}."]


def _lost(results: Results, places: Places) -> str:
    """Which images are not where the run found them, and how to say where they are; else nothing."""
    data, clean = (results.provenance.get(key) or {} for key in ("data", "clean_data"))
    needed = [("--data", places.data, data), ("--clean-data", places.clean_data, clean)]
    if data.get("mode") == "generated":
        needed = [("--clean-data", places.clean_data or places.data, data)]
    for option, given, record in needed:
        root = record.get("root")
        if given is None and root is not None and not Path(root).exists():
            return f"No example images: {root} is not found from here; give {option} DIR."
    return ""
