"""Tables as plain text, Markdown, LaTeX (booktabs), CSV and JSON."""

from __future__ import annotations

import csv
import io
import json
import textwrap
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final

from robustbench_lite.errors import UnknownName
from robustbench_lite.report.tables.table import Column, Row, Table, Value, groups, is_text

_NOTE_WIDTH: Final = 110
_LEAST_FOOTNOTE: Final = 60
_MARKS: Final = ("†", "‡", "≈", "*")
"""A note that begins with one of these explains a mark in the table."""

_LATEX_SPECIAL: Final = str.maketrans(
    {
        "&": r"\&",
        "%": r"\%",
        "$": r"\$",
        "#": r"\#",
        "_": r"\_",
        "{": r"\{",
        "}": r"\}",
        "~": r"\textasciitilde{}",
        "^": r"\textasciicircum{}",
        "\\": r"\textbackslash{}",
        "—": "---",
        "†": r"$^\dagger$",
        "‡": r"$^\ddagger$",
        "×": r"$\times$",
        "±": r"$\pm$",
        "≈": r"$\approx$",
        "<": r"$<$",
        ">": r"$>$",
        "|": r"$|$",
        "…": r"\ldots{}",
    }
)


def render(tables: Sequence[Table], style: str, width: int | None = None) -> str:
    """Return tables one below the other.

    Text, Markdown and LaTeX print rounded values and notes; in Markdown and LaTeX the lowest number of a
    column is bold. CSV and JSON hold every digit, and fractions instead of percentages. The ends of an
    interval are in the columns `KEY_low` and `KEY_high`, a standard deviation is in `KEY_sd`. A model's rows
    in several tables become one row; tables whose rows are not models are left out.

    Args:
        tables: several tables have the same rows.
        style: "text", "markdown", "latex", "csv" or "json".
        width: letters that a line of text may have. A wider table is cut between its groups of columns into
            blocks, which repeat the labels. None never cuts.

    Raises:
        UnknownName: no such style.
    """
    if style == "text":
        return "\n\n".join(_text(table, width) for table in tables)
    if style in _MACHINE:
        return _MACHINE[style](tables)
    if style not in _PRINTED:
        raise UnknownName("table format", style, ("text", *_PRINTED, *_MACHINE))
    return "\n\n".join(_PRINTED[style](table) for table in tables)


def _text(table: Table, width: int | None) -> str:
    lines = [[column.title for column in table.shown], *table.lines()]
    blocks = ["\n".join(_text_block(table, lines, block)) for block in _blocks(table, lines, width)]
    notes = [_filled_note(note, min(width or _NOTE_WIDTH, _NOTE_WIDTH)) for note in table.notes]
    return "\n".join([table.title, "\n\n".join(blocks), *notes])


def _filled_note(note: str, width: int) -> str:
    """Return a note in lines; a percent sign stays on the line of its number."""
    bound = note.replace(" %", "\N{NO-BREAK SPACE}%")
    return textwrap.fill(bound, width, subsequent_indent="  ").replace("\N{NO-BREAK SPACE}", " ")


def _text_block(table: Table, lines: Sequence[Sequence[str]], chosen: Sequence[int]) -> list[str]:
    """The lines of a table that has these columns only."""
    columns = [table.shown[index] for index in chosen]
    cells = [[line[index] for index in chosen] for line in lines]
    spans = groups(columns)
    widths = _widths(columns, cells)
    left = [index == 0 or is_text(column, table.rows) for index, column in enumerate(columns)]
    body = [_text_line(line, widths, left, spans) for line in cells]
    body.insert(1, "-" * len(body[0]))
    if any(heading for heading, _ in spans):
        body.insert(0, _text_groups(widths, spans))
    return [line.rstrip() for line in body]


