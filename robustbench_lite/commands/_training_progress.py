"""The progress of a training on the terminal, with one permanent line per epoch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.progress import TaskID

from robustbench_lite.commands._progress import TerminalBars

if TYPE_CHECKING:
    from robustbench_lite.training.progress import Epoch


class TrainingBars(TerminalBars):
    """One bar on standard error over all updates, with loss, error and speed."""

    def __init__(self) -> None:
        super().__init__("trained", "steps")
        self._task: TaskID | None = None
        self._epochs = self._total = 0

    def begin(self, epochs: int, steps_per_epoch: int, step: int) -> None:
        """Show the bar."""
        self._epochs = epochs
        self._total = epochs * steps_per_epoch
        self._lines.update(step, self._total)
        self._task = self._bars.add_task("steps", total=self._total, completed=step, detail="")

    def advance(self, step: int, loss: float, error: float, images_per_second: float) -> None:
        """Move the bar."""
        if self._task is not None:
            detail = f"loss {loss:.3f}, error {100 * error:.2f} %, {images_per_second:,.0f} images/s"
            self._bars.update(self._task, completed=step, detail=detail)
            self._lines.update(step, self._total, f" ({detail})")

    def _left(self, step: int) -> str:
        return f", {self._lines.left(step, self._total)} left" if step < self._total else ""

    def end_epoch(self, epoch: Epoch) -> None:
        """Print the epoch's row of the log."""
        self._console.print(
            f"epoch {epoch.epoch}/{self._epochs}: train loss {epoch.train_loss:.4f}, "
            f"error {100 * epoch.train_error:.2f} %; test loss {epoch.test_loss:.4f}, "
            f"error {100 * epoch.test_error:.2f} %; {epoch.images_per_second:,.0f} images/s, "
            f"{epoch.seconds:.0f} s" + self._left(epoch.step)
        )
