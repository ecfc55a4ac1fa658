"""The published perturbation scripts restated plainly, one image at a time, with Pillow and OpenCV.

Each function takes a uint8 (H, W, 3) image, the side of the central square that frames show (None: all of
it), the parameters of one difficulty and a `Recorder`; it returns uint8 (T, side, side, 3).
"""

from __future__ import annotations

import math

import cv2
import numpy as np
from PIL import Image
from scipy import ndimage

from tests.oracles import weather
from tests.oracles.corruptions import magick_motion_blur, stored


def centre(image, side):
    if side is None:
        return image
    top, left = (round((length - side) / 2) for length in image.shape[:2])
    return image[top : top + side, left : left + side]


def affine(image, angle=0.0, scale=1.0, shear=0.0, shift=0, resample=Image.Resampling.BILINEAR):
    """Pillow's AFFINE with the inverse matrix of torchvision 0.2.1: about (W/2 + 1/2, H/2 + 1/2)."""
    height, width = image.shape[:2]
    turn, both = math.radians(angle), math.radians(angle) + math.radians(shear)
    determinant = math.cos(both) * math.cos(turn) + math.sin(both) * math.sin(turn)
    linear = [math.cos(both), math.sin(both), -math.sin(turn), math.cos(turn)]
    a, b, d, e = (1.0 / scale / determinant * value for value in linear)
    x, y = width * 0.5 + 0.5, height * 0.5 + 0.5
    # Products and sums in this order: a frame's pixels are truncated, so that the last bit counts.
    c = a * (-x - shift) + b * -y + x
    f = d * (-x - shift) + e * -y + y
    matrix = [a, b, c, d, e, f]
    picture = Image.fromarray(image)
    return np.asarray(picture.transform(picture.size, Image.Transform.AFFINE, matrix, resample))


def tilt_matrix(image, degrees):
    height, width = image.shape[:2]
    c, s, f = np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees)), np.hypot(width, height)
    lift = np.array([[1, 0, -width / 2], [0, 1, -height / 2], [0, 0, 1], [0, 0, 1]])
    about_x = np.array([[1, 0, 0, 0], [0, c, -s, 0], [0, s, c, 0], [0, 0, 0, 1]])
    about_y = np.array([[c, 0, -s, 0], [0, 1, 0, 0], [s, 0, c, 0], [0, 0, 0, 1]])
    away = np.array([[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, f], [0, 0, 0, 1]])
    return (
        np.array([[f, 0, width / 2, 0], [0, f, height / 2, 0], [0, 0, 1, 0]])
        @ away
        @ about_x
        @ about_y
        @ lift
    )


def warp_fixed_point(image, matrix):
    """cv2.warpPerspective as OpenCV 4.10 and older compute it: 1/32 pixel, weights of 15 bits."""
    height, width = image.shape[:2]
    inverse = np.linalg.inv(matrix)
    x, y = np.meshgrid(np.arange(width), np.arange(height))
    u, v, w = (row[0] * x + row[1] * y + row[2] for row in inverse)
    u, v = np.rint(u * (32 / w)).astype(int), np.rint(v * (32 / w)).astype(int)
    padded = np.zeros((height + 4, width + 4, 3), np.int64)
    padded[2:-2, 2:-2] = image
    total = np.full(image.shape, 1 << 14)
    for down in (0, 1):
        for right in (0, 1):
            rows = np.clip((v >> 5) + down, -2, height + 1) + 2
            columns = np.clip((u >> 5) + right, -2, width + 1) + 2
            part_y = (v & 31) if down else 32 - (v & 31)
            part_x = (u & 31) if right else 32 - (u & 31)
            total += padded[rows, columns] * (part_x * part_y * 32)[..., None]
    return (total >> 15).astype(np.uint8)


def gaussian_noise(image, side, parameters, rng):
    clean = centre(image, side)
    noisy = [clean / 255.0 + rng.normal(size=clean.shape, scale=parameters[1]) for _ in range(30)]
    return np.stack([clean, *map(stored, noisy)])


