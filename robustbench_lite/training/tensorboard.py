"""The TensorBoard files of a training (extra `tensorboard`)."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from types import ModuleType
from typing import Any, Final

from robustbench_lite.errors import require
from robustbench_lite.training.progress import Epoch

_NOT_CURVES: Final = ("epoch", "step")


def require_tensorboard() -> ModuleType:
    """Return the module with torch's writer of TensorBoard files.

    Raises:
        MissingExtra: TensorBoard is not installed.
    """
    purpose = "writing TensorBoard's files"
    require("tensorboard", "tensorboard", purpose)
    return require("torch.utils.tensorboard", "tensorboard", purpose)


class Board:
    """The columns of the log as curves over the updates.

    Args:
        path: The folder of the files.
        step: The number of updates of earlier starts. Their curves are cut there.

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
        """Close the files."""
        self._writer.close()
