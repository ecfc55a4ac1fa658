"""The headline scores as tables: a column for each score in files, a line for each score on a terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from robustbench_lite.report.tables.paper_table import LABEL, estimated_columns, table_row
from robustbench_lite.report.tables.rows import ReportRow
from robustbench_lite.report.tables.table import NO_VALUE, Column, Row, Table, Value, printed
from robustbench_lite.scores import (
    CLEAN_PREFIX,
    ESTIMATED,
    SCORES,
    SELECTED,
    Presentation,
    headline_order,
    presentation,
)

_SIDES: Final = (CLEAN_PREFIX, "", SELECTED)
"""How a headline's name begins: on the clean images, on the suite, on a selection of its cells."""


def score_table(
    rows: Sequence[ReportRow],
    title: str,
    *,
    mean_key: str = "mean_error",
    notes: Sequence[str] = (),
    recorded: Mapping[str, Presentation] | None = None,
) -> Table:
    """Return the headline scores with a column for each score; scores that no row has are left out.

    Args:
        rows: models.
        title: the line above the table.
        mean_key: the name of the rows' mean in `Results.summary`.
        notes: sentences below the table.
        recorded: how the scores of a plugin are printed, by their names.
    """
    body = [table_row(row, mean_key, row.scores) for row in rows]
    columns = [_column(key, presentation(key, recorded)) for key in headline_order(_keys(body))]
    columns += estimated_columns([column.key for column in columns], rows)
    return Table(title, [LABEL, *columns], body, notes)


def score_lines(
    rows: Sequence[ReportRow],
    title: str,
    suite: str,
    *,
    mean_key: str,
    notes: Sequence[str] = (),
    recorded: Mapping[str, Presentation] | None = None,
) -> Table:
    """Return the headline scores with a line for each score, and up to three columns for each model.

    The columns are the clean images, the suite, and a selection of its corruptions or severities.

    Args:
        rows: models.
        title: the line above the table.
        suite: the suite's title, which is the heading of its scores.
        mean_key: the name of the rows' mean in `Results.summary`.
        notes: sentences below the table.
        recorded: how the scores of a plugin are printed, by their names.
    """
    body = [table_row(row, mean_key, row.scores) for row in rows]
    lines = _lines(_keys(body), recorded)
    headings = dict(zip(_SIDES, ("Clean", suite, f"{suite}, selection"), strict=True))
    columns = [Column("score", "Score")]
    records: list[dict[str, Value]] = [{"score": heading} for heading in lines]
    for number, row in enumerate(body):
        for side in _SIDES:
            texts = [printed(line[side], row) if side in line else NO_VALUE for line in lines.values()]
            if set(texts) <= {NO_VALUE}:
                continue
            key = f"{side}{number}"
            columns.append(Column(key, headings[side], rows[number].model + row.mark))
            for record, text in zip(records, _aligned(texts), strict=True):
                record[key] = text
    return Table(title, columns, [Row(record) for record in records], notes)


def _keys(body: Sequence[Row]) -> list[str]:
    """Return the headlines that a row has; an estimate is under the name of what it estimates."""
    keys = [key for row in body for key, value in row.values.items() if isinstance(value, float)]
    return list(dict.fromkeys(key.removeprefix(ESTIMATED) for key in keys))


def _lines(keys: Sequence[str], recorded: Mapping[str, Presentation] | None) -> dict[str, dict[str, Column]]:
    """Return title of a line -> side -> the column of its headline; a score has one line for all sides."""
    sides: dict[str, dict[str, str]] = {}
    for key in keys:
        side = next((side for side in _SIDES if side and key.startswith(side)), "")
        sides.setdefault(_mean_of(key.removeprefix(side)), {})[side] = key
    names = {score.headline: score.name for score in SCORES.values() if score.headline}
    lines = {}
    for mean in headline_order(sides):
        shown = presentation(names.get(mean, mean), recorded)
        if not shown.hidden:
            columns = {side: _column(key, shown) for side, key in sides[mean].items()}
            lines[shown.title + shown.unit] = columns
    return lines


def _mean_of(name: str) -> str:
    """Return the headline that is the mean of a score, for the name of either."""
    score = SCORES.get(name)
    return name if score is None or score.headline is None else score.headline


def _column(key: str, shown: Presentation) -> Column:
    heading = shown.heading + shown.unit
    return Column(key, heading, "", shown.digits, shown.percent, interval=True, hidden=shown.hidden)


def _aligned(texts: Sequence[str]) -> list[str]:
    """Return numbers flush right, their intervals behind them."""
    parts = [text.partition(" ") for text in texts]
    width = max(len(number) for number, _, _ in parts)
    return [f"{number.rjust(width)}{space}{interval}" for number, space, interval in parts]