def _widths(columns: Sequence[Column], cells: Sequence[Sequence[str]]) -> list[int]:
    """Return the width of each column in letters; the last of a group is wider where the heading needs it."""
    widths = [max(len(line[index]) for line in cells) for index in range(len(columns))]
    start = 0
    for heading, size in groups(columns):
        short = len(heading) - sum(widths[start : start + size]) - 2 * (size - 1)
        widths[start + size - 1] += max(short, 0)
        start += size
    return widths


def _blocks(table: Table, lines: Sequence[Sequence[str]], width: int | None) -> list[list[int]]:
    """Return the columns of each block: as few blocks as the width allows, about equally wide."""
    whole = list(range(len(table.shown)))
    if width is None or _total(table, lines, whole) <= width:
        return [whole]
    blocks = _filled(table, lines, width)
    while width > 1 and len(even := _filled(table, lines, width - 1)) == len(blocks):
        blocks, width = even, width - 1
    return blocks


def _filled(table: Table, lines: Sequence[Sequence[str]], width: int) -> list[list[int]]:
    """Fill block after block with columns that stay together; each block begins with the label."""
    blocks: list[list[int]] = [[0]]
    for unit in _units(table, lines, width):
        if len(blocks[-1]) > 1 and _total(table, lines, [*blocks[-1], *unit]) > width:
            blocks.append([0])
        blocks[-1] += unit
    return blocks


def _units(table: Table, lines: Sequence[Sequence[str]], width: int) -> Iterator[list[int]]:
    """Yield columns that stay together: those of one heading, where they fit beside the label."""
    start = 0
    for heading, size in groups(table.shown):
        group = list(range(max(start, 1), start + size))
        start += size
        if heading and _total(table, lines, [0, *group]) <= width:
            yield group
        else:
            yield from ([index] for index in group)


def _total(table: Table, lines: Sequence[Sequence[str]], chosen: Sequence[int]) -> int:
    """Return the letters of a line with these columns."""
    columns = [table.shown[index] for index in chosen]
    widths = _widths(columns, [[line[index] for index in chosen] for line in lines])
    bars = len(groups(columns)) - 1
    return sum(widths) + 2 * (len(widths) - 1 - bars) + 3 * bars


def _text_line(
    cells: Sequence[str], widths: Sequence[int], left: Sequence[bool], spans: Sequence[tuple[str, int]]
) -> str:
    padded = [
        cell.ljust(width) if flush else cell.rjust(width)
        for cell, width, flush in zip(cells, widths, left, strict=True)
    ]
    parts, start = [], 0
    for _, size in spans:
        parts.append("  ".join(padded[start : start + size]))
        start += size
    return " | ".join(parts)


def _text_groups(widths: Sequence[int], spans: Sequence[tuple[str, int]]) -> str:
    parts, start = [], 0
    for heading, size in spans:
        parts.append(heading.center(sum(widths[start : start + size]) + 2 * (size - 1)))
        start += size
    return " | ".join(parts)


def _markdown(table: Table) -> str:
    columns = table.shown
    titles = [
        f"{column.group}: {column.title}" if first else column.title
        for column, first in zip(columns, _firsts(columns), strict=True)
    ]
    rule = [":--" if index == 0 else "--:" for index in range(len(columns))]
    cells = _bold(table, lambda text: text.replace("|", r"\|"), "**{}**")
    body = ["| " + " | ".join(line) + " |" for line in (titles, rule, *cells)]
    notes = ["", *(f"- {note}" for note in table.notes)] if table.notes else []
    return "\n".join([f"**{table.title}**", "", *body, *notes])


def _bold(table: Table, escape: Callable[[str], str], bold: str) -> list[list[str]]:
    """Return the printed cells, escaped, the best of each column in bold."""
    return [
        [bold.format(escape(cell)) if best else escape(cell) for cell, best in zip(line, marks, strict=True)]
        for line, marks in zip(table.lines(), table.best(), strict=True)
    ]


def _firsts(columns: Sequence[Column]) -> list[bool]:
    """Return which columns are the first of a group with a heading."""
    previous = ["", *(column.group for column in columns[:-1])]
    return [column.group not in ("", before) for column, before in zip(columns, previous, strict=True)]


