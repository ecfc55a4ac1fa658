"""One bar with the time that is left; plain lines where there is no terminal."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from robustbench_lite.commands._lines import Lines
from robustbench_lite.commands._progress import first_console


@contextmanager
def bar(title: str) -> Iterator[Callable[[int, int], None]]:
    """Show how far a job is, on standard error: what is yielded is told the images done and in all.

    What was done before the first call, in an earlier start, is left out of the estimate.
    """
    console = first_console()
    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("images"),
        TimeRemainingColumn(),
        console=console,
        disable=not console.is_terminal,
        transient=True,
    ) as bars:
        task = bars.add_task(title, total=None)
        lines = Lines(console, title, "images")

        def tell(done: int, total: int) -> None:
            bars.update(task, completed=done, total=total)
            lines.tell(done, total)

        yield tell
