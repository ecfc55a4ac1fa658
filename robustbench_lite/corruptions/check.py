"""A trial of a user's kernel or generator before it is registered: results rely on these properties."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from robustbench_lite.corruptions._calls import call_generator, call_kernel, named_failure
from robustbench_lite.corruptions._warp import centre_window
from robustbench_lite.corruptions.random import CounterDraws, Draws
from robustbench_lite.corruptions.records import Corruption, Perturbation, place_of
from robustbench_lite.errors import DataError, InvalidInput

_SIDE = 32


def check_corruption(name: str, record: Corruption) -> None:
    """Try the kernel on three small images, with every profile and severity.

    Raises:
        InvalidInput: it fails, returns other than images of the same shape, changes the images that it is
            given, uses randomness that is not from its draws, or lets an image depend on its neighbours.
    """
    what = f"the kernel of {name}"
    for levels in dict.fromkeys(record.levels(profile) for profile in record.profiles):
        for severity, parameters in enumerate(levels, start=1):
            with named_failure(f"smallest_side of {name}", record.smallest_side):
                side = max(_SIDE, record.least_side(parameters))

            def apply(images: Tensor, draws: Draws) -> Tensor:
                return call_kernel(name, record, images, parameters, draws, {"frost": None})  # noqa: B023

            try:
                _try(what, record.kernel, apply, side, f"{name}/{severity}")
            except DataError:  # no photographs of frost on this machine: a run that needs them says so
                return


def check_perturbation(name: str, record: Perturbation) -> None:
    """Try the generator on three small images, with every profile and difficulty.

    Raises:
        InvalidInput: as for `check_corruption`.
    """
    for levels in dict.fromkeys(record.levels(profile) for profile in record.profiles):
        for difficulty, parameters in enumerate(levels, start=1):

            def apply(images: Tensor, draws: Draws) -> Tensor:
                window = centre_window(images.shape[2], images.shape[3], None)
                options = {"tilt_steps": None}
                return torch.stack(
                    list(call_generator(name, record, images, window, parameters, draws, options)),  # noqa: B023
                    dim=1,
                )

            purpose = f"perturb/{name}/{difficulty}"
            _try(f"the generator of {name}", record.generator, apply, _SIDE, purpose)


def _try(
    what: str, function: object, apply: Callable[[Tensor, Draws], Tensor], side: int, purpose: str
) -> None:
    images = _images(side)
    given = images.clone()
    draws = CounterDraws(0, purpose, np.arange(len(images)), images.device)
    with torch.inference_mode():
        result = apply(given, draws.part(0, len(images)))
        problem = None
        if not torch.equal(given, images):
            problem = "changes the images that it is given; let it work on a copy"
        elif not torch.equal(apply(images.clone(), draws.part(0, len(images))), result):
            problem = (
                "returns other pixels when it is called again; let it take all randomness from its draws"
            )
        else:
            for place in range(len(images)):
                alone = apply(images[place : place + 1].clone(), draws.part(place, place + 1))
                if not torch.equal(alone[0], result[place]):
                    problem = "lets the pixels of an image depend on the other images of its batch"
    if problem is not None:
        raise InvalidInput(f"{what}, {place_of(function)}, {problem}")


def _images(side: int) -> Tensor:
    """A dark, a bright and a smooth image, uint8 (3, 3, side, side)."""
    noise = np.random.default_rng(0).integers(0, 128, (2, 3, side, side), np.uint8)
    ramp = np.linspace(0, 255, side).astype(np.uint8)
    smooth = np.stack(np.broadcast_arrays(ramp[:, None], ramp[None], np.uint8(128)))
    return torch.from_numpy(np.stack([noise[0], noise[1] + np.uint8(128), smooth]))
