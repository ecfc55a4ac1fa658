"""Flip probabilities, perturbation by perturbation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from robustbench_lite.report.content import ModelRun
from robustbench_lite.report.figures.canvas import percent
from robustbench_lite.report.figures.legend import legend_above, legend_height
from robustbench_lite.report.figures.style import RULE, Look, sheet, tidy
from robustbench_lite.report.tables.layout import SHORT_NAMES

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_ROW = 0.2
_RUN = 0.07
_WIDTH = 5.2


def plot_flips(
    runs: Sequence[ModelRun],
    groups: Mapping[str, Sequence[str]],
    looks: Mapping[str, Look],
    difficulty: int = 1,
) -> Figure:
    """Flip probability with its 95 % interval, a line for each perturbation.

    Args:
        runs: on one -P suite.
        groups: heading -> perturbations, in order.
        looks: of the models.
        difficulty: which one is shown.
    """
    found = {cell.name for run in runs for cell in run.results.cells if cell.severity == difficulty}
    groups = {heading: [name for name in names if name in found] for heading, names in groups.items()}
    places: dict[str, float] = {}
    at = 0.0
    for names in groups.values():
        for name in names:
            places[name] = at
            at += 1
        at += 0.5 if names else 0
    shown = {run.title: looks[run.title] for run in runs}
    above = legend_height(shown, _WIDTH) + 0.06
    row = max(_ROW, 0.05 + _RUN * len(runs))
    with sheet(row * at + 0.32 + above, width=_WIDTH) as figure:
        axis = figure.subplots()
        tidy(axis, grid="x")
        axis.hlines(
            list(places.values()), 0, 1, color=RULE, linewidth=0.4, transform=axis.get_yaxis_transform()
        )
        apart = 0.6 / max(1, len(runs))
        for number, run in enumerate(runs):
            look = looks[run.title]
            shift = apart * (number - (len(runs) - 1) / 2)
            for name, place in places.items():
                cell = next(
                    (one for one in run.results.cells if (one.name, one.severity) == (name, difficulty)), None
                )
                if cell is None:
                    continue
                value = cell.scores["flip_probability"]
                half = 1.96 * run.flip_errors.get((name, difficulty), 0.0)
                ends = [max(0.0, value - half), min(1.0, value + half)]
                axis.plot(ends, [place + shift] * 2, color=look.colour, linewidth=0.9)
                axis.plot([value], [place + shift], **{**look.line, "markersize": 4})
        axis.set_yticks(list(places.values()), [SHORT_NAMES.get(name, name) for name in places])
        axis.set_ylim(at - 0.5 - 0.1, -0.7)
        axis.set_xlim(left=0)
        axis.set_xlabel("flip probability", labelpad=1)
        percent(axis.xaxis)
        axis.tick_params(axis="y", length=0)
        height = float(figure.get_figheight())
        figure.subplots_adjust(left=0.115, right=0.985, top=1 - above / height, bottom=0.32 / height)
        legend_above(figure, shown)
    return figure
