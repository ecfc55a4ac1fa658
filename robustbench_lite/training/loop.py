"""The training loop: epochs, tests, log and state. An interruption does not change the weights."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any, Final

import torch
from torch import Tensor
from torch.nn import functional as F

from robustbench_lite.errors import ModelError
from robustbench_lite.runtime import Processes
from robustbench_lite.training.ahead import done_ahead
from robustbench_lite.training.data import Dataset, Images, InMemory
from robustbench_lite.training.progress import Epoch, TrainingProgress
from robustbench_lite.training.recipes import TrainingRecipe
from robustbench_lite.training.run_folder import BEST, LAST, TrainingFolder
from robustbench_lite.training.schedule import learning_rate
from robustbench_lite.training.seeds import generator
from robustbench_lite.training.settings import TrainingSettings
from robustbench_lite.training.stepper import Stepper
from robustbench_lite.training.tensorboard import Board

_TEST_BATCH: Final = {"cpu": 256}
_TEST_BATCH_GPU: Final = 1024
# Reading a number stalls the queue of a GPU, so on a GPU the loss is checked every few steps only.
_LOOK_EVERY_GPU: Final = 20
_NEVER: Final = 2**62
_TAMER: Final = "lower the learning rate, clip the gradient (`clip_grad=1`), or leave `amp=...` out"


@dataclass(frozen=True)
class Order:
    """The images of each step: every epoch has a new random order, which the seed decides.

    A last batch with fewer than two images per process is left out.
    """

    images: int
    batch_size: int
    seed: int
    team: Processes

    @property
    def steps(self) -> int:
        """The number of steps per epoch."""
        whole, rest = divmod(self.images, self.batch_size)
        return whole + (rest >= 2 * self.team.world)

    def batches(self, epoch: int, first: int) -> Iterator[tuple[Tensor, float]]:
        """Yield this process's rows of each batch from number `first` on, and their share of the loss."""
        rows = torch.randperm(self.images, generator=generator(self.seed, "order", epoch))
        for batch in rows.split(self.batch_size)[first : self.steps]:
            mine = batch[self.team.rank :: self.team.world]
            yield mine, len(mine) * self.team.world / len(batch)


@dataclass
class Totals:
    """The sums over an epoch's training images so far, on the device. It also looks for NaN."""

    loss: Tensor
    wrong: Tensor
    bad_step: Tensor
    images: int = 0
    seconds: float = 0.0

    @classmethod
    def zero(cls, device: torch.device) -> Totals:
        """Return the sums at the start of an epoch."""
        return cls(
            torch.zeros((), device=device),
            torch.zeros((), dtype=torch.int64, device=device),
            torch.full((), _NEVER, dtype=torch.int64, device=device),
        )

    def add(self, loss: Tensor, wrong: Tensor, images: int, step: int) -> None:
        """Count one step."""
        self.loss += loss * images
        self.wrong += wrong
        self.images += images
        self.bad_step = torch.where(loss.isfinite(), self.bad_step, self.bad_step.clamp(max=step))


