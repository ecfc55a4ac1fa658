"""Write a generated suite to disk in the layout of the official release, in parallel and resumably."""

from __future__ import annotations

import concurrent.futures
import contextlib
import functools
import io
import multiprocessing
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, cast

import numpy as np
import torch
from PIL import Image

from robustbench_lite.atomic_write import atomic_path, write_atomically
from robustbench_lite.corruptions import PERTURBATIONS
from robustbench_lite.errors import DataError, InvalidInput, require
from robustbench_lite.evaluation.generated import STORED_QUALITY
from robustbench_lite.evaluation.manifest import begin_folder
from robustbench_lite.evaluation.progress import SilentEvaluation
from robustbench_lite.evaluation.settings import SuiteSettings
from robustbench_lite.evaluation.sources import open_suite
from robustbench_lite.keywords import pick
from robustbench_lite.plugins.workers import WorkerAdditions, add_in_worker, additions_for_workers
from robustbench_lite.suites import CLEAN, Cell, ImageFiles, Suite
from robustbench_lite.suites.memory import in_memory, read_images

_FILES_A_UNIT: Final = 256
_FRAME_RATE: Final = 30


@dataclass(frozen=True)
class Unit:
    """A piece of work that writes whole files.

    Attributes:
        cells: The cells of the unit: all severities of a corruption where they share one array file.
        start: The first image.
        stop: The last image + 1.
    """

    cells: tuple[Cell, ...]
    start: int
    stop: int

    @property
    def images(self) -> int:
        """The number of images or sequences of the unit."""
        return len(self.cells) * (self.stop - self.start)


def write_suite(
    suite: str,
    clean_data: object,
    out: str | Path,
    *,
    corruptions: Sequence[str] | None = None,
    severities: Sequence[int] | None = None,
    profile: str | None = None,
    frost: str | Path | None = None,
    seed: int = 0,
    classes: str | Path | Sequence[str] | None = None,
    image_size: int | None = None,
    device: str = "cpu",
    workers: int = 1,
    batch_size: int = 64,
    progress: Callable[[int, int], None] | None = None,
) -> Path:
    """Make a -C or -P suite from clean images, and write it in the layout of the release.

    Arrays (CIFAR, .npz, images in memory) become `<corruption>.npy` and `labels.npy`. Image files become
    JPEGs of quality 85 in `<corruption>/<severity>/<class>/` and MP4s in `<perturbation>/<class>/`. Each file
    is written in one step, so the same call continues a call that was killed. Neither batch size nor workers
    change a byte.

    Args:
        suite: The suite, for example "cifar10-c", or "custom-c" or "custom-p" for your own images.
        clean_data: The clean images, as for `load_suite`.
        out: Folder in which the folder of the suite is made.
        corruptions: Only these corruptions or perturbations. By default the test set of the suite.
        severities: Only these severities, or difficulties of -P. By default all five, for -P the first.
        profile: Parameter table: "imagenet", "tiny-imagenet" or "cifar". By default that of the suite.
        frost: The folder of the frost photographs.
        seed: The seed of the draws.
        classes: The class names of your own images, or a file with one per line.
        image_size: Side in pixels to which your own photographs are resized and cropped.
        device: Where images are corrupted.
        workers: Processes; each takes its share of the machine's cores.
        batch_size: Images at once.
        progress: Called with the images done and the images in all.

    Returns:
        The folder of the suite.

    Raises:
        DataError: The clean images are missing, or the folder holds a suite made in another way.
        InvalidInput: Severities are left out of array files, which hold all five.
    """
    images = read_images(clean_data) if in_memory(clean_data) else clean_data
    given = {**locals(), "clean_data": images}
    request = (suite, SuiteSettings(generate=True, as_stored=False, **pick(SuiteSettings, given)), device)
    generated, clean = _opened(*request)
    folder = Path(out) / generated.spec.title
    begin_folder(folder, generated)
    units = list(_units(generated, clean))
    done, total = 0, sum(unit.images for unit in units)
    report = progress or (lambda done, total: None)
    report(done, total)
    for unit in _finished(generated, clean, units, folder, request, workers, batch_size):
        done += unit.images
        report(done, total)
    return folder


