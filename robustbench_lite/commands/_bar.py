"""One progress bar with the remaining time; plain lines where there is no terminal."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from robustbench_lite.commands._lines import Lines
from robustbench_lite.commands._progress import first_console, progress_bars


@contextmanager
def bar(title: str) -> Iterator[Callable[[int, int], None]]:
    """Show the progress of a job on standard error.

    Call the yielded function with the number of finished images and the total number.

    The estimate of the remaining time ignores the work of earlier starts, before the first call.
    """
    console = first_console()
    with progress_bars(console, "images") as bars:
        task = bars.add_task(title, total=None)
        lines = Lines(console, title, "images")

        def update(done: int, total: int) -> None:
            bars.update(task, completed=done, total=total)
            lines.update(done, total)

        yield update
