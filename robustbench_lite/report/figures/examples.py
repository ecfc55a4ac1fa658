"""Example images with the models' predictions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from string import ascii_uppercase
from typing import TYPE_CHECKING, Final

from robustbench_lite.report.content import Answer, Examples, Section
from robustbench_lite.report.figures.canvas import TEXT_WIDTH
from robustbench_lite.report.figures.style import INK, RIGHT, WRONG, Look, ReportFigure, sheet
from robustbench_lite.report.figures.text import fitted, in_lines, text_inches

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_LINE: Final = 0.115
_GAP: Final = 0.07
_LEFT: Final = 0.62
_CLASS_LETTERS: Final = 7
_ANSWER_LETTERS: Final = 5.8
_CAPTION: Final = (
    "Images drawn at random. The columns are the corruption of each group that hurts {first} most at "
    "the middle severity, and the corruption that hurts it most at the last. Below each image: the "
    "predicted class and its probability."
)


def example_figures(section: Section, looks: Mapping[str, Look]) -> list[ReportFigure]:
    """Return the figure of the example images; no figure without images."""
    if section.examples is None:
        return []
    models = list(section.examples.rows[0].answers)
    caption = _CAPTION.format(first=models[0])
    if len(models) > 1:
        names = [f"{_letter(place)}: {model}" for place, model in enumerate(models)]
        caption += f" {', '.join(names)}."
    figure = plot_examples(section.examples, models)
    return [ReportFigure(f"{section.suite}-examples", "Example images", figure, caption)]


def plot_examples(examples: Examples, models: Sequence[str]) -> Figure:
    """Draw one row for each image, one column for each corruption, and every model's answer below each copy.

    Args:
        examples: images with answers.
        models: the models, in the order of their lines; letters name them where there are several.
    """
    columns = len(examples.columns)
    side = (TEXT_WIDTH - _LEFT - _GAP * columns) / columns
    below = _LINE * len(models) + 0.05
    height = 0.22 + len(examples.rows) * (side + below + _GAP)
    with sheet(height) as figure:
        for row, example in enumerate(examples.rows):
            top = height - 0.2 - row * (side + below + _GAP)
            figure.text(
                0.0,
                (top - side / 2) / height,
                in_lines(example.truth, _LEFT - 0.06, _CLASS_LETTERS, most=4),
                va="center",
                ha="left",
                fontsize=_CLASS_LETTERS,
                color=INK,
            )
            for column, pixels in enumerate(example.pixels):
                left = _LEFT + column * (side + _GAP)
                place = (left / TEXT_WIDTH, (top - side) / height, side / TEXT_WIDTH, side / height)
                axis = figure.add_axes(place)
                axis.imshow(pixels, interpolation="none")
                axis.set_axis_off()
                if row == 0:
                    title = fitted(examples.columns[column], side, _CLASS_LETTERS)
                    axis.set_title(title, fontsize=_CLASS_LETTERS, loc="left")
                for line, model in enumerate(models):
                    answer = example.answers[model][column]
                    figure.text(
                        left / TEXT_WIDTH,
                        (top - side - 0.03 - line * _LINE) / height,
                        _answer(answer, f"{_letter(line)} " if len(models) > 1 else "", side),
                        va="top",
                        ha="left",
                        fontsize=_ANSWER_LETTERS,
                        color=RIGHT if answer.right else WRONG,
                    )
    return figure


def _answer(answer: Answer, letter: str, width: float) -> str:
    """Return an answer as a line of at most this width in inches; only the name of the class is shortened."""
    start, end = f"{letter}{'✓' if answer.right else '✗'} ", f" {100 * answer.confidence:.0f} %"
    room = width - text_inches(start, _ANSWER_LETTERS) - text_inches(end, _ANSWER_LETTERS)
    return start + fitted(answer.label, room, _ANSWER_LETTERS) + end


def _letter(place: int) -> str:
    return ascii_uppercase[place % len(ascii_uppercase)]
