"""What lies in a folder: names compared without case and hyphens, and words for a folder without a suite."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

SHOWN: Final = 5
COMPRESSED: Final[dict[str, str]] = {
    ".zip": "a zip archive",
    ".7z": "a 7-Zip archive",
    ".rar": "a RAR archive",
    ".gz": "compressed with gzip",
    ".tgz": "compressed with gzip",
    ".bz2": "compressed with bzip2",
    ".xz": "compressed with xz",
    ".zst": "compressed with zstandard",
}
HIDDEN_FOLDERS: Final = frozenset(
    (
        "@eaDir",
        "@Recycle",
        "#recycle",
        "$RECYCLE.BIN",
        "System Volume Information",
        "__MACOSX",
        "__pycache__",
        "lost+found",
    )
)
"""Folders that systems and not users make, beside those whose names begin with a dot."""


def is_hidden(name: str) -> bool:
    """Whether a file or folder was made by a system or an editor: .ipynb_checkpoints, ._x.png, @eaDir."""
    return name.startswith(".") or name in HIDDEN_FOLDERS


def fold(name: str) -> str:
    """A name without capitals, spaces, hyphens and underscores, for comparisons."""
    return re.sub(r"[\s_\-]+", "", name.casefold())


def child(folder: Path, name: str) -> Path:
    """The entry of that name in a folder; else the one whose name differs in case, hyphens or spaces only."""
    exact = folder / name
    if exact.exists():
        return exact
    wanted = fold(name)
    return next((entry for entry in entries(folder) if fold(entry.name) == wanted), exact)


def entries(folder: Path) -> list[Path]:
    """The entries of a folder that are not hidden, sorted by name; none where it is no readable folder."""
    try:
        return sorted(folder / name for name in os.listdir(folder) if not is_hidden(name))
    except OSError:
        return []


def suite_folders(root: Path, title: str) -> Iterator[Path]:
    """Where the files of a suite may lie: in a folder of its name, in that folder doubled, or in the root."""
    named = child(root, title)
    if named.is_dir():
        if (doubled := child(named, title)).is_dir():
            yield doubled
        yield named
    yield root


def what_lies_in(place: Path) -> str:
    """One clause on what was found instead of a suite, with the next step where the entries suggest one."""
    if place.is_file():
        kind = archive_kind(place)
        return f"{place.name} is {kind}: {UNPACK}" if kind else "this file holds no such files"
    there = entries(place)
    if not there:
        return "the folder is empty"
    archive = next((entry for entry in there if entry.is_file() and archive_kind(entry)), None)
    if archive is not None:
        return f"{archive.name} there is {archive_kind(archive)}: {UNPACK}"
    names = [f"{entry.name}/" if entry.is_dir() else entry.name for entry in there]
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return f"it holds {', '.join(names[:SHOWN])}{more}"


UNPACK: Final = "unpack it, and give the folder that it unpacks to"


def archive_kind(path: Path) -> str | None:
    """What a compressed file is called; None for other files."""
    return COMPRESSED.get(path.suffix.lower())
