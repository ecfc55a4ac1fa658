"""The sweep gives the map of the definition, whatever the batches, the processes and the kills."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import weakref
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from robustbench_lite.corruptions.fourier import fourier_signs
from robustbench_lite.errors import DataError, InvalidInput, ModelError, UnknownName
from robustbench_lite.evaluation.fourier import heatmap
from robustbench_lite.evaluation.fourier import sweep as sweeping
from robustbench_lite.evaluation.fourier.heatmap import default_norm, default_size, fourier_heatmap
from robustbench_lite.evaluation.fourier.images import open_images
from robustbench_lite.evaluation.fourier.store import STORE
from robustbench_lite.models import build, save_checkpoint
from tests.oracles import fourier as oracle

SIDE, COUNT, CLASSES = 8, 12, 4


class Patches(nn.Module):
    """A small convolutional network with fixed weights."""

    def __init__(self) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(0)
        self.filters = nn.Parameter(torch.randn(16, 3, 3, 3, generator=generator))
        self.head = nn.Parameter(torch.randn(16, CLASSES, generator=generator))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        seen = torch.nn.functional.conv2d(images - 0.5, self.filters).abs().mean(dim=(2, 3))
        return 4 * (seen - seen.mean(dim=1, keepdim=True)) @ self.head


@pytest.fixture(scope="module")
def images() -> np.ndarray:
    """Grey under weak noise, so that the wave decides what the network sees."""
    return np.random.default_rng(1).integers(96, 160, (COUNT, SIDE, SIDE, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def labels(images: np.ndarray) -> np.ndarray:
    """What the network predicts, but for every fourth image."""
    predicted = plain_logits(images / 255).argmax(1)
    predicted[::4] = (predicted[::4] + 1) % CLASSES
    return predicted


def plain_logits(images: np.ndarray) -> np.ndarray:
    """(N, H, W, 3) in [0, 1] -> logits, one image at a time."""
    with torch.no_grad():
        tensor = torch.from_numpy(images.transpose(0, 3, 1, 2)).float()
        return torch.cat([Patches()(one[None]) for one in tensor]).numpy()


def naive_map(images: np.ndarray, labels: np.ndarray, metric: str, norm: float, seed: int) -> np.ndarray:
    """Every cell by itself, from the oracle's basis: no mirror symmetry, no batches."""
    clean = plain_logits(images / 255)
    result = np.empty((SIDE, SIDE))
    for row in range(SIDE):
        for column in range(SIDE):
            frequency = (row - SIDE // 2, column - SIDE // 2)
            signs = fourier_signs(frequency, (SIDE, SIDE), seed, range(len(images))).numpy()
            logits = plain_logits(oracle.perturbed(images / 255, frequency, norm, signs))
            if metric == "confidence":
                before, after = (np.exp(x) / np.exp(x).sum(1, keepdims=True) for x in (clean, logits))
                rows = np.arange(len(images))
                result[row, column] = (before[rows, clean.argmax(1)] - after[rows, clean.argmax(1)]).mean()
            else:
                truth = labels if metric == "error" else clean.argmax(1)
                result[row, column] = (logits.argmax(1) != truth).mean()
    return result


def run(images: object, labels: object = None, **options: object) -> np.ndarray:
    given = {"norm": 1.5, "device": "cpu", "bootstrap": 0, "batch_size": 16, **options}
    return fourier_heatmap(Patches(), images, labels, **given).values  # type: ignore[arg-type]


@pytest.mark.parametrize("metric", ["error", "flip", "confidence"])
def test_the_map_is_that_of_a_plain_loop_over_all_cells(
    images: np.ndarray, labels: np.ndarray, metric: str
) -> None:
    expected = naive_map(images, labels, metric, norm=1.5, seed=3)
    found = run(images, labels if metric == "error" else None, metric=metric, seed=3)
    np.testing.assert_allclose(found, expected, atol=1e-5 if metric == "confidence" else 1e-12)
    assert len(np.unique(expected)) > 3


@pytest.mark.parametrize("batch_size", [1, 5, 12, 40, 4096])
def test_the_batch_size_does_not_change_the_map(
    images: np.ndarray, labels: np.ndarray, batch_size: int
) -> None:
    np.testing.assert_array_equal(
        run(images, labels, batch_size=batch_size), run(images, labels, batch_size=7)
    )


def test_a_set_larger_than_the_memory_is_worked_through_in_chunks(
    images: np.ndarray, labels: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = run(images, labels, batch_size=4)
    monkeypatch.setattr(sweeping, "RESIDENT_BYTES", 5 * 3 * 4 * SIDE * SIDE)
    assert sweeping.chunk_length((SIDE, SIDE)) == 5
    np.testing.assert_array_equal(run(images, labels, batch_size=4), whole)


def test_one_chunk_is_held_at_a_time(
    images: np.ndarray, labels: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sweeping, "RESIDENT_BYTES", 5 * 3 * 4 * SIDE * SIDE)
    chunks: list[weakref.ref[torch.Tensor]] = []
    alive: list[int] = []
    load, clean = sweeping.Sweep._load, sweeping.Sweep.clean

    def loading(self: sweeping.Sweep, chosen: slice) -> tuple[torch.Tensor, torch.Tensor]:
        alive.append(sum(chunk() is not None for chunk in chunks))
        loaded = load(self, chosen)
        chunks.append(weakref.ref(loaded[0]))
        return loaded

    def cleaning(self: sweeping.Sweep, chunk: torch.Tensor) -> torch.Tensor:
        chunks.append(weakref.ref(chunk))
        alive.append(sum(one() is not None for one in chunks) - 1)
        return clean(self, chunk)

    monkeypatch.setattr(sweeping.Sweep, "_load", loading)
    monkeypatch.setattr(sweeping.Sweep, "clean", cleaning)
    run(images, labels, batch_size=4)
    assert alive == [0] * 6


def test_a_window_is_the_middle_of_the_whole_map(images: np.ndarray, labels: np.ndarray) -> None:
    np.testing.assert_array_equal(run(images, labels, size=5), run(images, labels)[2:7, 2:7])


def test_the_map_is_symmetric_about_its_centre(images: np.ndarray, labels: np.ndarray) -> None:
    inner = run(images, labels)[1:, 1:]
    np.testing.assert_array_equal(inner, inner[::-1, ::-1])


def test_half_the_forward_passes_are_made(images: np.ndarray) -> None:
    seen = 0

    def counting(batch: torch.Tensor) -> torch.Tensor:
        nonlocal seen
        seen += len(batch)
        return batch.flatten(1)[:, :CLASSES]

    fourier_heatmap(counting, images, norm=1.0, metric="flip", batch_size=COUNT, fuse=False, bootstrap=0)
    pairs = (SIDE * SIDE + 4) // 2
    # And once the clean images, two that check the model, and all and half of them to describe it.
    assert seen == (pairs + 1) * COUNT + 2 + COUNT + COUNT // 2


def test_rectangular_images_have_rectangular_maps() -> None:
    wide = np.random.default_rng(2).integers(0, 256, (3, 6, 9, 3), dtype=np.uint8)
    found = fourier_heatmap(Patches(), wide, norm=1.0, metric="flip", bootstrap=0, batch_size=16)
    assert found.values.shape == (6, 9)
    assert (found.vertical[0], found.horizontal[0]) == (-3, -4)


def test_the_profile_is_the_mean_over_rings_with_bands_around_it(
    images: np.ndarray, labels: np.ndarray
) -> None:
    found = fourier_heatmap(Patches(), images, labels, norm=1.5, bootstrap=200, batch_size=16)
    profile = found.profile
    centre = SIDE // 2
    assert profile.value[0] == pytest.approx(found.values[centre, centre])
    around = [(0, 1), (1, 0), (1, 1), (-1, 1)]
    ring = np.mean([found.values[centre + i, centre + j] for i, j in around])
    assert profile.value[1] == pytest.approx(ring)
    low, value, high = np.array(profile.low), np.array(profile.value), np.array(profile.high)
    assert (low <= value).all()
    assert (value <= high).all()
    assert (high - low).max() > 0
    cells = np.unique(np.floor(np.hypot(*np.mgrid[-4:4, -4:4]) + 0.5), return_counts=True)[1]
    assert np.dot(value, cells) / cells.sum() == pytest.approx(found.values.mean())


def test_the_baseline_is_the_clean_error(images: np.ndarray, labels: np.ndarray) -> None:
    assert (
        fourier_heatmap(Patches(), images, labels, norm=1.5, bootstrap=0, batch_size=16).baseline == 3 / COUNT
    )
    assert (
        fourier_heatmap(Patches(), images, norm=1.5, metric="flip", bootstrap=0, batch_size=16).baseline == 0
    )


def test_the_examples_are_the_first_image_perturbed(images: np.ndarray, labels: np.ndarray) -> None:
    found = fourier_heatmap(Patches(), images, labels, norm=1.5, seed=2, bootstrap=0, batch_size=16)
    for example in found.examples:
        signs = fourier_signs(example.frequency, (SIDE, SIDE), 2, [0]).numpy()
        expected = oracle.perturbed(images[:1] / 255, example.frequency, 1.5, signs)[0]
        np.testing.assert_allclose(example.pixels / 255, expected, atol=0.51 / 255)
        assert example.frequency[0] in found.vertical
        assert example.frequency[1] in found.horizontal


def test_the_global_random_state_is_left_alone(images: np.ndarray, labels: np.ndarray) -> None:
    before = torch.get_rng_state()
    run(images, labels)
    assert torch.equal(torch.get_rng_state(), before)


def test_the_papers_norms_and_map_sizes_are_the_defaults() -> None:
    assert (default_norm((32, 32)), default_norm((224, 224))) == (4.0, 15.7)
    assert (default_size((32, 32)), default_size((64, 64)), default_size((224, 224))) == (None, None, 63)
    assert default_size((48, 100)) == 47
    with pytest.raises(InvalidInput, match=r"4 for 32 x 32, 15.7 for 224 x 224 pixels; for 64 x 64 give one"):
        default_norm((64, 64))


@pytest.mark.parametrize(
    ("options", "kind", "text"),
    [
        ({"norm": 0.0}, InvalidInput, "positive number"),
        ({"norm": -4.0}, InvalidInput, "positive number"),
        ({"size": 6}, InvalidInput, "must be odd"),
        ({"size": 1}, InvalidInput, "a map of size 1 shows frequency 0 alone; .* at least 3"),
        ({"size": 9}, InvalidInput, "between 1 and the image's side, got 9"),
        ({"metric": "accuracy"}, UnknownName, "unknown metric 'accuracy'"),
        ({"labels": None}, InvalidInput, "the error needs labels, .* use `metric='flip'`"),
        ({"norm": None}, InvalidInput, "for 8 x 8 give one"),
    ],
)
def test_what_makes_no_map_is_refused(
    images: np.ndarray, labels: np.ndarray, options: dict[str, object], kind: type[Exception], text: str
) -> None:
    given = {"labels": labels, "norm": 1.0, **options}
    with pytest.raises(kind, match=text):
        fourier_heatmap(Patches(), images, **given)  # type: ignore[arg-type]


def test_labels_beyond_the_models_classes_are_refused(images: np.ndarray) -> None:
    with pytest.raises(ModelError, match="has 4 outputs, but the labels go up to 11"):
        run(images, np.arange(COUNT))


def test_class_folders_with_other_classes_than_the_model_are_refused_with_the_ways_out(
    tmp_path: Path, images: np.ndarray
) -> None:
    for name, picture in zip(("n01440764", "n02102040"), images, strict=False):
        (tmp_path / name).mkdir()
        Image.fromarray(picture).save(tmp_path / name / "a.png")
    with pytest.raises(
        ModelError, match=r"has 4 outputs, but the data set has 2 classes; .*`classes=FILE`.*`metric='flip'`"
    ):
        run(open_images(tmp_path))
    assert run(open_images(tmp_path), metric="flip").shape == (SIDE, SIDE)
    (tmp_path / "list.txt").write_text("n01440764\nn01443537\nn01484850\nn02102040\n")
    assert run(open_images(tmp_path, classes=tmp_path / "list.txt")).shape == (SIDE, SIDE)


def test_a_suite_of_other_classes_than_the_model_wants_another_model(cifar_data: Path) -> None:
    with pytest.raises(
        ModelError, match=r"has 4 outputs, .* 10 classes; use a model that was trained for it"
    ):
        run(open_images("cifar10", cifar_data, limit=2), size=3)


def test_nan_logits_are_refused_with_the_frequency(images: np.ndarray) -> None:
    def no_upright_stripes(batch: torch.Tensor) -> torch.Tensor:
        """NaN where rows are alike and columns are not."""
        logits = batch.flatten(1)[:, :CLASSES].clone()
        rows, columns = (batch.diff(dim=dim).abs().flatten(1).amax(1) > 1e-4 for dim in (2, 3))
        return logits.masked_fill((columns & ~rows)[:, None], torch.nan)

    grey = np.full_like(images, 128)
    with pytest.raises(ModelError, match=r"NaN or infinite for images perturbed at frequency \(0, -4\)"):
        fourier_heatmap(no_upright_stripes, grey, norm=1.0, metric="flip", fuse=False, batch_size=16)


def test_nan_logits_on_clean_images_are_refused(images: np.ndarray) -> None:
    def third_is_nan(batch: torch.Tensor) -> torch.Tensor:
        logits = batch.flatten(1)[:, :CLASSES].clone()
        logits[2:3] = torch.nan
        return logits

    with pytest.raises(ModelError, match="NaN or infinite on unperturbed images"):
        fourier_heatmap(third_is_nan, images, norm=1.0, metric="flip", fuse=False, batch_size=COUNT)


def test_a_sweep_that_is_done_is_not_run_again(
    tmp_path: Path, images: np.ndarray, labels: np.ndarray
) -> None:
    first = run(images, labels, out=tmp_path)
    told: list[tuple[int, int]] = []
    again = run(images, labels, out=tmp_path, progress=lambda done, total: told.append((done, total)))
    np.testing.assert_array_equal(again, first)
    assert told == [(34 * COUNT, 34 * COUNT)]


def test_another_sweep_does_not_continue_this_one(
    tmp_path: Path, images: np.ndarray, labels: np.ndarray
) -> None:
    run(images, labels, out=tmp_path)
    with pytest.raises(
        DataError, match=r"holds another sweep \(norm: 1.5 there, 2.0 now\).*`overwrite=True`"
    ):
        run(images, labels, out=tmp_path, norm=2.0)
    fresh = run(images, labels, out=tmp_path, norm=2.0, overwrite=True)
    np.testing.assert_array_equal(fresh, run(images, labels, norm=2.0))


def test_a_function_that_has_changed_does_not_continue_the_sweep_of_the_old_one(
    tmp_path: Path, images: np.ndarray, labels: np.ndarray
) -> None:
    def sweep(factor: int, **options: object) -> float:
        network = Patches()
        given = {"norm": 1.5, "bootstrap": 0, "batch_size": 16, "fuse": False, **options}
        return fourier_heatmap(
            lambda batch: factor * network(batch), images, labels, out=tmp_path, **given
        ).values.mean()  # type: ignore[arg-type]

    before = sweep(1)
    with pytest.raises(DataError, match=r"another sweep \(the model's outputs differ\); .*`overwrite=True`"):
        sweep(-1)
    assert sweep(1) == before
    assert sweep(-1, overwrite=True) != before


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch) -> list[int | None]:
    """The totals for which a batch size was measured; it comes out as 24."""
    totals: list[int | None] = []

    def measure(forward: object, sample: object, total: int | None = None) -> int:
        totals.append(total)
        return 24

    monkeypatch.setattr(heatmap, "fastest_batch_size", measure)
    return totals


def test_the_batch_size_is_measured_for_so_many_images_and_only_once(
    tmp_path: Path, images: np.ndarray, labels: np.ndarray, measured: list[int | None]
) -> None:
    options = {"norm": 1.5, "bootstrap": 0, "out": tmp_path}
    first = fourier_heatmap(Patches(), images, labels, **options)  # type: ignore[arg-type]
    again = fourier_heatmap(Patches(), images, labels, **options)  # type: ignore[arg-type]
    assert measured == [34 * COUNT]
    assert (first.settings["run"]["batch_size"], again.settings["run"]["batch_size"]) == (24, 24)


def test_the_batch_size_does_not_make_another_sweep(
    tmp_path: Path, images: np.ndarray, labels: np.ndarray
) -> None:
    first = run(images, labels, out=tmp_path, batch_size=16)
    np.testing.assert_array_equal(run(images, labels, out=tmp_path, batch_size=5), first)


def test_a_damaged_store_is_made_again(tmp_path: Path, images: np.ndarray, labels: np.ndarray) -> None:
    first = run(images, labels, out=tmp_path)
    store = tmp_path / STORE
    store.write_bytes(store.read_bytes()[:200])
    np.testing.assert_array_equal(run(images, labels, out=tmp_path), first)


def test_outcomes_of_another_version_are_left_alone(
    tmp_path: Path, images: np.ndarray, labels: np.ndarray
) -> None:
    run(images, labels, out=tmp_path)
    with np.load(tmp_path / STORE) as stored:
        older = {name: values for name, values in stored.items() if name != "outputs"}
    np.savez(tmp_path / STORE, **older)
    with pytest.raises(DataError, match="its outcomes are those of another version"):
        run(images, labels, out=tmp_path)
    assert (tmp_path / STORE).is_file()


def test_a_folder_that_cannot_be_written_is_one_sentence(tmp_path: Path, images: np.ndarray) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match=r"can't be written: (Not a directory|File exists)"):
        run(images, metric="flip", out=tmp_path / "file")


