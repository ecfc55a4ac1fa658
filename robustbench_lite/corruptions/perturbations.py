"""Perturbation sequences of ImageNet-P and CIFAR-P: `perturb` is the entry, `PERTURBATIONS` the table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor

from robustbench_lite.corruptions import _batch, difficulty, sequences
from robustbench_lite.corruptions._batch import Images
from robustbench_lite.corruptions._calls import call_generator
from robustbench_lite.corruptions._warp import Window, centre_window
from robustbench_lite.corruptions.random import CounterDraws, Draws, RecordedDraws
from robustbench_lite.corruptions.records import Perturbation, with_headings
from robustbench_lite.errors import InvalidInput
from robustbench_lite.reference.names import PERTURBATION_GROUPS

PERTURBATIONS: Final[dict[str, Perturbation]] = with_headings(
    {
        "gaussian_noise": Perturbation(
            sequences.gaussian_noise, difficulty.GAUSSIAN_NOISE, against_first=True
        ),
        "shot_noise": Perturbation(sequences.shot_noise, difficulty.SHOT_NOISE, against_first=True),
        "motion_blur": Perturbation(sequences.motion_blur, difficulty.MOTION_BLUR),
        "zoom_blur": Perturbation(sequences.zoom_blur, difficulty.ZOOM_BLUR, chunk_factor=8),
        "snow": Perturbation(sequences.snow, difficulty.SNOW),
        "brightness": Perturbation(sequences.brightness, difficulty.BRIGHTNESS),
        "translate": Perturbation(sequences.translate, difficulty.TRANSLATE),
        "rotate": Perturbation(sequences.rotate, difficulty.ROTATE, chunk_factor=8),
        "tilt": Perturbation(sequences.tilt, difficulty.TILT, chunk_factor=8, keywords=("tilt_steps",)),
        "scale": Perturbation(sequences.scale, difficulty.SCALE, chunk_factor=8),
        "speckle_noise": Perturbation(sequences.speckle_noise, difficulty.SPECKLE_NOISE, against_first=True),
        "gaussian_blur": Perturbation(sequences.gaussian_blur, difficulty.GAUSSIAN_BLUR),
        "spatter": Perturbation(sequences.spatter_flow, difficulty.SPATTER),
        "shear": Perturbation(sequences.shear, difficulty.SHEAR, chunk_factor=8),
    },
    PERTURBATION_GROUPS,
)
"""Every perturbation: the ten test perturbations in canonical order, then those for validation."""

FRAME_SIDES: Final[Mapping[str, int | None]] = {"imagenet": 224, "cifar": None}
"""Profile -> side of the central square that the frames show; None: the whole image, as elsewhere."""

_SMALLEST_SIDE: Final = 8


def perturb(
    images: Images,
    name: str,
    *,
    difficulty: int = 1,
    profile: str = "imagenet",
    seed: int = 0,
    index: ArrayLike | Tensor | None = None,
    draws: RecordedDraws | None = None,
    tilt_steps: int | None = None,
) -> Images:
    """Make a sequence of frames from each image, as ImageNet-P and CIFAR-P were made (before video coding).

    With the "imagenet" profile, give photographs resized to a shorter side of 256: geometric changes act on
    them and frames show the central 224 x 224 pixels; the other changes act on that centre. With "cifar" the
    frames are as large as the images. A sequence depends on (seed, name, difficulty, index) alone.

    Args:
        images: uint8, (N, H, W, 3) as an array or (N, 3, H, W) as a tensor on any device.
        name: one of `PERTURBATIONS`.
        difficulty: 1, or up to 3 for the three noises.
        profile: "imagenet" or "cifar".
        seed: any integer.
        index: image indices (N,); 0, 1, 2, ... by default. Give them when a data set comes in batches.
        draws: recorded random draws to use instead, to replay a run of the published scripts.
        tilt_steps: tilt reads positions rounded to 1 / tilt_steps pixel. The default, no rounding, is the
            arithmetic of OpenCV 5; 32 is that of OpenCV 4.10 and older, which probably made the released
            files.

    Returns:
        (N, frames, H, W, 3) as an array or (N, frames, 3, H, W) as a tensor: see `frame_count`.

    Raises:
        InvalidInput: images, difficulty or index are not as above, or the images are too small.
        UnknownName: the perturbation or the profile.

    Source: Hendrycks and Dietterich (2019), "Benchmarking neural network robustness to common corruptions and
    perturbations"; make_imagenet_p.py and make_cifar_p.py of hendrycks/robustness.
    """
    batch = _batch.check_images(images)
    record = PERTURBATIONS[_batch.check_name("perturbation", name, PERTURBATIONS)]
    levels = record.levels(profile)
    level = _batch.check_level(difficulty, range(1, len(levels) + 1), f"difficulty of {name}")
    parameters = levels[level - 1]
    places = _batch.check_index(index, len(batch))
    window = _window(batch.shape[2], batch.shape[3], profile)
    result = _empty_frames(images, int(parameters[0]), window)
    source: Draws = draws or CounterDraws(seed, f"perturb/{name}/{difficulty}", places, batch.device)
    options = {"tilt_steps": tilt_steps}
    with torch.inference_mode():
        for start, stop in _batch.chunks(batch, record.chunk_factor):
            part = source.part(start, stop)
            frames = call_generator(name, record, batch[start:stop], window, parameters, part, options)
            for place, frame in enumerate(frames):
                _batch.write(result[:, place], start, stop, frame)
    return result


def frame_count(name: str, profile: str = "imagenet") -> int:
    """How many frames a sequence has: 31, or 41 and 16 for translate and 21 for CIFAR-P's motion_blur.

    Raises:
        UnknownName: the perturbation or the profile.
    """
    return PERTURBATIONS[_batch.check_name("perturbation", name, PERTURBATIONS)].frames(profile)


def _empty_frames(images: Images, frames: int, window: Window) -> Images:
    if isinstance(images, np.ndarray):
        return np.empty((len(images), frames, window.height, window.width, 3), np.uint8)
    return images.new_empty(len(images), frames, 3, window.height, window.width)


def _window(height: int, width: int, profile: str) -> Window:
    side = FRAME_SIDES.get(profile)
    least = side or _SMALLEST_SIDE
    if min(height, width) < least:
        hint = "; resize photographs to a shorter side of 256 first" if side else ""
        raise InvalidInput(
            f"perturbations with the {profile} profile need images of at least {least} px a side, "
            f"got {height} x {width}{hint}"
        )
    return centre_window(height, width, side)
