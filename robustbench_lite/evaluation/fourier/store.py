"""The outcomes of a Fourier sweep, one for each image and pair of frequencies. The disk always has a copy."""

from __future__ import annotations

import io
import json
import time
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from robustbench_lite.atomic_write import write_atomically
from robustbench_lite.errors import DataError
from robustbench_lite.evaluation.prepared_model import same_outputs

STORE: Final = "outcomes.npz"

_WRITE_EVERY = 2.0
_WRITING_SHARE = 0.02
_NEEDED = frozenset(("outputs", "batch_size", "shape", "plan", "done", "values"))


@dataclass
class Outcomes:
    """One value for each pair and image. The sweep fills it in units of some pairs on one chunk of images.

    Attributes:
        values: (pairs, images), bool for yes/no metrics, else float32.
        done: bool (chunks, groups), whether each unit is filled.
        group: The number of pairs per unit.
        chunk: The number of images per unit.
    """

    values: npt.NDArray[Any]
    done: npt.NDArray[np.bool_]
    group: int
    chunk: int

    @classmethod
    def empty(cls, pairs: int, images: int, group: int, chunk: int, dtype: npt.DTypeLike) -> Outcomes:
        """Return outcomes without a value."""
        done = np.zeros((-(-images // chunk), -(-pairs // group)), dtype=np.bool_)
        return cls(np.zeros((pairs, images), dtype=dtype), done, group, chunk)

    def block(self, unit: tuple[int, int]) -> tuple[slice, slice]:
        """Return the pairs and the images of a unit (chunk, group)."""
        chunk, group = unit
        pairs = slice(group * self.group, min((group + 1) * self.group, self.values.shape[0]))
        return pairs, slice(chunk * self.chunk, min((chunk + 1) * self.chunk, self.values.shape[1]))

    def put(self, unit: tuple[int, int], values: npt.NDArray[Any]) -> None:
        """Fill a unit."""
        self.values[self.block(unit)] = values
        self.done[unit] = True

    def merge(self, other: Outcomes) -> None:
        """Copy the units that another process has filled."""
        for chunk, group in np.argwhere(other.done & ~self.done).tolist():
            self.put((chunk, group), other.values[other.block((chunk, group))])

    @property
    def evaluated(self) -> int:
        """Return the number of filled values."""
        total = 0
        for chunk, group in np.argwhere(self.done).tolist():
            pairs, images = self.block((chunk, group))
            total += (pairs.stop - pairs.start) * (images.stop - images.start)
        return total


class Store:
    """The file of one process's outcomes. It is replaced in one step, so it is always complete.

    Args:
        folder: The folder of the run; None writes nothing.
        identity: The facts that all starts of one sweep have in common.
        outputs: The result of `describe_outputs`, which may differ by rounding only within a sweep.
        rank: The rank of this process among the processes of the sweep.

    Attributes:
        batch_size: The number of images per forward pass, stored with the outcomes so that it is measured
            once; None before it is read or set.
    """

    def __init__(
        self, folder: Path | None, identity: Mapping[str, Any], outputs: Sequence[float], rank: int
    ) -> None:
        self.folder = folder
        self.identity = json.loads(json.dumps(identity))
        self.outputs = outputs
        self.rank = rank
        self.batch_size: int | None = None
        self._pause = 0.0
        self._written = 0.0

    def begin(self, *, overwrite: bool) -> Outcomes | None:
        """Read the outcomes of earlier starts, of any number of processes. Only the first process calls this.

        Raises:
            DataError: The folder can't be written, or it holds another sweep; the message names the
                difference.
        """
        if self.folder is None:
            return None
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise DataError(f"the folder {self.folder} can't be written: {error.strerror}") from error
        merged: Outcomes | None = None
        for path in self._files():
            outcomes = None if overwrite else self._read(path)
            if outcomes is None or (merged is not None and outcomes.group != merged.group):
                path.unlink()
            elif merged is None:
                merged = outcomes
            else:
                merged.merge(outcomes)
        if merged is not None:
            self.write(merged)
        return merged

    def offer(self, outcomes: Outcomes) -> None:
        """Write, unless the last write was a moment ago. Writing takes at most 2 % of the time."""
        if time.monotonic() - self._written >= self._pause:
            self.write(outcomes)

    def write(self, outcomes: Outcomes) -> None:
        """Replace this process's file.

        Raises:
            DataError: The file can't be written, for example on a full disk.
        """
        if self.folder is None:
            return
        began = time.monotonic()
        bits = outcomes.values.dtype == np.bool_
        buffer = io.BytesIO()
        np.savez(
            buffer,
            identity=np.array(json.dumps(self.identity)),
            outputs=np.array(self.outputs),
            batch_size=np.array(self.batch_size or 0),
            shape=np.array(outcomes.values.shape),
            plan=np.array([outcomes.group, outcomes.chunk]),
            done=outcomes.done,
            values=np.packbits(outcomes.values, axis=1) if bits else outcomes.values,
        )
        path = self._path(self.rank)
        try:
            write_atomically(path, buffer.getvalue())
        except OSError as error:
            raise DataError(f"{path} can't be written: {error.strerror}") from error
        self._written = time.monotonic()
        self._pause = max(_WRITE_EVERY, (self._written - began) / _WRITING_SHARE)

    def finish(self, outcomes: Outcomes) -> None:
        """Write all outcomes into the file of the first process, and delete the other files."""
        self.write(outcomes)
        if self.folder is not None:
            for path in self._files():
                if path != self._path(0):
                    path.unlink()

    def _path(self, rank: int) -> Path:
        folder = self.folder or Path()
        return folder / (STORE if rank == 0 else f"outcomes.{rank}.npz")

    def _files(self) -> list[Path]:
        folder = self.folder or Path()
        return [path for path in (folder / STORE, *sorted(folder.glob("outcomes.*.npz"))) if path.is_file()]

    def _read(self, path: Path) -> Outcomes | None:
        """Read the outcomes of a file; None where it is damaged and must be made again."""
        try:
            with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
                stored = dict(archive)
            identity = json.loads(str(stored["identity"]))
        except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile):
            return None
        difference = _difference(identity, self.identity)
        if not difference and not set(stored) >= _NEEDED:
            difference = "its outcomes are those of another version"
        elif not difference and not same_outputs(stored["outputs"].tolist(), self.outputs):
            difference = "the model's outputs differ"
        if difference:
            raise DataError(
                f"{path.parent} holds another sweep ({difference}); choose another folder, or start "
                "afresh with `overwrite=True`"
            )
        (pairs, images), (group, chunk) = stored["shape"].tolist(), stored["plan"].tolist()
        done, values = stored["done"], stored["values"]
        self.batch_size = self.batch_size or int(stored["batch_size"]) or None
        if values.dtype == np.uint8:
            values = np.unpackbits(values, axis=1, count=images).astype(np.bool_)
        outcomes = Outcomes.empty(pairs, images, group, chunk, values.dtype)
        return Outcomes(values, done, group, chunk) if done.shape == outcomes.done.shape else None


def _difference(ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> str:
    names = [name for name in {**ours, **theirs} if ours.get(name) != theirs.get(name)]
    return "; ".join(f"{name}: {ours.get(name)!r} there, {theirs.get(name)!r} now" for name in names)
