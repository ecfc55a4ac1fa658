""".npy arrays as memory maps, from separate files or from a tar."""

from __future__ import annotations

import hashlib
import io
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
from numpy.lib import format as npy_format

from robustbench_lite.errors import DataError
from robustbench_lite.suites.files import Blob, explain_impostor

HEADER_LIMIT: Final = 4096
SAMPLED_BLOCKS: Final = 64
BLOCK: Final = 4096


@dataclass(frozen=True)
class NpyFile:
    """A .npy file whose header agrees with its number of bytes.

    Attributes:
        blob: The byte range of the file.
        shape: The shape of the array.
        dtype: The type of the elements.
        start: The position of the first element in the blob, in bytes.
    """

    blob: Blob
    shape: tuple[int, ...]
    dtype: np.dtype[np.generic]
    start: int

    def map(self) -> npt.NDArray[np.generic]:
        """Return the array as a read-only memory map, which reads from disk when it is indexed."""
        return np.memmap(
            self.blob.path, self.dtype, mode="r", offset=self.blob.offset + self.start, shape=self.shape
        )

    def digest(self) -> bytes:
        """Return the SHA-256 of the header, the size and 64 evenly spaced blocks of 4096 bytes."""
        size = self.blob.size
        starts = {round(i * max(size - BLOCK, 0) / (SAMPLED_BLOCKS - 1)) for i in range(SAMPLED_BLOCKS)}
        digest = hashlib.sha256(f"{self.shape} {self.dtype.str} {size}".encode())
        for start in sorted(starts):
            digest.update(self.blob.read(start, BLOCK))
        return digest.digest()


def read_npy(blob: Blob) -> NpyFile:
    """Read and check the header of a .npy.

    Raises:
        DataError: It is not a .npy file, its elements are Python objects or in Fortran order, or its size
            differs from the size in the header.
    """
    head = blob.read(0, HEADER_LIMIT)
    stream = io.BytesIO(head)
    try:
        version = npy_format.read_magic(stream)
        reader = npy_format.read_array_header_1_0 if version == (1, 0) else npy_format.read_array_header_2_0
        shape, fortran, dtype = reader(stream)
    except ValueError as error:
        reason = explain_impostor(head) or f"not a NumPy .npy file ({error})"
        raise DataError(f"{blob} is {reason}") from error
    if dtype.hasobject or fortran:
        kind = "Python objects" if dtype.hasobject else "elements in Fortran order"
        raise DataError(f"{blob} holds {kind}; the official files hold plain arrays in C order")
    start = stream.tell()
    expected = start + int(np.prod(shape, dtype=np.int64)) * dtype.itemsize
    if blob.size != expected:
        raise DataError(
            f"{blob} is damaged: it has {blob.size} bytes, but its header (shape {shape}, {dtype}) needs "
            f"{expected}; download it again"
        )
    return NpyFile(blob, tuple(shape), dtype, start)
