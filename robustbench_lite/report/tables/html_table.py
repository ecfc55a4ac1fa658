"""Tables as HTML."""

from __future__ import annotations

import html
from typing import Final

from robustbench_lite.report.tables.table import Table, groups, is_text

_MANY: Final = 14
"""Columns from which on a table is set more tightly, so that the last one is still on the page."""


def prose(text: str) -> str:
    """A sentence as HTML, in which a percent sign stays with its number."""
    return html.escape(text).replace(" %", "&nbsp;%")


def html_table(table: Table) -> str:
    """Return a table with its title and notes; the best of each column is strong.

    Args:
        table: any.
    """
    columns = table.shown
    texts = [index == 0 or is_text(column, table.rows) for index, column in enumerate(columns)]
    head = "".join(
        f'<th scope="col"{"" if text else " class=n"}>{html.escape(column.title)}</th>'
        for column, text in zip(columns, texts, strict=True)
    )
    spans = groups(columns)
    above = "".join(
        f"<th colspan={size}{' scope=colgroup class=g' if heading else ''}>{html.escape(heading)}</th>"
        for heading, size in spans
    )
    above = f"<tr>{above}</tr>" if any(heading for heading, _ in spans) else ""
    body = "".join(_row(line, best, texts) for line, best in zip(table.lines(), table.best(), strict=True))
    wide = " class=wide" if len(columns) > _MANY else ""
    notes = "".join(f"<li>{prose(note)}</li>" for note in table.notes)
    return (
        f'<h4>{html.escape(table.title)}</h4><div class="table"><table{wide}>'
        f"<thead>{above}<tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
        + (f'<ul class="notes">{notes}</ul>' if notes else "")
    )


def _row(line: list[str], best: list[bool], texts: list[bool]) -> str:
    cells = [f'<th scope="row">{html.escape(line[0])}</th>']
    for cell, strong, text in list(zip(line, best, texts, strict=True))[1:]:
        inner = html.escape(cell.strip())
        inner = f"<strong>{inner}</strong>" if strong else inner
        told = f' data-value="{html.escape(cell)}"' if text else " class=n"
        cells.append(f"<td{told}>{inner}</td>")
    return f"<tr>{''.join(cells)}</tr>"
