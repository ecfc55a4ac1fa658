"""The events of a training that a caller can follow. The bars of the terminal implement them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True)
class Epoch:
    """One row of the log; errors are fractions.

    Attributes:
        epoch: The number of the epoch, from 1.
        step: The number of updates so far.
        lr: The learning rate of the epoch's last update.
        train_loss: The mean of the minimised loss.
        train_error: The error on the training images, augmented by the method.
        test_loss: The mean cross-entropy on the test images.
        test_error: The error on the test images.
        images_per_second: The training images per second; the views of an image count once.
        seconds: The seconds since the start of the run, without interruptions.
    """

    epoch: int
    step: int
    lr: float
    train_loss: float
    train_error: float
    test_loss: float
    test_error: float
    images_per_second: float
    seconds: float


class TrainingProgress(Protocol):
    """The events of a run, in order. Only the first of several processes reports them."""

    def note(self, text: str) -> None:
        """Show a sentence to the user once."""

    def begin(self, epochs: int, steps_per_epoch: int, step: int) -> None:
        """The run starts, or continues after `step` updates."""

    def advance(self, step: int, loss: float, error: float, images_per_second: float) -> None:
        """`step` updates are finished. Loss and error are those of the epoch so far."""

    def end_epoch(self, epoch: Epoch) -> None:
        """An epoch is finished and tested."""


class SilentTraining:
    """Ignores all events."""

    def note(self, text: str) -> None:
        """Ignored."""

    def begin(self, epochs: int, steps_per_epoch: int, step: int) -> None:
        """Ignored."""

    def advance(self, step: int, loss: float, error: float, images_per_second: float) -> None:
        """Ignored."""

    def end_epoch(self, epoch: Epoch) -> None:
        """Ignored."""
