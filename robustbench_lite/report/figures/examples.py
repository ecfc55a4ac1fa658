"""Pictures, and what the models made of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from robustbench_lite.report.content import Examples
from robustbench_lite.report.figures.canvas import TEXT_WIDTH
from robustbench_lite.report.figures.style import INK, RIGHT, WRONG, sheet
from robustbench_lite.report.figures.text import fitted, in_lines, text_inches

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_LINE: Final = 0.115
_GAP: Final = 0.07
_LEFT: Final = 0.62
_TRUTH_LETTERS: Final = 7
_ANSWER_LETTERS: Final = 5.8
_LETTERS: Final = "ABCDEFGHIJ"


def plot_examples(examples: Examples, models: list[str]) -> Figure:
    """A row for each image, a column for each corruption; below each copy every model's answer.

    Args:
        examples: images with answers.
        models: in the order of their lines; lettered where there are several.
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
                in_lines(example.truth, _LEFT - 0.06, _TRUTH_LETTERS, most=4),
                va="center",
                ha="left",
                fontsize=_TRUTH_LETTERS,
                color=INK,
            )
            for column, pixels in enumerate(example.pixels):
                left = _LEFT + column * (side + _GAP)
                place = (left / TEXT_WIDTH, (top - side) / height, side / TEXT_WIDTH, side / height)
                axis = figure.add_axes(place)
                axis.imshow(pixels, interpolation="none")
                axis.set_axis_off()
                if row == 0:
                    axis.set_title(examples.columns[column], fontsize=7, loc="left")
                for line, model in enumerate(models):
                    answer = example.answers[model][column]
                    mark = "✓" if answer.right else "✗"
                    letter = f"{_LETTERS[line % len(_LETTERS)]} " if len(models) > 1 else ""
                    before, after = f"{letter}{mark} ", f" {100 * answer.confidence:.0f} %"
                    room = side - text_inches(before, _ANSWER_LETTERS) - text_inches(after, _ANSWER_LETTERS)
                    figure.text(
                        left / TEXT_WIDTH,
                        (top - side - 0.03 - line * _LINE) / height,
                        before + fitted(answer.label, room, _ANSWER_LETTERS) + after,
                        va="top",
                        ha="left",
                        fontsize=_ANSWER_LETTERS,
                        color=RIGHT if answer.right else WRONG,
                    )
    return figure
