"""Example images of a report: a few images drawn at random, with the models' predictions on their copies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from robustbench_lite.errors import DataError
from robustbench_lite.evaluation.progress import SilentEvaluation
from robustbench_lite.evaluation.settings import SuiteSettings
from robustbench_lite.evaluation.sources import open_suite
from robustbench_lite.evaluation.store import Columns
from robustbench_lite.evaluation.subset import read_at
from robustbench_lite.reference import cifar_classes
from robustbench_lite.report.content import Answer, ExampleRow, Examples, Pixels
from robustbench_lite.report.tables.layout import name_groups
from robustbench_lite.results import Results
from robustbench_lite.suite_spec import SuiteSpec
from robustbench_lite.suites import CLEAN, Cell, Suite


@dataclass(frozen=True)
class Places:
    """The places of a report's example images, and how many are shown.

    Attributes:
        data: folder of the suite's files, or of the clean files that it was generated from; the place that
            the run recorded if None.
        clean_data: folder of the clean files beside an official suite; as recorded if None.
        frost: folder of the frost photographs; as recorded if None.
        classes: names of the classes, for the user's own images.
        images: number of images, one row each.
        seed: the seed of the random choice of images.
    """

    data: str | Path | None = None
    clean_data: str | Path | None = None
    frost: str | Path | None = None
    classes: Sequence[str] | None = None
    images: int = 4
    seed: int = 0


def example_images(
    results: Results, answers: Mapping[str, Mapping[Cell, Columns]], places: Places
) -> Examples:
    """Return a few images under the corruption of each group that hurts the first model most.

    Args:
        results: the results of the first model, on a corruption suite.
        answers: model -> the kept predictions of its cells.
        places: the places of the images.

    Raises:
        DataError: the images are missing, or are not those of the run.
    """
    suite, clean = _open(results, places)
    cells = _cells(results, answers)
    if clean is None:
        cells = [cell for cell in cells if cell != CLEAN]
    if not cells:
        raise DataError("no cell has both its images and every model's kept predictions")
    labels = next(iter(answers.values()))[cells[-1]]["label"]
    random = np.random.default_rng(places.seed)
    shown = np.sort(random.choice(len(labels), min(places.images, len(labels)), replace=False))
    pixels = {
        cell: _pixels(clean if cell == CLEAN and clean is not None else suite, cell, shown) for cell in cells
    }
    names = places.classes or _class_names(results.spec.dataset)
    rows = []
    for row, image in enumerate(shown):
        predictions = {
            model: tuple(_answer(columns[cell], int(image), names) for cell in cells)
            for model, columns in answers.items()
        }
        truth = _name(names, int(labels[image]))
        rows.append(ExampleRow(truth, tuple(pixels[cell][row] for cell in cells), predictions))
    return Examples(tuple(_title(cell, results.spec) for cell in cells), tuple(rows))


def made_for_the_run(data: Mapping[str, Any]) -> bool:
    """Return whether a run generated its images itself, rather than read the files of `robust corrupt`."""
    return data.get("mode") == "generated" and "manifest" not in data


def _open(results: Results, places: Places) -> tuple[Suite, Suite | None]:
    """Return the suite and its clean set as the run had them."""
    record: Mapping[str, Any] = results.provenance["data"]
    clean: Mapping[str, Any] = results.provenance.get("clean_data") or {}
    generated = made_for_the_run(record)
    root = places.data or record["root"]
    beside = places.clean_data or (root if generated else clean.get("root"))
    cells = [cell for cell in results.cells if cell.name != CLEAN.name]
    settings = SuiteSettings(
        data=None if generated else root,
        clean_data=beside,
        generate=generated,
        protocol=results.protocol,
        corruptions=tuple(dict.fromkeys(cell.name for cell in cells)),
        severities=tuple(sorted({cell.severity for cell in cells})),
        profile=record.get("profile"),
        as_stored=record.get("as_stored"),
        frost=places.frost or record.get("frost") or record.get("textures"),
        seed=int(record.get("seed") or 0),
    )
    suite = open_suite(results.suite, settings, SilentEvaluation())
    if suite.fingerprint() != record["fingerprint"]:
        raise DataError(f"the images in {root} are not those that were evaluated (another fingerprint)")
    has_clean = (CLEAN.name, CLEAN.severity) in {(cell.name, cell.severity) for cell in results.cells}
    return suite, suite.clean if has_clean else None


def _cells(results: Results, answers: Mapping[str, Mapping[Cell, Columns]]) -> list[Cell]:
    """Return the clean cell, each group's worst corruption at the middle severity, and the worst of all."""
    errors = {
        Cell(cell.name, cell.severity): cell.scores["error"]
        for cell in results.cells
        if all(Cell(cell.name, cell.severity) in columns for columns in answers.values())
    }
    chosen = [CLEAN] if CLEAN in errors else []
    severities = results.spec.severities
    middle, last = severities[len(severities) // 2], severities[-1]
    for names in name_groups(results.spec).values():
        cells = [cell for cell in errors if cell.severity == middle and cell.name in names]
        chosen += [max(cells, key=lambda cell: errors[cell])] if cells else []
    hardest = [cell for cell in errors if cell.severity == last]
    return chosen + ([max(hardest, key=lambda cell: errors[cell])] if hardest else [])


def _pixels(suite: Suite, cell: Cell, shown: np.ndarray[Any, Any]) -> list[Pixels]:
    reader = suite.open(cell)
    try:
        return list(read_at(reader, shown).cpu().numpy())
    finally:
        reader.close()


def _answer(columns: Columns, image: int, names: Sequence[str]) -> Answer:
    prediction = int(columns["prediction"][image])
    right = prediction == int(columns["label"][image])
    return Answer(_name(names, prediction), float(columns["confidence"][image]), right)


def _class_names(dataset: str) -> Sequence[str]:
    """Return the names of a data set's classes; none where they are not known."""
    if dataset in ("cifar10", "cifar100"):
        return cifar_classes(dataset)
    if dataset != "imagenet":
        return ()
    from torchvision.models import ResNet18_Weights

    return [str(name) for name in ResNet18_Weights.IMAGENET1K_V1.meta["categories"]]


def _name(names: Sequence[str], label: int) -> str:
    return names[label] if label < len(names) else f"class {label}"


def _title(cell: Cell, spec: SuiteSpec) -> str:
    return "Clean" if cell == CLEAN else f"{spec.heading(cell.name)} {cell.severity}"
