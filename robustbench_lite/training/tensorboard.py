"""TensorBoard's files, for those who have it."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from types import ModuleType
from typing import Any, Final

from robustbench_lite.errors import require
from robustbench_lite.training.progress import Epoch

_NOT_CURVES: Final = ("epoch", "step")


def require_tensorboard() -> ModuleType:
    """The module with torch's writer of TensorBoard's files.

    Raises:
        MissingExtra: TensorBoard is not installed.
    """
    purpose = "writing TensorBoard's files"
    require("tensorboard", "tensorboard", purpose)
    return require("torch.utils.tensorboard", "tensorboard", purpose)


class Board:
    """The log's columns as curves over the updates.

    Args:
        path: folder of the files.
        step: updates done before; curves of an earlier start are cut off there.

    Raises:
        MissingExtra: TensorBoard is not installed.
    """

    def __init__(self, path: Path, step: int) -> None:
        self._writer: Any = require_tensorboard().SummaryWriter(str(path), purge_step=step + 1)

    def add(self, epoch: Epoch) -> None:
        """Add one epoch to the curves."""
        for name, value in asdict(epoch).items():
            if name not in _NOT_CURVES:
                self._writer.add_scalar(name, value, epoch.step)
        self._writer.flush()

    def close(self) -> None:
        """Finish the files."""
        self._writer.close()
