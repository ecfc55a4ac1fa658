"""Figures as SVG inside a page: CSS variables replace their colours, the page's font replaces theirs."""

from __future__ import annotations

import html
import io
import re
from typing import TYPE_CHECKING, Final

from robustbench_lite.report.figures.canvas import LINES
from robustbench_lite.report.figures.style import INK, MUTED, PAPER, RIGHT, RULE, WRONG

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_VARIABLES: Final = {
    INK: "ink",
    MUTED: "muted",
    RULE: "rule",
    PAPER: "paper",
    RIGHT: "right",
    WRONG: "wrong",
    **{colour.lower(): f"model-{place}" for place, colour in enumerate(LINES) if colour.lower() != INK},
}
"""Colour in a figure -> CSS variable of the page."""


def inline_svg(figure: Figure, name: str, title: str) -> str:
    """Return a figure as an <svg> element of a page.

    Args:
        figure: drawn with the colours of `style`.
        name: unique in the page; the ids inside the figure are made from it.
        title: a description of the figure, for readers who can't see it.
    """
    import matplotlib

    buffer = io.StringIO()
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": name}):
        figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None})
    text = buffer.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    text = _without_idle_ids(text)
    text = re.sub(
        r"#[0-9a-f]{6}\b",
        lambda match: f"var(--{_VARIABLES[match[0]]})" if match[0] in _VARIABLES else match[0],
        text,
    )
    # The text takes the page's font at the size that the figure gives it.
    text = re.sub(r"font: ([^;\"]*?)([\d.]+px)[^;\"]*", r"font-size: \2", text)
    box = re.search(r'viewBox="([^"]*)"', text)
    label = f'role="img" aria-label="{html.escape(title)}"'
    start = f'<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" {label}'
    return f'{start} viewBox="{box[1] if box else ""}">' + text[text.index(">") + 1 :].strip()


def _without_idle_ids(text: str) -> str:
    """Remove the ids that nothing refers to: they are the same in every figure."""
    used = set(re.findall(r"(?:url\(#|href=\"#)([^)\"]+)", text))
    return re.sub(r' id="([^"]+)"', lambda match: match[0] if match[1] in used else "", text)