def _latex(table: Table) -> str:
    columns = table.shown
    layout = "l" + "".join("l" if is_text(column, table.rows) else "r" for column in columns[1:])
    titles = [_escaped(column.title) for column in columns]
    rows = [titles, *_bold(table, _escaped, r"\textbf{{{}}}")]
    lines = [" & ".join(row) + r" \\" for row in rows]
    return "\n".join(
        [
            f"% {table.title}",
            rf"\begin{{tabular}}{{{layout}}}",
            r"\toprule",
            *_latex_groups(groups(columns)),
            lines[0],
            r"\midrule",
            *lines[1:],
            r"\bottomrule",
            *_latex_footnotes(table),
            r"\end{tabular}",
            *(f"% {note}" for note in table.notes if not note.startswith(_MARKS)),
        ]
    )


def _latex_footnotes(table: Table) -> list[str]:
    """Return the lines below the last rule: the meaning of the marks, about as wide as the table."""
    columns = table.shown
    widths = _widths(columns, [[column.title for column in columns], *table.lines()])
    wide = max(_LEAST_FOOTNOTE, sum(widths) + 2 * len(widths))
    marked = [note for note in table.notes if note.startswith(_MARKS)]
    return [
        rf"\multicolumn{{{len(columns)}}}{{l}}{{\footnotesize {_escaped(line)}}} \\"
        for note in marked
        for line in textwrap.wrap(note, wide)
    ]


def _latex_groups(spans: Sequence[tuple[str, int]]) -> list[str]:
    """Return the line of group headings and the rules below them; nothing without groups."""
    cells, rules, start = [], [], 1
    for heading, size in spans:
        if heading:
            cells.append(rf"\multicolumn{{{size}}}{{c}}{{{_escaped(heading)}}}")
            rules.append(rf"\cmidrule(lr){{{start}-{start + size - 1}}}")
        else:
            cells += [""] * size
        start += size
    return [" & ".join(cells) + r" \\", " ".join(rules)] if rules else []


def _escaped(text: str) -> str:
    return text.translate(_LATEX_SPECIAL)


def _csv(tables: Sequence[Table]) -> str:
    records = _records(tables)
    text = io.StringIO()
    writer = csv.DictWriter(
        text, list(dict.fromkeys(key for record in records for key in record)), lineterminator="\n"
    )
    writer.writeheader()
    writer.writerows(records)
    return text.getvalue().rstrip("\n")


def _json(tables: Sequence[Table]) -> str:
    notes = list(dict.fromkeys(note for table in tables for note in table.notes))
    content = {"title": tables[0].title, "rows": _records(tables), "notes": notes}
    return json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False)


def _records(tables: Sequence[Table]) -> list[dict[str, Value]]:
    """Return flat rows; the row of a label in a later table continues its row in the first table."""
    label = tables[0].columns[0].key
    records: list[dict[str, Value]] = []
    for table in tables:
        if table.columns[0].key != label:
            continue
        open_records = list(records)
        for row in table.rows:
            record = _record(table, row)
            same = next((old for old in open_records if old[label] == record[label]), None)
            if same is None:
                records.append(record)
            else:
                same |= record
                open_records.remove(same)
    return records


def _record(table: Table, row: Row) -> dict[str, Value]:
    record: dict[str, Value] = {}
    for column in table.columns:
        record[column.key] = row.values.get(column.key)
        if column.key in row.intervals:
            low, high = row.intervals[column.key]
            ends = {"sd": (high - low) / 2} if row.spread else {"low": low, "high": high}
            record |= {f"{column.key}_{name}": value for name, value in ends.items()}
    return record


_PRINTED: Final[Mapping[str, Callable[[Table], str]]] = {"markdown": _markdown, "latex": _latex}
_MACHINE: Final[Mapping[str, Callable[[Sequence[Table]], str]]] = {"csv": _csv, "json": _json}
