"""Noise corruptions: gaussian, shot, impulse and speckle.

A noisy value depends on the clean one alone, and both have 256 levels. So our own draws come from the exact
distribution of the stored byte given the clean byte, one row of probabilities a level, by the alias method
(Walker 1977, "An efficient method for generating discrete random variables with general distributions"): one
random word and one table look-up a value, in integers, the same on every device. Recorded draws go through
the published formula instead.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from robustbench_lite.corruptions._filters import below, quantize
from robustbench_lite.corruptions.parameters import Parameters
from robustbench_lite.corruptions.random import CounterDraws, Draws, RecordedDraws

_LEVELS: Final = 256
_COLUMN_BITS: Final = 24  # a column of an alias table holds 2**24 of the 2**32 words


def gaussian_noise(images: Tensor, parameters: Parameters, draws: Draws) -> Tensor:
    """Add normal noise of one deviation to every value: x + N(0, sigma)."""
    if isinstance(draws, RecordedDraws):
        return quantize((images.to(torch.float64) / 255 + _replayed(draws, images)) * 255)
    return _sample(images, draws, _gaussian_cdf, parameters)


def shot_noise(images: Tensor, parameters: Parameters, draws: Draws) -> Tensor:
    """Replace every value by a photon count: Poisson(x * rate) / rate."""
    if isinstance(draws, RecordedDraws):
        return quantize(_replayed(draws, images) / parameters[0] * 255)
    return _sample(images, draws, _shot_cdf, parameters)


def impulse_noise(images: Tensor, parameters: Parameters, draws: Draws) -> Tensor:
    """Replace a share of all values, each channel on its own, half by 1 and half by 0."""
    if isinstance(draws, RecordedDraws):
        replaced = _replayed(draws, images) <= parameters[0]
        salt = (_replayed(draws, images) <= 0.5).to(torch.uint8) * 255
        return torch.where(replaced, salt, images)
    return _sample(images, draws, _impulse_cdf, parameters)


def speckle_noise(images: Tensor, parameters: Parameters, draws: Draws) -> Tensor:
    """Add normal noise in proportion to the value: x + x * N(0, sigma)."""
    if isinstance(draws, RecordedDraws):
        clean = images.to(torch.float64) / 255
        return quantize((clean + clean * _replayed(draws, images)) * 255)
    return _sample(images, draws, _speckle_cdf, parameters)


def _replayed(draws: RecordedDraws, images: Tensor) -> Tensor:
    """The next recorded array, which the published scripts draw as (H, W, 3)."""
    _, channels, height, width = images.shape
    return draws.take((height, width, channels), torch.float64).permute(0, 3, 1, 2)


def _sample(
    images: Tensor,
    draws: Draws,
    distribution: Callable[[Parameters], NDArray[np.float64]],
    parameters: Parameters,
) -> Tensor:
    """Draw every stored byte from its distribution given the clean byte."""
    if not isinstance(draws, CounterDraws):
        raise TypeError(f"noise needs CounterDraws or RecordedDraws, got {type(draws).__name__}")
    clean = images.permute(0, 2, 3, 1).contiguous()
    words = draws.words(clean[0].numel()).reshape(clean.shape)
    index = clean.to(torch.int32).bitwise_left_shift_(8).bitwise_or_(words & 0xFF)
    table = _alias_table(distribution, parameters, images.device)
    looked_up = table.index_select(0, index.view(-1)).view(clean.shape)
    keep = below(words, looked_up & ~0xFF)
    other = looked_up.to(torch.uint8)
    # Selects like torch.where, which branches on every value of a CPU and takes ten times as long.
    return words.to(torch.uint8).bitwise_xor_(other).mul_(keep).bitwise_xor_(other).permute(0, 3, 1, 2)


@lru_cache(maxsize=64)
def _alias_table(
    distribution: Callable[[Parameters], NDArray[np.float64]], parameters: Parameters, device: torch.device
) -> Tensor:
    """Alias tables of all 256 clean levels, flat: a word's low byte is the column, the rest decides.

    An entry holds, as a signed number, the bound below which a word keeps its column, and in its low byte the
    outcome otherwise.
    """
    cdf = np.round(distribution(parameters) * 2.0**32).astype(np.int64)
    share = np.diff(cdf, axis=1, prepend=0)
    full = 1 << _COLUMN_BITS
    rows = np.arange(_LEVELS)
    alias = np.tile(rows, (_LEVELS, 1))
    bound = np.full((_LEVELS, _LEVELS), full - 1)
    poor, rich = share.copy(), share.copy()
    for _ in range(_LEVELS):
        least = poor.argmin(axis=1)
        lack = full - poor[rows, least]
        most = rich.argmax(axis=1)
        short = lack > 0
        line, column = rows[short], least[short]
        bound[line, column] = full - lack[short]
        alias[line, column] = most[short]
        poor[rows, least], rich[rows, least] = np.iinfo(np.int64).max, -1
        poor[line, most[short]] -= lack[short]
        rich[line, most[short]] -= lack[short]
    packed = ((bound - full // 2) << 8) | alias
    return torch.from_numpy(packed.astype(np.int32).ravel()).to(device)


def _normal_cdf(deviation: Tensor) -> NDArray[np.float64]:
    """P(stored <= k) for a normal value around each clean level, (256, 256); the last column is 1."""
    level = torch.arange(_LEVELS, dtype=torch.float64)
    cdf = torch.special.ndtr((level + 1 - level[:, None]) / deviation)
    cdf[:, -1] = 1
    return np.asarray(cdf.numpy(), np.float64)


def _gaussian_cdf(parameters: Parameters) -> NDArray[np.float64]:
    return _normal_cdf(torch.tensor(255 * parameters[0], dtype=torch.float64))


def _speckle_cdf(parameters: Parameters) -> NDArray[np.float64]:
    level = torch.arange(_LEVELS, dtype=torch.float64)
    return _normal_cdf((level * parameters[0])[:, None])


def _shot_cdf(parameters: Parameters) -> NDArray[np.float64]:
    rate = parameters[0]
    counts = torch.arange(int(np.ceil(rate)) + 1, dtype=torch.float64)
    mean = torch.arange(_LEVELS, dtype=torch.float64)[:, None] / 255 * rate
    chance = torch.exp(torch.xlogy(counts, mean) - mean - torch.lgamma(counts + 1))
    stored = (counts / rate).clamp(max=1).mul(255).to(torch.int64)
    pmf = torch.zeros(_LEVELS, _LEVELS, dtype=torch.float64).index_add_(1, stored, chance)
    cdf = pmf.cumsum(dim=1).clamp_(max=1)
    cdf[:, -1] = 1
    return cdf.numpy()


def _impulse_cdf(parameters: Parameters) -> NDArray[np.float64]:
    amount = parameters[0]
    level = np.arange(_LEVELS)
    kept = np.floor(level / 255.0 * 255.0)[:, None] <= level
    cdf = amount / 2 + (1 - amount) * kept
    cdf[:, -1] = 1
    return np.asarray(cdf, np.float64)
