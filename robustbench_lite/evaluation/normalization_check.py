"""Compare a guessed normalisation with the usual ones, and a stored accuracy with the measured one."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import torch
from scipy.stats import binomtest

from robustbench_lite.evaluation.prepared_model import Forward
from robustbench_lite.evaluation.sanity import input_changes, predictions_under
from robustbench_lite.models import NORMALIZATIONS, ModelInfo

Right = npt.NDArray[np.bool_]

TRIED: Final = 1000
"""Clean images on which every usual normalisation is tried; all, where there are fewer."""

DOUBTFUL: Final = 0.001
WORTHWHILE: Final = 0.003
"""Another normalisation is better beyond doubt below this p value and from this gain in accuracy on."""

SEARCHED: Final = 3
"""Normalisations that are tried on the whole set, where they may reproduce a stored accuracy."""

Batches = Callable[[npt.NDArray[np.int64]], Iterator[tuple[torch.Tensor, torch.Tensor]]]


@dataclass(frozen=True)
class NormalizationCheck:
    """The result of the check of a normalisation.

    Attributes:
        record: how many images were tried and what each normalisation gives, for the results.
        objection: why another normalisation is the right one, with the option; None where nothing objects.
        note: a sentence for the user; None where there is nothing to say.
    """

    record: dict[str, Any]
    objection: str | None = None
    note: str | None = None


def check_normalization(
    forward: Forward, info: ModelInfo, batches: Batches, right: Right, *, dataset: str, whole: bool
) -> NormalizationCheck:
    """Compare the normalisation in use with the usual ones, paired per image, and with a stored accuracy.

    An accuracy that a file stores is that of its training. A normalisation that reproduces it to the image is
    the training's, even where another one scores higher.

    Args:
        forward: the model on its device.
        info: the record of the model; without a guess only the stored accuracy is compared.
        batches: a function from indices into the clean set to batches of uint8 images (n, H, W, 3) and
            labels.
        right: whether each clean image is classified rightly now, bool (n,).
        dataset: name of the data set, for example "cifar10".
        whole: whether these are all images of the clean set.

    Source: the exact McNemar test (binomial on the images that change).
    """
    stored = info.stored_accuracy if whole else None
    record: dict[str, Any] = {"normalization": info.normalization, "images": len(right)}
    error = 100 * (1 - right.mean())
    note = None
    if stored is not None:
        record["stored"] = info.stored_as
        exact = _reproduces(right, stored, info.stored_as)
        record["measured_accuracy"] = float(right.mean())
        outcome = "reproduces it to the image" if exact else "does not reproduce it"
        note = (
            f"the file stores {info.stored_as}; the measured error is {error:.2f} %: normalisation "
            f"{info.normalization} {outcome}"
        )
        record["reproduced"] = exact
        if exact:
            return NormalizationCheck(record, note=note)
    if not info.normalization_guessed:
        return NormalizationCheck(record, note=note) if stored is not None else NormalizationCheck({})
    trials = _trials(forward, info, batches, right)
    record |= {"tried_images": trials.n, "errors": trials.errors()}
    if stored is not None:
        better = _search(forward, info, batches, right, stored, trials)
        if better is not None:
            name, accuracy = better
            record["reproduced_by"] = plain(name)
            best = min(trials.errors().values())
            return NormalizationCheck(
                record,
                f"the file stores {info.stored_as}, which {name} reproduces to the image (error "
                f"{100 * (1 - accuracy):.2f} % on {len(right)} images): it is the training's own"
                + (", even where another scores higher" if best < 1 - accuracy else ""),
                note,
            )
    objection = trials.better(dataset)
    record["better"] = objection is not None
    return NormalizationCheck(record, objection, note)


def plain(option: str) -> str:
    """The name of a normalisation, or of another change, without the words of an option."""
    match = re.match(r"`\w+='(.*?)'`", option)
    return match.group(1) if match else option


@dataclass(frozen=True)
class _Trials:
    """Which of some images are classified rightly, now and under each change of the input."""

    now: Right
    changed: dict[str, Right]

    @property
    def n(self) -> int:
        return len(self.now)

    def errors(self) -> dict[str, float]:
        return {"in use": float(1 - self.now.mean())} | {
            plain(name): float(1 - right.mean()) for name, right in self.changed.items()
        }

    def better(self, dataset: str) -> str | None:
        """The change that is better beyond doubt, in words.

        Several may differ by chance alone. Then the one that is called after the data set is named first, and
        the others with their errors behind it.
        """
        best = max(self.changed, key=lambda name: int(self.changed[name].sum()))
        if not _beyond_doubt(self.changed[best], self.now):
            return None
        equal = [
            name
            for name, right in self.changed.items()
            if not _beyond_doubt(self.changed[best], right) and _beyond_doubt(right, self.now)
        ]
        usual = {name for name in equal if re.fullmatch(rf"{re.escape(dataset)}(-.*)?", plain(name))}
        equal.sort(key=lambda name: (name not in usual, -int(self.changed[name].sum())))
        first, *others = equal
        before, after = (100 * (1 - float(right.mean())) for right in (self.now, self.changed[first]))
        errors = (f"{plain(name)} {100 * (1 - float(self.changed[name].mean())):.1f} %" for name in others)
        also = f" (no clear difference: {', '.join(errors)})" if others else ""
        return f"on {self.n} clean images {first} brings the error from {before:.1f} to {after:.1f} %{also}"


def _beyond_doubt(then: Right, now: Right) -> bool:
    """Whether more images are right then, by McNemar's test and by a margin that matters."""
    gained, lost = int((then & ~now).sum()), int((now & ~then).sum())
    if gained - lost < max(WORTHWHILE * len(now), 1):
        return False
    return bool(binomtest(gained, gained + lost, 0.5).pvalue < DOUBTFUL)


