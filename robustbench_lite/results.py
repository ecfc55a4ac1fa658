"""The record of an evaluation: what was measured, on what, with which choices.

Standard library only (pandas where a data frame is asked for), so that a table can be drawn again
without a GPU and without torch.
"""

from __future__ import annotations

import csv
import html
import io
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from robustbench_lite.atomic_write import write_atomically
from robustbench_lite.errors import DataError, IncompleteResults, InvalidInput
from robustbench_lite.reference.suites import SUITES, custom_spec
from robustbench_lite.scores import ESTIMATED as ESTIMATED
from robustbench_lite.scores import Presentation, presentation
from robustbench_lite.suite_spec import Kind, SuiteSpec

if TYPE_CHECKING:
    import pandas

SCHEMA_VERSION = 2
RESULTS_FILE = "results.json"
CELLS_FILE = "cells.csv"


@dataclass(frozen=True)
class CellResult:
    """The scores of one cell: a corruption at a severity, a perturbation at a difficulty, or the clean set.

    Attributes:
        name: corruption or perturbation, or "clean".
        severity: 1 to 5 for a corruption, the difficulty for a perturbation, 0 for the clean set.
        n: images (videos for a perturbation) that were scored.
        scores: score name -> value; errors and probabilities are fractions.
    """

    name: str
    severity: int
    n: int
    scores: Mapping[str, float]

    def to_dict(self) -> dict[str, Any]:
        """One flat mapping, as it stands in `results.json` and `cells.csv`."""
        return {"name": self.name, "severity": self.severity, "n": self.n, **self.scores}

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> CellResult:
        """Inverse of `to_dict`."""
        scores = {key: value for key, value in record.items() if key not in ("name", "severity", "n")}
        return cls(record["name"], record["severity"], record["n"], scores)