# A 9 x 9 map has 41 pairs; two pairs of ten images fill a batch of 24.
PAIRS, UNITS = 41, 21

SCRIPT = """
import sys, time
import numpy as np, torch
from pathlib import Path
torch.set_num_threads(1)
from robustbench_lite.evaluation.fourier import store
from robustbench_lite.evaluation.fourier.heatmap import fourier_heatmap
store._WRITE_EVERY = 0.0
store._WRITING_SHARE = 1e9
folder, pause = Path(sys.argv[1]), float(sys.argv[2])
stored = np.load(folder / "set.npz")
def tell(done, total):
    (folder / f"done.{total}").write_text(str(done))
    time.sleep(pause)
found = fourier_heatmap(folder / "model.pt", stored["images"], norm=2.0, size=9, metric="confidence",
                        out=folder / "run", batch_size=24, device="cpu", bootstrap=0, progress=tell)
np.save(folder / f"map.{sys.argv[3]}.npy", found.values)
"""


@pytest.fixture
def job(tmp_path: Path) -> Path:
    """A folder with a checkpoint of a real architecture, images and the script that sweeps them."""
    generator = np.random.default_rng(3)
    network = build("resnet-20", num_classes=10)
    half = (0.5,) * 3
    save_checkpoint(
        tmp_path / "model.pt", network, architecture="resnet-20", num_classes=10, mean=half, std=half
    )
    np.savez(tmp_path / "set.npz", images=generator.integers(0, 256, (10, 32, 32, 3), dtype=np.uint8))
    (tmp_path / "sweep.py").write_text(SCRIPT)
    return tmp_path


