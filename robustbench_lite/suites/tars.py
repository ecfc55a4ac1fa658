"""Official .tar files, read in place: an index has the offset of each member."""

from __future__ import annotations

import hashlib
import itertools
import os
import tarfile
import zipfile
from array import array
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import BinaryIO, Final, NamedTuple

import numpy as np
import numpy.typing as npt
import platformdirs

from robustbench_lite.atomic_write import atomic_path
from robustbench_lite.errors import DataError
from robustbench_lite.suites.files import Blob, explain_impostor

Progress = Callable[[Path, int, int], None]
"""Called with the tar, the bytes that are indexed and the total bytes of the tar."""

CACHE_VARIABLE: Final = "ROBUSTBENCH_LITE_CACHE"
FORMAT: Final = 1
CACHED_FROM: Final = 1000
REPORT_EVERY: Final = 2000
BLOCK: Final = 512
USTAR: Final = b"ustar\x0000"
GNU: Final = b"ustar  \x00"
COMPRESSED: Final = {
    b"\x1f\x8b": "gzip",
    b"BZh": "bzip2",
    b"\xfd7zXZ": "xz",
    b"\x28\xb5\x2f\xfd": "zstandard",
}


@dataclass(frozen=True)
class TarIndex:
    """The positions of all regular members of a tar.

    Attributes:
        path: The tar.
        directories: The folders inside the tar, without a leading "./".
        names: The file names, each once.
        directory_ids: int32 (members,), the folder of each member.
        name_ids: int32 (members,), the file name of each member.
        offsets: int64 (members,), the position of the first byte of each member.
        sizes: int64 (members,), the size of each member in bytes.
    """

    path: Path
    directories: tuple[str, ...]
    names: tuple[str, ...]
    directory_ids: npt.NDArray[np.int32]
    name_ids: npt.NDArray[np.int32]
    offsets: npt.NDArray[np.int64]
    sizes: npt.NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.offsets)

    def blobs(self) -> Iterator[Blob]:
        """Yield all members in the order of the tar."""
        for row in range(len(self)):
            folder = self.directories[self.directory_ids[row]]
            name = self.names[self.name_ids[row]]
            yield Blob(
                self.path,
                int(self.offsets[row]),
                int(self.sizes[row]),
                f"{folder}/{name}" if folder else name,
            )

    def rows(self, directory: int) -> npt.NDArray[np.int64]:
        """Return the members of one folder in the order of the tar."""
        order, starts = self._by_directory
        return order[starts[directory] : starts[directory + 1]]

    @cached_property
    def _by_directory(self) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        order = np.argsort(self.directory_ids, kind="stable")
        starts = np.searchsorted(self.directory_ids[order], np.arange(len(self.directories) + 1))
        return order, starts


def cache_folder() -> Path:
    """Return the folder that keeps the indexes of tars.

    It is $ROBUSTBENCH_LITE_CACHE where that is set, else the folder of version 0.1.0 where that exists
    (~/.cache/robustbench_lite on every system), else the operating system's cache folder for this program.
    """
    if variable := os.environ.get(CACHE_VARIABLE):
        return Path(variable).expanduser()
    earlier = Path.home() / ".cache" / "robustbench_lite"
    if earlier.is_dir() and not os.environ.get("XDG_CACHE_HOME"):
        return earlier
    return platformdirs.user_cache_path("robustbench_lite", appauthor=False)


class Member(NamedTuple):
    """A regular file inside a tar: its name, offset and size, and the end of its last block."""

    name: str
    offset: int
    size: int
    end: int


def members(path: Path) -> Iterator[Member]:
    """Yield the regular members of an uncompressed tar in order.

    Hidden files ("._x", which macOS adds) are left out.

    Raises:
        DataError: The file is not a tar, is compressed, or ends before its closing blocks of zeros.
    """
    end = 0
    with path.open("rb") as file:
        try:
            for member in itertools.chain(_plain_members(file), _other_members(file)):
                end = member.end
                if member.name and not member.name.rpartition("/")[2].startswith("."):
                    yield member
        except tarfile.ReadError as error:
            raise DataError(_why_unreadable(path, error)) from error
    if Blob.of_file(path).read(end, BLOCK) != bytes(BLOCK):
        raise DataError(
            f"{path} is cut short or damaged: at byte {end} of {path.stat().st_size} there is neither a "
            "member nor the end of the archive; download it again"
        )


