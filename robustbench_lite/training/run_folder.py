"""The folder of a training run: settings, log, last and best model, and the state to continue from."""

from __future__ import annotations

import contextlib
import csv
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any, Final

import torch
from torch import nn

from robustbench_lite.atomic_write import write_atomically
from robustbench_lite.errors import CheckpointError, InvalidInput
from robustbench_lite.models import save_checkpoint
from robustbench_lite.models.checkpoint import read_checkpoint
from robustbench_lite.models.normalize import NORMALIZATIONS
from robustbench_lite.training.progress import Epoch

LAST: Final = "last.pt"
BEST: Final = "best.pt"
LOG: Final = "log.csv"

_SETTINGS: Final = "settings.json"
_STATE: Final = "state.pt"
_FORMAT: Final = 1


def _settings(record: Path) -> dict[str, Any]:
    try:
        stored = json.loads(record.read_text())
        if not isinstance(stored, dict):
            raise ValueError("it is not a record of settings")
    except ValueError as error:
        raise InvalidInput(
            f"{record} is damaged ({error}); overwrite the run, or give another folder"
        ) from error
    return stored


class TrainingFolder:
    """The files of one run. Each file is written in one step.

    Args:
        path: The folder, which is made where it is missing.
        identity: All settings that decide the weights, JSON-able.
    """

    def __init__(self, path: Path, identity: Mapping[str, Any]) -> None:
        self.path = path
        self.identity: dict[str, Any] = json.loads(json.dumps(identity))

    def begin(self, *, overwrite: bool) -> dict[str, Any] | None:
        """Prepare the folder for this run, and return the state to continue from; None for a new run.

        Raises:
            InvalidInput: The folder can't be written, or it holds a run with other settings.
            CheckpointError: The state is damaged.
        """
        record = self.path / _SETTINGS
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            if overwrite:
                for name in (_STATE, LAST, BEST, LOG):
                    (self.path / name).unlink(missing_ok=True)
            elif record.is_file():
                self._compare(_settings(record))
            elif (self.path / _STATE).is_file():
                raise InvalidInput(
                    f"{self.path} has the state of a run but not its {_SETTINGS}; overwrite the run, or give "
                    "another folder"
                )
            write_atomically(record, (json.dumps(self.identity, indent=1) + "\n").encode())
        except OSError as error:
            raise InvalidInput(
                f"{self.path} can't be written: {error.strerror}; give another folder"
            ) from error
        return self._state()

    def _compare(self, stored: Mapping[str, Any]) -> None:
        names = [name for name in {**stored, **self.identity} if stored.get(name) != self.identity.get(name)]
        if names:
            changes = ", ".join(
                f"{name} was {stored.get(name)!r} and is {self.identity.get(name)!r}" for name in names
            )
            raise InvalidInput(
                f"{self.path} holds a run with other settings: {changes}. Give the same settings to "
                "continue it, another folder, or overwrite it"
            )

    def _state(self) -> dict[str, Any] | None:
        path = self.path / _STATE
        if not path.is_file():
            return None
        try:
            state = read_checkpoint(path, False)
        except CheckpointError as error:
            raise CheckpointError(
                f"{path} is damaged, so the run can't be continued; overwrite it, or give another folder"
            ) from error
        if not isinstance(state, dict) or state.get("format") != _FORMAT:
            raise CheckpointError(
                f"{path} is not the state of a training run; overwrite the run, or give another folder"
            )
        return state

    def save_state(self, state: Mapping[str, Any]) -> None:
        """Replace the state to continue from."""
        buffer = io.BytesIO()
        torch.save({"format": _FORMAT, **state}, buffer)
        with self._writing():
            write_atomically(self.path / _STATE, buffer.getvalue())

    def save_model(
        self, name: str, network: nn.Module, class_names: Sequence[str] | None, epoch: Epoch
    ) -> None:
        """Write a model that `load_model` loads without options."""
        mean, std = NORMALIZATIONS[self.identity["normalization"]]
        choice = "the last epoch" if name == LAST else "the epoch with the lowest test error"
        with self._writing():
            save_checkpoint(
                self.path / name,
                network,
                architecture=self.identity["architecture"],
                num_classes=self.identity["classes"],
                mean=mean,
                std=std,
                class_names=class_names,
                method=self.identity["method"],
                settings={**self.identity, **asdict(epoch), "chosen": choice},
            )

    def write_log(self, history: Sequence[Epoch]) -> None:
        """Write the log, with one row per epoch."""
        text = io.StringIO(newline="")
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(field.name for field in fields(Epoch))
        writer.writerows(asdict(epoch).values() for epoch in history)
        with self._writing():
            write_atomically(self.path / LOG, text.getvalue().encode())

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except (OSError, RuntimeError) as error:
            raise InvalidInput(
                f"{self.path} can't be written any more ({error}); when it can, the same command continues "
                "from the last saved state"
            ) from error
