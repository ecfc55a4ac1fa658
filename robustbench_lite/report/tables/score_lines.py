"""Headline scores as a terminal shows them: a line a score, the clean one beside the corrupted one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from robustbench_lite.report.tables.rows import ReportRow
from robustbench_lite.report.tables.table import NO_VALUE, Column, Row, Table, Value, printed


@dataclass(frozen=True)
class _Line:
    """A score: its name in `Results.summary`, its title, its decimals, whether it is a percentage."""

    key: str
    title: str
    digits: int = 1
    percent: bool = True


_LINES: Final = (
    _Line("mce", "mCE %"),
    _Line("relative_mce", "Relative mCE %"),
    _Line("mfr", "mFR %"),
    _Line("mfp", "mFP %"),
    _Line("mt5d", "Top-5 distance", 2, percent=False),
    _Line("error", "Error %"),
    _Line("top5_error", "Top-5 error %"),
    _Line("rms_calibration_error", "RMS calibration error %"),
    _Line("expected_calibration_error", "ECE %"),
    _Line("brier_score", "Brier (0 to 2)", 3, percent=False),
    _Line("top_label_brier_score", "Brier, top label", 3, percent=False),
    _Line("nll", "NLL", 3, percent=False),
)
_SELECTED: Final = "selected_"


def score_lines(
    rows: Sequence[ReportRow], title: str, suite: str, *, mean_key: str, notes: Sequence[str] = ()
) -> Table:
    """Return the headline scores with a line for each score and one or two columns for each model.

    The scores of a selection of corruptions or severities stand under a heading that says so.

    Args:
        rows: models.
        title: line above.
        suite: heading of the scores under corruption or perturbation; those beside are clean.
        mean_key: the name of the rows' mean in `Results.summary`.
        notes: sentences below.
    """
    columns = [Column("score", "Score")]
    body: list[dict[str, Value]] = [{"score": line.title} for line in _LINES]
    for number, row in enumerate(rows):
        values = {**row.scores, "clean_error": row.clean_error, mean_key: row.mean}
        sides = (("clean_", "Clean"), ("", suite), (_SELECTED, f"{suite}, selection"))
        for side, heading in sides:
            texts = [_text(line, side, values, row) for line in _LINES]
            if set(texts) != {NO_VALUE}:
                key = f"{side}{number}"
                columns.append(Column(key, heading, row.model))
                for record, text in zip(body, _aligned(texts), strict=True):
                    record[key] = text
    keys = [column.key for column in columns[1:]]
    filled = [Row(record) for record in body if any(str(record[key]).strip() != NO_VALUE for key in keys)]
    return Table(title, columns, filled, notes)


def _text(
    line: _Line,
    side: str,
    values: Mapping[str, float | None],
    row: ReportRow,
) -> str:
    """A score with its interval; a dash where there is none."""
    name = side + ("mean_error" if line.key == "error" and side != "clean_" else line.key)
    column = Column(name, line.title, digits=line.digits, percent=line.percent, interval=True)
    return printed(column, Row(values, row.intervals, spread=row.trainings > 1))


def _aligned(texts: Sequence[str]) -> list[str]:
    """Numbers flush right, their intervals behind them."""
    parts = [text.partition(" ") for text in texts]
    width = max(len(number) for number, _, _ in parts)
    return [f"{number.rjust(width)}{space}{interval}" for number, space, interval in parts]
