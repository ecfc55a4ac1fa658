"""The progress of a job in lines, for standard error that is a file and can't show a bar."""

from __future__ import annotations

import time
from typing import Final

from rich.console import Console

LINE_EVERY: Final = 60.0
"""The seconds between two lines."""


class Lines:
    """Prints one line per minute with the remaining time. It prints nothing on a terminal, which has a bar.

    The estimate of the remaining time ignores the work of earlier starts, before the first call.
    """

    def __init__(self, console: Console, title: str, unit: str) -> None:
        self._console, self._title, self._unit = console, title, unit
        self._began = self._last = time.monotonic()
        self._before: int | None = None

    def update(self, done: int, total: int, detail: str = "") -> None:
        """Print a line when one is due; `done` of `total` units are finished."""
        now = time.monotonic()
        if self._before is None:
            self._before, self._began = done, now
        if self._console.is_terminal or now - self._last < LINE_EVERY or done == self._before:
            return
        self._last = now
        self._console.print(
            f"{self._title}: {done:,} of {total:,} {self._unit}{detail}, {self.left(done, total)} left"
        )

    def left(self, done: int, total: int) -> str:
        """Return the remaining time at the speed so far, in words."""
        before = self._before or 0
        seconds = (total - done) * (time.monotonic() - self._began) / max(1, done - before)
        if seconds > 7200:
            return f"about {seconds / 3600:.1f} h"
        return f"about {seconds / 60:.0f} min" if seconds > 120 else f"about {seconds:.0f} s"
