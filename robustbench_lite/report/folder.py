"""The files of a report: a new one replaces those that the last one wrote, and nothing else."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Final

from robustbench_lite.errors import DataError
from robustbench_lite.report.fourier.fourier_map import write_files

MANIFEST: Final = "files.json"


def replace_files(folder: Path, files: Mapping[str, bytes]) -> None:
    """Write files into a folder, with a list of them; remove those of the last list that are not among them.

    Args:
        folder: made where it is not there.
        files: path below the folder, with forward slashes -> content.

    Raises:
        DataError: the folder can't be written.
    """
    stale = _listed(folder) - set(files)
    by_folder: dict[str, dict[str, bytes]] = {}
    for path, content in files.items():
        parent, _, name = path.rpartition("/")
        by_folder.setdefault(parent, {})[name] = content
    for parent, found in by_folder.items():
        write_files(folder / parent, found)
    try:
        for path in stale:
            (folder / path).unlink(missing_ok=True)
    except OSError as error:
        raise DataError(
            f"a file of the last report can't be removed from {folder}: {error.strerror}"
        ) from error
    write_files(folder, {MANIFEST: (json.dumps(sorted(files), indent=1) + "\n").encode()})


def _listed(folder: Path) -> set[str]:
    """Files of the last report that lie within the folder; none where its list is not there or damaged."""
    try:
        names = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return set()
    names = names if isinstance(names, list) else []
    return {name for name in names if isinstance(name, str) and _inside(PurePosixPath(name))}


def _inside(path: PurePosixPath) -> bool:
    return not path.is_absolute() and ".." not in path.parts and path.name != ""
