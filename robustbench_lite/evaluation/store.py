"""The run folder: it keeps every finished cell, so that a run that was killed can continue."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from robustbench_lite.atomic_write import write_atomically
from robustbench_lite.errors import DataError
from robustbench_lite.suites import Cell

RUN_FILE = "run.json"
_NEEDED = (
    {"label", "prediction", "confidence", "nll", "brier"},
    {"predictions", "flips", "zipf_distance"},
)

Column = np.ndarray[Any, Any]
Columns = dict[str, Column]


class RunFolder:
    """The predictions of one model on every image of one suite, one file per cell.

    `run.json` holds the identity of the run (model, data, protocol, precision).
    `predictions/NAME-SEVERITY.npz` holds the columns of a cell, about 16 bytes per image. Each file is
    written in one step, so every file is complete.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)

    def begin(
        self, identity: Mapping[str, Any], cells: Mapping[Cell, str], *, overwrite: bool = False
    ) -> dict[str, Any]:
        """Open the folder for a run, and return the record of the run, which an earlier start may have made.

        Args:
            identity: The facts that all cells of a run have in common.
            cells: The cells of this start and the fingerprint of their files. A later start may have other
                cells.
            overwrite: Delete the previous run in the folder.

        Raises:
            DataError: The folder can't be written, or it holds a run of another identity or cells of other
                files. The message names the difference.
        """
        current = json.loads(json.dumps(identity))
        record = None if overwrite else self.record()
        try:
            (self.path / "predictions").mkdir(parents=True, exist_ok=True)
            if record is None:
                for stale in ((self.path / "predictions").glob("*.npz"), self.path.glob("results.json")):
                    for file in stale:
                        file.unlink()
                record = {"identity": current, "cells": {}}
        except OSError as error:
            raise DataError(f"the run folder {self.path} can't be written: {error.strerror}") from error
        if record["identity"] != current:
            raise DataError(
                f"{self.path} holds another run ({_difference(record['identity'], current)}); "
                "choose another folder, or start afresh with `overwrite=True`"
            )
        for cell, fingerprint in cells.items():
            if record["cells"].setdefault(str(cell), fingerprint) != fingerprint:
                raise DataError(
                    f"{self.path} holds {cell} of other files than now; choose another folder, or start "
                    "afresh with `overwrite=True`"
                )
        self.update(record)
        return record

    def forget_clean(self) -> None:
        """Free the folder for another run where it holds scores of the clean set only."""
        if all(path.stem.startswith("clean-") for path in (self.path / "predictions").glob("*.npz")):
            (self.path / RUN_FILE).unlink(missing_ok=True)

    def record(self) -> dict[str, Any] | None:
        """Return the content of `run.json`; None where there is no such file."""
        path = self.path / RUN_FILE
        if not path.exists():
            return None
        try:
            record: dict[str, Any] = json.loads(path.read_text())
            if not isinstance(record, dict) or not {"identity", "cells"} <= set(record):
                raise ValueError("it is no record of a run")
        except (OSError, ValueError) as error:
            raise DataError(
                f"{path} can't be read ({error}); `overwrite=True` starts the run afresh"
            ) from error
        return record

    def update(self, record: Mapping[str, Any]) -> None:
        """Replace `run.json`."""
        write_atomically(self.path / RUN_FILE, (json.dumps(record, indent=2) + "\n").encode())

    def cell_path(self, cell: Cell) -> Path:
        """Return the path of a cell's predictions."""
        return self.path / "predictions" / f"{cell.name}-{cell.severity}.npz"

    def write(self, cell: Cell, columns: Columns) -> None:
        """Write the columns of a cell.

        Raises:
            DataError: The file can't be written, for example on a full disk.
        """
        buffer = io.BytesIO()
        np.savez(buffer, **columns)  # type: ignore[arg-type]  # numpy's stub has options of any name
        try:
            write_atomically(self.cell_path(cell), buffer.getvalue())
        except OSError as error:
            raise DataError(f"{self.cell_path(cell)} can't be written: {error.strerror}") from error

    def read(self, cell: Cell, count: int | None = None) -> Columns | None:
        """Read the columns of a cell; None where the cell is not finished or its file is damaged.

        Args:
            cell: The cell.
            count: The number of images or videos of the cell, where it is known.
        """
        try:
            with self.cell_path(cell).open("rb") as file, np.load(file, allow_pickle=False) as archive:
                columns = dict(archive)
        except (FileNotFoundError, zipfile.BadZipFile, ValueError, EOFError):
            return None
        whole = any(names <= set(columns) for names in _NEEDED)
        sizes = {len(column) for column in columns.values()} | ({count} if count is not None else set())
        return columns if whole and len(sizes) == 1 else None


def _difference(ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> str:
    names = [name for name in {**ours, **theirs} if ours.get(name) != theirs.get(name)]
    return "; ".join(f"{name}: {ours.get(name)!r} there, {theirs.get(name)!r} now" for name in names)
