"""The published parameters of the perturbation sequences, by profile; a row is a difficulty.

Only the three noises come in more than one difficulty. A profile is the generation script of one released
data set (hendrycks/robustness, ImageNet-P/create_p): make_imagenet_p.py or make_cifar_p.py. Intensities are
on the scale [0, 1], lengths are in pixels, angles in degrees.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple

SequenceParameters = tuple[Any, ...]
"""The parameters of one sequence at one difficulty, a named tuple whose first field is `frames`."""

Difficulties = tuple[SequenceParameters, ...]
"""The parameters of the difficulties, from 1 on."""


class Frames(NamedTuple):
    """The number of frames; rotate and shear turn by one degree a frame."""

    frames: int


class NoiseFrames(NamedTuple):
    """Normal noise: the standard deviation, for speckle_noise as a multiple of the intensity."""

    frames: int
    sigma: float


class ShotNoiseFrames(NamedTuple):
    """The number of photons at intensity 1."""

    frames: int
    rate: float


class MotionBlurFrames(NamedTuple):
    """A streak whose angle grows by `degrees` a frame; the angle is 0 in the frame `origin`."""

    frames: int
    radius: float
    sigma: float
    degrees: float
    origin: int


class ZoomBlurFrames(NamedTuple):
    """The zoom factor grows by `growth` a frame."""

    frames: int
    growth: float


class SnowFrames(NamedTuple):
    """The fields of `parameters.Snow`."""

    frames: int
    mean: float
    deviation: float
    zoom: float
    threshold: float
    radius: float
    sigma: float
    blend: float


class BrightnessFrames(NamedTuple):
    """The HSV value grows by `percent` of the scale a frame."""

    frames: int
    percent: float


class TranslateFrames(NamedTuple):
    """One pixel a frame; the frame `origin` is not moved."""

    frames: int
    origin: int


class TiltFrames(NamedTuple):
    """The tilt grows by `degrees` a frame."""

    frames: int
    degrees: float


class ScaleFrames(NamedTuple):
    """The scale begins at `first` percent and grows by `percent` a frame."""

    frames: int
    percent: float
    first: float


class GaussianBlurFrames(NamedTuple):
    """The standard deviation grows by `growth` from `first`; the kernel ends at `truncate` of them."""

    frames: int
    first: float
    growth: float
    truncate: float


class SpatterFrames(NamedTuple):
    """The fields of `parameters.Spatter` for water, and the weights of the flow, from the top."""

    frames: int
    mean: float
    deviation: float
    sigma: float
    threshold: float
    strength: float
    flow: tuple[float, ...]


def _profiles(
    fields: Callable[..., SequenceParameters],
    *,
    imagenet: Sequence[SequenceParameters],
    cifar: Sequence[SequenceParameters],
) -> Mapping[str, Difficulties]:
    """Name the fields of every row."""
    tables = {"imagenet": imagenet, "cifar": cifar}
    return {profile: tuple(fields(*row) for row in rows) for profile, rows in tables.items()}


GAUSSIAN_NOISE: Final = _profiles(
    NoiseFrames, imagenet=((31, 0.03), (31, 0.05), (31, 0.08)), cifar=((31, 0.02), (31, 0.04), (31, 0.06))
)
SHOT_NOISE: Final = _profiles(
    ShotNoiseFrames, imagenet=((31, 300), (31, 120), (31, 60)), cifar=((31, 700), (31, 400), (31, 200))
)
MOTION_BLUR: Final = _profiles(MotionBlurFrames, imagenet=((31, 10, 3, 4, 30),), cifar=((21, 6, 1.8, 9, 20),))
ZOOM_BLUR: Final = _profiles(ZoomBlurFrames, imagenet=((31, 0.004),), cifar=((31, 0.004),))
SNOW: Final = _profiles(
    SnowFrames,
    imagenet=((31, 0.05, 0.3, 3, 0.5, 14, 4, 0.85),),
    cifar=((31, 0.05, 0.3, 2, 0.5, 10, 2, 0.85),),
)
BRIGHTNESS: Final = _profiles(BrightnessFrames, imagenet=((31, 2),), cifar=((31, 1.5),))
TRANSLATE: Final = _profiles(TranslateFrames, imagenet=((41, 20),), cifar=((16, 7),))
ROTATE: Final = _profiles(Frames, imagenet=((31,),), cifar=((31,),))
TILT: Final = _profiles(TiltFrames, imagenet=((31, 1),), cifar=((31, 0.75),))
SCALE: Final = _profiles(ScaleFrames, imagenet=((31, 2.5, 40),), cifar=((31, 2, 70),))
SPECKLE_NOISE: Final = _profiles(
    NoiseFrames, imagenet=((31, 0.05), (31, 0.10), (31, 0.15)), cifar=((31, 0.05), (31, 0.07), (31, 0.1))
)
GAUSSIAN_BLUR: Final = _profiles(
    GaussianBlurFrames, imagenet=((31, 0.25, 0.035, 6),), cifar=((31, 0.3, 0.015, 7),)
)
SPATTER: Final = _profiles(
    SpatterFrames,
    imagenet=((31, 0.65, 0.27, 3.7, 0.69, 0.6, (0.05, 0.1, 0.15, 0.7)),),
    cifar=((31, 0.6, 0.265, 1.75, 0.7, 0.6, (0.2, 0.8)),),
)
SHEAR: Final = _profiles(Frames, imagenet=((31,),), cifar=((31,),))