@dataclass(frozen=True, repr=False)
class Results:
    """One model on one suite.

    Attributes:
        spec: The suite's record: its lists, groups, headings and baseline as they were used.
        protocol: The name of the input protocol.
        cells: scores cell by cell, in the suite's order.
        summary: headline scores as fractions: `clean_error`, `mean_error`, `mce`, `relative_mce`, `mfp`,
            `mfr`, `mt5d`, `rms_calibration_error`, `brier_score` and others, where they are defined;
            their names begin with `estimated_` where only a part of the images was evaluated.
        intervals: 95 % bootstrap interval (over images) of each headline score.
        choices: the definition behind each score where papers or scripts differ.
        provenance: the model, the data, the software and the hardware.
        missing: cells that the suite has and this run has not, as "name/severity".
        complete: Whether every cell that the run asked for has been scored.
        folder: The run folder, where one keeps the results; it is not written into the record.
        shown: How scores are printed that a plugin brought along, by their names.
    """

    spec: SuiteSpec
    protocol: str
    cells: tuple[CellResult, ...]
    summary: Mapping[str, float] = field(default_factory=dict)
    intervals: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    choices: Mapping[str, str] = field(default_factory=dict)
    provenance: Mapping[str, Any] = field(default_factory=dict)
    missing: tuple[str, ...] = ()
    complete: bool = True
    folder: str | None = field(default=None, compare=False)
    shown: Mapping[str, Presentation] = field(default_factory=dict)

    @property
    def suite(self) -> str:
        """The name of the suite, for example "imagenet-c"."""
        return self.spec.name

    @property
    def kind(self) -> Kind:
        """What the suite holds: "corruption", "perturbation" or "clean"."""
        return self.spec.kind

    def presentation(self, key: str) -> Presentation:
        """How a headline of `summary`, or a score of a cell, is printed."""
        return presentation(key, self.shown)

    @property
    def partial(self) -> bool:
        """Whether cells of the suite are missing, by choice or by accident."""
        return bool(self.missing) or not self.complete

    @property
    def estimate(self) -> Mapping[str, Any] | None:
        """How the images were sampled (`budget`, `images`, `of`, `seed`); None where all were evaluated."""
        sampled: Mapping[str, Any] | None = self.provenance.get("estimate")
        return sampled

    @property
    def coverage(self) -> str:
        """The part of the official images that was there, in words; empty where all were, or for own images.

        For example "20 of 50,000 images, 20 of 1,000 classes".
        """
        data = self.provenance.get("data") or {}
        clean = data.get("from") or {}
        images, official = data.get("images"), data.get("official_images")
        if (
            self.spec.own
            or not isinstance(images, int)
            or not isinstance(official, int)
            or images == official
        ):
            return ""
        text = f"{images:,} of {official:,} images"
        present = data.get("classes_present") or clean.get("classes") or data.get("classes")
        if isinstance(present, int) and present < self.spec.classes:
            text += f", {present:,} of {self.spec.classes:,} classes"
        return text

    @property
    def trainings(self) -> int:
        """How many runs these results are the mean of."""
        return int(self.provenance.get("trainings", 1))

    @property
    def model(self) -> str:
        """The model's name."""
        return str(self.provenance.get("model", {}).get("name", "model"))

    def renamed(self, name: str) -> Results:
        """The same results under another name of the model."""
        model = {**self.provenance.get("model", {}), "name": name}
        return replace(self, provenance={**self.provenance, "model": model})

    def cell(self, name: str, severity: int) -> CellResult:
        """The scores of one cell.

        Raises:
            IncompleteResults: the run has no such cell.
        """
        for cell in self.cells:
            if (cell.name, cell.severity) == (name, severity):
                return cell
        raise IncompleteResults(f"{self.model} on {self.suite}: the cell {name}/{severity} was not evaluated")

    def by_name(self, score: str = "error") -> dict[str, tuple[float, ...]]:
        """A score of every cell but the clean one: name -> values in the order of severity."""
        values: dict[str, list[float]] = {}
        for cell in sorted(self.cells, key=lambda cell: cell.severity):
            if cell.name != "clean":
                values.setdefault(cell.name, []).append(cell.scores[score])
        order = dict.fromkeys(cell.name for cell in self.cells if cell.name != "clean")
        return {name: tuple(values[name]) for name in order}

    def table(self) -> pandas.DataFrame:
        """Every cell as a row of a data frame (fractions)."""
        import pandas

        return pandas.DataFrame([cell.to_dict() for cell in self.cells])

    def to_json(self) -> str:
        """The record as JSON text; NaN never appears in it."""
        record = {
            "schema_version": SCHEMA_VERSION,
            "suite": self.suite,
            "kind": self.kind,
            "spec": self.spec.to_dict(),
            "protocol": self.protocol,
            "complete": self.complete,
            "partial": self.partial,
            "missing": list(self.missing),
            "summary": dict(self.summary),
            "intervals": {name: list(interval) for name, interval in self.intervals.items()},
            "choices": dict(self.choices),
            "provenance": dict(self.provenance),
            "cells": [cell.to_dict() for cell in self.cells],
            "shown": {name: asdict(one) for name, one in self.shown.items()},
        }
        return json.dumps(record, indent=2, allow_nan=False) + "\n"

    @classmethod
    def from_json(cls, text: str) -> Results:
        """Inverse of `to_json`.

        Raises:
            DataError: the text is not a record of this schema.
        """
        try:
            record = json.loads(text)
            if record["schema_version"] not in (1, SCHEMA_VERSION):
                raise DataError(
                    f"results of schema version {record['schema_version']}; this version reads 1 and "
                    f"{SCHEMA_VERSION}"
                )
            if record["schema_version"] == 1:
                record = {**record, "spec": _spec_of_schema_1(record).to_dict()}
            return cls(
                spec=SuiteSpec.from_dict(record["spec"]),
                protocol=record["protocol"],
                cells=tuple(CellResult.from_dict(cell) for cell in record["cells"]),
                summary=record["summary"],
                intervals={name: (low, high) for name, (low, high) in record["intervals"].items()},
                choices=record["choices"],
                provenance=record["provenance"],
                missing=tuple(record["missing"]),
                complete=record["complete"],
                shown={name: Presentation(**one) for name, one in record.get("shown", {}).items()},
            )
        except (ValueError, KeyError, TypeError) as error:
            raise DataError(f"not a results record ({type(error).__name__}: {error})") from error

    def save(self, folder: str | Path) -> Path:
        """Write `results.json` and `cells.csv` into a folder, each atomically; returns the JSON's path."""
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        write_atomically(folder / CELLS_FILE, cells_csv(self.cells).encode())
        write_atomically(folder / RESULTS_FILE, self.to_json().encode())
        return folder / RESULTS_FILE

    @classmethod
    def load(cls, path: str | Path) -> Results:
        """Read a run folder or its `results.json`.

        Raises:
            DataError: there is no such file, or it is no results record.
        """
        path = Path(path)
        path = path / RESULTS_FILE if path.is_dir() else path
        try:
            return replace(cls.from_json(path.read_text()), folder=str(path.parent))
        except OSError as error:
            raise DataError(f"no results at {path}: {error.strerror}") from error
        except DataError as error:
            raise DataError(f"{path}: {error}") from error

    def __repr__(self) -> str:
        scores = ", ".join(f"{name} {value:.4g}" for name, value in self.summary.items())
        note = " (partial)" if self.partial else ""
        return f"<Results of {self.model} on {self.suite}{note}: {len(self.cells)} cells; {scores}>"

    def _repr_html_(self) -> str:
        headline = "".join(
            f"<tr><th>{html.escape(name)}</th><td>{_percent(value)}</td><td>{self._interval(name)}</td></tr>"
            for name, value in self.summary.items()
        )
        note = f"<p>partial: {len(self.missing)} cells missing</p>" if self.partial else ""
        if self.estimate is not None:
            note += f"<p>estimated from {self.estimate['images']} of {self.estimate['of']} images a cell</p>"
        title = f"{html.escape(self.model)} on {html.escape(self.suite)} ({html.escape(self.protocol)})"
        return (
            f"<p><b>{title}</b></p>{note}<table><thead><tr><th>score</th><th>%</th><th>95 % interval</th>"
            f"</tr></thead><tbody>{headline}</tbody></table>{self._cells_html()}"
        )

    def _interval(self, name: str) -> str:
        if name not in self.intervals:
            return ""
        low, high = self.intervals[name]
        return f"{_percent(low)} to {_percent(high)}"

    def _cells_html(self) -> str:
        score = self.spec.cell_score
        rows = ""
        for name, values in self.by_name(score).items():
            cells = "".join(f"<td>{_percent(value)}</td>" for value in values)
            rows += f"<tr><th>{html.escape(name)}</th>{cells}</tr>"
        return (
            f"<table><caption>{score}, % by severity</caption><tbody>{rows}</tbody></table>" if rows else ""
        )


