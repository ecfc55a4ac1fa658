"""AugMix one image at a time with Pillow, written from its definition, for tests and the benchmark.

Source: Hendrycks, Mu et al. 2020, Algorithm 1 and Appendix; levels as in the published augmentations.py.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from PIL import Image, ImageEnhance, ImageOps
from torchvision.transforms import functional as TF

BILINEAR = Image.Resampling.BILINEAR
AFFINE = Image.Transform.AFFINE


def _affine(image: Image.Image, *matrix: float) -> Image.Image:
    return image.transform(image.size, AFFINE, matrix, resample=BILINEAR)


PIL_OPERATIONS: dict[str, Callable[[Image.Image, float], Image.Image]] = {
    "autocontrast": lambda image, _: ImageOps.autocontrast(image),
    "equalize": lambda image, _: ImageOps.equalize(image),
    "posterize": lambda image, bits: ImageOps.posterize(image, int(bits)),
    "rotate": lambda image, degrees: image.rotate(degrees, resample=BILINEAR),
    "solarize": lambda image, threshold: ImageOps.solarize(image, int(threshold)),
    "shear_x": lambda image, factor: _affine(image, 1, factor, 0, 0, 1, 0),
    "shear_y": lambda image, factor: _affine(image, 1, 0, 0, factor, 1, 0),
    "translate_x": lambda image, pixels: _affine(image, 1, 0, pixels, 0, 1, 0),
    "translate_y": lambda image, pixels: _affine(image, 1, 0, 0, 0, 1, pixels),
    "color": lambda image, factor: ImageEnhance.Color(image).enhance(factor),
    "contrast": lambda image, factor: ImageEnhance.Contrast(image).enhance(factor),
    "brightness": lambda image, factor: ImageEnhance.Brightness(image).enhance(factor),
    "sharpness": lambda image, factor: ImageEnhance.Sharpness(image).enhance(factor),
}

PAPER_OPERATIONS = tuple(PIL_OPERATIONS)[:9]


def magnitude(name: str, level: float, negative: bool, size: int) -> float:
    """The magnitude in Pillow's terms at a level, for square images."""
    if name in ("autocontrast", "equalize"):
        return 0
    if name == "posterize":
        return 4 - int(level * 4 / 10)
    if name == "solarize":
        return 256 - int(level * 256 / 10)
    if name in ("color", "contrast", "brightness", "sharpness"):
        return level * 1.8 / 10 + 0.1
    if name == "rotate":
        value: float = int(level * 30 / 10)
    elif name.startswith("shear"):
        value = level * 0.3 / 10
    else:
        value = int(level * (size / 3) / 10)
    return -value if negative else value


def normalized(image: Image.Image) -> torch.Tensor:
    """The published preprocessing of CIFAR: to [0, 1], then mean 0.5 and standard deviation 0.5."""
    return TF.normalize(TF.to_tensor(image), [0.5] * 3, [0.5] * 3)


def augment_and_mix(
    image: Image.Image, rng: np.random.Generator, severity: float = 3, width: int = 3
) -> torch.Tensor:
    """One AugMix image, mixed on normalised floats."""
    weights = np.float32(rng.dirichlet([1.0] * width))
    skip = np.float32(rng.beta(1.0, 1.0))
    mixed = torch.zeros_like(normalized(image))
    for weight in weights:
        chain = image.copy()
        for _ in range(rng.integers(1, 4)):
            name = rng.choice(PAPER_OPERATIONS)  # as published, which costs a tenth of the pipeline
            level = rng.uniform(0.1, severity)
            scale = magnitude(name, level, rng.uniform() > 0.5, image.size[0])
            chain = PIL_OPERATIONS[name](chain, scale)
        mixed += float(weight) * normalized(chain)
    return (1 - float(skip)) * normalized(image) + float(skip) * mixed


def three_views(
    image: Image.Image, rng: np.random.Generator, severity: float = 3
) -> tuple[torch.Tensor, ...]:
    """The clean image and two AugMix images of it."""
    return normalized(image), augment_and_mix(image, rng, severity), augment_and_mix(image, rng, severity)
