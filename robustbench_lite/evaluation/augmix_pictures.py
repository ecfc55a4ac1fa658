"""Pictures that explain AugMix on one image: operations, one realisation, mixtures and compositions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import torch
from torch import Generator, Tensor

from robustbench_lite.augmix import ALL_OPERATIONS, apply_operation, magnitude
from robustbench_lite.augmix.operations import operation_names
from robustbench_lite.augmix.realisation import Step, realise_augmix

Picture = np.ndarray[Any, Any]

LEVELS: Final = (1, 3, 5, 10)
SAMPLES: Final = 6


@dataclass(frozen=True)
class PicturePage:
    """What `report.figures.picture_grid` draws.

    Attributes:
        rows: name -> pictures, each uint8 (H, W, 3).
        titles: line above each column.
        captions: name of a row -> line below each of its pictures.
    """

    rows: Mapping[str, list[Picture]]
    titles: list[str] = field(default_factory=list)
    captions: Mapping[str, list[str]] = field(default_factory=dict)


def operations_page(image: Tensor, *, all_ops: bool = False) -> PicturePage:
    """Every operation at the levels 1, 3, 5 and 10, with a positive sign.

    Args:
        image: uint8 (3,H,W).
        all_ops: include the four operations that overlap the -C suites.

    Source: AugMix, figure 10.
    """
    size = (image.shape[1], image.shape[2])
    rows, captions = {}, {}
    for name in operation_names(all_ops):
        amounts = [float(magnitude(name, np.array(float(level)), np.array(1), size)) for level in LEVELS]
        images = [image, *(apply_operation(image[None], name, amount)[0] for amount in amounts)]
        row = name.replace("_", " ")
        rows[row] = [_picture(one) for one in images]
        captions[row] = ["", *(_amount(name, amount) for amount in amounts)]
    titles = ["original", *(f"level {level}" for level in LEVELS)]
    return PicturePage(rows, titles, captions)


def realisation_page(image: Tensor, *, generator: Generator, **settings: Any) -> PicturePage:
    """One AugMix image: each chain step by step with its weight, and the mixture.

    Args:
        image: uint8 (3,H,W).
        generator: the source of all draws.
        settings: severity, width, depth, alpha and all_ops of `augment_and_mix`.

    Raises:
        InvalidInput: a setting out of range.

    Source: AugMix, figure 4.
    """
    result = realise_augmix(image, generator=generator, **settings)
    rows, captions = {}, {}
    for number, (steps, weight) in enumerate(zip(result.chains, result.weights, strict=True), start=1):
        row = f"chain {number}, weight {weight:.2f}"
        rows[row] = [_picture(image), *(_picture(step.image) for step in steps)]
        captions[row] = ["original", *map(_caption, steps)]
    rows["mixture"] = [_picture(image), _picture(result.mixed * 255)]
    captions["mixture"] = [f"original, {1 - result.share:.2f}", f"chains, {result.share:.2f}: AugMix"]
    return PicturePage(rows, [], captions)


def mixtures_page(image: Tensor, *, generator: Generator, **settings: Any) -> PicturePage:
    """Several AugMix images, above the images that one of their chains gives without mixing.

    Args:
        image: uint8 (3,H,W).
        generator: the source of all draws.
        settings: severity, width, depth, alpha and all_ops of `augment_and_mix`.

    Raises:
        InvalidInput: a setting out of range.

    Source: AugMix, figure 3.
    """
    samples = [realise_augmix(image, generator=generator, **settings) for _ in range(SAMPLES)]
    longest = [max(sample.chains, key=len) for sample in samples]
    return PicturePage(
        {
            "AugMix": [_picture(image), *(_picture(sample.mixed * 255) for sample in samples)],
            "composition alone": [_picture(image), *(_picture(chain[-1].image) for chain in longest)],
        },
        ["original", *(f"sample {number}" for number in range(1, SAMPLES + 1))],
    )


def _caption(step: Step) -> str:
    return f"{step.operation.replace('_', ' ')} {_amount(step.operation, step.magnitude)}".strip()


def _amount(name: str, amount: float) -> str:
    """A magnitude with its unit; nothing for operations that read none."""
    unit = ALL_OPERATIONS[name].unit
    return "" if unit == "nothing" else f"{amount:.3g} {unit}"


def _picture(image: Tensor) -> Picture:
    pixels: Picture = image.round().to(torch.uint8).permute(1, 2, 0).contiguous().numpy()
    return pixels
