"""The events of an evaluation that a caller can follow; the bars of the terminal implement them."""

from __future__ import annotations

from typing import Protocol

from robustbench_lite.results import CellResult
from robustbench_lite.suites import Cell


class EvaluationProgress(Protocol):
    """What happens during a run, in order; only the first process of several reports."""

    def note(self, text: str) -> None:
        """A sentence the user should see once: a choice that was made, a thing that is missing."""

    def begin(self, images: int) -> None:
        """The run starts: images in all, those that an earlier start has done among them."""

    def begin_cell(self, cell: Cell, images: int) -> None:
        """A cell starts."""

    def advance(self, images: int) -> None:
        """Some images of the cell are done."""

    def end_cell(self, result: CellResult) -> None:
        """A cell is scored and kept."""


class SilentEvaluation:
    """Says nothing."""

    def note(self, text: str) -> None:
        """Ignored."""

    def begin(self, images: int) -> None:
        """Ignored."""

    def begin_cell(self, cell: Cell, images: int) -> None:
        """Ignored."""

    def advance(self, images: int) -> None:
        """Ignored."""

    def end_cell(self, result: CellResult) -> None:
        """Ignored."""
