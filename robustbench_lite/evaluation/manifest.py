"""The manifest of a suite that `write_suite` makes: what decides its pixels."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from robustbench_lite import __version__
from robustbench_lite.atomic_write import write_atomically
from robustbench_lite.errors import DataError
from robustbench_lite.plugins import provenance
from robustbench_lite.suites import Suite
from robustbench_lite.suites.origin import MANIFEST


def begin_folder(folder: Path, suite: Suite) -> None:
    """Make the folder with its manifest, or check that what it holds was made in the same way.

    Raises:
        DataError: the folder can't be written, or holds a suite of other images, parameters or code.
    """
    own = _own_records(suite)
    record = {"version": __version__, **suite.provenance(), **({"plugins": own} if own else {})}
    manifest = folder / MANIFEST
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if manifest.exists():
            there = json.loads(manifest.read_text())
            if not isinstance(there, dict):
                raise ValueError("it is no record of a suite")
            if _recipe_of(there) != _recipe_of(record):
                raise DataError(
                    f"{folder} holds a suite of other images, seed or parameters; choose another folder"
                )
            _add_own_records(manifest, there, own)
        else:
            write_atomically(manifest, (json.dumps(record, indent=2) + "\n").encode())
    except OSError as error:
        raise DataError(f"{folder} can't be written: {error.strerror}") from error
    except ValueError as error:
        raise DataError(f"{manifest} can't be read; remove it to write the suite again") from error


def _own_records(suite: Suite) -> list[dict[str, Any]]:
    """The provenance of those corruptions that are a user's own."""
    names = {cell.name for cell in suite.cells}
    records = []
    for record in provenance(names):
        adds = [title for title in record["adds"] if title.partition(" ")[2] in names]
        records += [{**record, "adds": adds}] if adds else []
    return records


def _add_own_records(manifest: Path, there: dict[str, Any], own: list[dict[str, Any]]) -> None:
    """Add a user's own corruptions to a manifest.

    Raises:
        DataError: the folder holds such a corruption, made by other code.
    """
    digests = {title: record["sha256"] for record in there.get("plugins", ()) for title in record["adds"]}
    new = [record for record in own if any(title not in digests for title in record["adds"])]
    for record in own:
        for title in record["adds"]:
            if digests.get(title, record["sha256"]) != record["sha256"]:
                raise DataError(
                    f"{manifest.parent} holds the {title}, made by other code than "
                    f"{record['plugin'] or 'the present one'}; choose another folder"
                )
    if new:
        merged = {**there, "plugins": [*there.get("plugins", ()), *new]}
        write_atomically(manifest, (json.dumps(merged, indent=2) + "\n").encode())


def _recipe_of(record: Mapping[str, Any]) -> list[object]:
    """What decides the pixels of a suite, whichever of its cells there are."""
    clean = record.get("from", {})
    return [record.get(name) for name in ("suite", "profile", "seed", "as_stored")] + [
        clean.get("fingerprint")
    ]