def _trials(forward: Forward, info: ModelInfo, batches: Batches, right: Right) -> _Trials:
    """Try every usual normalisation on the same images, which are read once."""
    count = min(TRIED, len(right))
    spread = np.unique(np.linspace(0, len(right) - 1, count).astype(np.int64))
    changes = _others(info)
    outcomes: dict[str, list[torch.Tensor]] = {name: [] for name in changes}
    for images, labels in batches(spread):
        for name, change in changes.items():
            outcomes[name].append(predictions_under(forward, images, change) == labels)
    joined = {name: torch.cat(parts).cpu().numpy() for name, parts in outcomes.items()}
    return _Trials(right[spread], joined)


def _others(info: ModelInfo) -> dict[str, Callable[[torch.Tensor], torch.Tensor]]:
    """The changes of the input that stand for other normalisations than the one in use."""
    in_use = (info.mean, info.std)
    same = {f"`normalize={name!r}`" for name, known in NORMALIZATIONS.items() if known == in_use}
    return {name: change for name, change in input_changes(*in_use).items() if name not in same}


def _search(
    forward: Forward, info: ModelInfo, batches: Batches, right: Right, stored: float, trials: _Trials
) -> tuple[str, float] | None:
    """The normalisation that reproduces a stored accuracy on the whole set, and its accuracy.

    Only those are run whose accuracy on the tried images allows it, the likeliest first.
    """
    if _tolerance(info.stored_as, len(right)) is None:
        return None
    measured = float(right.mean())
    distances: dict[str, float] = {}
    for name, then in trials.changed.items():
        difference = then.astype(np.float64) - trials.now
        spread = max(float(difference.std()), 1 / trials.n) / math.sqrt(trials.n)
        distances[name] = abs(measured + float(difference.mean()) - stored) / spread
    everything = np.arange(len(right))
    changes = _others(info)
    for name in sorted((n for n in distances if distances[n] < 4), key=distances.__getitem__)[:SEARCHED]:
        parts = [
            predictions_under(forward, images, changes[name]) == labels
            for images, labels in batches(everything)
        ]
        then = torch.cat(parts).cpu().numpy()
        if _reproduces(then, stored, info.stored_as):
            return name, float(then.mean())
    return None


def _reproduces(right: Right, stored: float, text: str) -> bool:
    """Whether a count of right predictions is that of a stored accuracy, as finely as it was stored."""
    tolerance = _tolerance(text, len(right))
    return tolerance is not None and abs(float(right.mean()) - stored) <= tolerance


def _tolerance(text: str, n: int) -> float | None:
    """How far a fraction may lie from a stored number; None for a whole number of percent, which is rounded.

    Half an image, or half the last decimal place where two places of a percentage are coarser than an image.
    """
    number = text.rpartition(" ")[2]
    if "." not in number:
        return None
    decimals = len(number.partition(".")[2])
    places = decimals if float(number) > 1 else decimals - 2
    return max(1 / n, 0.01 * 10.0**-places if places >= 2 else 0.0) * 0.5001


def spread_batches(
    read: Callable[[int, int], torch.Tensor], labels: npt.NDArray[np.int64], device: torch.device, size: int
) -> Batches:
    """Read chosen images of a clean set in batches, neighbours together.

    Args:
        read: a function from (first, last + 1) to uint8 images (n, H, W, 3).
        labels: int64 of the whole set.
        device: where images and labels go.
        size: images per batch.
    """

    def batches(chosen: npt.NDArray[np.int64]) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        for start in range(0, len(chosen), size):
            some = chosen[start : start + size]
            images = torch.cat([read(int(run[0]), int(run[-1]) + 1) for run in _runs(some)])
            yield images.to(device), torch.from_numpy(labels[some].astype(np.int64)).to(device)

    return batches


def _runs(numbers: npt.NDArray[np.int64]) -> Sequence[npt.NDArray[np.int64]]:
    return np.split(numbers, np.flatnonzero(np.diff(numbers) != 1) + 1)