def shot_noise(image, side, parameters, rng):
    clean, rate = centre(image, side), parameters[1]
    return np.stack([clean, *(stored(rng.poisson(clean / 255.0 * rate) / rate) for _ in range(30))])


def speckle_noise(image, side, parameters, rng):
    x = centre(image, side) / 255.0
    noisy = [x + x * rng.normal(size=x.shape, scale=parameters[1]) for _ in range(30)]
    return np.stack([centre(image, side), *map(stored, noisy)])


def motion_blur(image, side, parameters, rng):
    frames, radius, sigma, degrees, origin = parameters
    clean = centre(image, side)
    return np.stack([magick_motion_blur(clean, radius, sigma, degrees * (i - origin)) for i in range(frames)])


def zoom_blur(image, side, parameters, rng):
    clean = centre(image, side)
    frames, total = [clean], clean.astype(np.float32) / np.float32(255)
    for i in range(1, 31):
        total = total + centre(affine(image, scale=1 + 0.004 * i), side).astype(np.float32) / np.float32(255)
        frames.append((total / np.float32(i + 1) * np.float32(255)).astype(np.uint8))
    return np.stack(frames)


def snow(image, side, parameters, rng):
    _, mean, deviation, factor, threshold, radius, sigma, blend = parameters
    clean = centre(image, side)
    layer = weather.snow_layer(clean.shape[:2], mean, deviation, factor, threshold, rng)
    streaks = [magick_motion_blur(layer, radius, sigma, i * 4 - 150) for i in range(31)]
    return np.stack([weather.snow_cover(clean, streak, blend) for streak in streaks])


def brightness(image, side, parameters, rng):
    clean = centre(image, side)
    return np.stack([weather.brightness(clean, ((i - 15) * parameters[1] / 100,), rng) for i in range(31)])


def translate(image, side, parameters, rng):
    frames, origin = parameters
    nearest = Image.Resampling.NEAREST
    return np.stack([centre(affine(image, shift=i - origin, resample=nearest), side) for i in range(frames)])


def rotate(image, side, parameters, rng):
    return np.stack([centre(affine(image, angle=i - 15), side) for i in range(31)])


def tilt(image, side, parameters, rng):
    matrices = [tilt_matrix(image, parameters[1] * (i - 15)) for i in range(31)]
    return np.stack([centre(cv2.warpPerspective(image, m, image.shape[1::-1]), side) for m in matrices])


def tilt_fixed_point(image, side, parameters, rng):
    matrices = [tilt_matrix(image, parameters[1] * (i - 15)) for i in range(31)]
    return np.stack([centre(warp_fixed_point(image, m), side) for m in matrices])


def scale(image, side, parameters, rng):
    _, percent, first = parameters
    return np.stack([centre(affine(image, scale=(i * percent + first) / 100), side) for i in range(31)])


def gaussian_blur(image, side, parameters, rng):
    _, first, growth, truncate = parameters
    x = centre(image, side) / 255.0
    sigmas = [first + growth * i for i in range(31)]
    return np.stack(
        [stored(ndimage.gaussian_filter(x, (s, s, 0), mode="nearest", truncate=truncate)) for s in sigmas]
    )


@np.errstate(invalid="ignore")  # frames without a drop divide 0 by 0
def spatter(image, side, parameters, rng):
    _, mean, deviation, sigma, threshold, strength, flow = parameters
    clean = centre(image, side)
    layer = weather.liquid_layer(clean.shape[:2], mean, deviation, sigma, threshold, rng)
    frames = []
    for _ in range(31):
        frames.append(weather.water(clean, layer, strength))
        layer = np.apply_along_axis(lambda column: np.convolve(column, flow, "same"), 0, layer)
    return np.stack(frames)


def shear(image, side, parameters, rng):
    return np.stack([centre(affine(image, shear=i - 15), side) for i in range(31)])
