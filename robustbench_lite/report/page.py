"""One HTML file that holds a whole report: no script, no network; light, dark and paper."""

from __future__ import annotations

import html
import json
from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any, Final

from robustbench_lite.report.content import Content, ModelRun, Section
from robustbench_lite.report.figures.canvas import figure_bytes
from robustbench_lite.report.figures.report_figures import fourier_drawings, section_drawings
from robustbench_lite.report.figures.style import Drawing, looks
from robustbench_lite.report.figures.svg import inline_svg
from robustbench_lite.report.findings import findings
from robustbench_lite.report.folder import replace_files
from robustbench_lite.report.tables.html_table import html_table, prose
from robustbench_lite.report.tables.layout import suite_title
from robustbench_lite.report.tables.results_table import Report, cell_table, results_table

PAGE: Final = "report.html"
_TABLES: Final = {"csv": "csv", "markdown": "md", "latex": "tex"}


def write_report(
    content: Content, folder: str | Path, *, title: str = "Robustness report", published: bool = False
) -> Path:
    """Write report.html, its figures as PNG and PDF, and its tables as CSV, Markdown and LaTeX.

    Args:
        content: what is reported.
        folder: made where it is not there; files of the last report in it are replaced.
        title: heading of the page.
        published: put the paper's own rows into the tables.

    Returns:
        The path of report.html.

    Raises:
        DataError: the folder can't be written.
    """
    folder = Path(folder)
    styles = looks(content.models)
    drawings = [section_drawings(section, styles) for section in content.sections]
    fourier = fourier_drawings(content)
    tables = [results_table(section.results, published=published) for section in content.sections]
    blocks = [
        _section(section, drawn, table)
        for section, drawn, table in zip(content.sections, drawings, tables, strict=True)
    ]
    if fourier:
        blocks.append(_block("fourier", "Fourier sensitivity", "".join(map(_figure, fourier))))
    blocks.append(_block("definitions", "How the numbers came about", _provenance(content)))
    figures = {
        f"figures/{drawing.name}.{form}": figure_bytes(drawing.figure, form)
        for drawing in [*(one for drawn in drawings for one in drawn), *fourier]
        for form in ("png", "pdf")
    }
    written = {section.suite: table for section, table in zip(content.sections, tables, strict=True)}
    written |= {
        f"{section.suite}-comparison": section.comparison.report()
        for section in content.sections
        if section.comparison is not None
    }
    kept = {
        f"tables/{name}.{ending}": (table.render(style) + "\n").encode()
        for name, table in written.items()
        for style, ending in _TABLES.items()
    }
    replace_files(folder, {PAGE: _page(content, title, blocks).encode(), **figures, **kept})
    return folder / PAGE


def _page(content: Content, title: str, blocks: Sequence[str]) -> str:
    style = resources.files(__package__).joinpath("page.css").read_text(encoding="utf-8")
    chips = "".join(
        f'<li><i style="background:var(--model-{place % 7})"></i>{html.escape(model)}</li>'
        for place, model in enumerate(content.models)
    )
    places = [(section.suite, suite_title(section.suite)) for section in content.sections]
    places += [("fourier", "Fourier")] if content.fourier else []
    links = "".join(
        f'<a href="#{name}">{html.escape(text)}</a>'
        for name, text in [*places, ("definitions", "Definitions")]
    )
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n<link rel="icon" href="data:,">\n'
        f"<title>{html.escape(title)}</title>\n<style>\n{style}</style>\n</head>\n<body>\n"
        f'<header><h1>{html.escape(title)}</h1><ul class="models">{chips}</ul><nav>{links}</nav></header>\n'
        f"<main>\n{''.join(blocks)}</main>\n</body>\n</html>\n"
    )


def _block(name: str, title: str, inner: str) -> str:
    return f'<section id="{html.escape(name)}">\n<h2>{html.escape(title)}</h2>\n{inner}</section>\n'


def _section(section: Section, drawings: Sequence[Drawing], table: Report) -> str:
    said = "".join(f"<dt>{html.escape(lead)}</dt><dd>{prose(text)}</dd>" for lead, text in findings(section))
    warned = "".join(f'<p class="warning">{prose(text)}</p>' for text in section.notes)
    lines = table.tables if table.lines is None else table.lines
    parts = [
        f'<dl class="findings">{said}</dl>\n' if said else "",
        warned,
        "".join(map(html_table, lines)),
        "".join(map(_figure, drawings)),
    ]
    if section.comparison is not None:
        parts += map(html_table, section.comparison.report().tables)
    if section.kind == "corruption":
        cells = "".join(html_table(cell_table(run.results)) for run in section.runs)
        parts.append(f"<details><summary>Every cell</summary>{cells}</details>\n")
    return _block(section.suite, suite_title(section.suite), "".join(parts))


def _figure(drawing: Drawing) -> str:
    width = float(drawing.figure.get_figwidth())
    picture = inline_svg(drawing.figure, drawing.name, f"{drawing.title}: {drawing.note}")
    note = f"<figcaption>{prose(drawing.note)}</figcaption>" if drawing.note else ""
    return (
        f"<h3>{html.escape(drawing.title)}</h3>\n"
        f'<figure style="--inches:{width:g}">{picture}{note}</figure>\n'
    )


def _provenance(content: Content) -> str:
    runs = [run for section in content.sections for run in section.runs]
    choices: dict[str, str] = {}
    for run in runs:
        choices |= run.results.choices
    said = "".join(
        f"<dt>{html.escape(name.replace('_', ' '))}</dt><dd>{prose(text)}</dd>"
        for name, text in choices.items()
    )
    return f"<dl>{said}</dl>\n{''.join(map(_run, runs))}"


def _run(run: ModelRun) -> str:
    record = run.results.provenance
    model: Mapping[str, Any] = record.get("model", {})
    known = {
        "architecture": model.get("architecture"),
        "parameters": f"{model['parameters']:,}" if "parameters" in model else None,
        "SHA-256": model.get("sha256"),
        "normalisation": " ".join(
            filter(None, (model.get("normalization"), _bracketed(model.get("normalization_reason"))))
        ),
        "input protocol": run.results.protocol,
        "images": _images(record.get("data", {})),
        "precision": record.get("run", {}).get("precision"),
        "device": record.get("run", {}).get("device_name"),
        "seed": record.get("seed"),
    }
    rows = "".join(
        f"<tr><th scope=row>{html.escape(name)}</th><td>{html.escape(str(value))}</td></tr>"
        for name, value in known.items()
        if value not in (None, "")
    )
    heading = f"{run.title} on {suite_title(run.results.suite)}"
    full = html.escape(json.dumps(dict(record), indent=1, ensure_ascii=False))
    return (
        f"<details><summary>{html.escape(heading)}</summary>"
        f'<div class="table"><table class="facts"><tbody>{rows}</tbody></table></div>'
        f"<details><summary>The whole record</summary><pre>{full}</pre></details></details>\n"
    )


def _bracketed(text: str | None) -> str:
    return f"({text})" if text else ""


def _images(data: Mapping[str, Any]) -> str:
    if not data:
        return ""
    what = [f"{data.get('images', '?'):,} a cell" if isinstance(data.get("images"), int) else ""]
    what += [str(data[key]) for key in ("mode",) if key in data]
    what += [f"fingerprint {str(data['fingerprint'])[:16]}"] if "fingerprint" in data else []
    return ", ".join(filter(None, what))
