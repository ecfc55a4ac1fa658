"""Which output of a model stands for which class of a suite: by names, by a given order, or by index."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy.optimize import linear_sum_assignment
from scipy.stats import binomtest

from robustbench_lite.errors import DataError, InvalidInput, ModelError
from robustbench_lite.reference.classes import tiny_imagenet_file_order, tiny_imagenet_wnids
from robustbench_lite.suites.class_list import ClassList, class_list, numeric, with_imagenet_aliases

ORDERS: Final = ("text", "numeric", "ignore-case", "wnids.txt")
"""The orders of class names that have a name of their own."""

_UNNAMED: Final = re.compile(r"(label|class)?[_ ]?\d+", re.IGNORECASE)
_BEYOND_DOUBT: Final = 1e-6
_LEAST_GAIN: Final = 0.05


@dataclass(frozen=True)
class OutputOrder:
    """The outputs of a model in the order of a suite's classes.

    Attributes:
        index: the output for each class, from 0.
        reason: how this was decided, for the record.
        outputs: how many the model must have; None where that does not follow.
    """

    index: tuple[int, ...]
    reason: str
    outputs: int | None = None

    def changes(self, outputs: int) -> bool:
        """Whether it is anything but the model's outputs as they are."""
        return self.index != tuple(range(outputs))


def ordered(names: Sequence[str], order: str) -> list[str]:
    """Class names in one of `ORDERS`.

    Raises:
        InvalidInput: the order does not apply to these names.
    """
    if order == "numeric":
        if not numeric(names):
            raise InvalidInput("`class_order='numeric'` is for classes whose names are whole numbers")
        return sorted(names, key=int)
    if order == "ignore-case":
        return sorted(names, key=str.casefold)
    if order == "wnids.txt":
        if sorted(names) != list(tiny_imagenet_wnids()):
            raise InvalidInput("`class_order='wnids.txt'` is for the 200 classes of Tiny-ImageNet")
        return list(tiny_imagenet_file_order())
    return sorted(names)


def as_asked(
    names: Sequence[str] | None,
    classes: int,
    class_order: str | Path | Sequence[str] | None,
    output_index: str | None,
) -> OutputOrder | None:
    """The order that the user gives; None where none is given.

    Args:
        names: the suite's classes.
        classes: how many these are.
        class_order: one of `ORDERS`, or the class names in the order of the model's outputs, or a file with
            these.
        output_index: the output of each class: "1-1000", "3,0,2", or a file with one number per class.

    Raises:
        InvalidInput: both are given, names are needed and not known, or the index is of another length.
        DataError: the file can't be read, or lacks a class of the suite.
    """
    if class_order is None and output_index is None:
        return None
    if class_order is not None and output_index is not None:
        raise InvalidInput("`class_order=...` and `output_index=...` say the same: give one of them")
    if output_index is not None:
        index = parse_index(output_index)
        if len(index) != classes:
            raise InvalidInput(
                f"`output_index=...` names {len(index)} outputs, but the suite has {classes} classes"
            )
        return OutputOrder(index, "output of each class as given")
    if names is None:
        raise InvalidInput(
            "the classes of this suite have no names: give `classes=FILE`, or `output_index=...` instead of "
            "`class_order=...`"
        )
    if isinstance(class_order, str) and class_order in ORDERS:
        places = {name: place for place, name in enumerate(ordered(names, class_order))}
        index = tuple(places[name] for name in names)
        return OutputOrder(index, f"class order {class_order}, as given", classes)
    listed = class_list(class_order or ())
    reason = f"class list {class_order}" if isinstance(class_order, str | Path) else "the given class list"
    return OutputOrder(tuple(listed.places(names, "the classes of the suite")), reason, len(listed))


def parse_index(text: str) -> tuple[int, ...]:
    """Numbers from "1-999,0", or from a file with such numbers, one or more a line.

    Raises:
        InvalidInput: neither.
    """
    path = Path(text).expanduser()
    content = path.read_text(encoding="utf-8-sig") if path.is_file() else text
    numbers: list[int] = []
    for part in re.split(r"[\s,]+", content.strip()):
        match = re.fullmatch(r"(\d+)(?:-(\d+))?", part)
        if match is None:
            raise InvalidInput(f"`output_index={text}` is neither numbers such as 1-1000 nor a file of them")
        first, last = int(match[1]), int(match[2] or match[1])
        numbers += range(first, last + 1)
    return tuple(numbers)


def by_names(
    model_names: Sequence[str] | None, names: Sequence[str] | None, outputs: int, *, official: bool
) -> OutputOrder | None:
    """The order that the class names stored with the model show; None where they show none.

    Args:
        model_names: the names of the model's outputs.
        names: the suite's classes.
        outputs: the model's outputs.
        official: the suite's classes have a published order, so that names of another kind say nothing.

    Raises:
        ModelError: some names have no counterpart; the message lists them.
    """
    if model_names is None or names is None or len(model_names) != outputs:
        return None
    if tuple(model_names) == tuple(names) or all(_UNNAMED.fullmatch(name) for name in model_names):
        same = set(model_names) == set(names)
        if not same or tuple(model_names) == tuple(names):
            return None
    if len(set(model_names)) != len(model_names) and not official:
        return None
    listed = with_imagenet_aliases(_listed(model_names))
    matched = [listed.place(name) is not None for name in names]
    if official and not any(matched):
        return None
    try:
        places = listed.places(names, "the class names stored with the model differ from those of the suite")
    except DataError as error:
        raise ModelError(
            f"{error}, or, if the outputs are in the order of the sorted names, `class_order='text'`"
        ) from error
    index = tuple(places)
    return OutputOrder(index, "matched with the class names that are stored with the model")


