"""Results as the papers' tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from robustbench_lite import reference
from robustbench_lite.errors import InvalidInput
from robustbench_lite.reference.names import SEVERITIES
from robustbench_lite.report.tables.layout import (
    SHORT_NAMES,
    SUITE_TITLES,
    TableLayout,
    suite_layout,
    suite_title,
)
from robustbench_lite.report.tables.notes import run_notes, source_notes
from robustbench_lite.report.tables.render import render
from robustbench_lite.report.tables.rows import (
    ESTIMATED_MARK,
    ReportRow,
    baseline_row,
    measured_rows,
    published_row,
)
from robustbench_lite.report.tables.score_lines import score_lines
from robustbench_lite.report.tables.table import NO_VALUE, Column, Row, Table, Value
from robustbench_lite.results import ESTIMATED, Results

_LABEL = Column("model", "Model")
_SOURCE = Column("source", "Source", hidden=True)

_SCORES = (
    Column("clean_error", "Clean error %", interval=True),
    Column("clean_top5_error", "Clean top-5 error %", interval=True),
    Column("mce", "mCE %", interval=True),
    Column("relative_mce", "Relative mCE %", interval=True),
    Column("mean_error", "Mean error %", interval=True),
    Column("selected_mean_error", "Error of the selection %", interval=True),
    Column("top5_error", "Top-5 error %", interval=True),
    Column("mfr", "mFR %", interval=True),
    Column("mfp", "mFP %", interval=True),
    Column("mt5d", "Top-5 distance", digits=2, percent=False, interval=True),
    Column("rms_calibration_error", "RMS calib. %", interval=True),
    Column("rms_calibration_error_released", "RMS calib. (released) %", interval=True, hidden=True),
    Column("expected_calibration_error", "ECE %", interval=True),
    Column("brier_score", "Brier (0-2)", digits=3, percent=False, interval=True),
    Column("top_label_brier_score", "Brier, top label", digits=3, percent=False, interval=True),
    Column("nll", "NLL", digits=3, percent=False, interval=True),
    Column("clean_rms_calibration_error", "Clean RMS calib. %", interval=True),
    Column("clean_expected_calibration_error", "Clean ECE %", interval=True),
    Column("clean_brier_score", "Clean Brier (0-2)", digits=3, percent=False, interval=True),
    Column("clean_top_label_brier_score", "Clean Brier, top label", digits=3, percent=False, interval=True),
    Column("clean_nll", "Clean NLL", digits=3, percent=False, interval=True),
)


@dataclass(frozen=True)
class Report:
    """Tables over the same models, printed one below the other.

    Attributes:
        tables: of files and papers.
        lines: what a terminal shows in their place, which is less wide; the same tables where None.
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
            width: letters a line of text may have; wider tables are cut into blocks.

        Raises:
            UnknownName: no such style.
        """
        return render(self.shown if style == "text" else self.tables, style, width)


def results_table(results: Sequence[Results], *, published: bool = False, paper: str = "augmix") -> Report:
    """Return the tables of one or several runs on one suite.

    First the paper's own layout, then the headline scores with their intervals; where a run has only some
    severities of a corruption, its errors cell by cell.

    Args:
        results: runs on the same suite; several make a comparison.
        published: put the paper's own rows beside them.
        paper: which paper's, a key of `reference.PAPERS`.

    Raises:
        InvalidInput: no results, or results of different suites.
        UnknownName: no such paper.
    """
    results = distinct(results)
    suites = list(dict.fromkeys(result.suite for result in results))
    if len(suites) != 1:
        found = ", ".join(suites) or "none"
        raise InvalidInput(f"a table is drawn from runs on one suite, but these are on: {found}")
    if results[0].kind == "clean":
        measured = [row for result in results for row in measured_rows(result, "mean_error")]
        return _report([], measured, [], results, SUITE_TITLES.get(suites[0], suites[0]), "mean_error")
    layout = suite_layout(suites[0], results[0].choices.get("perturbation_list", "snow"))
    measured = [row for result in results for row in measured_rows(result, layout.mean_key)]
    theirs = [published_row(row) for row in reference.published_rows(results[0].spec, paper=paper)]
    names = [*layout.names, *(name for name in layout.extra if any(name in row.values for row in measured))]
    below = baseline_row(suites[0], names)
    theirs = [*([below] if below else []), *theirs] if published else []
    rows = [*measured, *(row for row in theirs if row.values)]
    asked = any(row.values or not row.selected for row in rows)
    tables = [paper_table(rows, layout)] if asked else []
    return _report(tables, measured, theirs, results, "Headline scores", layout.mean_key)


def _report(
    tables: list[Table],
    measured: Sequence[ReportRow],
    theirs: Sequence[ReportRow],
    results: Sequence[Results],
    title: str,
    mean_key: str,
) -> Report:
    """The paper's layout where there is one, scores, published scores that have no place there, cells."""
    notes = [*([] if tables else source_notes(measured)), *run_notes(results)]
    scores = [score_table(measured, title, mean_key=mean_key, notes=notes)]
    heading = suite_title(results[0].suite)
    lines = [score_lines(measured, title, heading, mean_key=mean_key, notes=scores[0].notes)]
    scores = [table for table in scores if len(table.shown) > 1]
    more = []
    if means := [row for row in theirs if row.scores or not row.values]:
        said = source_notes(means)
        more.append(score_table(means, "Published means", mean_key=mean_key, notes=said))
    more += [cell_table(result) for result in results if _lacks_severities(result)]
    return Report((*tables, *scores, *more), (*tables, *(lines if scores else ()), *more))