def undisturbed(job: Path) -> np.ndarray:
    """The map of the same sweep in this process, on one thread as in the others."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        found = fourier_heatmap(
            job / "model.pt", np.load(job / "set.npz")["images"], norm=2.0, size=9, metric="confidence",
            batch_size=24, device="cpu", bootstrap=0,
        )  # fmt: skip
    finally:
        torch.set_num_threads(threads)
    assert len(np.unique(found.values)) == UNITS * 2 - 1
    return found.values


def sweep(job: Path, name: str, pause: float = 0.0, launcher: tuple[str, ...] = ()) -> subprocess.Popen[str]:
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, *launcher, str(job / "sweep.py"), str(job), str(pause), name]
    return subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)


def finished(process: subprocess.Popen[str]) -> None:
    _, errors = process.communicate(timeout=120)
    if "terminate called without an active exception" in errors:
        pytest.xfail("a process under torchrun now and then aborts after its work, while the program ends")
    assert process.returncode == 0, errors


def test_a_killed_sweep_goes_on_and_ends_with_the_same_map(job: Path) -> None:
    total = PAIRS * 10
    killed = sweep(job, "killed", pause=0.15)
    began = time.monotonic()
    while time.monotonic() - began < 60:
        done = (job / f"done.{total}").read_text() if (job / f"done.{total}").exists() else ""
        if done and int(done) >= 100:
            break
        time.sleep(0.02)
    killed.send_signal(signal.SIGKILL)
    killed.communicate()
    assert not (job / "map.killed.npy").exists()

    with np.load(job / "run" / STORE) as stored:
        kept = int(stored["done"].sum())
    assert 0 < kept < UNITS
    finished(sweep(job, "resumed"))
    np.testing.assert_array_equal(np.load(job / "map.resumed.npy"), undisturbed(job))


def test_two_processes_give_the_map_of_one(job: Path) -> None:
    torchrun = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2")
    finished(sweep(job, "two", launcher=torchrun))
    np.testing.assert_array_equal(np.load(job / "map.two.npy"), undisturbed(job))
    assert [path.name for path in (job / "run").iterdir()] == [STORE]


def test_the_record_is_json_and_says_how_the_map_came_about(
    images: np.ndarray, labels: np.ndarray, tmp_path: Path
) -> None:
    found = fourier_heatmap(Patches(), images, labels, norm=1.5, seed=4, bootstrap=0, batch_size=16)
    found.save(tmp_path)
    record = json.loads((tmp_path / "heatmap.json").read_text())
    assert (record["metric"], record["norm"], record["n"]) == ("error", 1.5, COUNT)
    assert record["settings"]["seed"] == 4
    assert record["settings"]["evaluations"] == 34
    assert len(record["settings"]["model"]["weights"]) == 64
    assert record["settings"]["model"]["normalization"] == "none"
