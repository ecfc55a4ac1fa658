"""Figures as SVG inside a page: their inks become CSS variables, their letters the page's own."""

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
"""Colour in a drawing -> CSS variable of the page."""


def inline_svg(figure: Figure, name: str, title: str) -> str:
    """Return a figure as an <svg> element to be put into a page.

    Args:
        figure: drawn with the inks of `plot_style`.
        name: unique in the page; what the drawing refers to within itself is named after it.
        title: what the drawing shows, for those who can't see it.
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
        lambda found: f"var(--{_VARIABLES[found[0]]})" if found[0] in _VARIABLES else found[0],
        text,
    )
    # Letters take the page's font, at the size that the drawing gives them.
    text = re.sub(r"font: ([^;\"]*?)([\d.]+px)[^;\"]*", r"font-size: \2", text)
    box = re.search(r'viewBox="([^"]*)"', text)
    said = f'role="img" aria-label="{html.escape(title)}"'
    start = f'<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" {said}'
    return f'{start} viewBox="{box[1] if box else ""}">' + text[text.index(">") + 1 :].strip()


def _without_idle_ids(text: str) -> str:
    """Drop the names that nothing refers to: they are the same in every drawing."""
    used = set(re.findall(r"(?:url\(#|href=\"#)([^)\"]+)", text))
    return re.sub(r' id="([^"]+)"', lambda found: found[0] if found[1] in used else "", text)