def _listed(names: Sequence[str]) -> ClassList:
    aliases = tuple(tuple(part.strip() for part in name.split(",")) for name in names)
    return ClassList(tuple(names), aliases)


@dataclass(frozen=True)
class Remedy:
    """Another order of the outputs under which far more predictions are right.

    Attributes:
        option: the keyword that chooses it.
        accuracy: under that order, on the same images.
    """

    option: str
    accuracy: float


def better_order(
    predictions: npt.NDArray[np.integer],
    labels: npt.NDArray[np.int64],
    names: Sequence[str] | None,
    classes: int,
    plausible: Callable[[float, int], bool],
) -> Remedy | None:
    """Try the usual orders of classes on predictions at hand; no forward pass is needed.

    An order is a remedy only if it makes the error plausible and is better beyond doubt than the one in use.

    Args:
        predictions: class with the highest logit in the order in use, (N,).
        labels: the classes of the images, int64 (N,).
        names: the suite's classes.
        classes: how many these are.
        plausible: whether an accuracy over N images can be that of a trained model.

    Source: McNemar's exact test at p = 1e-6, one-sided.
    """
    right = predictions == labels
    best: Remedy | None = None
    for option, index in _candidates(names, classes).items():
        place = np.empty(classes, dtype=np.int64)
        place[list(index)] = np.arange(classes)
        then = place[predictions] == labels
        gained, lost = int((then & ~right).sum()), int((right & ~then).sum())
        accuracy = float(then.mean())
        if not plausible(accuracy, len(labels)) or (gained - lost) / len(labels) < _LEAST_GAIN:
            continue
        if binomtest(gained, gained + lost, 0.5, alternative="greater").pvalue > _BEYOND_DOUBT:
            continue
        if best is None or accuracy > best.accuracy:
            best = Remedy(option, accuracy)
    return best


@dataclass(frozen=True)
class Renumbering:
    """A one-to-one renumbering of the classes, chosen on every other image and tried on the rest.

    Attributes:
        before: accuracy on the rest in the order in use.
        after: accuracy on the rest after the renumbering.
        n: images of the rest.
        certain: whether it is better beyond doubt and makes the error plausible.
    """

    before: float
    after: float
    n: int
    certain: bool


def renumber(
    predictions: npt.NDArray[np.integer],
    labels: npt.NDArray[np.int64],
    classes: int,
    plausible: Callable[[float, int], bool],
) -> Renumbering:
    """Look for any renumbering of the classes that explains the errors.

    Half of the images choose it and the other half try it, so that chance can't pass for a renumbering.

    Args:
        predictions: class with the highest logit, (N,).
        labels: the classes of the images, int64 (N,).
        classes: how many there are.
        plausible: whether an accuracy over N images can be that of a trained model.

    Source: Kuhn 1955 for the assignment; McNemar's exact test at p = 1e-6, one-sided.
    """
    confusion = np.zeros((classes, classes), dtype=np.int64)
    np.add.at(confusion, (predictions[::2].astype(np.int64), labels[::2]), 1)
    rows, columns = linear_sum_assignment(confusion, maximize=True)
    place = np.empty(classes, dtype=np.int64)
    place[rows] = columns
    rest, truth = predictions[1::2].astype(np.int64), labels[1::2]
    then, now = place[rest] == truth, rest == truth
    gained, lost = int((then & ~now).sum()), int((now & ~then).sum())
    certain = (
        len(truth) > 0
        and plausible(float(then.mean()), len(truth))
        and (gained - lost) / len(truth) >= _LEAST_GAIN
        and binomtest(gained, gained + lost, 0.5, alternative="greater").pvalue <= _BEYOND_DOUBT
    )
    before, after = (float(right.mean()) if len(truth) else 0.0 for right in (now, then))
    return Renumbering(before, after, len(truth), certain)


def _candidates(names: Sequence[str] | None, classes: int) -> Mapping[str, tuple[int, ...]]:
    """Keyword -> output of each class, for the orders that differ from the one in use."""
    orders: dict[str, tuple[int, ...]] = {}
    for order in ORDERS if names is not None else ():
        try:
            listed = ordered(names or (), order)
        except InvalidInput:
            continue
        places = {name: place for place, name in enumerate(listed)}
        orders[f"`class_order='{order}'`"] = tuple(places[name] for name in names or ())
    last = classes - 1
    if classes > 2:
        orders[f"`output_index='1-{last},0'`"] = (*range(1, classes), 0)
        orders[f"`output_index='{last},0-{last - 1}'`"] = (last, *range(last))
    plain = tuple(range(classes))
    return {option: index for option, index in orders.items() if index != plain}
