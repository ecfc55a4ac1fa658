"""Seconds a basis image of the Fourier sweep, beside the public implementation's way and a plain tensor loop.

    python -m benchmarks.fourier --images 500 --bases 8 --rounds 3

Contestants take turns on the same network, images and basis images, round by round; medians are printed.

- ours: the sweep of `robustbench_lite.fourier_heatmap`, signs and outcomes included; 514 basis images make
  the map.
- forward: the same network on the same batches, ready in memory without a perturbation, which bounds what any
  sweep can reach.
- loop: the images as one float tensor, perturbed and normalised by plain tensor operations, batch 500;
  without the mirror symmetry 1024 basis images make the map.
- public: gatheluck/FourierHeatmap's way. For each basis image a new data set and a new DataLoader with worker
  processes; each PIL image goes through ToTensor, the noise and Normalize by itself. It evaluates half the
  spectrum, 32 x 17 = 544 basis images.

The network is ResNet-20, with the weights of ../shared/checkpoints where they lie there, else with fresh
ones: the speed is the same. Images are random bytes.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms

from robustbench_lite.commands._memory import keep_freed_memory
from robustbench_lite.corruptions.fourier import fourier_basis, layout
from robustbench_lite.evaluation.fourier.images import array_images
from robustbench_lite.evaluation.fourier.store import Store
from robustbench_lite.evaluation.fourier.sweep import Sweep
from robustbench_lite.evaluation.prepared_model import Forward, fastest_batch_size
from robustbench_lite.evaluation.settings import Settings
from robustbench_lite.models import Classifier, as_classifier, build, load_model, optimise_for_inference

DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")
WEIGHTS = Path(__file__).resolve().parents[2] / "shared" / "checkpoints" / "resnet20-12fca82f.th"
SIZE = (32, 32)
NORM = 4.0
BASES = {"ours": 514, "forward": 514, "loop": 1024, "public": 544}
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def classifier() -> Classifier:
    if WEIGHTS.is_file():
        return load_model(WEIGHTS, normalize="imagenet").to(DEVICE)
    return as_classifier(build("resnet-20", num_classes=10), normalize="imagenet").to(DEVICE)


class AddWave:
    """Add a wave to an image tensor, with a random sign for each channel, and clamp."""

    def __init__(self, wave: torch.Tensor, generator: np.random.Generator) -> None:
        self.wave, self.generator = wave, generator

    def __call__(self, image: torch.Tensor) -> torch.Tensor:
        """The perturbed image, (3, H, W)."""
        signs = torch.from_numpy(self.generator.choice([-1.0, 1.0], 3)).float()
        return (image + signs[:, None, None] * self.wave).clamp(0, 1)


class PilImages(Dataset[tuple[torch.Tensor, int]]):
    """PIL images through torchvision transforms, one at a time."""

    def __init__(self, images: np.ndarray, labels: np.ndarray, wave: torch.Tensor) -> None:
        self.images, self.labels = images, labels
        noise = AddWave(wave, np.random.default_rng(0))
        self.transform = transforms.Compose([transforms.ToTensor(), noise, transforms.Normalize(MEAN, STD)])

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        return self.transform(Image.fromarray(self.images[index])), int(self.labels[index])


def public_way(
    network: torch.nn.Module, images: np.ndarray, labels: np.ndarray, waves: list[torch.Tensor], workers: int
) -> None:
    for wave in waves:
        loader = DataLoader(PilImages(images, labels, wave), batch_size=500, num_workers=workers)
        with torch.no_grad():
            for batch, truth in loader:
                (network(batch.to(DEVICE)).argmax(1) != truth.to(DEVICE)).sum().item()


def plain_loop(
    network: torch.nn.Module, images: np.ndarray, labels: np.ndarray, waves: list[torch.Tensor]
) -> None:
    pixels = torch.from_numpy(images).permute(0, 3, 1, 2).contiguous().to(DEVICE).float() / 255
    truth = torch.from_numpy(labels).to(DEVICE)
    mean, std = (torch.tensor(values, device=DEVICE).view(1, 3, 1, 1) for values in (MEAN, STD))
    for wave in waves:
        signs = torch.randint(0, 2, (len(pixels), 3, 1, 1), device=DEVICE) * 2.0 - 1
        with torch.no_grad():
            for part, sign, right in zip(pixels.split(500), signs.split(500), truth.split(500), strict=True):
                perturbed = (part + sign * wave.to(DEVICE)).clamp(0, 1)
                (network((perturbed - mean) / std).argmax(1) != right).sum().item()


def ours(sweep: Sweep, units: int) -> None:
    outcomes = sweep.empty()
    todo = [(0, group) for group in range(units)]
    sweep.run(todo, outcomes, Store(None, {}, (), 0), lambda evaluated: None)


def batches_of(sweep: Sweep) -> list[torch.Tensor]:
    """The batches of one of the sweep's units, without a perturbation."""
    resident = sweep.images.read(0, len(sweep.images), DEVICE)
    count = sweep.empty().group
    step = min(max(1, sweep.batch_size // count), len(resident))
    return [part.repeat(count, 1, 1, 1).permute(0, 2, 3, 1) for part in resident.split(step)]


def forward_only(sweep: Sweep, batches: list[torch.Tensor], units: int) -> None:
    for _ in range(units):
        for batch in batches:
            sweep.forward(batch).argmax(1).sum().item()


def timed(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    if DEVICE.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - began


def measure(count: int, bases: int, rounds: int, workers: int) -> dict[str, float]:
    """Median seconds a basis image of each contestant."""
    generator = np.random.default_rng(0)
    images = generator.integers(0, 256, (count, *SIZE, 3), dtype=np.uint8)
    labels = generator.integers(0, 10, count)
    model = classifier()
    found = array_images((images, labels))
    fast, _ = optimise_for_inference(model, found.read(0, min(64, count), DEVICE))
    forward = Forward(fast, DEVICE, Settings(device=DEVICE.type))
    batch_size = fastest_batch_size(forward, torch.from_numpy(images[:64]).to(DEVICE))
    plan = layout(SIZE)
    sweep = Sweep(forward, found, plan, "error", NORM, 0, batch_size)
    group = sweep.empty().group
    units = -(-bases // group)
    done = units * group
    batches = batches_of(sweep)
    waves = [fourier_basis(pair, SIZE) * NORM for pair in plan.pairs[:done]]
    contestants: dict[str, Callable[[], object]] = {
        "ours": lambda: ours(sweep, units),
        "forward": lambda: forward_only(sweep, batches, units),
        "loop": lambda: plain_loop(model.network, images, labels, waves),
        "public": lambda: public_way(model.network, images, labels, waves, workers),
    }
    seconds: dict[str, list[float]] = {name: [] for name in contestants}
    for turn in range(rounds + 1):
        for name, work in contestants.items():
            taken = timed(work) / done
            if turn:
                seconds[name].append(taken)
    return {name: statistics.median(values) for name, values in seconds.items()}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--images", type=int, default=500)
    parser.add_argument("--bases", type=int, default=4, help="basis images a turn")
    parser.add_argument("--rounds", type=int, default=3, help="turns of each, after one that doesn't count")
    parser.add_argument("--workers", type=int, default=2, help="of the public way's DataLoader")
    parser.add_argument("--json", type=Path, help="also write the figures here")
    options = parser.parse_args()
    keep_freed_memory()
    seconds = measure(options.images, options.bases, options.rounds, options.workers)
    where = (
        torch.cuda.get_device_name() if DEVICE.type == "cuda" else f"{torch.get_num_threads()} CPU threads"
    )
    print(f"{where}, torch {torch.__version__}, Python {platform.python_version()}, {options.images} images")
    print(f"{'':10}{'s a basis image':>16}{'basis images':>14}{'s a 32 x 32 map':>17}{'times ours':>12}")
    maps = {name: seconds[name] * BASES[name] for name in seconds}
    for name, taken in seconds.items():
        ratio = maps[name] / maps["ours"]
        print(f"{name:10}{taken:16.3f}{BASES[name]:14}{maps[name]:17.1f}{ratio:12.2f}")
    print(f"share of the forward throughput: {100 * seconds['forward'] / seconds['ours']:.1f} %")
    if options.json:
        figures = {
            "seconds_a_basis_image": seconds,
            "seconds_a_map": maps,
            "images": options.images,
            "device": where,
        }
        options.json.write_text(json.dumps(figures, indent=2) + "\n")


if __name__ == "__main__":
    main()