def _spec_of_schema_1(record: Mapping[str, Any]) -> SuiteSpec:
    """The suite's record of results that name their suite alone, as version 0.1.0 wrote them."""
    data = record["provenance"].get("data") or {}
    spec = SUITES.get(record["suite"])
    if spec is None:
        classes = int((data.get("from") or data).get("classes") or 0)
        spec = replace(
            custom_spec(record["kind"], classes, 0, int(data.get("images") or 0)), name=record["suite"]
        )
    chosen = record["choices"].get("perturbation_list", spec.test_list)
    return spec.with_test_list(chosen) if spec.test_lists else spec


def _percent(value: float) -> str:
    return f"{100 * value:.1f}"


def cells_csv(cells: Sequence[CellResult]) -> str:
    """Cells as CSV text, one row a cell, the union of their scores as columns."""
    records = [cell.to_dict() for cell in cells]
    names = list(dict.fromkeys(name for record in records for name in record))
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=names, lineterminator="\n")
    writer.writeheader()
    writer.writerows(records)
    return text.getvalue()


def check_finite(scores: Mapping[str, float], where: str) -> None:
    """Refuse a score that is not a number.

    Raises:
        InvalidInput: names the score and the place.
    """
    for name, value in scores.items():
        if not math.isfinite(value):
            raise InvalidInput(f"{where}: the score {name} is {value}")
