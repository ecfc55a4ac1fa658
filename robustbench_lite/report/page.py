"""The HTML page of a report: one file without scripts that loads nothing; for light, dark and paper."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from jinja2 import Environment, PackageLoader, StrictUndefined

from robustbench_lite.report.figures.style import ReportFigure
from robustbench_lite.report.figures.svg import inline_svg
from robustbench_lite.report.provenance import RunRecord
from robustbench_lite.report.tables.results_table import Report
from robustbench_lite.report.tables.table import Table


@dataclass(frozen=True)
class SectionTables:
    """The tables of one suite.

    Attributes:
        results: the papers' table and the headline scores.
        comparison: the comparison of two models, where there is one.
        cells: a table of every cell for each model, folded away.
    """

    results: Report
    comparison: Report | None
    cells: Sequence[Table]


@dataclass(frozen=True)
class PageSection:
    """What the page shows about one suite.

    Attributes:
        name: the suite's name, which is the anchor of the section.
        title: the heading.
        findings: (model or pair of models, sentences).
        warnings: sentences about what is missing.
        tables: the tables.
        figures: the figures.
    """

    name: str
    title: str
    findings: Sequence[tuple[str, str]]
    warnings: Sequence[str]
    tables: SectionTables
    figures: Sequence[ReportFigure]


def html_page(
    title: str,
    models: Sequence[str],
    sections: Sequence[PageSection],
    fourier: Sequence[ReportFigure],
    definitions: Mapping[str, Sequence[str]],
    runs: Sequence[RunRecord],
) -> str:
    """Return the page as HTML; every text is escaped.

    Args:
        title: the heading of the page.
        models: titles of the models, in the order of their colours.
        sections: one for each suite.
        fourier: the figures of the Fourier maps; none leaves their section out.
        definitions: name of a choice -> its definitions.
        runs: the records behind the numbers.
    """
    environment = Environment(
        loader=PackageLoader("robustbench_lite.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {"prose": _prose, "svg": _svg}
    return environment.get_template("page.html").render(
        title=title,
        models=models,
        sections=sections,
        fourier=fourier,
        definitions=definitions,
        runs=runs,
    )


def _prose(text: str) -> str:
    """Return a sentence in which a percent sign stays on the line of its number."""
    return text.replace(" %", "\N{NO-BREAK SPACE}%")


def _svg(figure: ReportFigure) -> str:
    return inline_svg(figure.figure, figure.name, f"{figure.title}: {figure.caption}")
