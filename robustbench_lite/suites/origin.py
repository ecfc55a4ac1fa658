"""Where a suite's files come from: released, made by `robust corrupt`, a user's own, or not known."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

from robustbench_lite.suite_spec import SuiteSpec

MANIFEST: Final = "manifest.json"
"""The file in which `robust corrupt` records how it made a suite."""

_LEVELS_UP: Final = 3


def origin(spec: SuiteSpec, places: Iterable[Path], images: int) -> dict[str, object]:
    """How the images came about, as far as the files show it.

    Args:
        spec: The suite.
        places: The files or folders that are read.
        images: The images in each cell.

    Returns:
        "mode" and what belongs to it. "own": a user's own images. "generated": a manifest lies beside the
        files; its profile, seed, version and plugins are copied. "released": as many images as the release
        has; the bytes are compared by `robust data verify` alone. "unverified": another number of images.
    """
    if spec.own:
        return {"mode": "own"}
    manifest = next((path for path in map(_manifest, places) if path is not None), None)
    if manifest is not None:
        return {"mode": "generated", "manifest": str(manifest), **_recipe(manifest)}
    return {"mode": "released" if images == spec.images else "unverified"}


def _manifest(place: Path) -> Path | None:
    """The manifest beside a file or folder, or a few levels above it."""
    for folder in (place, *place.parents[:_LEVELS_UP]):
        if (folder / MANIFEST).is_file():
            return folder / MANIFEST
    return None


def _recipe(manifest: Path) -> dict[str, object]:
    try:
        record: Mapping[str, Any] = json.loads(manifest.read_text())
    except (OSError, ValueError):
        return {"manifest_error": "the manifest can't be read"}
    names = ("profile", "seed", "as_stored", "version", "plugins")
    return {name: record[name] for name in names if isinstance(record, dict) and name in record}
