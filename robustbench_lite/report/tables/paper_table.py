"""The table in a paper's layout, and the errors cell by cell where a run has no place in that layout."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from robustbench_lite.report.tables.layout import TableLayout
from robustbench_lite.report.tables.rows import ESTIMATED_MARK, ReportRow
from robustbench_lite.report.tables.table import Column, Row, Table, Value
from robustbench_lite.results import ESTIMATED, Results

LABEL = Column("model", "Model")


def paper_table(rows: Sequence[ReportRow], layout: TableLayout) -> Table:
    """Return the table in a paper's layout: clean error, corruptions by group, mean.

    Where all rows are selections, only the evaluated corruptions have a column. Validation corruptions follow
    the mean, under a heading that says so.

    Args:
        rows: models, measured and published.
        layout: the layout of the suite.
    """
    mean = layout.spec.mean
    evaluated = {name for row in rows for name in row.values}
    selected = all(row.selected for row in rows)
    columns = [LABEL, Column("source", "Source", hidden=True), Column("clean_error", "Clean")]
    columns += [
        Column(name, layout.spec.heading(name), group, layout.digits)
        for group, names in layout.groups.items()
        for name in names
        if name in evaluated or not selected
    ]
    columns += [] if selected else [Column(mean.key, mean.heading)]
    columns += [
        Column(name, layout.spec.heading(name), "Not in the mean", layout.digits)
        for name in layout.extra
        if name in evaluated
    ]
    columns += estimated_columns(("clean_error", mean.key), rows)
    body = [table_row(row, mean.key, {**row.values, **only_estimates(row.scores)}) for row in rows]
    return Table(layout.title, columns, body)


def cell_table(results: Results) -> Table:
    """Return the error of every cell of one run: corruptions by severity."""
    cells = [cell for cell in results.cells if cell.name != "clean"]
    severities = sorted({cell.severity for cell in cells})
    rows: dict[str, dict[str, Value]] = {}
    for cell in cells:
        rows.setdefault(cell.name, {"name": cell.name})[str(cell.severity)] = cell.scores["error"]
    columns = [Column("name", "Corruption")]
    columns += [Column(str(severity), str(severity), "Severity") for severity in severities]
    title = f"{results.model}: error by severity, %"
    return Table(title, columns, [Row(values) for values in rows.values()], ranked=False)


def table_row(row: ReportRow, mean_key: str, others: Mapping[str, float]) -> Row:
    """Return a row of a table with its label, its mean, its clean error and these other scores."""
    values = {"model": row.model, "source": row.source, "clean_error": row.clean_error, mean_key: row.mean}
    coverage = f" ({row.coverage} images)" if row.coverage else ""
    ranked = row.mark != ESTIMATED_MARK
    return Row({**others, **values}, row.intervals, coverage + row.mark, ranked, spread=row.trainings > 1)


def estimated_columns(keys: Sequence[str], rows: Sequence[ReportRow]) -> list[Column]:
    """Return the columns of estimates in CSV and JSON; elsewhere they stand, marked, in the other columns."""
    names = {name for row in rows for name in only_estimates(row.scores)}
    return [Column(ESTIMATED + key, "", hidden=True) for key in keys if ESTIMATED + key in names]


def only_estimates(scores: Mapping[str, float]) -> dict[str, float]:
    """Return the scores that were estimated from a part of the images."""
    return {name: value for name, value in scores.items() if name.startswith(ESTIMATED)}
