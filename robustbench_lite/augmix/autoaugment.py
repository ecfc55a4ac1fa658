"""AutoAugment*: the learned policies of AutoAugment without the operations that overlap the -C suites.

The AugMix paper removes those operations without further detail. This module removes brightness, color,
contrast and sharpness from every sub-policy, and drops a sub-policy that has no operation left. The other
operations are those of AugMix (bilinear, black fill), with the published probabilities and strengths.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from torch import Generator, Tensor

from robustbench_lite.augmix import draws
from robustbench_lite.augmix.arrays import Magnitudes, send
from robustbench_lite.augmix.operations import ALL_OPERATIONS, check_images
from robustbench_lite.errors import UnknownName

Step = tuple[str, float, int]
SubPolicy = tuple[Step, ...]

POLICIES: dict[str, tuple[SubPolicy, ...]] = {
    "cifar": (
        (("invert", 0.1, 0),),
        (("rotate", 0.7, 2), ("translate_x", 0.3, 9)),
        (("shear_y", 0.5, 8), ("translate_y", 0.7, 9)),
        (("autocontrast", 0.5, 0), ("equalize", 0.9, 0)),
        (("shear_y", 0.2, 7), ("posterize", 0.3, 7)),
        (("equalize", 0.6, 0), ("equalize", 0.5, 0)),
        (("translate_x", 0.5, 8),),
        (("equalize", 0.3, 0), ("autocontrast", 0.4, 0)),
        (("translate_y", 0.4, 3),),
        (("solarize", 0.5, 2), ("invert", 0.0, 0)),
        (("equalize", 0.2, 0), ("autocontrast", 0.6, 0)),
        (("equalize", 0.2, 0), ("equalize", 0.6, 0)),
        (("equalize", 0.6, 0),),
        (("autocontrast", 0.8, 0), ("solarize", 0.2, 8)),
        (("solarize", 0.4, 5), ("autocontrast", 0.9, 0)),
        (("translate_y", 0.9, 9), ("translate_y", 0.7, 9)),
        (("autocontrast", 0.9, 0), ("solarize", 0.8, 3)),
        (("equalize", 0.8, 0), ("invert", 0.1, 0)),
        (("translate_y", 0.7, 9), ("autocontrast", 0.9, 0)),
    ),
    "imagenet": (
        (("posterize", 0.4, 8), ("rotate", 0.6, 9)),
        (("solarize", 0.6, 5), ("autocontrast", 0.6, 0)),
        (("equalize", 0.8, 0), ("equalize", 0.6, 0)),
        (("posterize", 0.6, 7), ("posterize", 0.6, 6)),
        (("equalize", 0.4, 0), ("solarize", 0.2, 4)),
        (("equalize", 0.4, 0), ("rotate", 0.8, 8)),
        (("solarize", 0.6, 3), ("equalize", 0.6, 0)),
        (("posterize", 0.8, 5), ("equalize", 1.0, 0)),
        (("rotate", 0.2, 3), ("solarize", 0.6, 8)),
        (("equalize", 0.6, 0), ("posterize", 0.4, 6)),
        (("rotate", 0.8, 8),),
        (("rotate", 0.4, 9), ("equalize", 0.6, 0)),
        (("equalize", 0.0, 0), ("equalize", 0.8, 0)),
        (("invert", 0.6, 0), ("equalize", 1.0, 0)),
        (("rotate", 0.8, 8),),
        (("solarize", 0.8, 7),),
        (("invert", 0.6, 0),),
        (("shear_x", 0.6, 5), ("equalize", 1.0, 0)),
        (("equalize", 0.6, 0),),
        (("equalize", 0.4, 0), ("solarize", 0.2, 4)),
        (("solarize", 0.6, 5), ("autocontrast", 0.6, 0)),
        (("invert", 0.6, 0), ("equalize", 1.0, 0)),
        (("equalize", 0.8, 0), ("equalize", 0.6, 0)),
    ),
}
"""Steps are (operation, probability, strength 0 to 9). Source: Cubuk et al. 2019, Tables 7 and 9."""

_MAX_STRENGTH = 9

# (strength, (height, width)) -> magnitude in Pillow's units; operations without a magnitude return 0.
MAGNITUDES: dict[str, Callable[[int, tuple[int, int]], float]] = {
    "autocontrast": lambda strength, size: 0.0,
    "equalize": lambda strength, size: 0.0,
    "posterize": lambda strength, size: 8.0 - round(4 * strength / _MAX_STRENGTH),
    "rotate": lambda strength, size: 30.0 * strength / _MAX_STRENGTH,
    "solarize": lambda strength, size: float(255 - round(255 * strength / _MAX_STRENGTH)),
    "invert": lambda strength, size: 0.0,
    "shear_x": lambda strength, size: 0.3 * strength / _MAX_STRENGTH,
    "shear_y": lambda strength, size: 0.3 * strength / _MAX_STRENGTH,
    "translate_x": lambda strength, size: float(int(150 / 331 * size[1] * strength / _MAX_STRENGTH)),
    "translate_y": lambda strength, size: float(int(150 / 331 * size[0] * strength / _MAX_STRENGTH)),
}


def autoaugment(images: Tensor, policy: str = "cifar", *, generator: Generator | None = None) -> Tensor:
    """Apply one sub-policy of AutoAugment*, drawn for every image; each step has its own probability.

    Args:
        images: uint8 (N,3,H,W).
        policy: "cifar" or "imagenet".
        generator: The source of all draws; None takes a new one seeded by the operating system.

    Returns:
        uint8 (N,3,H,W), a new tensor.

    Raises:
        UnknownName: There is no such policy.
        InvalidInput: Images that are not uint8 (N,3,H,W).

    Source: Cubuk et al. 2019, "AutoAugment"; Hendrycks, Mu et al. 2020, "AugMix", section 4.2, for the
    asterisk.
    """
    check_images(images)
    if policy not in POLICIES:
        raise UnknownName("AutoAugment policy", policy, POLICIES)
    generator = draws.generator_or_fresh(generator)
    count, size = len(images), (images.shape[2], images.shape[3])
    policy_index = draws.integers(0, len(POLICIES[policy]), (count,), generator).numpy()
    luck = draws.uniform((2, count), generator).numpy()
    sign = draws.signs((2, count), generator).numpy()
    result = images.clone()
    for index, steps in enumerate(POLICIES[policy] if images.numel() else ()):
        for order, (name, probability, strength) in enumerate(steps):
            members = np.flatnonzero((policy_index == index) & (luck[order] < probability))
            if len(members):
                scale = MAGNITUDES[name](strength, size) * np.ones(len(members))
                rows = send(members, images.device)
                result[rows] = _step(result.index_select(0, rows), name, scale, sign[order, members])
    return result


def _step(images: Tensor, name: str, scale: Magnitudes, sign: np.ndarray) -> Tensor:
    # Inverting is solarizing from level 0 up.
    operation = ALL_OPERATIONS["solarize" if name == "invert" else name]
    return operation.kernel(images, scale * sign if operation.signed else scale)
