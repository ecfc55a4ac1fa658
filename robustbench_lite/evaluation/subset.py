"""A random sample of a cell's images, which is read like the cell.

Each cell has its own sample. A hard image is hard under most corruptions, so the same images in every cell
would add little information: with a correlation r between the errors of an image's copies in C cells, the
variance of their mean would be 1 + (C - 1) r times as large.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Final, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt
import torch

from robustbench_lite.errors import InvalidInput
from robustbench_lite.metrics import systematic_sample
from robustbench_lite.suites import Cell, Reader

FEWEST: Final = 10
"""The smallest number of images of a cell that allows an interval."""

_MOST_THREADS = 16


@runtime_checkable
class Scattered(Protocol):
    """A reader that can read any images, not only neighbours, as one batch."""

    def read_at(self, indices: npt.NDArray[np.int64]) -> torch.Tensor:
        """Read these elements, uint8 (len(indices), *shape)."""


def sample_cells(readers: Mapping[Cell, Reader], budget: float, seed: int) -> dict[Cell, Reader]:
    """Draw a random sample of every cell, independently of the other cells.

    Raises:
        InvalidInput: The sample has too few images for an interval.
    """
    return {cell: sampled(reader, cell, budget, seed) for cell, reader in readers.items()}


def populations(readers: Mapping[Cell, Reader]) -> dict[Cell, int] | None:
    """Return the number of images of each sampled cell; None where the readers are whole cells."""
    return {
        cell: reader.population for cell, reader in readers.items() if isinstance(reader, Sampled)
    } or None


def describe_sample(
    readers: Mapping[Cell, Reader], budget: float | None, seed: int
) -> dict[str, object] | None:
    """Describe for the record how the cells were sampled; None where all images are evaluated."""
    images = populations(readers)
    if images is None:
        return None
    cell = next(reversed(images))
    return {
        "budget": budget,
        "images": readers[cell].count,
        "of": images[cell],
        "seed": seed,
        "design": "a sample of its own for each cell, stratified by class",
    }


def sampled(reader: Reader, cell: Cell, budget: float, seed: int) -> Sampled:
    """Draw a random sample of a cell's images, stratified by class.

    The sample depends only on the cell's name, the labels, the budget and the seed.

    Args:
        reader: The reader of the whole cell.
        cell: The cell.
        budget: The share of the images, between 0 and 1.
        seed: The seed of the sample.

    Raises:
        InvalidInput: The sample has fewer than 10 images.
    """
    size = round(budget * reader.count)
    if size < FEWEST:
        raise InvalidInput(
            f"a budget of {100 * budget:g} % is {size} of the {reader.count} images of {cell}; an interval "
            f"needs {FEWEST}: give at least {min(100, -(-100 * FEWEST // reader.count))} %"
        )
    key = hashlib.sha256(f"{seed} {cell.name} {cell.severity}".encode()).digest()[:16]
    generator = np.random.Generator(np.random.Philox(int.from_bytes(key)))
    return Sampled(reader, systematic_sample(reader.count, size, generator, reader.labels))


class Sampled:
    """Some images of a reader, in the reader's order.

    Attributes:
        population: The number of images of the reader.
        indices: The indices of the sample in the reader, sorted.
    """

    def __init__(self, reader: Reader, indices: npt.NDArray[np.int64]) -> None:
        self._reader = reader
        self.population = reader.count
        self.indices = indices
        self.count = len(indices)
        self.labels = None if reader.labels is None else reader.labels[indices]
        self.shape = reader.shape

    def read(self, start: int, stop: int) -> torch.Tensor:
        """Read elements start to stop - 1 of the sample, uint8 (stop - start, *shape)."""
        return read_at(self._reader, self.indices[start:stop])

    def close(self) -> None:
        """Close the files of the reader."""
        self._reader.close()


def read_at(reader: Reader, indices: npt.NDArray[np.int64]) -> torch.Tensor:
    """Read any elements of a reader: as one batch where the reader can, else one by one in threads.

    Args:
        reader: The reader of a cell.
        indices: The indices of the elements, at least one.
    """
    first, last = int(indices[0]), int(indices[-1])
    if last - first == len(indices) - 1 and (np.diff(indices) == 1).all():
        return reader.read(first, last + 1)
    if isinstance(reader, Scattered):
        return reader.read_at(indices)

    def one(number: int) -> torch.Tensor:
        return reader.read(number, number + 1)

    with ThreadPoolExecutor(min(_MOST_THREADS, os.cpu_count() or 1)) as threads:
        return torch.cat(list(threads.map(one, indices.tolist())))
