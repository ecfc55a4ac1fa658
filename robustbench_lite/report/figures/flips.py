"""Flip probabilities, one line for each perturbation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import NormalDist
from typing import TYPE_CHECKING, Final

from robustbench_lite.report.content import ModelRun, Section
from robustbench_lite.report.figures.canvas import TICK_LETTERS, percent
from robustbench_lite.report.figures.legend import legend_above, legend_height
from robustbench_lite.report.figures.style import RULE, Look, ReportFigure, sheet, tidy
from robustbench_lite.report.figures.text import fitted

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_ROW: Final = 0.2
_RUN: Final = 0.07
_WIDTH: Final = 5.2
_LEFT: Final = 0.115
_CAPTION: Final = (
    "The share of compared frame pairs in which the prediction changes. Neighbouring frames are compared; "
    "for noise, each frame is compared with the first. Bars are 95 % intervals over sequences. Further left"
    " is more stable."
)


def flip_figures(section: Section, looks: Mapping[str, Look]) -> list[ReportFigure]:
    """Return the figure of the flip probabilities of a perturbation suite, one for each difficulty."""
    levels = sorted({cell.severity for results in section.results for cell in results.cells} - {0})
    return [
        ReportFigure(
            f"{section.suite}-flips" + ("" if level == 1 else f"-{level}"),
            "Flip probability" + ("" if level == 1 else f", difficulty {level}"),
            plot_flips(section.runs, section.groups, looks, level, section.labels),
            _CAPTION,
        )
        for level in levels
    ]


def plot_flips(
    runs: Sequence[ModelRun],
    groups: Mapping[str, Sequence[str]],
    looks: Mapping[str, Look],
    difficulty: int = 1,
    labels: Mapping[str, str] | None = None,
) -> Figure:
    """Draw the flip probability with its 95 % interval, one line for each perturbation.

    Args:
        runs: the models, on one perturbation suite.
        groups: heading -> perturbations, in order; a gap separates the groups.
        looks: the look of each model, by its title.
        difficulty: the difficulty that is drawn.
        labels: perturbation -> its short name; the name itself where it has none.
    """
    evaluated = {cell.name for run in runs for cell in run.results.cells if cell.severity == difficulty}
    places: dict[str, float] = {}
    end = 0.0
    for names in groups.values():
        shown = [name for name in names if name in evaluated]
        places |= {name: end + row for row, name in enumerate(shown)}
        end += len(shown) + (0.5 if shown else 0)
    models = {run.title: looks[run.title] for run in runs}
    above = legend_height(models, _WIDTH) + 0.06
    row_height = max(_ROW, 0.05 + _RUN * len(runs))
    with sheet(row_height * end + 0.32 + above, width=_WIDTH) as figure:
        axis = figure.subplots()
        tidy(axis, grid="x")
        axis.hlines(
            list(places.values()), 0, 1, color=RULE, linewidth=0.4, transform=axis.get_yaxis_transform()
        )
        apart = 0.6 / max(1, len(runs))
        for number, run in enumerate(runs):
            shift = apart * (number - (len(runs) - 1) / 2)
            _marks(axis, run, looks[run.title], difficulty, {name: y + shift for name, y in places.items()})
        room = _LEFT * _WIDTH - 0.07
        names = [fitted((labels or {}).get(name, name), room, TICK_LETTERS) for name in places]
        axis.set_yticks(list(places.values()), names)
        axis.set_ylim(end - 0.5 - 0.1, -0.7)
        axis.set_xlim(left=0)
        axis.set_xlabel("flip probability", labelpad=1)
        percent(axis.xaxis)
        axis.tick_params(axis="y", length=0)
        height = float(figure.get_figheight())
        figure.subplots_adjust(left=_LEFT, right=0.985, top=1 - above / height, bottom=0.32 / height)
        legend_above(figure, models)
    return figure


def _marks(axis: Axes, run: ModelRun, look: Look, difficulty: int, places: Mapping[str, float]) -> None:
    """Draw one model's flip probabilities at these heights; perturbations that it lacks stay empty."""
    z = NormalDist().inv_cdf(0.975)
    for cell in run.results.cells:
        if cell.severity != difficulty or cell.name not in places:
            continue
        value, y = cell.scores["flip_probability"], places[cell.name]
        half = z * run.flip_errors.get((cell.name, difficulty), 0.0)
        axis.plot([max(0.0, value - half), min(1.0, value + half)], [y, y], color=look.colour, linewidth=0.9)
        axis.plot([value], [y], **{**look.line, "markersize": 4})
