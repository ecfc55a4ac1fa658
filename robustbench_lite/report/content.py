"""What a report is drawn from: records and plain arrays, gathered elsewhere."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from robustbench_lite.report.fourier.fourier_map import FourierMap
from robustbench_lite.report.tables.comparison import Comparison
from robustbench_lite.results import Results

Pixels: TypeAlias = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Reliability:
    """Accuracy against confidence, in bins of equal width that hold predictions.

    Attributes:
        confidence: mean confidence of each bin.
        accuracy: share of right predictions in it.
        size: predictions in it.
    """

    confidence: tuple[float, ...]
    accuracy: tuple[float, ...]
    size: tuple[int, ...]


@dataclass(frozen=True)
class ModelRun:
    """One model on one suite.

    Attributes:
        title: the model's name, different from those of the other models in the report.
        results: the record.
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
    """What a model said of an image: class, its probability, and whether it is right."""

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
    """Rows of images; `columns` are the corruptions they went through."""

    columns: tuple[str, ...]
    rows: tuple[ExampleRow, ...]


@dataclass(frozen=True)
class Section:
    """Everything about one suite.

    Attributes:
        suite: its name.
        runs: one or several models.
        comparison: second run against the first, where there are two.
        examples: images, where the data are at hand.
        notes: what is missing or to beware of, in sentences.
    """

    suite: str
    runs: tuple[ModelRun, ...]
    comparison: Comparison | None = None
    examples: Examples | None = None
    notes: tuple[str, ...] = ()

    @property
    def kind(self) -> str:
        """Corruption, perturbation or clean."""
        return self.runs[0].results.kind

    @property
    def results(self) -> list[Results]:
        """The records."""
        return [run.results for run in self.runs]


@dataclass(frozen=True)
class Content:
    """A whole report.

    Attributes:
        sections: one for each suite.
        fourier: Fourier-sensitivity maps by model.
    """

    sections: tuple[Section, ...]
    fourier: Mapping[str, FourierMap] = field(default_factory=dict)

    @property
    def models(self) -> list[str]:
        """Titles of the models that were evaluated, in order; those of the Fourier maps where none was."""
        evaluated = [run.title for section in self.sections for run in section.runs]
        return list(dict.fromkeys(evaluated or self.fourier))
