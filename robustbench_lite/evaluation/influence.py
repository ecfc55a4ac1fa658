"""What each image contributes to a headline score, and intervals that follow from it.

Every headline is a smooth function of means over images, so it has an influence value for each image: how
much that image, with all its corrupted copies, moves the score. Resampling images then costs one product of
the resampling weights with these values, however many cells a suite has; for errors, CE, flip rates, Brier
score and NLL, which are linear, it is the ordinary bootstrap exactly.

Where only a sample of each cell's images was evaluated, the cells are independent samples: their variances
add up, and the unknown is the score over all images.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from robustbench_lite import metrics
from robustbench_lite.evaluation.store import Columns
from robustbench_lite.results import CellResult
from robustbench_lite.scores import SCORES, Score
from robustbench_lite.suites import CLEAN, Cell

_Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Headline:
    """A score of the whole suite, and per-image influence values in each group of images.

    Attributes:
        value: the score.
        influence: group -> values of zero mean, one for each image; images are resampled within a group.
        largest: the most that the score, or the size of a difference, can be; infinity where there is no
            such bound.
        least: the least the score can be.
        interval: The score's own 95 % interval, where it does not follow from the influence values.
        terms: Two scores of which this is the difference, where their own intervals are known better.
    """

    value: float
    influence: Mapping[str, _Array]
    largest: float = math.inf
    least: float = -math.inf
    interval: tuple[float, float] | None = None
    terms: tuple[Headline, Headline] | None = None

    def minus(self, other: Headline) -> Headline:
        """The difference of the same score of two models on the same images."""
        influence = {group: values - other.influence[group] for group, values in self.influence.items()}
        value = self.value - other.value
        if value == 0 and not any(values.any() for values in influence.values()):
            return Headline(value, influence, self.largest)
        if self.interval is None or other.interval is None:
            return Headline(value, influence, self.largest)
        interval = metrics.difference_interval(
            self.value, self.interval, other.value, other.interval, _correlation(self, other)
        )
        return Headline(value, influence, self.largest, interval=interval)


def weighted_mean(
    weights: Mapping[Cell, float],
    columns: Mapping[Cell, Columns],
    results: Mapping[Cell, CellResult],
    score: str,
    *,
    apart: bool = False,
) -> Headline:
    """A weighted sum of one score over cells, with the influence of each image on it.

    Args:
        weights: the weight of each cell.
        columns: per-example columns of at least these cells.
        results: their scores.
        score: name of the score in a cell.
        apart: each cell has images of its own, put in the order of their classes.
    """
    entry = SCORES[score]
    if entry.parts is not None:
        return _estimated_mean(entry, weights, columns, apart=apart)
    influence: dict[str, _Array] = {}
    for cell, weight in weights.items():
        values = weight * entry.influence_of(columns[cell])
        group = _group(cell, columns)
        if apart:
            group = own_group(cell)
            values = values[_by_class(columns[cell])]
        influence[group] = influence[group] + values if group in influence else values
    value = sum(weight * results[cell].scores[score] for cell, weight in weights.items())
    if min(weights.values()) < 0:
        return Headline(value, influence)
    return Headline(value, influence, entry.largest * sum(weights.values()), 0.0)


def _estimated_mean(
    entry: Score, weights: Mapping[Cell, float], columns: Mapping[Cell, Columns], *, apart: bool
) -> Headline:
    """The weighted mean over cells of a score that is estimated from parts."""
    parts = [entry.parts_of(columns[cell]) for cell in weights]
    whole = parts[0].combined(parts, list(weights.values()), apart=apart) if len(parts) > 1 else parts[0]
    value, low, high = whole.estimate()
    if apart:
        influence = {own_group(cell): part.influence for cell, part in zip(weights, parts, strict=True)}
    else:
        influence = {_group(next(iter(weights)), columns): whole.influence}
    return Headline(value, influence, least=0.0, interval=(low, high))


def _correlation(first: Headline, second: Headline) -> float:
    """Correlation of two scores on the same images, from their influence values."""
    products = [
        sum(float(one.influence[group] @ other.influence[group]) for group in first.influence)
        for one, other in ((first, second), (first, first), (second, second))
    ]
    scale = math.sqrt(products[1] * products[2])
    return products[0] / scale if scale > 0 else 0.0


def deviations(headlines: Sequence[Headline], replicates: int, seed: int) -> _Array:
    """How far each headline moves when images are resampled: (replicates, headlines), around zero.

    The same resamples move all of them, so that differences between columns keep their correlation.
    """
    moved = np.zeros((replicates, len(headlines)))
    for number, group in enumerate(sorted(_groups(headlines))):
        size = next(len(one.influence[group]) for one in headlines if group in one.influence)
        empty = np.zeros(size)
        values = np.stack([one.influence.get(group, empty) for one in headlines], axis=1)
        moved += metrics.bootstrap_means(values, replicates=replicates, seed=seed + number)
    return moved


def own_group(cell: Cell) -> str:
    """The group of a cell whose images are its own sample."""
    return f"{cell.name}/{cell.severity}"


def _groups(headlines: Iterable[Headline]) -> set[str]:
    return {group for headline in headlines for group in headline.influence}


def _group(cell: Cell, columns: Mapping[Cell, Columns]) -> str:
    """Clean images are resampled with their corrupted copies where they are the same, else on their own."""
    return "suite" if cell != CLEAN or clean_is_paired(columns) else "clean"


def clean_is_paired(columns: Mapping[Cell, Columns]) -> bool:
    """Whether the clean images are those of the other cells: as many, with the same labels in order."""
    labels = [values["label"] for cell, values in columns.items() if cell != CLEAN and "label" in values]
    return bool(labels) and np.array_equal(labels[0], columns[CLEAN]["label"])


def _by_class(columns: Columns) -> _Array:
    """Order of the images by class; sequences carry no labels and stay as they are."""
    if "label" not in columns:
        return np.arange(len(next(iter(columns.values()))))
    order: _Array = np.argsort(columns["label"], kind="stable")
    return order
