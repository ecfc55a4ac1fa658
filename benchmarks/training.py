"""Where a training step's time goes: making what the network is shown, and the network itself.

    python -m benchmarks.training --arch wrn-40-2 --rounds 5

The methods take turns, round by round, on one batch of 32 x 32 images held on the device; medians are
printed. Data is the crop, the flip and the method's views (for adversarial training: the attack, which is
the network's work); compute is the forward pass, the loss, the backward pass and the update. Pillow is the
data part of AugMix made by the official pipeline in one process, for comparison.
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

from robustbench_lite.commands._memory import keep_freed_memory
from robustbench_lite.runtime import Processes, fixed_precision
from robustbench_lite.training.data import InMemory
from robustbench_lite.training.initialise import fresh_network
from robustbench_lite.training.methods import METHODS, Batch
from robustbench_lite.training.recipes import TrainingRecipe, architecture_name
from robustbench_lite.training.settings import TrainingSettings
from robustbench_lite.training.stepper import Stepper
from tests.oracles.augmix import three_views

DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")
CLASSES = 10
PILLOW_IMAGES = 32


def random_images(count: int) -> InMemory:
    draws = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (count, 3, 32, 32), dtype=torch.uint8, generator=draws)
    return InMemory(images, torch.randint(0, CLASSES, (count,), generator=draws)).to(DEVICE)


def contestants(
    method: str, architecture: str, recipe: TrainingRecipe, settings: TrainingSettings
) -> tuple[Callable[[], object], Callable[[], object]]:
    """The data part of a step, and the whole step."""
    images = random_images(recipe.batch_size)
    labels, rows = images.labels.to(DEVICE), torch.arange(recipe.batch_size)
    network = fresh_network(architecture, CLASSES, seed=0)
    stepper = Stepper(network, METHODS[method], recipe, settings, CLASSES, DEVICE, Processes())
    draws = torch.Generator().manual_seed(0)

    def cropped() -> torch.Tensor:
        return images.crops(rows, recipe, draws)

    def data() -> object:
        batch = Batch(cropped(), labels, CLASSES, stepper._asked, draws)
        return METHODS[method].views(batch, recipe)

    return data, lambda: stepper.step(cropped(), labels, 0, recipe.lr, 1.0)


def timed(work: Callable[[], object], repeats: int) -> float:
    """Seconds of one call."""
    began = time.perf_counter()
    for _ in range(repeats):
        work()
    if DEVICE.type == "cuda":
        torch.cuda.synchronize()
    return (time.perf_counter() - began) / repeats


def pillow(images: list[Image.Image], severity: float) -> None:
    rng = np.random.default_rng(0)
    for image in images:
        three_views(image, rng, severity)


def measure(
    methods: list[str], architecture: str, recipe: TrainingRecipe, settings: TrainingSettings, rounds: int
) -> dict[str, dict[str, float]]:
    """Median seconds of each method's data part and whole step; the round before the first warms up."""
    works = {method: contestants(method, architecture, recipe, settings) for method in methods}
    repeats = 20 if DEVICE.type == "cuda" else 1
    singles = [
        Image.fromarray(image.permute(1, 2, 0).cpu().numpy()) for image in random_images(PILLOW_IMAGES).images
    ]
    data: dict[str, list[float]] = {method: [] for method in [*methods, "pillow"]}
    step: dict[str, list[float]] = {method: [] for method in methods}
    for turn in range(rounds + 1):
        for method, (shown, whole) in works.items():
            taken = timed(shown, repeats), timed(whole, repeats)
            if turn:
                data[method].append(taken[0])
                step[method].append(taken[1])
        made = timed(lambda: pillow(singles, recipe.severity), 1)
        if turn:
            data["pillow"].append(made * recipe.batch_size / PILLOW_IMAGES)
    seconds = {
        method: {"data": statistics.median(data[method]), "step": statistics.median(step[method])}
        for method in methods
    }
    return {**seconds, "pillow": {"data": statistics.median(data["pillow"])}}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--arch", default="wrn-40-2")
    parser.add_argument(
        "--methods", nargs="+", choices=METHODS, default=["standard", "augmix-no-jsd", "augmix"]
    )
    parser.add_argument("--batch-size", type=int, default=128)
    parser.add_argument("--amp", choices=["bf16", "fp16"])
    parser.add_argument("--tf32", action="store_true")
    parser.add_argument("--compile", action="store_true")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", type=Path, help="also write the figures here")
    options = parser.parse_args()
    keep_freed_memory()
    recipe = TrainingRecipe(batch_size=options.batch_size)
    settings = TrainingSettings(
        device=DEVICE.type, amp=options.amp, compile=options.compile, channels_last=True
    )
    architecture = architecture_name(options.arch, "cifar")
    with fixed_precision(tf32=options.tf32):
        seconds = measure(options.methods, architecture, recipe, settings, options.rounds)
    where = (
        torch.cuda.get_device_name() if DEVICE.type == "cuda" else f"{torch.get_num_threads()} CPU threads"
    )
    print(f"{where}, torch {torch.__version__}, Python {platform.python_version()}")
    print(f"{architecture}, batch {recipe.batch_size}; ms a step, medians of {options.rounds} rounds")
    print(f"{'':16}{'data':>10}{'compute':>10}{'data / step':>13}{'images/s':>10}")
    for method in options.methods:
        data, step = seconds[method]["data"], seconds[method]["step"]
        share, speed = f"{100 * data / step:.1f} %", recipe.batch_size / step
        print(f"{method:16}{1e3 * data:10.1f}{1e3 * (step - data):10.1f}{share:>13}{speed:10.0f}")
    made = seconds["pillow"]["data"]
    print(f"AugMix's data in Pillow: {1e3 * made:.0f} ms a step")
    if options.json:
        options.json.write_text(json.dumps({"device": where, "seconds": seconds}, indent=2) + "\n")


if __name__ == "__main__":
    main()
