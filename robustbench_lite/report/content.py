"""The content of a report: records and plain arrays that the figures and tables are drawn from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from robustbench_lite.report.fourier.fourier_map import FourierMap
from robustbench_lite.report.tables.comparison import Comparison
from robustbench_lite.report.tables.layout import name_groups
from robustbench_lite.results import Results
from robustbench_lite.suite_spec import SuiteSpec

Pixels: TypeAlias = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Reliability:
    """Accuracy against confidence, in the bins of equal width that hold predictions.

    Attributes:
        confidence: mean confidence of each bin.
        accuracy: share of correct predictions in each bin.
        size: number of predictions in each bin.
    """

    confidence: tuple[float, ...]
    accuracy: tuple[float, ...]
    size: tuple[int, ...]


@dataclass(frozen=True)
class ModelRun:
    """One model on one suite.

    Attributes:
        title: the model's name; no other model in the report has it.
        results: the spec.
        reliability: severity (0: clean) -> curve over all corruptions of that severity; empty without
            the run's predictions.
        flip_errors: (perturbation, difficulty) -> standard error of its flip probability.
    """

    title: str
    results: Results
    reliability: Mapping[int, Reliability] = field(default_factory=dict)
    flip_errors: Mapping[tuple[str, int], float] = field(default_factory=dict)


@dataclass(frozen=True)
class Answer:
    """A model's prediction on an image: the class, its probability, and whether it is right."""

    label: str
    confidence: float
    right: bool


@dataclass(frozen=True)
class ExampleRow:
    """An image and its corrupted copies, with every model's answers.

    Attributes:
        truth: name of its class.
        pixels: uint8 (H, W, 3) for each column.
        answers: model -> an answer for each column.
    """

    truth: str
    pixels: tuple[Pixels, ...]
    answers: Mapping[str, tuple[Answer, ...]]


@dataclass(frozen=True)
class Examples:
    """Example images.

    Attributes:
        columns: the corruptions that were applied, as headings.
        rows: one for each image.
    """

    columns: tuple[str, ...]
    rows: tuple[ExampleRow, ...]


@dataclass(frozen=True)
class Section:
    """The content about one suite.

    Attributes:
        suite: name of the suite.
        runs: one or several models.
        comparison: the second run against the first, where there are two.
        examples: example images, where the data are available.
        notes: sentences about what is missing.
    """

    suite: str
    runs: tuple[ModelRun, ...]
    comparison: Comparison | None = None
    examples: Examples | None = None
    notes: tuple[str, ...] = ()

    @property
    def kind(self) -> str:
        """The kind of the suite: "corruption", "perturbation" or "clean"."""
        return self.runs[0].results.kind

    @property
    def title(self) -> str:
        """The suite's name in headings."""
        return self.spec.title

    @property
    def spec(self) -> SuiteSpec:
        """The suite."""
        return self.runs[0].results.spec

    @property
    def results(self) -> list[Results]:
        """The records of the runs."""
        return [run.results for run in self.runs]

    @property
    def groups(self) -> dict[str, tuple[str, ...]]:
        """Heading -> the corruptions or perturbations that a run has; those outside the mean come last."""
        evaluated = dict.fromkeys(
            cell.name for results in self.results for cell in results.cells if cell.name != "clean"
        )
        every = name_groups(self.spec)
        ordered = (*self.spec.validation, *evaluated)
        every["Not in the mean"] = tuple(dict.fromkeys(n for n in ordered if n not in self.spec.test))
        groups = {
            heading: tuple(name for name in names if name in evaluated) for heading, names in every.items()
        }
        return {heading: names for heading, names in groups.items() if names}

    @property
    def labels(self) -> dict[str, str]:
        """Corruption or perturbation -> the heading of its column."""
        names = dict.fromkeys(cell.name for results in self.results for cell in results.cells)
        return {name: self.spec.heading(name) for name in names}


@dataclass(frozen=True)
class Content:
    """The content of a whole report.

    Attributes:
        sections: one for each suite.
        fourier: Fourier-sensitivity maps by the model's title.
    """

    sections: tuple[Section, ...]
    fourier: Mapping[str, FourierMap] = field(default_factory=dict)

    @property
    def models(self) -> list[str]:
        """Titles of the evaluated models, in order; those of the Fourier maps where none was evaluated."""
        evaluated = [run.title for section in self.sections for run in section.runs]
        return list(dict.fromkeys(evaluated or self.fourier))
