"""A report as files: its content becomes findings, tables and figures, these become a page and files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from robustbench_lite.report.content import Content, Section
from robustbench_lite.report.figures.canvas import figure_bytes
from robustbench_lite.report.figures.report_figures import fourier_figures, section_figures
from robustbench_lite.report.figures.style import ReportFigure, looks
from robustbench_lite.report.findings import findings
from robustbench_lite.report.folder import replace_files
from robustbench_lite.report.page import PageSection, SectionTables, html_page
from robustbench_lite.report.provenance import definitions, run_records
from robustbench_lite.report.tables.paper_table import cell_table
from robustbench_lite.report.tables.results_table import results_table

PAGE: Final = "report.html"
_FIGURE_FORMATS: Final = ("png", "pdf")
_TABLE_FORMATS: Final = {"csv": "csv", "markdown": "md", "latex": "tex"}
"""Format of a table -> the ending of its file."""


def write_content(
    content: Content, folder: str | Path, *, title: str = "Robustness report", published: bool = False
) -> Path:
    """Write report.html, its figures as PNG and PDF, and its tables as CSV, Markdown and LaTeX.

    Args:
        content: what is reported.
        folder: made if it does not exist; the files of the previous report in it are replaced.
        title: the heading of the page.
        published: show the paper's own rows in the tables.

    Returns:
        The path of report.html.

    Raises:
        DataError: the folder can't be written.
    """
    folder = Path(folder)
    texts = [findings(section) for section in content.sections]
    tables = [_section_tables(section, published) for section in content.sections]
    styles = looks(content.models)
    figures = [section_figures(section, styles) for section in content.sections]
    fourier = fourier_figures(content.fourier)
    sections = [
        PageSection(section.suite, section.title, text, section.notes, table, figure)
        for section, text, table, figure in zip(content.sections, texts, tables, figures, strict=True)
    ]
    records = run_records(content.sections)
    page = html_page(title, content.models, sections, fourier, definitions(content.sections), records)
    replace_files(folder, {PAGE: page.encode(), **_figure_files(sections, fourier), **_table_files(sections)})
    return folder / PAGE


def _section_tables(section: Section, published: bool) -> SectionTables:
    cells = section.results if section.kind == "corruption" else []
    return SectionTables(
        results=results_table(section.results, published=published),
        comparison=None if section.comparison is None else section.comparison.report(),
        cells=[cell_table(results) for results in cells],
    )


def _figure_files(sections: Sequence[PageSection], fourier: Sequence[ReportFigure]) -> dict[str, bytes]:
    figures = [*(figure for section in sections for figure in section.figures), *fourier]
    return {
        f"figures/{figure.name}.{form}": figure_bytes(figure.figure, form)
        for figure in figures
        for form in _FIGURE_FORMATS
    }


def _table_files(sections: Sequence[PageSection]) -> dict[str, bytes]:
    tables = {section.name: section.tables.results for section in sections}
    comparisons = {f"{section.name}-comparison": section.tables.comparison for section in sections}
    tables |= {name: comparison for name, comparison in comparisons.items() if comparison is not None}
    return {
        f"tables/{name}.{ending}": (report.render(style) + "\n").encode()
        for name, report in tables.items()
        for style, ending in _TABLE_FORMATS.items()
    }
