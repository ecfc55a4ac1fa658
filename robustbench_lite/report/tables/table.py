"""A table before it is drawn: columns in groups, rows of numbers, notes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from robustbench_lite.results import ESTIMATED

Value: TypeAlias = str | float | None
"""Text, a number (errors and probabilities as fractions), or None where there is none."""

NO_VALUE = "—"
APPROXIMATELY = "≈"


@dataclass(frozen=True)
class Column:
    """One column.

    Attributes:
        key: name of the value in a row, and in CSV and JSON.
        title: heading.
        group: heading above neighbouring columns of the same group.
        digits: decimals that are printed.
        percent: print a fraction as a percentage.
        interval: print the value's interval behind it.
        hidden: only CSV and JSON show the column.
        signed: print the sign of positive numbers, too.
        least: a smaller number is printed as "<" and this one.
    """

    key: str
    title: str
    group: str = ""
    digits: int = 1
    percent: bool = True
    interval: bool = False
    hidden: bool = False
    signed: bool = False
    least: float | None = None


@dataclass(frozen=True)
class Row:
    """One row.

    Attributes:
        values: column key -> value.
        intervals: column key -> (low, high), for values that have one.
        mark: printed behind the label.
        ranked: whether the row can be the best of a column.
        spread: whether intervals are symmetric, so that "±" and half of their length are printed.
    """

    values: Mapping[str, Value]
    intervals: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    mark: str = ""
    ranked: bool = True
    spread: bool = False


@dataclass(frozen=True)
class Table:
    """A table; numbers are rounded only where it is drawn.

    Attributes:
        title: the line above the table.
        columns: the first is the label of a row.
        rows: the rows in order.
        notes: sentences below the table.
        ranked: whether the rows compete, so that the lowest number of a column is the best.
    """

    title: str
    columns: Sequence[Column]
    rows: Sequence[Row]
    notes: Sequence[str] = ()
    ranked: bool = True

    @property
    def shown(self) -> list[Column]:
        """The columns that are printed."""
        return [column for column in self.columns if not column.hidden]

    @property
    def groups(self) -> list[tuple[str, int]]:
        """Headings above the printed columns, each with its number of columns."""
        return groups(self.shown)

    @property
    def words(self) -> list[bool]:
        """Which of the printed columns hold words, which are aligned to the left."""
        return [place == 0 or is_text(column, self.rows) for place, column in enumerate(self.shown)]

    def lines(self) -> list[list[str]]:
        """The printed text of every cell, row by row."""
        lines = [[printed(column, row) for column in self.shown] for row in self.rows]
        for line, row in zip(lines, self.rows, strict=True):
            line[0] += row.mark
        return lines

    def best(self) -> list[list[bool]]:
        """Which cells print the lowest number of their column, if two rows or more have a number."""
        marks = [[False] * len(self.shown) for _ in self.rows]
        for index, column in enumerate(self.shown if self.ranked else ()):
            numbers = [row.values.get(column.key) if row.ranked else None for row in self.rows]
            texts = [_number(column, value) if isinstance(value, float) else "" for value in numbers]
            present = [text for text in texts if text]
            if len(present) < 2:
                continue
            lowest = min(present, key=float)
            for mark, text in zip(marks, texts, strict=True):
                mark[index] = text == lowest
        return marks


def printed(column: Column, row: Row) -> str:
    """Return the text of a cell, rounded; an estimate, with a mark, takes the place of a missing number."""
    key = column.key
    mark = ""
    if row.values.get(key) is None and row.values.get(ESTIMATED + key) is not None:
        key, mark = ESTIMATED + key, APPROXIMATELY
    value = row.values.get(key)
    if value is None:
        return NO_VALUE
    if isinstance(value, str):
        return value
    text = mark + _number(column, value)
    if column.interval and key in row.intervals:
        low, high = row.intervals[key]
        ends = f"[{_number(column, low)}, {_number(column, high)}]"
        text = f"{text} {f'± {_number(column, (high - low) / 2)}' if row.spread else ends}"
    return text


def _number(column: Column, value: float) -> str:
    if column.least is not None and value < column.least:
        return f"<{_number(column, column.least)}"
    sign = "+" if column.signed else ""
    return f"{value * (100 if column.percent else 1):{sign}z.{column.digits}f}"


def is_text(column: Column, rows: Sequence[Row]) -> bool:
    """Return whether a column holds words, which are aligned to the left."""
    return any(isinstance(row.values.get(column.key), str) for row in rows)


def groups(columns: Sequence[Column]) -> list[tuple[str, int]]:
    """Return the group headings in order, each with its number of columns."""
    spans: list[tuple[str, int]] = []
    for column in columns:
        if spans and spans[-1][0] == column.group:
            spans[-1] = (column.group, spans[-1][1] + 1)
        else:
            spans.append((column.group, 1))
    return spans
