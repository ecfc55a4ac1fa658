"""Byte ranges: a separate file, or a member of a tar that is read in place."""

from __future__ import annotations

import os
import threading
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Final

from robustbench_lite.errors import DataError

NOT_DATA: Final[tuple[tuple[bytes, str], ...]] = (
    (b"version https://git-lfs", "a Git LFS pointer, not the data itself: run `git lfs pull`"),
    (b"<!doctype html", "an HTML page, so its download went wrong: download it again"),
    (b"<html", "an HTML page, so its download went wrong: download it again"),
)
"""The first bytes of a file that a failed download or checkout left in place of data -> what it is."""


def explain_impostor(head: bytes) -> str | None:
    """Say what a file with these first bytes is, where it is not data; None for anything else."""
    start = head.lstrip()[:64].lower()
    return next((text for magic, text in NOT_DATA if start.startswith(magic)), None)


@dataclass(frozen=True)
class Blob:
    """A byte range on disk.

    Attributes:
        path: The file, or the tar that holds the member.
        offset: The position of the first byte.
        size: The number of bytes.
        name: The path of the member inside the tar; empty for a separate file.
    """

    path: Path
    offset: int
    size: int
    name: str = ""

    def __str__(self) -> str:
        return f"{self.path}:{self.name}" if self.name else str(self.path)

    @classmethod
    def of_file(cls, path: Path) -> Blob:
        """Return the range of a whole file."""
        return cls(path, 0, path.stat().st_size)

    def read(self, start: int = 0, count: int | None = None) -> bytes:
        """Read at most `count` bytes from `start`, never past the end of the range."""
        count = self.size - start if count is None else min(count, self.size - start)
        with self.path.open("rb") as file:
            file.seek(self.offset + start)
            return file.read(max(count, 0))


class OpenFile:
    """A file descriptor from which several threads can read, each at its own offset.

    Raises:
        DataError: The file can't be opened, or ends before the requested bytes.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.Lock()
        try:
            self._descriptor: int | None = os.open(path, os.O_RDONLY)
        except OSError as error:
            raise DataError(f"{path} can't be opened: {error.strerror}") from error

    def read(self, offset: int, size: int) -> bytes:
        """Read the bytes [offset, offset + size) of the file."""
        if self._descriptor is None:
            raise DataError(f"{self.path} was closed before this read")
        data = os.pread(self._descriptor, size, offset)
        if len(data) != size:
            raise DataError(
                f"{self.path} ends after {offset + len(data)} bytes; {offset + size} were expected"
            )
        return data

    def close(self) -> None:
        """Close the descriptor. A second call does nothing."""
        with self._lock:
            descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            os.close(descriptor)

    def __enter__(self) -> OpenFile:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
