"""Images a second of `evaluate` on CIFAR-10-C, beside the model's own forward passes and the loops in use.

    python -m benchmarks.engine --arch resnet20 wrn-40-2 --images 2000 --rounds 5

Four contestants take turns on the same images and weights, round by round; medians are printed.

- forward: the best the model does, no data: normalised float images resident, channels-last, batch norm
  folded, batch size chosen by measurement.
- ours: `robustbench_lite.evaluate`, from memory-mapped files to written predictions, with its start: checks,
  folding and trial passes take about half a second, which a whole suite does not notice.
- augmix: the AugMix script's way, a DataLoader over PIL images with ToTensor and Normalize, batch 1000.
- robustbench: RobustBench's way, the arrays as one float tensor, batch 100.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms

import robustbench_lite as rb
from robustbench_lite.commands._memory import keep_freed_memory
from robustbench_lite.evaluation.prepared_model import Forward, fastest_batch_size
from robustbench_lite.evaluation.settings import Settings
from robustbench_lite.models import as_classifier, build, optimise_for_inference

CELLS = ("fog", "snow")
DEVICE = "cuda" if torch.cuda.is_available() else "cpu"


class PilImages(Dataset[tuple[torch.Tensor, int]]):
    """What the AugMix script makes of an array: a PIL image at a time, through torchvision transforms."""

    def __init__(self, images: np.ndarray, labels: np.ndarray) -> None:
        self.images, self.labels = images, labels
        self.transform = transforms.Compose(
            [transforms.ToTensor(), transforms.Normalize([0.5] * 3, [0.5] * 3)]
        )

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        return self.transform(Image.fromarray(self.images[index])), int(self.labels[index])


def augmix_way(network: torch.nn.Module, files: list[Path], labels: np.ndarray) -> None:
    for file in files:
        data = PilImages(np.load(file), labels)
        loader = DataLoader(data, batch_size=1000, num_workers=2, pin_memory=DEVICE == "cuda")
        with torch.no_grad():
            for images, truth in loader:
                logits = network(images.to(DEVICE))
                (logits.argmax(1) == truth.to(DEVICE)).sum().item()


def robustbench_way(network: torch.nn.Module, files: list[Path], labels: np.ndarray) -> None:
    truth = torch.from_numpy(labels.astype(np.int64))
    for file in files:
        images = torch.from_numpy(np.load(file).transpose(0, 3, 1, 2).astype(np.float32) / 255)
        with torch.no_grad():
            for part, right in zip(images.split(100), truth.split(100), strict=True):
                logits = network((part.to(DEVICE) - 0.5) / 0.5)
                (logits.max(1)[1] == right.to(DEVICE)).sum().item()


def write_suite(root: Path, images: int) -> tuple[list[Path], np.ndarray]:
    """An official-layout CIFAR-10-C of random images, `images` of them a severity."""
    folder = root / "CIFAR-10-C"
    folder.mkdir()
    generator = np.random.default_rng(0)
    labels = np.tile(generator.integers(0, 10, images), 5).astype(np.uint8)
    np.save(folder / "labels.npy", labels)
    files = [folder / f"{name}.npy" for name in CELLS]
    for file in files:
        np.save(file, generator.integers(0, 256, (5 * images, 32, 32, 3), dtype=np.uint8))
    return files, labels


def timed(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    if DEVICE == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - began


def measure(arch: str, images: int, rounds: int) -> dict[str, float]:
    """Median images a second of each contestant."""
    network = build(arch, num_classes=10).eval().to(DEVICE)
    classifier = as_classifier(network, normalize="half")
    with tempfile.TemporaryDirectory() as folder:
        files, labels = write_suite(Path(folder), images)
        total = len(labels) * len(files)
        sample = torch.from_numpy(np.load(files[0])[:64]).to(DEVICE)
        fast, _ = optimise_for_inference(classifier, sample.permute(0, 3, 1, 2).float() / 255)
        forward = Forward(fast, torch.device(DEVICE), Settings(device=DEVICE))
        size = fastest_batch_size(forward, sample)
        resident = torch.rand(size, 3, 32, 32, device=DEVICE).contiguous(memory_format=torch.channels_last)

        def forward_only() -> None:
            with torch.inference_mode():
                for _ in range(total // size):
                    fast.network(resident)

        def ours() -> None:
            rb.evaluate(
                classifier,
                "cifar10-c",
                data=folder,
                corruptions=CELLS,
                out=Path(folder) / "run",
                overwrite=True,
                device=DEVICE,
                batch_size=size,
                bootstrap=0,
            )

        contestants: dict[str, tuple[Callable[[], object], int]] = {
            "forward": (forward_only, total // size * size),
            "ours": (ours, total),
            "augmix": (lambda: augmix_way(network, files, labels), total),
            "robustbench": (lambda: robustbench_way(network, files, labels), total),
        }
        speeds: dict[str, list[float]] = {name: [] for name in contestants}
        for _ in range(rounds):
            for name, (work, count) in contestants.items():
                speeds[name].append(count / timed(work))
    return {name: statistics.median(values) for name, values in speeds.items()} | {"batch_size": size}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--arch", nargs="+", default=["resnet20", "wrn-40-2"])
    parser.add_argument("--images", type=int, default=500, help="a severity; too few time the start")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", type=Path, help="also write the figures here")
    options = parser.parse_args()
    keep_freed_memory()
    where = torch.cuda.get_device_name() if DEVICE == "cuda" else f"{torch.get_num_threads()} CPU threads"
    print(f"{where}, torch {torch.__version__}, Python {platform.python_version()}")
    print(f"images/s, medians of {options.rounds} rounds; ratios of ours to each of the others")
    print(f"{'':12}{'ours':>8}{'forward':>16}{'augmix':>16}{'robustbench':>16}{'batch':>8}")
    figures = {}
    for arch in options.arch:
        speed = figures[arch] = measure(arch, options.images, options.rounds)
        row = f"{arch:12}{speed['ours']:8.0f}"
        for peer in ("forward", "augmix", "robustbench"):
            row += f"{speed[peer]:9.0f} ({speed['ours'] / speed[peer]:4.2f})"
        print(f"{row}{speed['batch_size']:8.0f}")
    if options.json:
        options.json.write_text(json.dumps(figures, indent=2) + "\n")


if __name__ == "__main__":
    main()
