"""The accuracy that training scripts store beside the weights."""

from __future__ import annotations

import re
from collections.abc import Mapping

import numpy as np
import torch

# Best first; scripts often keep the last and the best accuracy, and the weights are mostly the best ones.
ACCURACY = re.compile(
    r"^(best_?)?(test|val|valid|eval)?_?(acc(uracy)?_?1?|prec_?1?|top_?1(_acc)?)$", re.IGNORECASE
)
ERROR = re.compile(r"^(best_?)?(test|val|valid|eval)?_?(err(or)?_?1?|top_?1_err(or)?)$", re.IGNORECASE)
DIGITS = 6


def stored_accuracy(content: object) -> tuple[float, str] | None:
    """Return the accuracy that a file's content states at its top, and how it is written there.

    Args:
        content: what the file holds, for example {"net": ..., "acc": 92.12}.

    Returns:
        A fraction, and name and number as stored, for example (0.9212, "acc 92.12"); None where nothing is
        stored, or where several entries differ.
    """
    if not isinstance(content, Mapping):
        return None
    known: dict[str, tuple[float, str]] = {}
    for key, value in content.items():
        number = _number(value)
        if not isinstance(key, str) or number is None or not 0 < number <= 100:
            continue
        digits = f"{number:.{DIGITS}g}"
        # A float that happens to be whole is exact; a whole number is a rounded percentage.
        text = f"{key} {digits}" + ".0" * ("." not in digits and not isinstance(value, int | np.integer))
        fraction = number if number <= 1 else number / 100
        if ACCURACY.match(key):
            known[key] = fraction, text
        elif ERROR.match(key):
            known[key] = 1 - fraction, text
    if len({round(fraction, DIGITS) for fraction, _ in known.values()}) != 1:
        return None
    return next(iter(known.values()))


def _number(value: object) -> float | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float | np.number):
        return float(value)
    if isinstance(value, torch.Tensor) and value.numel() == 1 and not value.is_complex():
        return float(value)
    return None
