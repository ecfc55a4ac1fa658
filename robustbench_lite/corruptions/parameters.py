"""The parameters of a corruption: a tuple with named fields for every severity.

Intensities are on the scale [0, 1], lengths are in pixels.
"""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Sequence
from functools import lru_cache
from numbers import Real
from typing import Any, NamedTuple

from robustbench_lite.errors import InvalidInput

Parameters = tuple[float, ...]
"""The parameters of one corruption at one severity, a named tuple."""

Levels = tuple[Parameters, ...]
"""The parameters of the severities 1 to 5, in order."""


def levels(**fields: Sequence[float]) -> Levels:
    """The parameters of several severities (or difficulties), from a sequence of numbers for each field.

        levels(sigma=(0.7, 0.9, 1, 1.1, 1.5), reach=(1, 2, 2, 3, 4))

    Raises:
        InvalidInput: there is no field, a field is not a sequence of numbers, or the fields differ in length.
    """
    for name, values in fields.items():
        if not isinstance(values, Sequence) or not all(isinstance(value, Real) for value in values):
            raise InvalidInput(f"expected the field {name} to be a sequence of numbers, got {values!r}")
    lengths = {name: len(values) for name, values in fields.items()}
    if len(set(lengths.values())) != 1 or not all(lengths.values()):
        raise InvalidInput(
            f"expected at least one field, and the same count of numbers in each, got {lengths or 'no field'}"
        )
    return tuple(_row(tuple(fields), numbers) for numbers in zip(*fields.values(), strict=True))


@lru_cache(maxsize=64)
def _row_class(fields: tuple[str, ...]) -> Any:
    def reduce(row: Parameters) -> tuple[Any, ...]:
        return _row, (fields, tuple(row))

    # pickle finds no class that is made at run time, so that a row says itself how it is made again.
    base = namedtuple("Parameters", fields)  # type: ignore[misc]  # names are known at run time only
    return type("Parameters", (base,), {"__slots__": (), "__reduce__": reduce})


def _row(fields: tuple[str, ...], numbers: tuple[float, ...]) -> Parameters:
    row: Parameters = _row_class(fields)(*numbers)
    return row


class Noise(NamedTuple):
    """gaussian_noise: the standard deviation. speckle_noise: the same, as a multiple of the intensity."""

    sigma: float


class ShotNoise(NamedTuple):
    """The number of photons at intensity 1."""

    rate: float


class ImpulseNoise(NamedTuple):
    """The share of the values that become 0 or 1."""

    amount: float


class Blur(NamedTuple):
    """The standard deviation of the Gaussian, in pixels."""

    sigma: float


class DefocusBlur(NamedTuple):
    """The radius of the disk, and the Gaussian blur that smooths its rim, in pixels."""

    radius: float
    alias_sigma: float


class GlassBlur(NamedTuple):
    """The Gaussian blur before and after, the largest move of a pixel, and the rounds of exchanges."""

    sigma: float
    reach: float
    iterations: float


class MotionBlur(NamedTuple):
    """The reach of the streak and the standard deviation of its weights, in pixels."""

    radius: float
    sigma: float


class ZoomBlur(NamedTuple):
    """The zoom factors 1, 1 + step, 1 + 2 * step, ... below stop are averaged."""

    stop: float
    step: float


class Snow(NamedTuple):
    """Normal noise, zoomed, cut below the threshold, blurred along a streak; blend weighs the image."""

    mean: float
    deviation: float
    zoom: float
    threshold: float
    radius: float
    sigma: float
    blend: float


class Frost(NamedTuple):
    """The weights of the image and of the photograph of frost, and the scale of that photograph."""

    image_weight: float
    frost_weight: float
    photograph_scale: float


class Fog(NamedTuple):
    """The amount of fog, and the decay of its roughness from one scale to the next."""

    amount: float
    decay: float


class Shift(NamedTuple):
    """The amount that is added to the HSV value."""

    shift: float


class Factor(NamedTuple):
    """contrast: the factor of the distance from the mean. pixelate: the scale of the small image."""

    factor: float


class ElasticTransform(NamedTuple):
    """The length and smoothness of the displacements, and the largest move of a corner, in pixels."""

    alpha: float
    sigma: float
    affine_reach: float


class JpegCompression(NamedTuple):
    """The quality of libjpeg."""

    quality: float


class Spatter(NamedTuple):
    """Normal noise, blurred and cut below the threshold; mud is 1 for mud, 0 for drops of water."""

    mean: float
    deviation: float
    sigma: float
    threshold: float
    strength: float
    mud: float


class Saturate(NamedTuple):
    """The HSV saturation is multiplied by the factor, then shifted."""

    factor: float
    shift: float
