"""The sentences below a table: where published rows come from, and what stands behind measured ones."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Final

from robustbench_lite.report.tables.rows import ESTIMATED_MARK, MEASURED, PUBLISHED_MARK, ReportRow
from robustbench_lite.results import Results

_STARRED: Final = "* AutoAugment without the operations that overlap with the corruptions of the -C suites."
_SAID: Final[Mapping[str, str]] = {PUBLISHED_MARK: "published: ", ESTIMATED_MARK: ""}


def run_notes(results: Sequence[Results]) -> list[str]:
    """What stands behind the numbers of measured runs: images, protocol, definitions, warnings."""
    notes = [f"Images: {text}." for text in dict.fromkeys(map(_images, results))]
    notes += [f"Input protocol: {', '.join(dict.fromkeys(result.protocol for result in results))}."]
    notes += dict.fromkeys(
        f"Selection: {result.choices['selected_mean_error']}."
        for result in results
        if "selected_mean_error" in result.choices
    )
    for choice in ("calibration", "brier"):
        said = dict.fromkeys(result.choices[choice] for result in results if choice in result.choices)
        notes += [f"{choice.capitalize()}: {text}." for text in said]
    warned = dict.fromkeys(
        f"Warning, {result.model}: {text}."
        for result in results
        for text in result.provenance.get("warnings", ())
    )
    return [*notes, *warned]


def _images(results: Results) -> str:
    """Whether the images are the released ones or generated, and how many of the official number they are."""
    data = results.provenance.get("data") or {}
    mode = str(data.get("mode", "released"))
    if mode == "generated":
        mode += f" (profile {data.get('profile')}, seed {data.get('seed')})"
    n, official = data.get("images"), data.get("official_images")
    if n is None:
        return mode
    official_set = not results.suite.startswith("custom") and official is not None
    return f"{mode}, {n:,} a cell" + (f" of the official {official:,}" if official_set else "")


def source_notes(rows: Sequence[ReportRow]) -> list[str]:
    """Where rows come from that were not measured, by their marks."""
    sources: dict[str, list[str]] = {}
    for row in rows:
        if row.source != MEASURED and row.source not in sources.setdefault(row.mark, []):
            sources[row.mark].append(row.source)
    starred = any(row.source != MEASURED and "AutoAugment*" in row.model for row in rows)
    return [
        f"{mark.strip()} {_SAID[mark]}{'; '.join(_merged(found))}." for mark, found in sources.items()
    ] + ([_STARRED] if starred else [])


def _merged(sources: Sequence[str]) -> list[str]:
    """Places in one work told together: "W, Table 1" and "W, Tables 1 and 5" become "W, Tables 1 and 5"."""
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