def _plain_members(file: BinaryIO) -> Iterator[Member]:
    """Yield members with plain headers, and stop the file at the first header of another kind.

    The official tars have plain headers only. Reading them here is ten times faster than with tarfile, which
    matters for a million members. A folder has an empty name.
    """
    end, size = 0, os.fstat(file.fileno()).st_size
    while end < size:
        header = os.pread(file.fileno(), BLOCK, end)
        if (parsed := _plain_header(header)) is None or end + BLOCK + parsed[1] > size:
            break
        start, (name, length) = end + BLOCK, parsed
        end = start - (-length // BLOCK) * BLOCK
        yield Member(name, start, length, end)
    file.seek(end)


def _plain_header(header: bytes) -> tuple[str, int] | None:
    kind, magic = header[156:157], header[257:265]
    if len(header) < BLOCK or kind not in (b"0", b"\0", b"5") or magic not in (USTAR, GNU):
        return None
    try:
        length, checksum = int(header[124:135], 8), int(header[148:155].rstrip(b"\0 "), 8)
    except ValueError:
        return None
    if sum(header) - sum(header[148:156]) + 8 * ord(" ") != checksum:
        return None
    name = header[:100].rstrip(b"\0")
    if magic == USTAR and header[345] != 0:
        name = header[345:500].rstrip(b"\0") + b"/" + name
    is_folder = kind == b"5" or name.endswith(b"/")
    return ("", 0) if is_folder else (name.decode("utf-8", "surrogateescape"), length)


def _other_members(file: BinaryIO) -> Iterator[Member]:
    with tarfile.open(fileobj=file, mode="r:") as tar:
        while (member := tar.next()) is not None:
            tar.members = []  # type: ignore[attr-defined]  # or it keeps a million of them
            length = member.size if member.isreg() else 0
            end = member.offset_data - (-length // BLOCK) * BLOCK
            yield Member(member.name if member.isreg() else "", member.offset_data, length, end)


def _why_unreadable(path: Path, error: Exception) -> str:
    head = Blob.of_file(path).read(0, BLOCK)
    for magic, method in COMPRESSED.items():
        if head.startswith(magic):
            return f"{path} is compressed ({method}), which the official tars are not: decompress it first"
    if reason := explain_impostor(head):
        return f"{path} is {reason}"
    return f"{path} is not a readable tar ({error}); download it again"


def peek(path: Path, count: int = 64) -> list[str]:
    """Return the names of the first regular members, which show what a tar holds.

    Raises:
        DataError: The file is not a readable tar.
    """
    return [member.name for member in itertools.islice(members(path), count)]


def tar_index(path: Path, progress: Progress | None = None) -> TarIndex:
    """Return the index of a tar, from the cache where path, size and modification time are unchanged.

    Raises:
        DataError: The tar is damaged or cut short.
    """
    status = path.stat()
    key = f"{FORMAT}\0{path.resolve()}\0{status.st_size}\0{status.st_mtime_ns}"
    cached = cache_folder() / f"tar-{hashlib.sha256(key.encode()).hexdigest()[:32]}.npz"
    if (index := _load(cached, path)) is not None:
        return index
    index = _build(path, status.st_size, progress)
    if len(index) >= CACHED_FROM:
        # A read-only home folder costs the next run some seconds; it must not stop this one.
        with suppress(OSError):
            _store(cached, index)
    return index


def _build(path: Path, size: int, progress: Progress | None) -> TarIndex:
    directories: dict[str, int] = {}
    names: dict[str, int] = {}
    rows = array("q")
    for count, member in enumerate(members(path)):
        folder, _, name = member.name.removeprefix("./").rpartition("/")
        number = directories.setdefault(folder, len(directories))
        rows.extend((number, names.setdefault(name, len(names)), member.offset, member.size))
        if progress is not None and count % REPORT_EVERY == 0:
            progress(path, member.end, size)
    if progress is not None:
        progress(path, size, size)
    table = np.frombuffer(rows, dtype=np.int64).reshape(-1, 4)
    return TarIndex(
        path,
        tuple(directories),
        tuple(names),
        table[:, 0].astype(np.int32),
        table[:, 1].astype(np.int32),
        table[:, 2].copy(),
        table[:, 3].copy(),
    )


def _store(cached: Path, index: TarIndex) -> None:
    cached.parent.mkdir(parents=True, exist_ok=True)
    with atomic_path(cached) as partial, partial.open("wb") as file:
        np.savez_compressed(
            file,
            directories=_pack(index.directories),
            names=_pack(index.names),
            directory_ids=index.directory_ids,
            name_ids=index.name_ids,
            offsets=index.offsets,
            sizes=index.sizes,
        )


def _load(cached: Path, path: Path) -> TarIndex | None:
    try:
        with cached.open("rb") as file, np.load(file, allow_pickle=False) as stored:
            return TarIndex(
                path,
                _unpack(stored["directories"]),
                _unpack(stored["names"]),
                *(stored[key] for key in ("directory_ids", "name_ids", "offsets", "sizes")),
            )
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return None


def _pack(texts: tuple[str, ...]) -> npt.NDArray[np.uint8]:
    return np.frombuffer("\0".join(texts).encode("utf-8", "surrogateescape"), dtype=np.uint8)


def _unpack(packed: npt.NDArray[np.uint8]) -> tuple[str, ...]:
    return tuple(packed.tobytes().decode("utf-8", "surrogateescape").split("\0"))
