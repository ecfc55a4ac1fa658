"""How a training run tells what it does; the terminal's bars and a notebook's silence both implement this."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True)
class Epoch:
    """One row of the log; errors are fractions.

    Attributes:
        epoch: from 1.
        step: updates so far.
        lr: learning rate of the epoch's last update.
        train_loss: mean of the loss that was minimised.
        train_error: on the images as the method shows them.
        test_loss: mean cross-entropy.
        test_error: on the test images.
        images_per_second: training images; the views of an image count once.
        seconds: since the run began, interruptions left out.
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
    """What happens during a run, in order; only the first process of several reports."""

    def note(self, text: str) -> None:
        """A sentence that the user should see once."""

    def begin(self, epochs: int, steps_per_epoch: int, step: int) -> None:
        """The run starts, or goes on after `step` updates."""

    def advance(self, step: int, loss: float, error: float, images_per_second: float) -> None:
        """`step` updates are done; loss and error are the epoch's so far."""

    def end_epoch(self, epoch: Epoch) -> None:
        """An epoch is done and scored."""


class SilentTraining:
    """Says nothing."""

    def note(self, text: str) -> None:
        """Ignored."""

    def begin(self, epochs: int, steps_per_epoch: int, step: int) -> None:
        """Ignored."""

    def advance(self, step: int, loss: float, error: float, images_per_second: float) -> None:
        """Ignored."""

    def end_epoch(self, epoch: Epoch) -> None:
        """Ignored."""
