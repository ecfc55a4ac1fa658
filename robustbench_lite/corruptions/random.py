"""Random draws that depend on (seed, purpose, image index) alone: the same bits on any device.

The bits are those of Philox4x64-10 (Salmon et al., 2011, "Parallel random numbers: as easy as 1, 2, 3"):
NumPy's generator makes them on a CPU, and the same ten rounds run as integer tensor operations elsewhere.
Nothing is stateful across images: request k of image i reads the part of the counter that belongs to (i, k).
"""

from __future__ import annotations

import copy
import hashlib
import math
from collections.abc import Sequence
from functools import lru_cache
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

_MASK32 = 0xFFFFFFFF
_MULTIPLIERS = (0xD2E7470EE14C6C93, 0xCA5A826395121157)
_WEYL = (0x9E3779B97F4A7C15, 0xBB67AE8584CAA73B)
_STREAM_BITS = 128


Window = tuple[slice, slice]
"""Rows and columns of a plane of draws, with explicit start and stop."""


class Draws(Protocol):
    """What a kernel may ask for: one array per image, images first.

    A kernel asks in a fixed order, with shapes that depend on its parameters and the image size alone. Draws
    of our own are float32 unless a kernel asks for float64; recorded draws keep the float64 of their arrays.
    """

    def part(self, start: int, stop: int) -> Draws:
        """The draws of the images start <= i < stop, from their beginning."""

    def uniform(
        self, low: float, high: float, shape: Sequence[int] = (), dtype: torch.dtype = torch.float32
    ) -> Tensor:
        """Uniform values on [low, high), shape (N, *shape)."""

    def uniforms(self, bounds: Sequence[float], shapes: Sequence[Sequence[int]]) -> list[Tensor]:
        """Arrays in a row: uniform values on [-bound, bound), shape (N, *shape), for each pair."""

    def normal(
        self, mean: float, deviation: float, shape: Sequence[int] = (), window: Window | None = None
    ) -> Tensor:
        """Normal values, shape (N, *shape), or the window of them that the kernel reads."""

    def integers(self, low: int, high: int | Tensor, shape: Sequence[int] = ()) -> Tensor:
        """Uniform integers low <= i < high as int64, shape (N, *shape); high may be a tensor (N,)."""

    def offsets(self, reach: int, shape: Sequence[int]) -> tuple[Tensor, Tensor]:
        """Two uniform integers -reach <= i < reach a place as int32, (N, *shape) each; reach at most 128."""

    def symmetric(self, shape: Sequence[int]) -> Tensor:
        """Uniform values on (-1, 1), (N, *shape): for fields to be smoothed."""

    def few(self, low: float, high: float, shape: Sequence[int]) -> NDArray[np.float64]:
        """Uniform values on [low, high) on the host, (N, *shape): for a handful of numbers an image."""


