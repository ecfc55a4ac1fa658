"""The operations of AugMix: their kernels, the magnitude of each level, and the corruptions they resemble.

Source: Hendrycks, Mu et al. 2020, "AugMix", and its published ``augmentations.py`` for the levels.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from robustbench_lite.augmix import enhance, geometry, point
from robustbench_lite.augmix.arrays import Magnitudes
from robustbench_lite.errors import InvalidInput, UnknownName

Kernel = Callable[[Tensor, Magnitudes], Tensor]
Scale = Callable[[Magnitudes, tuple[int, int]], Magnitudes]

MAX_LEVEL = 10.0
"""The level at which every operation is at its strongest."""


@dataclass(frozen=True)
class Operation:
    """One row of the table of operations.

    Attributes:
        kernel: uint8 (N,3,H,W) and float64 (N,) magnitudes -> uint8 (N,3,H,W).
        scale: float64 levels in [0, 10] and the image's (height, width) -> magnitudes in Pillow's units.
        signed: Whether the magnitude gets a random sign.
        limits: The smallest and the largest valid magnitude; None allows every finite number.
        unit: The unit of the magnitude.
        overlaps: The corruptions of the -C suites that the operation resembles.
    """

    kernel: Kernel
    scale: Scale
    signed: bool = False
    limits: tuple[float, float] | None = None
    unit: str = "nothing"
    overlaps: tuple[str, ...] = ()


def _none(level: Magnitudes, size: tuple[int, int]) -> Magnitudes:
    return np.zeros_like(level)


def _bits(level: Magnitudes, size: tuple[int, int]) -> Magnitudes:
    return 4 - np.trunc(level * 4 / MAX_LEVEL)


def _degrees(level: Magnitudes, size: tuple[int, int]) -> Magnitudes:
    return np.trunc(level * 30 / MAX_LEVEL)


def _threshold(level: Magnitudes, size: tuple[int, int]) -> Magnitudes:
    return 256 - np.trunc(level * 256 / MAX_LEVEL)


def _shear(level: Magnitudes, size: tuple[int, int]) -> Magnitudes:
    return level * 0.3 / MAX_LEVEL


def _columns(level: Magnitudes, size: tuple[int, int]) -> Magnitudes:
    return np.trunc(level * (size[1] / 3) / MAX_LEVEL)


def _rows(level: Magnitudes, size: tuple[int, int]) -> Magnitudes:
    return np.trunc(level * (size[0] / 3) / MAX_LEVEL)


def _factor(level: Magnitudes, size: tuple[int, int]) -> Magnitudes:
    return level * 1.8 / MAX_LEVEL + 0.1


AUGMIX_OPERATIONS: dict[str, Operation] = {
    "autocontrast": Operation(point.autocontrast, _none),
    "equalize": Operation(point.equalize, _none),
    "posterize": Operation(point.posterize, _bits, limits=(0, 8), unit="bits kept"),
    "rotate": Operation(geometry.rotate, _degrees, signed=True, unit="degrees counter-clockwise"),
    "solarize": Operation(point.solarize, _threshold, limits=(0, 256), unit="lowest level inverted"),
    "shear_x": Operation(geometry.shear_x, _shear, signed=True, unit="columns per row"),
    "shear_y": Operation(geometry.shear_y, _shear, signed=True, unit="rows per column"),
    "translate_x": Operation(geometry.translate_x, _columns, signed=True, unit="pixels"),
    "translate_y": Operation(geometry.translate_y, _rows, signed=True, unit="pixels"),
}
"""The paper's nine operations. The paper accepts that some resemble rotate, translate and shear of -P."""

OVERLAPPING_OPERATIONS: dict[str, Operation] = {
    "color": Operation(enhance.color, _factor, unit="factor", overlaps=("saturate",)),
    "contrast": Operation(enhance.contrast, _factor, unit="factor", overlaps=("contrast",)),
    "brightness": Operation(enhance.brightness, _factor, unit="factor", overlaps=("brightness",)),
    "sharpness": Operation(
        enhance.sharpness, _factor, unit="factor", overlaps=("defocus_blur", "gaussian_blur")
    ),
}
"""The four operations that ``all_ops`` adds. The paper leaves them out: they resemble corruptions of -C."""

