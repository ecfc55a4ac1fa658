"""Results as the papers' tables: runs become rows, a layout, tables, and notes below them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from robustbench_lite.report.tables.layout import suite_layout
from robustbench_lite.report.tables.notes import paper_notes, score_notes, source_notes
from robustbench_lite.report.tables.paper_table import cell_table, paper_table
from robustbench_lite.report.tables.render import render
from robustbench_lite.report.tables.rows import measured_rows, one_suite, reference_rows
from robustbench_lite.report.tables.score_tables import score_lines, score_table
from robustbench_lite.report.tables.table import Table
from robustbench_lite.results import Results


@dataclass(frozen=True)
class Report:
    """Tables over the same models, printed one below the other.

    Attributes:
        tables: the tables of files and papers.
        lines: narrower tables that a terminal and a page show instead; the same tables where None.
    """

    tables: tuple[Table, ...]
    lines: tuple[Table, ...] | None = None

    @property
    def shown(self) -> tuple[Table, ...]:
        """The tables of a terminal or a page."""
        return self.tables if self.lines is None else self.lines

    def render(self, style: str = "text", width: int | None = None) -> str:
        """Draw as "text", "markdown", "latex", "csv" or "json".

        Args:
            style: one of these.
            width: letters that a line of text may have; wider tables are cut into blocks.

        Raises:
            UnknownName: no such style.
        """
        return render(self.shown if style == "text" else self.tables, style, width)


def results_table(results: Sequence[Results], *, published: bool = False, paper: str = "augmix") -> Report:
    """Return the tables of one or several runs on one suite.

    The first table has the paper's own layout, the second the headline scores with their intervals. Errors
    cell by cell follow where a run has corruptions without a place in that layout.

    Args:
        results: runs on the same suite, one row for each.
        published: put the paper's own rows beside them.
        paper: the paper that they are from, a key of `reference.PAPERS`.

    Raises:
        InvalidInput: no results, or results of different suites.
        UnknownName: no such paper.
    """
    runs = one_suite(results)
    measured = [row for run in runs for row in measured_rows(run)]
    references = reference_rows(runs[0].spec, measured, paper) if published else []
    rows = [*measured, *(row for row in references if row.values)]
    means = [row for row in references if row.scores or not row.values]

    layout = suite_layout(runs[0].spec, rows)

    clean = layout.spec.kind == "clean"
    in_layout = not clean and any(row.values or not row.selected for row in rows)
    papers = [paper_table(rows, layout)] if in_layout else []
    title = layout.title if clean else "Headline scores"
    recorded = {name: shown for run in runs for name, shown in run.shown.items()}
    scores = [
        score_table(measured, title, mean_key=layout.spec.mean.key, recorded=recorded),
        score_lines(measured, title, layout.spec.title, mean_key=layout.spec.mean.key, recorded=recorded),
    ]
    others = [score_table(means, "Published means", mean_key=layout.spec.mean.key)] if means else []
    cells = []
    if layout.spec.kind == "corruption":
        cells = [cell_table(run) for run, row in zip(runs, measured, strict=True) if row.unplaced]

    papers = [replace(table, notes=paper_notes(rows, layout)) for table in papers]
    notes = [*([] if papers else source_notes(measured)), *score_notes(measured, runs)]
    scores = [replace(table, notes=notes) for table in scores]
    others = [replace(table, notes=source_notes(means)) for table in others]
    wide, narrow = ([*papers, *([table] if table.columns[1:] else []), *others, *cells] for table in scores)
    return Report(tuple(wide), tuple(narrow))