def paper_table(rows: Sequence[ReportRow], layout: TableLayout) -> Table:
    """Return a table in a paper's layout: clean error, corruptions by group, mean.

    Where all rows are selections, only what was asked for has a column. Validation corruptions follow the
    mean, under a heading that says so.

    Args:
        rows: models, measured and published.
        layout: of the suite.
    """
    found, selected = {name for row in rows for name in row.values}, all(row.selected for row in rows)
    columns = [_LABEL, _SOURCE, Column("clean_error", "Clean")]
    columns += [
        Column(name, SHORT_NAMES[name], heading, layout.digits)
        for heading, names in layout.groups.items()
        for name in names
        if name in found or not selected
    ]
    columns += [] if selected else [Column(layout.mean_key, layout.mean)]
    columns += [
        Column(name, SHORT_NAMES[name], "Not in the mean", layout.digits)
        for name in layout.extra
        if name in found
    ]
    columns += _estimated(("clean_error", layout.mean_key), rows)
    body = [_body_row(row, layout.mean_key, {**row.values, **_only_estimates(row.scores)}) for row in rows]
    return Table(layout.title, columns, body, _paper_notes(rows, layout))


def score_table(
    rows: Sequence[ReportRow], title: str, *, mean_key: str = "mean_error", notes: Sequence[str] = ()
) -> Table:
    """Return the headline scores, each with its interval; scores that no row has are left out.

    Args:
        rows: models.
        title: line above.
        mean_key: the name of the rows' mean in `Results.summary`.
        notes: sentences below.
    """
    body = [_body_row(row, mean_key, row.scores) for row in rows]
    used = [
        column
        for column in _SCORES
        if any(row.values.get(prefix + column.key) is not None for row in body for prefix in ("", ESTIMATED))
    ]
    used += _estimated([column.key for column in used], rows)
    return Table(title, [_LABEL, *used], body, [*_interval_notes(rows), *notes])


def _interval_notes(rows: Sequence[ReportRow]) -> list[str]:
    kinds = {name.startswith(ESTIMATED) for row in rows if row.trainings == 1 for name in row.intervals}
    said = {
        False: "[low, high]: 95 % bootstrap interval over images, an image's copies together.",
        True: "≈ ... [low, high]: 95 % interval for the score over all images of these files.",
    }
    several = dict.fromkeys(row.trainings for row in rows if row.trainings > 1)
    return [said[kind] for kind in sorted(kinds)] + [
        f"±: standard deviation over {count} trainings." for count in several
    ]


def cell_table(results: Results) -> Table:
    """Return the error of every cell of one run: corruptions by severity."""
    severities = sorted({cell.severity for cell in results.cells if cell.name != "clean"})
    rows: dict[str, dict[str, Value]] = {}
    for cell in results.cells:
        if cell.name != "clean":
            rows.setdefault(cell.name, {"name": cell.name})[str(cell.severity)] = cell.scores["error"]
    columns = [Column("name", "Corruption")]
    columns += [Column(str(severity), str(severity), "Severity") for severity in severities]
    title = f"{results.model}: error by severity, %"
    return Table(title, columns, [Row(values) for values in rows.values()], ranked=False)


def _body_row(row: ReportRow, mean_key: str, others: Mapping[str, float]) -> Row:
    values = {"model": row.model, "source": row.source, "clean_error": row.clean_error, mean_key: row.mean}
    return Row(
        {**others, **values}, row.intervals, row.mark, row.mark != ESTIMATED_MARK, spread=row.trainings > 1
    )


def _estimated(keys: Sequence[str], rows: Sequence[ReportRow]) -> list[Column]:
    """Columns of their own for estimates in CSV and JSON; elsewhere they stand, marked, with the rest."""
    found = {name for row in rows for name in _only_estimates(row.scores)}
    return [Column(ESTIMATED + key, "", hidden=True) for key in keys if ESTIMATED + key in found]


def _only_estimates(scores: Mapping[str, float]) -> dict[str, float]:
    return {name: value for name, value in scores.items() if name.startswith(ESTIMATED)}


def _paper_notes(rows: Sequence[ReportRow], layout: TableLayout) -> list[str]:
    notes = [layout.note]
    lacking = dict.fromkeys(row.missing for row in rows if row.missing)
    notes += [f"{NO_VALUE} no mean for {_models(rows, reason)}: {reason}." for reason in lacking]
    if any(_clean(row) is None or not set(layout.names) <= set(row.values) for row in rows):
        notes.append(f"{NO_VALUE} not evaluated, or not published.")
    return notes + source_notes(rows)


def _models(rows: Sequence[ReportRow], missing: str) -> str:
    return ", ".join(row.model for row in rows if row.missing == missing)


def _clean(row: ReportRow) -> float | None:
    return row.scores.get(f"{ESTIMATED}clean_error") if row.clean_error is None else row.clean_error


def distinct(results: Sequence[Results]) -> list[Results]:
    """The same runs; models that share a name are told by where they came from."""
    names = [result.model for result in results]
    told = []
    for result in results:
        source = result.provenance.get("model", {}).get("source")
        told.append(result.renamed(source) if names.count(result.model) > 1 and source else result)
    return told


def _lacks_severities(results: Results) -> bool:
    """Whether a corruption was run at some severities only, so that it has no place in the paper's layout."""
    names = [cell.name for cell in results.cells if cell.name != "clean"]
    return results.kind == "corruption" and any(names.count(name) != len(SEVERITIES) for name in names)