ALL_OPERATIONS: dict[str, Operation] = AUGMIX_OPERATIONS | OVERLAPPING_OPERATIONS


def operation_names(all_ops: bool = False) -> tuple[str, ...]:
    """Return the operations that AugMix draws from: the paper's nine, or all thirteen."""
    return tuple(ALL_OPERATIONS if all_ops else AUGMIX_OPERATIONS)


def overlapping_corruptions(all_ops: bool = False) -> tuple[str, ...]:
    """Return the corruptions of the -C suites that these operations resemble, sorted."""
    overlaps = {name for key in operation_names(all_ops) for name in ALL_OPERATIONS[key].overlaps}
    return tuple(sorted(overlaps))


def magnitude(name: str, level: Magnitudes, sign: NDArray[np.int64], size: tuple[int, int]) -> Magnitudes:
    """Return the magnitude of an operation at a level, in Pillow's units.

    Args:
        name: One of ALL_OPERATIONS.
        level: float64 (N,) in [0, 10].
        sign: (N,) of +1 and -1; only rotation, shears and translations use it.
        size: The height and width of the images, in pixels: a translation reaches a third of it at level 10.

    Returns:
        float64 (N,): degrees, shear factor, pixels (whole), bits kept, threshold, or enhancement factor.

    Raises:
        UnknownName: No such operation.

    Source: ``augmentations.py`` of google-research/augmix (int_parameter, float_parameter).
    """
    operation = _operation(name)
    value = operation.scale(level, size)
    return value * sign if operation.signed else value


def apply_operation(images: Tensor, name: str, magnitude: float | Tensor = 0.0) -> Tensor:
    """Apply one operation to a batch, with one magnitude per image, equal to Pillow's result.

    Args:
        images: uint8 (N,3,H,W), any device.
        name: One of ALL_OPERATIONS.
        magnitude: A number or (N,), in Pillow's units: degrees counter-clockwise (rotate), bits kept
            (posterize, 0 gives black), threshold (solarize), the factor of the AFFINE matrix (shears), pixels
            to the left or up (translations), enhancement factor (color, contrast, brightness, sharpness);
            autocontrast and equalize ignore it. Keep it on the CPU, where the coordinates are computed.

    Returns:
        uint8 (N,3,H,W), a new tensor.

    Raises:
        UnknownName: No such operation.
        InvalidInput: Images that are not uint8 (N,3,H,W), a wrong number of magnitudes, or one out of range.

    Source: Pillow's ImageOps, ImageEnhance, ``Image.rotate`` and ``Image.transform``.
    """
    check_images(images)
    operation = _operation(name)
    values = torch.as_tensor(magnitude, dtype=torch.float64, device="cpu").numpy()
    if values.ndim > 1 or (values.ndim == 1 and len(values) != len(images)):
        raise InvalidInput(
            f"{name} takes a number or one magnitude per image, ({len(images)},); got {values.shape}"
        )
    _check_magnitude(name, operation, values)
    if not images.numel():
        return images.clone()
    return operation.kernel(images, np.broadcast_to(values, len(images)).copy()).contiguous()


def check_images(images: Tensor) -> None:
    """Raise InvalidInput unless `images` is a uint8 batch (N,3,H,W)."""
    if images.dtype != torch.uint8 or images.ndim != 4 or images.shape[1] != 3:
        raise InvalidInput(
            "AugMix works on uint8 images (N,3,H,W), before scaling and normalisation; "
            f"got {images.dtype} {tuple(images.shape)}"
        )


def _operation(name: str) -> Operation:
    if name not in ALL_OPERATIONS:
        raise UnknownName("operation", name, ALL_OPERATIONS)
    return ALL_OPERATIONS[name]


def _check_magnitude(name: str, operation: Operation, values: Magnitudes) -> None:
    if not np.isfinite(values).all():
        raise InvalidInput(f"the magnitude of {name} must be finite; got {values.tolist()}")
    if operation.limits is not None:
        low, high = operation.limits
        if (values % 1).any() or (values < low).any() or (values > high).any():
            raise InvalidInput(
                f"{name} takes whole numbers from {low} to {high} ({operation.unit}); got {values.tolist()}"
            )