Request = tuple[str, SuiteSettings, str]
"""The suite's name, its settings, and the device: what a process needs to open it."""


def _finished(
    suite: Suite,
    clean: Suite,
    units: list[Unit],
    folder: Path,
    request: Request,
    workers: int,
    batch_size: int,
) -> Iterator[Unit]:
    """Yield the units as they are finished, by this process or by worker processes."""
    if workers == 1:
        for unit in units:
            _write_unit(suite, clean, unit, folder, batch_size)
            yield unit
        return
    threads = max(1, torch.get_num_threads() // workers)
    context = multiprocessing.get_context("spawn")
    names = (suite.spec.name, *dict.fromkeys(cell.name for cell in suite.cells))
    start = (threads, request, additions_for_workers(names))
    with concurrent.futures.ProcessPoolExecutor(
        workers, mp_context=context, initializer=_start_worker, initargs=start
    ) as pool:
        jobs = {pool.submit(_work, unit, folder, batch_size): unit for unit in units}
        try:
            for job in concurrent.futures.as_completed(jobs):
                job.result()
                yield jobs[job]
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


_worker_request: list[tuple[Request, WorkerAdditions]] = []


def _start_worker(threads: int, request: Request, additions: WorkerAdditions) -> None:
    # An error here would break the pool and lose its message: _suite_of_worker does what can fail.
    torch.set_num_threads(threads)
    _worker_request.append((request, additions))


@functools.cache
def _suite_of_worker() -> tuple[Suite, Suite]:
    request, additions = _worker_request[0]
    add_in_worker(additions)
    return _opened(*request)


def _work(unit: Unit, folder: Path, batch_size: int) -> None:
    """Write one unit in a worker process, which opens the images once and keeps them open."""
    suite, clean = _suite_of_worker()
    _write_unit(suite, clean, unit, folder, batch_size)


def _opened(name: str, settings: SuiteSettings, device: str) -> tuple[Suite, Suite]:
    suite = open_suite(name, settings, SilentEvaluation()).to(torch.device(device))
    if suite.clean is None:
        raise InvalidInput(f"{name} is a clean set; give the -c or -p suite to make from it")
    return suite, suite.clean


def _in_files(clean: Suite) -> bool:
    with contextlib.closing(clean.open(CLEAN)) as reader:
        return isinstance(reader, ImageFiles)


def _units(suite: Suite, clean: Suite) -> Iterator[Unit]:
    if _in_files(clean):
        for cell in suite.cells:
            for start in range(0, suite.images, _FILES_A_UNIT):
                yield Unit((cell,), start, min(start + _FILES_A_UNIT, suite.images))
    elif suite.spec.kind == "perturbation":
        yield from (Unit((cell,), 0, suite.images) for cell in suite.cells)
    else:
        for name in dict.fromkeys(cell.name for cell in suite.cells):
            cells = tuple(cell for cell in suite.cells if cell.name == name)
            if len(cells) != len(suite.spec.severities):
                raise InvalidInput(f"{name}.npy holds all five severities; leave `severities=...` out")
            yield Unit(cells, 0, suite.images)


def _write_unit(suite: Suite, clean: Suite, unit: Unit, folder: Path, batch_size: int) -> None:
    try:
        if _in_files(clean):
            _write_files(suite, clean, unit, folder, batch_size)
        else:
            _write_array(suite, clean, unit, folder, batch_size)
    except OSError as error:
        raise DataError(f"{folder} can't be written: {error.strerror}") from error


def _write_array(suite: Suite, clean: Suite, unit: Unit, folder: Path, batch_size: int) -> None:
    videos = suite.spec.kind == "perturbation"
    if not videos:
        _write_labels(clean, folder, len(unit.cells))
    path = folder / f"{_stem(unit.cells[0], videos=videos)}.npy"
    if path.exists():
        return
    with contextlib.closing(suite.open(unit.cells[0])) as first:
        shape = (unit.images, *first.shape)
    with atomic_path(path) as partial:
        array = np.lib.format.open_memmap(partial, mode="w+", dtype=np.uint8, shape=shape)
        for place, cell in enumerate(unit.cells):
            _write_rows(suite, cell, array, place, batch_size)
        array.flush()


def _write_rows(suite: Suite, cell: Cell, array: np.ndarray[Any, Any], place: int, batch_size: int) -> None:
    """Write the images of one cell into an array that holds several cells, one after another."""
    with contextlib.closing(suite.open(cell)) as reader:
        for start in range(0, reader.count, batch_size):
            stop = min(start + batch_size, reader.count)
            rows = slice(place * reader.count + start, place * reader.count + stop)
            array[rows] = reader.read(start, stop).cpu().numpy()


def _write_labels(clean: Suite, folder: Path, severities: int) -> None:
    if (folder / "labels.npy").exists():
        return
    with contextlib.closing(clean.open(CLEAN)) as reader:
        labels = np.tile(cast(np.ndarray[Any, Any], reader.labels), severities)
    buffer = io.BytesIO()
    np.save(buffer, labels.astype(np.uint8 if clean.spec.classes <= 256 else np.int64))
    write_atomically(folder / "labels.npy", buffer.getvalue())


def _write_files(suite: Suite, clean: Suite, unit: Unit, folder: Path, batch_size: int) -> None:
    (cell,) = unit.cells
    videos = suite.spec.kind == "perturbation"
    inside = folder / _stem(cell, videos=videos) / ("" if videos else str(cell.severity))
    with contextlib.closing(clean.open(CLEAN)) as reader:
        names = [Path(cast(ImageFiles, reader).relative(number)) for number in range(unit.start, unit.stop)]
    paths = [inside / name.with_suffix(".mp4" if videos else ".JPEG") for name in names]
    todo = [number for number, path in enumerate(paths, unit.start) if not path.exists()]
    encode = functools.partial(_mp4, grain=PERTURBATIONS[cell.name].against_first) if videos else _jpeg
    with (
        contextlib.closing(suite.open(cell)) as made,
        concurrent.futures.ThreadPoolExecutor(torch.get_num_threads()) as pool,
    ):
        for start, stop in _runs(todo, batch_size):
            pixels = made.read(start, stop).cpu().numpy()
            list(pool.map(_keep, paths[start - unit.start : stop - unit.start], map(encode, pixels)))


def _keep(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    # A suite has millions of images: waiting for the disk after each one would take most of the time.
    write_atomically(path, content, flush=False)


def _runs(numbers: list[int], most: int) -> Iterator[tuple[int, int]]:
    """Yield neighbouring numbers as (start, stop), at most `most` numbers each."""
    start = 0
    for place in range(1, len(numbers) + 1):
        ends = place == len(numbers) or numbers[place] != numbers[place - 1] + 1
        if ends or place - start == most:
            yield numbers[start], numbers[place - 1] + 1
            start = place


def _stem(cell: Cell, *, videos: bool) -> str:
    """Return the file or folder of a cell. Each difficulty of a noise sequence has its own folder."""
    harder = videos and cell.severity > 1 and PERTURBATIONS[cell.name].against_first
    return f"{cell.name}_{cell.severity}" if harder else cell.name


def _jpeg(pixels: np.ndarray[Any, Any]) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=STORED_QUALITY, optimize=True)
    return buffer.getvalue()


def _mp4(frames: np.ndarray[Any, Any], *, grain: bool) -> bytes:
    """Encode as ImageNet-P: H.264, the slowest preset, noise tuned for grain, the rest at rate factor 20."""
    av = require("av", "video", "writing MP4 videos")
    buffer = io.BytesIO()
    options = {"preset": "veryslow", **({"tune": "grain"} if grain else {"crf": "20"})}
    with av.open(buffer, "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=_FRAME_RATE, options=options)
        stream.height, stream.width = frames.shape[1:3]
        stream.pix_fmt = "yuv420p"
        stream.thread_count = 1
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode(None))
    return buffer.getvalue()
