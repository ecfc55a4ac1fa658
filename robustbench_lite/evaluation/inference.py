"""The prediction loop: read images ahead of the model, run the model, and keep each finished cell."""

from __future__ import annotations

import contextlib
import itertools
import queue
import threading
import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from robustbench_lite.errors import DataError
from robustbench_lite.evaluation.prepared_model import Forward
from robustbench_lite.evaluation.progress import EvaluationProgress
from robustbench_lite.evaluation.store import Column, Columns, RunFolder
from robustbench_lite.metrics import streaming
from robustbench_lite.results import CellResult, check_finite
from robustbench_lite.runtime import Processes
from robustbench_lite.scores import scores_of
from robustbench_lite.suite_spec import SuiteSpec
from robustbench_lite.suites import Cell, Reader

_READ_AHEAD = 2


@dataclass
class Scored:
    """The finished cells of this process: their columns and their scores."""

    columns: dict[Cell, Columns]
    results: dict[Cell, CellResult]
    images: int = 0
    seconds: float = 0.0


def frames_of(reader: Reader) -> int:
    """Return the number of images in one item of a reader: the frames of a video, or 1."""
    return reader.shape[0] if len(reader.shape) == 4 else 1


def run_cells(
    forward: Forward,
    readers: Mapping[Cell, Reader],
    spec: SuiteSpec,
    batch_size: int,
    team: Processes,
    folder: RunFolder | None,
    progress: EvaluationProgress,
    scored: Scored,
    publish: Callable[[], None],
) -> None:
    """Score every cell, and collect the results in `scored` of the first process.

    The folder's finished cells are read and not run again.

    Args:
        forward: The model on its device.
        readers: The readers of the cells, in order.
        spec: The suite, which says how the frames of a perturbation are compared.
        batch_size: The number of images per batch; for videos, the number of frames.
        team: The processes that share the work.
        folder: The run folder; None keeps the cells in memory only.
        progress: The receiver of progress events.
        scored: The cells that are finished so far.
        publish: The function that the first process calls after each cell that was run.

    Raises:
        ModelError: Logits are not finite; the message names the cell.
        DataError: A file is damaged.
    """
    finished = _finished(readers, team, folder)
    sizes = {cell: reader.count * frames_of(reader) for cell, reader in readers.items()}
    for cell, columns in finished.items():
        progress.begin_cell(cell, sizes[cell])
        _keep(scored, cell, columns, progress)
    done = team.from_first(set(finished))
    shares = {
        cell: plan(cell, reader, spec, max(1, batch_size // frames_of(reader)), team.rank, team.world)
        for cell, reader in readers.items()
        if cell not in done
    }
    began = time.perf_counter()
    with contextlib.closing(
        stream([job for share in shares.values() for job in share], forward.device)
    ) as batches:
        for cell, share in shares.items():
            if team.first:
                progress.begin_cell(cell, sizes[cell])
            parts = _run_share(forward, itertools.islice(batches, len(share)), team, progress)
            everyone = [part for parts_of_one in team.gather(parts) for part in parts_of_one]
            if team.first:
                columns = _joined(everyone)
                if folder is not None:
                    folder.write(cell, columns)
                _keep(scored, cell, columns, progress)
                publish()
    scored.images += sum(sizes[cell] for cell in shares)
    scored.seconds += time.perf_counter() - began


def _finished(
    readers: Mapping[Cell, Reader], team: Processes, folder: RunFolder | None
) -> dict[Cell, Columns]:
    if folder is None or not team.first:
        return {}
    columns_by_cell = {cell: folder.read(cell, reader.count) for cell, reader in readers.items()}
    return {cell: columns for cell, columns in columns_by_cell.items() if columns is not None}


def _keep(scored: Scored, cell: Cell, columns: Columns, progress: EvaluationProgress) -> None:
    result = score(cell, columns)
    scored.columns[cell], scored.results[cell] = columns, result
    progress.end_cell(result)


def score(cell: Cell, columns: Columns) -> CellResult:
    """Compute the scores of one cell from its columns."""
    count = len(next(iter(columns.values())))
    if "flips" in columns:
        scores = scores_of(columns, count)
        scores["frames"] = columns["predictions"].shape[1]
    else:
        scores = streaming.scores_from_columns(columns)
        del scores["n"]
    check_finite(scores, f"{cell.name}/{cell.severity}")
    return CellResult(cell.name, cell.severity, count, scores)


def _run_share(
    forward: Forward,
    batches: Iterator[tuple[Job, torch.Tensor]],
    team: Processes,
    progress: EvaluationProgress,
) -> list[tuple[int, Columns]]:
    """Run batches, and fetch the columns of each batch while the device works on the next one."""
    parts: list[tuple[int, Columns]] = []
    running: tuple[Job, dict[str, Callable[[], Column]]] | None = None
    for job, images in batches:
        columns = _columns(forward, job, images)
        launched = (job, {name: to_host(values) for name, values in columns.items()})
        if running is not None:
            parts.append(_fetched(*running))
        running = launched
        if team.first:
            progress.advance(len(images) * frames_of(job.reader) * team.world)
    if running is not None:
        parts.append(_fetched(*running))
    return parts


def _columns(forward: Forward, job: Job, images: torch.Tensor) -> dict[str, torch.Tensor]:
    if images.ndim == 5:
        logits = forward(images.flatten(0, 1)).unflatten(0, images.shape[:2])
        step = 1 if job.against_first else job.cell.severity
        return streaming.perturbation_columns(logits, against_first=job.against_first, step=step, check=False)
    if job.reader.labels is None:
        raise DataError(f"{job.cell.name}: these files have no labels, so the error can't be computed")
    truth = torch.from_numpy(job.reader.labels[job.start : job.stop]).to(forward.device)
    return streaming.classification_columns(forward(images), truth, check=False)


def _fetched(job: Job, columns: dict[str, Callable[[], Column]]) -> tuple[int, Columns]:
    arrays = {name: fetch() for name, fetch in columns.items()}
    streaming.check_columns(
        arrays, where=f"{job.cell.name}/{job.cell.severity}, items {job.start} to {job.stop - 1}"
    )
    return job.index, {
        name: array.astype(np.uint16 if array.dtype.kind == "i" else np.float32)
        for name, array in arrays.items()
    }


def _joined(parts: list[tuple[int, Columns]]) -> Columns:
    ordered = [columns for _, columns in sorted(parts, key=lambda part: part[0])]
    return {name: np.concatenate([columns[name] for columns in ordered]) for name in ordered[0]}


@dataclass(frozen=True)
class Job:
    """A batch to run: items `start` to `stop` - 1 of a cell, which are batch number `index` of the cell.

    Video frames are compared with the first frame (`against_first`) or with the frame before.
    """

    cell: Cell
    reader: Reader
    against_first: bool
    index: int
    start: int
    stop: int


def plan(cell: Cell, reader: Reader, spec: SuiteSpec, batch_size: int, rank: int, world: int) -> list[Job]:
    """Return this process's batches of a cell: every world-th batch, so the batches never change."""
    starts = range(0, reader.count, batch_size)
    return [
        Job(
            cell, reader, cell.name in spec.against_first, index, start, min(start + batch_size, reader.count)
        )
        for index, start in list(enumerate(starts))[rank::world]
    ]


def stream(jobs: Sequence[Job], device: torch.device) -> Generator[tuple[Job, torch.Tensor], None, None]:
    """Yield each job with its uint8 images on the device. A thread reads ahead, also into the next cell.

    Raises:
        DataError: The error of the reader, raised in the thread of the consumer.
    """
    ready: queue.Queue[tuple[Job, torch.Tensor, torch.cuda.Event | None] | BaseException] = queue.Queue(
        _READ_AHEAD
    )
    stop = threading.Event()

    def offer(item: tuple[Job, torch.Tensor, torch.cuda.Event | None] | BaseException) -> None:
        while not stop.is_set():
            try:
                ready.put(item, timeout=0.1)
            except queue.Full:
                continue
            return

    def produce() -> None:
        copier = torch.cuda.Stream(device) if device.type == "cuda" else None
        try:
            for job in jobs:
                if stop.is_set():
                    return
                offer((job, *_to_device(job.reader.read(job.start, job.stop), device, copier)))
        except BaseException as error:  # the consumer raises it
            offer(error)

    thread = threading.Thread(target=produce, name="read-ahead", daemon=True)
    thread.start()
    try:
        for _ in jobs:
            item = ready.get()
            if isinstance(item, BaseException):
                raise item
            job, images, copied = item
            if copied is not None:
                torch.cuda.current_stream(device).wait_event(copied)
                images.record_stream(torch.cuda.current_stream(device))
            yield job, images
    finally:
        stop.set()
        thread.join()


def _to_device(
    images: torch.Tensor, device: torch.device, copier: torch.cuda.Stream | None
) -> tuple[torch.Tensor, torch.cuda.Event | None]:
    if copier is None or images.device == device:
        return images.to(device), None
    with torch.cuda.stream(copier):
        on_device = images.pin_memory().to(device, non_blocking=True)
        copied = torch.cuda.Event()
        copied.record(copier)
    return on_device, copied


def to_host(values: torch.Tensor) -> Callable[[], npt.NDArray[Any]]:
    """Start a copy to the host. The returned function waits for this copy only, not for later work."""
    if values.device.type != "cuda":
        return lambda: values.cpu().numpy()
    copied = torch.cuda.Event()
    on_host = values.to("cpu", non_blocking=True)
    copied.record(torch.cuda.current_stream(values.device))

    def wait() -> npt.NDArray[Any]:
        copied.synchronize()
        return on_host.numpy()

    return wait
