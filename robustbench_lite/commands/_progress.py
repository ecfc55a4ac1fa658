"""Progress bars on a terminal, plain lines elsewhere. Only the first process shows them."""

from __future__ import annotations

import os
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from robustbench_lite.commands._lines import Lines
from robustbench_lite.commands._wording import in_options
from robustbench_lite.results import CellResult
from robustbench_lite.suites import Cell


def is_first_process() -> bool:
    """Return whether this process prints (rank 0 under torchrun)."""
    return os.environ.get("RANK", "0") == "0"


def first_console() -> Console:
    """Return a console on standard error, which is silent in all but the first process."""
    return Console(stderr=True, quiet=not is_first_process(), soft_wrap=True, highlight=False)


def progress_bars(console: Console, text: str) -> Progress:
    """Return bars that end with `text`, a format of a rich `task`. Only a terminal shows them."""
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn(text),
        TimeRemainingColumn(),
        console=console,
        disable=not console.is_terminal,
        transient=True,
    )


class TerminalBars:
    """Bars on standard error while a `with` block runs; plain lines where there is no terminal.

    Args:
        title: What happens to the units, for example "evaluated".
        unit: What the bars count, for example "images".
    """

    def __init__(self, title: str, unit: str) -> None:
        self._console = first_console()
        self._bars = progress_bars(self._console, "{task.fields[detail]}")
        self._lines = Lines(self._console, title, unit)

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bars.stop()

    def note(self, text: str) -> None:
        """Print a sentence."""
        # Paths and names are no markup: ":one:" is no emoji, and "[red]" no colour.
        self._console.print(in_options(text), markup=False, emoji=False)


class EvaluationBars(TerminalBars):
    """Two bars on standard error: the whole run and the current cell."""

    def __init__(self) -> None:
        super().__init__("evaluated", "images")
        self._run: TaskID | None = None
        self._cell: TaskID | None = None
        self._images = self._done = 0
        self._cell_images = 0

    def begin(self, images: int) -> None:
        """Show the bar of the run."""
        self._images = images
        self._run = self._bars.add_task("images", total=images, detail="")
        self._cell = self._bars.add_task("", total=None, detail="")

    def begin_cell(self, cell: Cell, images: int) -> None:
        """Restart the bar of the cell."""
        self._cell_images = images
        if self._cell is not None:
            name = cell.name if cell.severity == 0 else f"{cell.name} {cell.severity}"
            self._bars.reset(self._cell, total=images, description=name, detail="")

    def advance(self, images: int) -> None:
        """Move both bars."""
        if self._run is not None and self._cell is not None:
            self._bars.advance(self._cell, images)
            done = self._done + int(self._bars.tasks[self._cell].completed)
            self._bars.update(self._run, completed=done)
            self._lines.update(done, self._images)

    def end_cell(self, result: CellResult) -> None:
        """Complete the cell and show its score."""
        self._done += self._cell_images
        score = "flip_probability" if "flip_probability" in result.scores else "error"
        detail = f"{result.name}: {score.replace('_', ' ')} {100 * result.scores[score]:.2f} %"
        if self._run is not None:
            self._bars.update(self._run, completed=self._done, detail=detail)
