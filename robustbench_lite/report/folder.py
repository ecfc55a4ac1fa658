"""The files of a folder that the report or a Fourier sweep writes, each replaced in one step."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Final

from robustbench_lite.atomic_write import write_atomically
from robustbench_lite.errors import DataError

MANIFEST: Final = "files.json"


def write_files(folder: Path, files: Mapping[str, bytes]) -> None:
    """Write files into a folder, which is made if it does not exist.

    Args:
        folder: where to write.
        files: path below the folder, with forward slashes -> content.

    Raises:
        DataError: the folder can't be written.
    """
    try:
        for path, content in files.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            write_atomically(folder / path, content)
    except OSError as error:
        raise DataError(f"{folder} can't be written: {error.strerror}; choose another folder") from error


def replace_files(folder: Path, files: Mapping[str, bytes]) -> None:
    """Write files and a list of them into a folder; remove the files of the previous list that are gone.

    Args:
        folder: made if it does not exist.
        files: path below the folder, with forward slashes -> content.

    Raises:
        DataError: the folder can't be written.
    """
    stale = _listed(folder) - set(files)
    write_files(folder, files)
    try:
        for path in stale:
            (folder / path).unlink(missing_ok=True)
    except OSError as error:
        raise DataError(
            f"a file of the previous report can't be removed from {folder}: {error.strerror}"
        ) from error
    write_files(folder, {MANIFEST: (json.dumps(sorted(files), indent=1) + "\n").encode()})


def _listed(folder: Path) -> set[str]:
    """Return the files of the previous list that lie within the folder; none without a readable list."""
    try:
        names = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return set()
    names = names if isinstance(names, list) else []
    return {name for name in names if isinstance(name, str) and _inside(PurePosixPath(name))}


def _inside(path: PurePosixPath) -> bool:
    return not path.is_absolute() and ".." not in path.parts and path.name != ""
