"""Corruptions of ImageNet-C and CIFAR-C, and perturbation sequences of ImageNet-P and CIFAR-P.

`CORRUPTIONS` and `PERTURBATIONS` hold one record for each; `corrupt` and `perturb` apply them.
"""

from __future__ import annotations

import math
import os
from typing import Final

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor

from robustbench_lite.corruptions import _batch, blur, digital, noise, severity, spatter, weather
from robustbench_lite.corruptions._batch import Images
from robustbench_lite.corruptions._calls import call_kernel
from robustbench_lite.corruptions.parameters import Parameters
from robustbench_lite.corruptions.parameters import levels as levels
from robustbench_lite.corruptions.perturbations import PERTURBATIONS as PERTURBATIONS
from robustbench_lite.corruptions.perturbations import frame_count as frame_count
from robustbench_lite.corruptions.perturbations import perturb as perturb
from robustbench_lite.corruptions.random import CounterDraws, Draws, RecordedDraws
from robustbench_lite.corruptions.records import Corruption as Corruption
from robustbench_lite.corruptions.records import Perturbation as Perturbation
from robustbench_lite.corruptions.records import with_headings
from robustbench_lite.corruptions.severity import default_profile
from robustbench_lite.errors import InvalidInput
from robustbench_lite.reference.names import CORRUPTION_GROUPS


def _defocus_side(parameters: Parameters) -> int:
    """The border mirrors once, so that the disk must end inside the image."""
    return blur.disk_kernel(*parameters).shape[0] // 2 + 1


def _glass_side(parameters: Parameters) -> int:
    """Pixels move by up to `reach`, and those closer to the border stay."""
    return max(8, 2 * int(parameters[1]) + 1)


def _pixelate_side(parameters: Parameters) -> int:
    """The small image has at least one pixel."""
    return max(8, math.ceil(1 / parameters[0]))


CORRUPTIONS: Final[dict[str, Corruption]] = with_headings(
    {
        "gaussian_noise": Corruption(noise.gaussian_noise, severity.GAUSSIAN_NOISE),
        "shot_noise": Corruption(noise.shot_noise, severity.SHOT_NOISE),
        "impulse_noise": Corruption(noise.impulse_noise, severity.IMPULSE_NOISE),
        "defocus_blur": Corruption(blur.defocus_blur, severity.DEFOCUS_BLUR, smallest_side=_defocus_side),
        "glass_blur": Corruption(blur.glass_blur, severity.GLASS_BLUR, smallest_side=_glass_side),
        "motion_blur": Corruption(blur.motion_blur, severity.MOTION_BLUR),
        "zoom_blur": Corruption(blur.zoom_blur, severity.ZOOM_BLUR, chunk_factor=8),
        "snow": Corruption(weather.snow, severity.SNOW, chunk_factor=2),
        "frost": Corruption(weather.frost, severity.FROST, chunk_factor=2, keywords=("frost",)),
        "fog": Corruption(weather.fog, severity.FOG, chunk_factor=4),
        "brightness": Corruption(weather.brightness, severity.BRIGHTNESS),
        "contrast": Corruption(digital.contrast, severity.CONTRAST),
        "elastic_transform": Corruption(digital.elastic_transform, severity.ELASTIC_TRANSFORM),
        "pixelate": Corruption(
            digital.pixelate, severity.PIXELATE, smallest_side=_pixelate_side, chunk_factor=8
        ),
        "jpeg_compression": Corruption(digital.jpeg_compression, severity.JPEG_COMPRESSION, chunk_factor=64),
        "speckle_noise": Corruption(noise.speckle_noise, severity.SPECKLE_NOISE),
        "gaussian_blur": Corruption(blur.gaussian_blur, severity.GAUSSIAN_BLUR),
        "spatter": Corruption(spatter.spatter, severity.SPATTER, chunk_factor=4),
        "saturate": Corruption(digital.saturate, severity.SATURATE),
    },
    CORRUPTION_GROUPS,
)
"""Every corruption: the 15 test corruptions in canonical order, then the four for validation.

Their groups and short names come from `reference.names`, where tables find them without torch.
"""


def corrupt(
    images: Images,
    name: str,
    severity: int,
    *,
    profile: str | None = None,
    seed: int = 0,
    index: ArrayLike | Tensor | None = None,
    draws: RecordedDraws | None = None,
    frost: str | os.PathLike[str] | None = None,
) -> Images:
    """Corrupt a batch of images as ImageNet-C and CIFAR-10-C were made (before ImageNet-C's JPEG storage).

    An image's pixels depend on (seed, name, severity, its index) alone, not on the batch around it or on the
    device (whose rounding may move a value by one level). Images may have any size: lengths in pixels (blur
    radii, displacements) stay what the profile says, fractions (zoom, pixelate, elastic corners) follow the
    size.

    Args:
        images: uint8, (N, H, W, 3) as an array or (N, 3, H, W) as a tensor on any device.
        name: one of `CORRUPTIONS`.
        severity: 1 to 5; 0 copies the images.
        profile: parameter table, "imagenet", "cifar" or "tiny-imagenet"; by default the one made for images
            of about this size: "cifar" up to a shorter side of 32 px, "tiny-imagenet" up to 64.
        seed: any integer.
        index: image indices (N,); 0, 1, 2, ... by default. Give them when a data set comes in batches.
        draws: recorded random draws to use instead, to replay a run of the published scripts.
        frost: folder of the frost photographs, for frost; by default the usual places.

    Returns:
        A new batch of the same kind, shape and device.

    Raises:
        InvalidInput: images, severity or index are not as above, the images are too small for the kernel, or
            a user's kernel fails or returns other than images.
        UnknownName: the corruption or the profile.
        DataError: the frost photographs are not found.

    Source: Hendrycks and Dietterich (2019), "Benchmarking neural network robustness to common corruptions and
    perturbations"; make_imagenet_c.py, make_cifar_c.py and make_tinyimagenet_c.py of hendrycks/robustness.
    """
    batch = _batch.check_images(images)
    name = _batch.check_name("corruption", name, CORRUPTIONS)
    level = _batch.check_level(severity, range(6), "severity")
    places = _batch.check_index(index, len(batch))
    height, width = batch.shape[2:]
    record = CORRUPTIONS[name]
    levels = record.levels(default_profile(height, width) if profile is None else profile)
    result = np.empty(images.shape, np.uint8) if isinstance(images, np.ndarray) else torch.empty_like(images)
    if level == 0:
        result[...] = images
        return result
    parameters = levels[level - 1]
    _check_size(name, record.least_side(parameters), height, width)
    source: Draws = draws or CounterDraws(seed, f"{name}/{level}", places, batch.device)
    options = {"frost": frost}
    with torch.inference_mode():
        for start, stop in _batch.chunks(batch, record.chunk_factor):
            part = source.part(start, stop)
            corrupted = call_kernel(name, record, batch[start:stop], parameters, part, options)
            _batch.write(result, start, stop, corrupted)
    return result


def _check_size(name: str, least: int, height: int, width: int) -> None:
    """Refuse images that are too small for a kernel."""
    if min(height, width) < least:
        raise InvalidInput(
            f"{name} with this severity needs images of at least {least} px a side, got {height} x {width}"
        )
