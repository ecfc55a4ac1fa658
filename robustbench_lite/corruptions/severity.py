"""The published parameters of the corruptions, by profile; a row is a severity.

A profile is the generation script of one released data set (hendrycks/robustness, ImageNet-C/create_c):

    "imagenet"       make_imagenet_c.py
    "cifar"          make_cifar_c.py
    "tiny-imagenet"  make_tinyimagenet_c.py

`parameters` names the fields, in the order of the scripts.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from robustbench_lite.corruptions.parameters import (
    Blur,
    DefocusBlur,
    ElasticTransform,
    Factor,
    Fog,
    Frost,
    GlassBlur,
    ImpulseNoise,
    JpegCompression,
    Levels,
    MotionBlur,
    Noise,
    Saturate,
    Shift,
    ShotNoise,
    Snow,
    Spatter,
    ZoomBlur,
)
from robustbench_lite.corruptions.parameters import Parameters as Parameters

Row = float | tuple[float, ...]


def _profiles(
    fields: Callable[..., Parameters],
    *,
    imagenet: Sequence[Row],
    cifar: Sequence[Row],
    tiny_imagenet: Sequence[Row],
) -> Mapping[str, Levels]:
    """Name the fields of every row."""
    tables = {"imagenet": imagenet, "cifar": cifar, "tiny-imagenet": tiny_imagenet}
    return {
        profile: tuple(fields(*row) if isinstance(row, tuple) else fields(row) for row in rows)
        for profile, rows in tables.items()
    }


GAUSSIAN_NOISE: Final = _profiles(
    Noise,
    imagenet=(0.08, 0.12, 0.18, 0.26, 0.38),
    cifar=(0.04, 0.06, 0.08, 0.09, 0.10),
    tiny_imagenet=(0.04, 0.08, 0.12, 0.15, 0.18),
)
SHOT_NOISE: Final = _profiles(
    ShotNoise,
    imagenet=(60, 25, 12, 5, 3),
    cifar=(500, 250, 100, 75, 50),
    tiny_imagenet=(250, 100, 50, 30, 15),
)
IMPULSE_NOISE: Final = _profiles(
    ImpulseNoise,
    imagenet=(0.03, 0.06, 0.09, 0.17, 0.27),
    cifar=(0.01, 0.02, 0.03, 0.05, 0.07),
    tiny_imagenet=(0.01, 0.02, 0.05, 0.08, 0.14),
)
DEFOCUS_BLUR: Final = _profiles(
    DefocusBlur,
    imagenet=((3, 0.1), (4, 0.5), (6, 0.5), (8, 0.5), (10, 0.5)),
    cifar=((0.3, 0.4), (0.4, 0.5), (0.5, 0.6), (1, 0.2), (1.5, 0.1)),
    tiny_imagenet=((0.5, 0.6), (1, 0.1), (1.5, 0.1), (2.5, 0.01), (3, 0.1)),
)
GLASS_BLUR: Final = _profiles(
    GlassBlur,
    imagenet=((0.7, 1, 2), (0.9, 2, 1), (1, 2, 3), (1.1, 3, 2), (1.5, 4, 2)),
    cifar=((0.05, 1, 1), (0.25, 1, 1), (0.4, 1, 1), (0.25, 1, 2), (0.4, 1, 2)),
    tiny_imagenet=((0.1, 1, 1), (0.5, 1, 1), (0.6, 1, 2), (0.7, 2, 1), (0.9, 2, 2)),
)
MOTION_BLUR: Final = _profiles(
    MotionBlur,
    imagenet=((10, 3), (15, 5), (15, 8), (15, 12), (20, 15)),
    cifar=((6, 1), (6, 1.5), (6, 2), (8, 2), (9, 2.5)),
    tiny_imagenet=((10, 1), (10, 1.5), (10, 2), (10, 2.5), (12, 3)),
)
ZOOM_BLUR: Final = _profiles(
    ZoomBlur,
    imagenet=((1.11, 0.01), (1.16, 0.01), (1.21, 0.02), (1.26, 0.02), (1.31, 0.03)),
    cifar=((1.06, 0.01), (1.11, 0.01), (1.16, 0.01), (1.21, 0.01), (1.26, 0.01)),
    tiny_imagenet=((1.06, 0.01), (1.11, 0.01), (1.16, 0.01), (1.21, 0.01), (1.26, 0.01)),
)
SNOW: Final = _profiles(
    Snow,
    imagenet=(
        (0.1, 0.3, 3, 0.5, 10, 4, 0.8),
        (0.2, 0.3, 2, 0.5, 12, 4, 0.7),
        (0.55, 0.3, 4, 0.9, 12, 8, 0.7),
        (0.55, 0.3, 4.5, 0.85, 12, 8, 0.65),
        (0.55, 0.3, 2.5, 0.85, 12, 12, 0.55),
    ),
    cifar=(
        (0.1, 0.2, 1, 0.6, 8, 3, 0.95),
        (0.1, 0.2, 1, 0.5, 10, 4, 0.9),
        (0.15, 0.3, 1.75, 0.55, 10, 4, 0.9),
        (0.25, 0.3, 2.25, 0.6, 12, 6, 0.85),
        (0.3, 0.3, 1.25, 0.65, 14, 12, 0.8),
    ),
    tiny_imagenet=(
        (0.1, 0.2, 1, 0.6, 8, 3, 0.8),
        (0.1, 0.2, 1, 0.5, 10, 4, 0.8),
        (0.15, 0.3, 1.75, 0.55, 10, 4, 0.7),
        (0.25, 0.3, 2.25, 0.6, 12, 6, 0.65),
        (0.3, 0.3, 1.25, 0.65, 14, 12, 0.6),
    ),
)
FROST: Final = _profiles(
    Frost,
    imagenet=((1, 0.4, 1), (0.8, 0.6, 1), (0.7, 0.7, 1), (0.65, 0.7, 1), (0.6, 0.75, 1)),
    cifar=((1, 0.2, 0.2), (1, 0.3, 0.2), (0.9, 0.4, 0.2), (0.85, 0.4, 0.2), (0.75, 0.45, 0.2)),
    tiny_imagenet=((1, 0.3, 0.3), (0.9, 0.4, 0.3), (0.8, 0.45, 0.3), (0.75, 0.5, 0.3), (0.7, 0.55, 0.3)),
)
FOG: Final = _profiles(
    Fog,
    imagenet=((1.5, 2), (2, 2), (2.5, 1.7), (2.5, 1.5), (3, 1.4)),
    cifar=((0.2, 3), (0.5, 3), (0.75, 2.5), (1, 2), (1.5, 1.75)),
    tiny_imagenet=((0.4, 3), (0.7, 3), (1, 2.5), (1.5, 2), (2, 1.75)),
)
BRIGHTNESS: Final = _profiles(
    Shift,
    imagenet=(0.1, 0.2, 0.3, 0.4, 0.5),
    cifar=(0.05, 0.1, 0.15, 0.2, 0.3),
    tiny_imagenet=(0.1, 0.2, 0.3, 0.4, 0.5),
)
CONTRAST: Final = _profiles(
    Factor,
    imagenet=(0.4, 0.3, 0.2, 0.1, 0.05),
    cifar=(0.75, 0.5, 0.4, 0.3, 0.15),
    tiny_imagenet=(0.4, 0.3, 0.2, 0.1, 0.05),
)
# make_imagenet_c.py writes 244 for 224, and so do these rows.
ELASTIC_TRANSFORM: Final = _profiles(
    ElasticTransform,
    imagenet=(
        (244 * 2, 244 * 0.7, 244 * 0.1),
        (244 * 2, 244 * 0.08, 244 * 0.2),
        (244 * 0.05, 244 * 0.01, 244 * 0.02),
        (244 * 0.07, 244 * 0.01, 244 * 0.02),
        (244 * 0.12, 244 * 0.01, 244 * 0.02),
    ),
    cifar=(
        (0, 0, 32 * 0.08),
        (32 * 0.05, 32 * 0.2, 32 * 0.07),
        (32 * 0.08, 32 * 0.06, 32 * 0.06),
        (32 * 0.1, 32 * 0.04, 32 * 0.05),
        (32 * 0.1, 32 * 0.03, 32 * 0.03),
    ),
    tiny_imagenet=(
        (0, 0, 64 * 0.08),
        (64 * 0.05, 64 * 0.3, 64 * 0.06),
        (64 * 0.1, 64 * 0.08, 64 * 0.06),
        (64 * 0.1, 64 * 0.03, 64 * 0.03),
        (64 * 0.16, 64 * 0.03, 64 * 0.02),
    ),
)
PIXELATE: Final = _profiles(
    Factor,
    imagenet=(0.6, 0.5, 0.4, 0.3, 0.25),
    cifar=(0.95, 0.9, 0.85, 0.75, 0.65),
    tiny_imagenet=(0.9, 0.8, 0.7, 0.6, 0.5),
)
JPEG_COMPRESSION: Final = _profiles(
    JpegCompression,
    imagenet=(25, 18, 15, 10, 7),
    cifar=(80, 65, 58, 50, 40),
    tiny_imagenet=(65, 58, 50, 40, 25),
)
SPECKLE_NOISE: Final = _profiles(
    Noise,
    imagenet=(0.15, 0.2, 0.35, 0.45, 0.6),
    cifar=(0.06, 0.1, 0.12, 0.16, 0.2),
    tiny_imagenet=(0.15, 0.2, 0.25, 0.3, 0.35),
)
GAUSSIAN_BLUR: Final = _profiles(
    Blur,
    imagenet=(1, 2, 3, 4, 6),
    cifar=(0.4, 0.6, 0.7, 0.8, 1),
    tiny_imagenet=(0.5, 0.75, 1, 1.25, 1.5),
)
SPATTER: Final = _profiles(
    Spatter,
    imagenet=(
        (0.65, 0.3, 4, 0.69, 0.6, 0),
        (0.65, 0.3, 3, 0.68, 0.6, 0),
        (0.65, 0.3, 2, 0.68, 0.5, 0),
        (0.65, 0.3, 1, 0.65, 1.5, 1),
        (0.67, 0.4, 1, 0.65, 1.5, 1),
    ),
    cifar=(
        (0.62, 0.1, 0.7, 0.7, 0.5, 0),
        (0.65, 0.1, 0.8, 0.7, 0.5, 0),
        (0.65, 0.3, 1, 0.69, 0.5, 0),
        (0.65, 0.1, 0.7, 0.69, 0.6, 1),
        (0.65, 0.1, 0.5, 0.68, 0.6, 1),
    ),
    tiny_imagenet=(
        (0.62, 0.1, 0.7, 0.7, 0.6, 0),
        (0.65, 0.1, 0.8, 0.7, 0.6, 0),
        (0.65, 0.3, 1, 0.69, 0.6, 0),
        (0.65, 0.1, 0.7, 0.68, 0.6, 1),
        (0.65, 0.1, 0.5, 0.67, 0.6, 1),
    ),
)
SATURATE: Final = _profiles(
    Saturate,
    imagenet=((0.3, 0), (0.1, 0), (2, 0), (5, 0.1), (20, 0.2)),
    cifar=((0.3, 0), (0.1, 0), (1.5, 0), (2, 0.1), (2.5, 0.2)),
    tiny_imagenet=((0.3, 0), (0.1, 0), (2, 0), (5, 0.1), (30, 0.2)),
)


def default_profile(height: int, width: int) -> str:
    """The profile for images of this size: "cifar" up to a shorter side of 32, "tiny-imagenet" up to 64."""
    side = min(height, width)
    if side <= 32:
        return "cifar"
    return "tiny-imagenet" if side <= 64 else "imagenet"
