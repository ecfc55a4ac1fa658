"""The published perturbation sequences, a generator of frames for each.

A generator takes uint8 images (N, 3, H, W), the window of them that a frame shows, its row of parameters
(`difficulty`) and random draws, and yields frames, uint8 (N, 3, *window). The geometric
ones (zoom_blur, translate, rotate, tilt, scale, shear) map the whole image and keep the window; the others
see the window alone.

Source: make_imagenet_p.py and make_cifar_p.py (hendrycks/robustness, ImageNet-P/create_p).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Final

import torch
from torch import Tensor
from torch.nn import functional

from robustbench_lite.corruptions import _filters, _warp, noise, spatter, weather
from robustbench_lite.corruptions._gaussian import blur_levels
from robustbench_lite.corruptions._warp import Window
from robustbench_lite.corruptions.difficulty import SequenceParameters
from robustbench_lite.corruptions.parameters import Parameters
from robustbench_lite.corruptions.random import Draws

_MIDDLE: Final = 15  # the unchanged frame of the 31-frame sequences that go both ways


def gaussian_noise(
    images: Tensor, window: Window, parameters: SequenceParameters, draws: Draws
) -> Iterator[Tensor]:
    """The clean image, then independent normal noise."""
    return _noisy(noise.gaussian_noise, images, window, parameters, draws)


def shot_noise(
    images: Tensor, window: Window, parameters: SequenceParameters, draws: Draws
) -> Iterator[Tensor]:
    """The clean image, then independent photon counts."""
    return _noisy(noise.shot_noise, images, window, parameters, draws)


def speckle_noise(
    images: Tensor, window: Window, parameters: SequenceParameters, draws: Draws
) -> Iterator[Tensor]:
    """The clean image, then independent noise in proportion to the value."""
    return _noisy(noise.speckle_noise, images, window, parameters, draws)


def _noisy(
    kernel: Callable[[Tensor, Parameters, Draws], Tensor],
    images: Tensor,
    window: Window,
    parameters: SequenceParameters,
    draws: Draws,
) -> Iterator[Tensor]:
    clean = _crop(images, window)
    yield clean
    for _ in range(1, int(parameters[0])):
        yield kernel(clean, parameters[1:], draws)


def motion_blur(
    images: Tensor, window: Window, parameters: SequenceParameters, draws: Draws
) -> Iterator[Tensor]:
    """A motion blur whose direction turns."""
    frames, radius, sigma, degrees, origin = parameters
    clean = _crop(images, window).contiguous()
    for frame in range(int(frames)):
        yield _blurred_along(clean, radius, sigma, degrees * (frame - origin))


def _blurred_along(values: Tensor, radius: float, sigma: float, degrees: float) -> Tensor:
    """One motion blur for the whole batch, whose planes go through as the channels of one image."""
    angle = torch.tensor([degrees], dtype=torch.float64, device=values.device)
    planes = values.flatten(0, 1)[None]
    return _filters.motion_blur(planes, int(radius), sigma, angle).view(values.shape)


def zoom_blur(
    images: Tensor, window: Window, parameters: SequenceParameters, draws: Draws
) -> Iterator[Tensor]:
    """The running mean of the image and enlargements that grow from frame to frame."""
    frames, growth = int(parameters[0]), parameters[1]
    size = images.shape[2], images.shape[3]
    clean = _crop(images, window)
    yield clean
    matrices = (_warp.affine_matrix(size, scale=1 + growth * frame) for frame in range(1, frames))
    total = clean.to(torch.float32).div_(255)
    for frame, zoomed in enumerate(_warp.affine_frames(images, matrices, window), start=1):
        total += zoomed.to(torch.float32).div_(255)
        yield _filters.quantize(total.div(frame + 1).mul_(255))


def snow(images: Tensor, window: Window, parameters: SequenceParameters, draws: Draws) -> Iterator[Tensor]:
    """One layer of flakes whose streaks turn."""
    frames, mean, deviation, zoom, threshold, radius, sigma, blend = parameters
    scene = weather.whiten(_crop(images, window), blend)
    flakes = weather.snow_flakes(draws, scene.shape[-2:], mean, deviation, zoom, threshold)
    for frame in range(int(frames)):
        yield weather.snow_over(scene, _blurred_along(flakes, radius, sigma, frame * 4 - 150))


def brightness(
    images: Tensor, window: Window, parameters: SequenceParameters, draws: Draws
) -> Iterator[Tensor]:
    """From darker to brighter."""
    frames, percent = parameters
    clean = _crop(images, window)
    for frame in range(int(frames)):
        yield weather.brightness(clean, ((frame - _MIDDLE) * percent / 100,), draws)


def translate(
    images: Tensor, window: Window, parameters: SequenceParameters, draws: Draws
) -> Iterator[Tensor]:
    """A move to the right by one pixel a frame; black comes in from the side."""
    frames, origin = (int(value) for value in parameters)
    top, left, height, width = window
    margin = max(origin, frames - 1 - origin)
    wide = functional.pad(images, (margin, margin))[:, :, top : top + height]
    for frame in range(frames):
        start = left + margin - (frame - origin)
        yield wide[..., start : start + width]


def rotate(images: Tensor, window: Window, parameters: SequenceParameters, draws: Draws) -> Iterator[Tensor]:
    """A turn by one degree a frame."""
    size = images.shape[2], images.shape[3]
    angles = range(-_MIDDLE, int(parameters[0]) - _MIDDLE)
    return _warp.affine_frames(images, (_warp.affine_matrix(size, angle=a) for a in angles), window)


def tilt(
    images: Tensor,
    window: Window,
    parameters: SequenceParameters,
    draws: Draws,
    tilt_steps: int | None = None,
) -> Iterator[Tensor]:
    """A turn of the image in space about both its axes.

    OpenCV rounded positions to 1/32 pixel (tilt_steps = 32) up to 4.10, and does not in 5.0 (None). That
    changes a tenth to a quarter of the values, most of them by one level, none seen by more than seven.
    """
    frames, degrees = int(parameters[0]), parameters[1]
    size = images.shape[2], images.shape[3]
    matrices = (_warp.tilt_matrix(size, degrees * (frame - _MIDDLE)) for frame in range(frames))
    return _warp.perspective_frames(images, matrices, window, tilt_steps)


def scale(images: Tensor, window: Window, parameters: SequenceParameters, draws: Draws) -> Iterator[Tensor]:
    """From smaller to larger."""
    frames, percent, first = parameters
    size = images.shape[2], images.shape[3]
    scales = ((frame * percent + first) / 100 for frame in range(int(frames)))
    return _warp.affine_frames(images, (_warp.affine_matrix(size, scale=k) for k in scales), window)


def gaussian_blur(
    images: Tensor, window: Window, parameters: SequenceParameters, draws: Draws
) -> Iterator[Tensor]:
    """A blur that grows."""
    frames, first, growth, truncate = parameters
    clean = _crop(images, window).contiguous()
    for frame in range(int(frames)):
        yield blur_levels(clean, first + growth * frame, truncate)


def spatter_flow(
    images: Tensor, window: Window, parameters: SequenceParameters, draws: Draws
) -> Iterator[Tensor]:
    """Water that runs down the lens."""
    frames, mean, deviation, sigma, threshold, strength, flow = parameters
    clean = _crop(images, window)
    layer = spatter.liquid(draws, clean.shape[-2:], mean, deviation, sigma, threshold)
    for _ in range(int(frames)):
        yield spatter.drops(clean, layer, strength)
        layer = _flowed(layer, flow)


def _flowed(layer: Tensor, weights: Sequence[float]) -> Tensor:
    """The layer convolved down its columns, zeros beyond the ends; numpy.convolve's "same"."""
    height = layer.shape[1]
    above = len(weights) // 2
    padded = functional.pad(layer, (0, 0, above, len(weights) - 1 - above))
    total = torch.zeros_like(layer)
    for step, weight in enumerate(reversed(weights)):
        total.add_(padded[:, step : step + height], alpha=weight)
    return total


def shear(images: Tensor, window: Window, parameters: SequenceParameters, draws: Draws) -> Iterator[Tensor]:
    """A shear by one degree a frame."""
    size = images.shape[2], images.shape[3]
    angles = range(-_MIDDLE, int(parameters[0]) - _MIDDLE)
    return _warp.affine_frames(images, (_warp.affine_matrix(size, shear=a) for a in angles), window)


def _crop(images: Tensor, window: Window) -> Tensor:
    top, left, height, width = window
    return images[:, :, top : top + height, left : left + width]
