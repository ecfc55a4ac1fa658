"""The sentences below a table: definitions, sources, what is missing, and what stands behind the numbers."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Final

from robustbench_lite.report.tables.layout import TableLayout
from robustbench_lite.report.tables.rows import (
    BASELINE_MARK,
    ESTIMATED_MARK,
    MEASURED,
    PUBLISHED_MARK,
    ReportRow,
)
from robustbench_lite.report.tables.table import NO_VALUE
from robustbench_lite.results import ESTIMATED, Results

_STARRED: Final = "* AutoAugment without the operations that overlap with the corruptions of the -C suites."
_MARK_WORDS: Final[Mapping[str, str]] = {PUBLISHED_MARK: "published: ", BASELINE_MARK: "", ESTIMATED_MARK: ""}
_INTERVALS: Final = {
    False: "[low, high]: 95 % interval over images, an image's copies together.",
    True: "≈ ... [low, high]: 95 % interval for the score over all images of these files.",
}


def paper_notes(rows: Sequence[ReportRow], layout: TableLayout) -> list[str]:
    """Return the notes of the table in a paper's layout."""
    selected = all(row.selected for row in rows)
    notes = [layout.note if selected else f"{layout.note} {layout.mean_note}"]
    for reason in dict.fromkeys(row.missing for row in rows if row.missing):
        models = ", ".join(row.model for row in rows if row.missing == reason)
        notes.append(f"{NO_VALUE} no mean for {models}: {reason}.")
    unplaced = [reason for row in rows for reason in row.unplaced.items()]
    for reason in dict.fromkeys(reason for _, reason in unplaced):
        names = ", ".join(dict.fromkeys(name for name, why in unplaced if why == reason))
        notes.append(f"{names}: {reason}; errors cell by cell are below.")
    columns = {name for row in rows for name in row.values} if selected else set(layout.names)
    if any(_clean_error(row) is None or not columns <= set(row.values) for row in rows):
        notes.append(f"{NO_VALUE} not evaluated, or not published.")
    return notes + source_notes(rows)


def score_notes(rows: Sequence[ReportRow], results: Sequence[Results]) -> list[str]:
    """Return the notes of the headline scores of measured runs: intervals, images, protocol, definitions."""
    kinds = {name.startswith(ESTIMATED) for row in rows if row.trainings == 1 for name in row.intervals}
    trainings = dict.fromkeys(row.trainings for row in rows if row.trainings > 1)
    notes = [_INTERVALS[kind] for kind in sorted(kinds)]
    notes += [f"±: standard deviation over {count} trainings." for count in trainings]
    return notes + run_notes(results)


def run_notes(results: Sequence[Results]) -> list[str]:
    """Return what stands behind the numbers of measured runs: images, protocol, definitions, warnings."""
    notes = [f"Images: {text}." for text in dict.fromkeys(map(_images, results))]
    notes += [f"Input protocol: {', '.join(dict.fromkeys(run.protocol for run in results))}."]
    fits = dict.fromkeys(
        f"{run.model}: {text}." for run in results for text in (run.provenance.get("fit") or {}).values()
    )
    notes += fits
    for choice, title in (
        ("selected_mean_error", "Selection"),
        ("calibration", "Calibration"),
        ("debiased_calibration", "Debiased calibration"),
        ("brier", "Brier"),
    ):
        texts = dict.fromkeys(run.choices[choice] for run in results if choice in run.choices)
        notes += [f"{title}: {text}." for text in texts]
    warnings = [
        f"Warning, {run.model}: {text}." for run in results for text in run.provenance.get("warnings", ())
    ]
    return [*notes, *dict.fromkeys(warnings)]


def source_notes(rows: Sequence[ReportRow]) -> list[str]:
    """Return where rows come from that were not measured, by their marks."""
    sources: dict[str, list[str]] = {}
    for row in rows:
        if row.source != MEASURED and row.source not in sources.setdefault(row.mark, []):
            sources[row.mark].append(row.source)
    notes = [
        f"{mark.strip()} {_MARK_WORDS[mark]}{'; '.join(_merged(places))}." for mark, places in sources.items()
    ]
    remarks: dict[str, list[str]] = {}
    for row in rows:
        if row.remark:
            remarks.setdefault(row.remark, []).append(row.model)
    notes += [f"{'; '.join(models)}: {remark}." for remark, models in remarks.items()]
    starred = any(row.source != MEASURED and "AutoAugment*" in row.model for row in rows)
    return [*notes, _STARRED] if starred else notes


def _clean_error(row: ReportRow) -> float | None:
    return row.scores.get(f"{ESTIMATED}clean_error") if row.clean_error is None else row.clean_error


def _images(results: Results) -> str:
    """Return where the images come from, and how many of the official number they are."""
    data = results.provenance.get("data") or {}
    mode = str(data.get("mode", "released"))
    if mode == "released" and results.coverage:
        mode = "not the number of the release"
    recipe = [f"{name} {data[name]}" for name in ("profile", "seed") if name in data]
    if mode == "generated" and recipe:
        mode += f" ({', '.join(recipe)})"
    count = data.get("images")
    parts = [mode, *([f"{count:,} in each cell"] if isinstance(count, int) else [])]
    return ", ".join([*parts, *([results.coverage] if results.coverage else [])])


def _merged(sources: Sequence[str]) -> list[str]:
    """Return sources with the tables of one work together: "W, Tables 1 and 5"."""
    tables: dict[str, set[int]] = {}
    others: list[str] = []
    for source in sources:
        work, comma, place = source.rpartition(", Table")
        numbers = re.findall(r"\d+", place)
        if comma and numbers:
            tables.setdefault(work, set()).update(map(int, numbers))
        else:
            others.append(source)
    return [f"{work}, {_numbered(sorted(numbers))}" for work, numbers in tables.items()] + others


def _numbered(numbers: Sequence[int]) -> str:
    *most, last = map(str, numbers)
    return f"Tables {', '.join(most)} and {last}" if most else f"Table {last}"
