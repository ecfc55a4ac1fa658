"""The events of an evaluation that a caller can follow; the bars of the terminal implement them."""

from __future__ import annotations

from typing import Protocol

from robustbench_lite.results import CellResult
from robustbench_lite.suites import Cell


class EvaluationProgress(Protocol):
    """The events of a run, in order. Only the first of several processes reports them."""

    def note(self, text: str) -> None:
        """Show a sentence to the user once, for example about a choice or a missing file."""

    def begin(self, images: int) -> None:
        """The run starts. `images` is the total number, including those of an earlier start."""

    def begin_cell(self, cell: Cell, images: int) -> None:
        """A cell starts."""

    def advance(self, images: int) -> None:
        """Some images of the cell are finished."""

    def end_cell(self, result: CellResult) -> None:
        """A cell is scored and stored."""


class SilentEvaluation:
    """Ignores all events."""

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
