"""Files that appear whole or not at all: the only writer of result files, checkpoints and suites."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def atomic_path(path: Path, *, flush: bool = True) -> Iterator[Path]:
    """Give a temporary path beside `path`. At the end of the block, the temporary file replaces `path`.

    The replacement is one step: a reader sees the old file or the new one, never half of one, even when the
    process is killed. An exception in the block removes the temporary file and leaves `path` as it was.

    Args:
        path: The file to replace. Its folder must exist.
        flush: Whether to wait until the bytes are on the disk. Without the wait, writing many small files is
            faster, but a power cut may leave an empty file.

    Raises:
        OSError: The file can't be written.
    """
    partial = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        yield partial
        if flush:
            with partial.open("rb+") as file:
                os.fsync(file.fileno())
        os.replace(partial, path)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise


def write_atomically(path: Path, content: bytes, *, flush: bool = True) -> None:
    """Replace a file by these bytes in one step; see `atomic_path`."""
    with atomic_path(path, flush=flush) as partial:
        partial.write_bytes(content)