class CounterDraws:
    """Draws from Philox4x64-10, keyed by (seed, purpose) and counted by image index and request.

    Args:
        seed: any integer.
        purpose: what the draws are for, for example "fog/3"; different purposes give independent draws.
        index: the image indices (N,), each below 2**40.
        device: where the draws are wanted.
    """

    def __init__(self, seed: int, purpose: str, index: NDArray[np.int64], device: torch.device) -> None:
        self._key = _key(seed, purpose)
        self._index = index
        self._device = device
        self._request = 0
        self._generators: list[np.random.Philox] = []  # made when first needed, shared by the parts

    def part(self, start: int, stop: int) -> CounterDraws:
        """The draws of the images start <= i < stop, from their beginning."""
        other = copy.copy(self)
        other._index, other._request = self._index[start:stop], 0
        return other

    def words(self, count: int) -> Tensor:
        """Random 32-bit words as int32, shape (N, count)."""
        blocks = -(-count // 8)
        if self._device.type == "cpu":
            return self._host_words(blocks)[:, :count]
        self._request += 1
        return _words_torch(self._key, self._request - 1, self._index, blocks, self._device)[:, :count]

    def _host_words(self, blocks: int) -> Tensor:
        if not self._generators:
            self._generators.append(np.random.Philox(key=self._key[0] | self._key[1] << 64, counter=0))
        self._request += 1
        return _words_numpy(self._generators[0], self._request - 1, self._index, blocks)

    def uniform(
        self, low: float, high: float, shape: Sequence[int] = (), dtype: torch.dtype = torch.float32
    ) -> Tensor:
        """Uniform on [low, high), shape (N, *shape); 24 random bits a value, 32 in float64."""
        words = self.words(math.prod(shape))
        if dtype == torch.float64:
            unit = (words.to(torch.int64) & _MASK32).to(dtype).mul_((high - low) * 2.0**-32)
        else:
            unit = (words >> 8).bitwise_and_(0xFFFFFF).to(dtype).mul_((high - low) * 2.0**-24)
        return unit.add_(low).view(-1, *shape)

    def uniforms(self, bounds: Sequence[float], shapes: Sequence[Sequence[int]]) -> list[Tensor]:
        """Uniform float32 values on [-bound, bound), shape (N, *shape), for each pair; one request in all."""
        counts = [math.prod(shape) for shape in shapes]
        unit = (self.words(sum(counts)) >> 8).bitwise_and_(0xFFFFFF).to(torch.float32)
        parts = unit.mul_(2.0**-23).sub_(1).split(counts, dim=1)
        arrays = zip(parts, bounds, shapes, strict=True)
        return [part.mul(bound).view(-1, *shape) for part, bound, shape in arrays]

    def normal(
        self, mean: float, deviation: float, shape: Sequence[int] = (), window: Window | None = None
    ) -> Tensor:
        """Normal float32 values, shape (N, *shape), by Box and Muller's transform.

        With a window, values are drawn for the window alone.
        """
        if window is not None:
            shape = [part.stop - part.start for part in window]
        count = math.prod(shape)
        half = -(-count // 2)
        unit = (self.words(2 * half) >> 8).bitwise_and_(0xFFFFFF).to(torch.float32)
        radius = unit[:, :half].add(1).mul_(2.0**-24).log_().mul_(-2 * deviation**2).sqrt_()
        angle = unit[:, half:].mul(2 * math.pi * 2.0**-24)
        values = torch.cat([angle.cos().mul_(radius), angle.sin_().mul_(radius)], dim=1)
        return values[:, :count].add_(mean).view(-1, *shape)

    def integers(self, low: int, high: int | Tensor, shape: Sequence[int] = ()) -> Tensor:
        """Uniform integers low <= i < high as int64, shape (N, *shape); high may be a tensor (N,)."""
        words = self.words(math.prod(shape)).to(torch.int64).bitwise_and_(_MASK32)
        span = high[:, None] - low if isinstance(high, Tensor) else high - low
        return words.mul_(span).bitwise_right_shift_(32).add_(low).view(-1, *shape)

    def offsets(self, reach: int, shape: Sequence[int]) -> tuple[Tensor, Tensor]:
        """Two uniform integers -reach <= i < reach a place as int32, (N, *shape) each; reach at most 128.

        Each takes 8 random bits where 2 * reach is a power of two, else 16, so that a chance is off by less
        than reach / 2**15 of itself.
        """
        count = math.prod(shape)
        if reach & (reach - 1) == 0:
            words = self.words(-(-count // 2)).contiguous().view(torch.uint8)[:, : 2 * count]
            both = (words >> (8 - reach.bit_length())).to(torch.int32).sub_(reach).view(-1, *shape, 2)
            return both[..., 0], both[..., 1]
        words = self.words(count).reshape(-1, *shape)
        first, second = words & 0xFFFF, (words >> 16).bitwise_and_(0xFFFF)
        for half in (first, second):
            half.mul_(2 * reach).bitwise_right_shift_(16).sub_(reach)
        return first, second

    def symmetric(self, shape: Sequence[int]) -> Tensor:
        """Uniform float32 values on (-1, 1) in steps of 2**-15, (N, *shape): for fields to be smoothed."""
        count = math.prod(shape)
        words = self.words(-(-count // 2)).contiguous().view(torch.int16)
        return words[:, :count].to(torch.float32).add_(0.5).mul_(2.0**-15).view(-1, *shape)

    def few(self, low: float, high: float, shape: Sequence[int]) -> NDArray[np.float64]:
        """Uniform values on [low, high) on the host, (N, *shape): for a handful of numbers an image."""
        count = math.prod(shape)
        words = self._host_words(-(-count // 8))[:, :count].numpy().view(np.uint32).astype(np.float64)
        words *= (high - low) * 2.0**-32
        words += low
        return words.reshape(-1, *shape)


class RecordedDraws:
    """Draws taken from recorded arrays, in the order in which a kernel asks for them.

    For replaying a run of the published scripts: each array holds what one call of `numpy.random` returned.

    Args:
        arrays: for each image, the arrays of its requests, in order; shapes as the kernel asks for them.
        device: where the draws are wanted.
    """

    def __init__(
        self, arrays: Sequence[Sequence[NDArray[np.generic] | float]], device: torch.device | str = "cpu"
    ) -> None:
        self._arrays = arrays
        self._device = torch.device(device)
        self._request = 0

    def part(self, start: int, stop: int) -> RecordedDraws:
        """The draws of the images start <= i < stop, from their beginning."""
        return RecordedDraws(self._arrays[start:stop], self._device)

    def take(self, shape: Sequence[int], dtype: torch.dtype) -> Tensor:
        """The next recorded array of every image, shape (N, *shape)."""
        values = [np.asarray(image[self._request]).reshape(tuple(shape)) for image in self._arrays]
        self._request += 1
        return torch.from_numpy(np.stack(values)).to(self._device, dtype)

    def uniform(
        self, low: float, high: float, shape: Sequence[int] = (), dtype: torch.dtype = torch.float32
    ) -> Tensor:
        """The next recorded values, which came from a uniform distribution on [low, high)."""
        return self.take(shape, torch.float64)

    def uniforms(self, bounds: Sequence[float], shapes: Sequence[Sequence[int]]) -> list[Tensor]:
        """The next recorded arrays, which came from uniform distributions."""
        return [self.take(shape, torch.float64) for shape in shapes]

    def normal(
        self, mean: float, deviation: float, shape: Sequence[int] = (), window: Window | None = None
    ) -> Tensor:
        """The next recorded values, which came from a normal distribution."""
        values = self.take(shape, torch.float64)
        return values if window is None else values[:, window[0], window[1]]

    def integers(self, low: int, high: int | Tensor, shape: Sequence[int] = ()) -> Tensor:
        """The next recorded integers."""
        return self.take(shape, torch.int64)

    def offsets(self, reach: int, shape: Sequence[int]) -> tuple[Tensor, Tensor]:
        """The next recorded pairs, an array (*shape, 2) an image."""
        first, second = self.take((*shape, 2), torch.int32).unbind(-1)
        return first, second

    def few(self, low: float, high: float, shape: Sequence[int]) -> NDArray[np.float64]:
        """The next recorded values, on the host."""
        return np.asarray(self.take(shape, torch.float64).cpu().numpy(), np.float64)

    def symmetric(self, shape: Sequence[int]) -> Tensor:
        """The next recorded values, which came from a uniform distribution on [-1, 1)."""
        return self.take(shape, torch.float64)


@lru_cache(maxsize=256)
def _key(seed: int, purpose: str) -> tuple[int, int]:
    digest = hashlib.blake2b(f"{seed}/{purpose}".encode(), digest_size=16).digest()
    return int.from_bytes(digest[:8], "little"), int.from_bytes(digest[8:], "little")


def _words_numpy(generator: np.random.Philox, request: int, index: NDArray[np.int64], blocks: int) -> Tensor:
    """(N, 8 * blocks) int32 words from NumPy's Philox; runs of consecutive images take one call."""
    counter = generator.state["state"]["counter"]
    position = sum(int(part) << 64 * place for place, part in enumerate(counter))
    breaks = np.flatnonzero(np.diff(index) != 1) + 1
    runs = []
    for run in np.split(index, breaks):
        start = (request << _STREAM_BITS) + int(run[0]) * blocks
        generator.advance((start - position) % 2**256)
        runs.append(generator.random_raw(4 * blocks * len(run)))
        position = start + blocks * len(run)
    raw = runs[0] if len(runs) == 1 else np.concatenate(runs)
    return torch.from_numpy(raw.view(np.int32).reshape(len(index), 8 * blocks))


def _words_torch(
    key: tuple[int, int], request: int, index: NDArray[np.int64], blocks: int, device: torch.device
) -> Tensor:
    """The same words as `_words_numpy` by integer tensor operations on any device."""
    images = torch.from_numpy(np.ascontiguousarray(index)).to(device)
    # NumPy increments the counter before it hashes, hence the one.
    low = (images[:, None] * blocks + torch.arange(1, blocks + 1, device=device)).reshape(-1)
    zero = torch.zeros_like(low)
    state = (low, zero, torch.full_like(low, request), zero)
    first, second = key
    for _ in range(10):
        high0, low0 = _multiply(state[0], _MULTIPLIERS[0])
        high1, low1 = _multiply(state[2], _MULTIPLIERS[1])
        state = (high1 ^ state[1] ^ _signed(first), low1, high0 ^ state[3] ^ _signed(second), low0)
        first, second = (first + _WEYL[0]) % 2**64, (second + _WEYL[1]) % 2**64
    return torch.stack(state, dim=1).view(torch.int32).view(len(index), 8 * blocks)


def _signed(value: int) -> int:
    return value - 2**64 if value >= 2**63 else value


def _multiply(values: Tensor, factor: int) -> tuple[Tensor, Tensor]:
    """The high and low 64 bits of an unsigned 64 x 64 bit product, in int64 tensors."""
    factor_low, factor_high = factor & _MASK32, factor >> 32
    values_low, values_high = values & _MASK32, (values >> 32) & _MASK32
    bottom = values_low * factor_low
    middle = values_high * factor_low + ((bottom >> 32) & _MASK32)
    cross = values_low * factor_high + (middle & _MASK32)
    high = values_high * factor_high + ((middle >> 32) & _MASK32) + ((cross >> 32) & _MASK32)
    return high, values * _signed(factor)
