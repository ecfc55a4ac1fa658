"""Lines of progress where no bar can be drawn."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from robustbench_lite.commands import _lines
from robustbench_lite.commands._lines import Lines


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    found = Clock()
    monkeypatch.setattr(_lines, "time", found)
    return found


def told(clock: Clock, *, terminal: bool = False) -> list[str]:
    """Half the images of a resumed job are done already; 10 more take 30 seconds each time."""
    out = io.StringIO()
    lines = Lines(Console(file=out, force_terminal=terminal, width=200), "evaluated", "images")
    for done in range(500, 551, 10):
        lines.update(done, 1000, " (fog)")
        clock.now += 30
    return out.getvalue().splitlines()


def test_a_line_a_minute_says_what_is_left_at_the_speed_of_this_start(clock: Clock) -> None:
    assert told(clock) == [
        "evaluated: 520 of 1,000 images (fog), about 24 min left",
        "evaluated: 540 of 1,000 images (fog), about 23 min left",
    ]


def test_a_terminal_has_a_bar_and_gets_no_lines(clock: Clock) -> None:
    assert told(clock, terminal=True) == []