class Loop:
    """One training that runs.

    Args:
        dataset: The training images and the test images.
        stepper: The network and its optimizer.
        recipe: The hyper-parameters.
        settings: The settings of the run.
        folder: The run folder; None writes nothing.
        team: The processes that share the run.
        progress: The receiver of progress events.
        board: The TensorBoard files, where the settings ask for them.
    """

    def __init__(
        self,
        dataset: Dataset,
        stepper: Stepper,
        recipe: TrainingRecipe,
        settings: TrainingSettings,
        folder: TrainingFolder | None,
        team: Processes,
        progress: TrainingProgress,
        board: Board | None,
    ) -> None:
        self.dataset, self.stepper, self.recipe, self.settings = dataset, stepper, recipe, settings
        self.folder, self.team, self.progress, self.board = folder, team, progress, board
        self.device = stepper.device
        self.train, self.test = dataset.train.to(self.device), dataset.test.to(self.device)
        self.labels = dataset.train.labels.to(self.device)
        self.order = Order(len(dataset.train.labels), recipe.batch_size, settings.seed, team)
        self.look_every = 1 if self.device.type == "cpu" else _LOOK_EVERY_GPU
        self.step = 0
        self.history: list[Epoch] = []
        self.totals = Totals.zero(self.device)
        self.saved_at = time.monotonic()

    def resume(self, state: dict[str, Any]) -> None:
        """Continue from the state of an earlier start."""
        self.stepper.load(state["stepper"])
        self.step = state["step"]
        self.history = [Epoch(**row) for row in state["history"]]
        if self.team.first:
            self.totals.loss += state["loss"]
            self.totals.wrong += state["wrong"]
            self.totals.images = state["images"]
        self.totals.seconds = state["seconds"]

    def run(self) -> tuple[Epoch, ...]:
        """Run the remaining epochs.

        Raises:
            ModelError: The loss became NaN or infinite; the message names the step.
        """
        self.progress.begin(self.recipe.epochs, self.order.steps, self.step)
        while self.step < self.recipe.epochs * self.order.steps:
            self._epoch(self.step // self.order.steps)
        return tuple(self.history)

    def _epoch(self, epoch: int) -> None:
        began = time.monotonic() - self.totals.seconds
        done = self.step % self.order.steps
        for images, labels, share in self._fed(epoch, done):
            lr = learning_rate(self.recipe, self.step, self.order.steps)
            loss, wrong = self.stepper.step(images, labels, self.step, lr, share)
            self.step += 1
            self.totals.add(loss, wrong, len(images), self.step)
            self.totals.seconds = time.monotonic() - began
            at_end = self.step % self.order.steps == 0
            if at_end or self.step % self.look_every == 0:
                self._look(at_end)
        self._finish(epoch, began)

    def _fed(self, epoch: int, first: int) -> Iterator[tuple[Tensor, Tensor, float]]:
        """Yield the cropped images, the labels and the share of every batch."""
        batches = list(self.order.batches(epoch, first))
        start = epoch * self.order.steps + first
        jobs = (partial(self._cropped, start + number, rows) for number, (rows, _) in enumerate(batches))
        for images, (rows, share) in zip(self._results(self.train, jobs), batches, strict=True):
            yield self._moved(images), self.labels[rows.to(self.device)], share

    def _cropped(self, step: int, rows: Tensor) -> Tensor:
        draws = generator(self.settings.seed, "crops", step, self.team.rank)
        return self.train.crops(rows, self.recipe, draws)

    def _results(self, images: Images, jobs: Iterable[Callable[[], Tensor]]) -> Iterator[Tensor]:
        """Yield the result of each job in order, decoded in advance where the images are files."""
        return (job() for job in jobs) if isinstance(images, InMemory) else done_ahead(jobs)

    def _moved(self, images: Tensor) -> Tensor:
        if self.device.type == "cuda" and not images.is_cuda:
            images = images.pin_memory()
        return images.to(self.device, non_blocking=True)

    def _look(self, at_end: bool) -> None:
        """Report the progress, stop on NaN, and save the state when it is due."""
        totals = self._summed()
        bad = min(int(total["bad_step"]) for total in totals)
        if bad < _NEVER:
            raise ModelError(
                f"the loss became NaN or infinite at step {bad} (epoch {(bad - 1) // self.order.steps + 1}); "
                f"{_TAMER}"
            )
        images = max(1, sum(total["images"] for total in totals))
        loss, wrong = sum(total["loss"] for total in totals), sum(total["wrong"] for total in totals)
        speed = images / max(self.totals.seconds, 1e-9)
        self.progress.advance(self.step, loss / images, wrong / images, speed)
        due = time.monotonic() - self.saved_at >= 60 * self.settings.save_minutes
        if self.folder is not None and not at_end and self.team.from_first(due):
            self._save({"loss": loss, "wrong": wrong, "images": images})

    def _summed(self) -> list[dict[str, float]]:
        """Return the sums over all processes, in every process."""
        mine = {
            "loss": float(self.totals.loss),
            "wrong": int(self.totals.wrong),
            "bad_step": int(self.totals.bad_step),
            "images": self.totals.images,
        }
        return self.team.from_first(self.team.gather(mine))

    def _finish(self, epoch: int, began: float) -> None:
        """Test the network, and write the log and the files of an epoch."""
        totals = self._summed()
        images = sum(total["images"] for total in totals)
        test_loss, test_error = self._tested()
        if not math.isfinite(test_loss):
            raise ModelError(
                f"the test loss became {test_loss} after step {self.step} (epoch {epoch + 1}); {_TAMER}"
            )
        earlier = self.history[-1].seconds if self.history else 0.0
        row = Epoch(
            epoch=epoch + 1,
            step=self.step,
            lr=learning_rate(self.recipe, self.step - 1, self.order.steps),
            train_loss=sum(total["loss"] for total in totals) / images,
            train_error=sum(total["wrong"] for total in totals) / images,
            test_loss=test_loss,
            test_error=test_error,
            images_per_second=images / max(self.totals.seconds, 1e-9),
            seconds=earlier + time.monotonic() - began,
        )
        self.history.append(row)
        self.totals = Totals.zero(self.device)
        if self.folder is not None:
            self._keep(self.folder, row)
        if self.board is not None:
            self.board.add(row)
        self.progress.end_epoch(row)

    def _keep(self, folder: TrainingFolder, row: Epoch) -> None:
        if self.team.first:
            network, names = self.stepper.best_guess, self.dataset.class_names
            folder.write_log(self.history)
            if row.test_error < min((past.test_error for past in self.history[:-1]), default=math.inf):
                folder.save_model(BEST, network, names, row)
            folder.save_model(LAST, network, names, row)
        self._save({"loss": 0.0, "wrong": 0, "images": 0})

    def _save(self, totals: dict[str, float]) -> None:
        if self.folder is not None and self.team.first:
            self.folder.save_state(
                {
                    "stepper": self.stepper.state(),
                    "step": self.step,
                    "history": [asdict(row) for row in self.history],
                    "seconds": self.totals.seconds,
                    **totals,
                }
            )
        self.saved_at = time.monotonic()

    def _tested(self) -> tuple[float, float]:
        """Return mean cross-entropy and error on the test images, whose batches the processes share.

        All processes use the batch-norm statistics of the first one, which writes the files.
        """
        self.team.share(self.stepper.best_guess.buffers())
        loss, wrong = 0.0, 0
        size = _TEST_BATCH.get(self.device.type, _TEST_BATCH_GPU)
        labels = self.dataset.test.labels
        starts = range(0, len(labels), size)[self.team.rank :: self.team.world]
        jobs = (partial(self.test.read, start, min(start + size, len(labels))) for start in starts)
        for start, images in zip(starts, self._results(self.test, jobs), strict=True):
            aims = labels[start : start + len(images)].to(self.device)
            logits = self.stepper.predict(self._moved(images))
            loss += float(F.cross_entropy(logits, aims, reduction="sum"))
            wrong += int((logits.argmax(1) != aims).sum())
        parts = self.team.from_first(self.team.gather((loss, wrong)))
        return sum(part[0] for part in parts) / len(labels), sum(part[1] for part in parts) / len(labels)
