"""Canonical names and order of corruptions and perturbations: the one list that every part imports."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

SEVERITIES: Final = (1, 2, 3, 4, 5)
DIFFICULTIES: Final = (1, 2, 3)

CORRUPTION_GROUPS: Final[Mapping[str, tuple[str, ...]]] = {
    "noise": ("gaussian_noise", "shot_noise", "impulse_noise"),
    "blur": ("defocus_blur", "glass_blur", "motion_blur", "zoom_blur"),
    "weather": ("snow", "frost", "fog", "brightness"),
    "digital": ("contrast", "elastic_transform", "pixelate", "jpeg_compression"),
}
"""The 15 test corruptions in the papers' order; brightness counts as weather in their tables."""

TEST_CORRUPTIONS: Final[tuple[str, ...]] = tuple(
    name for group in CORRUPTION_GROUPS.values() for name in group
)
VALIDATION_CORRUPTIONS: Final[tuple[str, ...]] = ("speckle_noise", "gaussian_blur", "spatter", "saturate")
ALL_CORRUPTIONS: Final[tuple[str, ...]] = TEST_CORRUPTIONS + VALIDATION_CORRUPTIONS

PERTURBATION_GROUPS: Final[Mapping[str, tuple[str, ...]]] = {
    "noise": ("gaussian_noise", "shot_noise"),
    "blur": ("motion_blur", "zoom_blur"),
    "weather": ("snow", "brightness"),
    "digital": ("translate", "rotate", "tilt", "scale"),
}
"""The ten test perturbations of the papers, in their order."""

TEST_PERTURBATIONS: Final[tuple[str, ...]] = tuple(
    name for group in PERTURBATION_GROUPS.values() for name in group
)
VALIDATION_PERTURBATIONS: Final[tuple[str, ...]] = ("speckle_noise", "gaussian_blur", "spatter", "shear")
ALL_PERTURBATIONS: Final[tuple[str, ...]] = TEST_PERTURBATIONS + VALIDATION_PERTURBATIONS

PERTURBATION_LISTS: Final[Mapping[str, tuple[str, ...]]] = {
    "snow": TEST_PERTURBATIONS,
    "spatter": tuple("spatter" if name == "snow" else name for name in TEST_PERTURBATIONS),
}
"""The two lists of ten in use: the papers' (snow), and the official CIFAR-P script's (spatter)."""

FIRST_FRAME_PERTURBATIONS: Final[tuple[str, ...]] = ("gaussian_noise", "shot_noise", "speckle_noise")
"""Perturbations whose frames are compared with frame 0; all others compare neighbouring frames."""

SHORT_NAMES: Final[Mapping[str, str]] = {
    "gaussian_noise": "Gauss.",
    "shot_noise": "Shot",
    "impulse_noise": "Impulse",
    "defocus_blur": "Defocus",
    "glass_blur": "Glass",
    "motion_blur": "Motion",
    "zoom_blur": "Zoom",
    "snow": "Snow",
    "frost": "Frost",
    "fog": "Fog",
    "brightness": "Bright",
    "contrast": "Contrast",
    "elastic_transform": "Elastic",
    "pixelate": "Pixel",
    "jpeg_compression": "JPEG",
    "speckle_noise": "Speckle",
    "gaussian_blur": "G. blur",
    "spatter": "Spatter",
    "saturate": "Saturate",
    "translate": "Translate",
    "rotate": "Rotate",
    "tilt": "Tilt",
    "scale": "Scale",
    "shear": "Shear",
}
"""The headings of their columns in the papers' tables."""
