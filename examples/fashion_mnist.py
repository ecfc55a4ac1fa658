"""Standard training, AugMix without its consistency loss, and AugMix on Fashion-MNIST, over several seeds.

    python examples/fashion_mnist.py --data FOLDER --out runs/fashion

FOLDER holds the four files of Fashion-MNIST (train-images-idx3-ubyte.gz, ...), as Debian's package
dataset-fashion-mnist installs them. Every network is a ResNet-8, trained by the paper's CIFAR recipe on
20,000 images for 15 epochs, and evaluated on -C and -P generated from 1,000 test images; the 28 x 28 images
are padded to 32 x 32 RGB. Frost needs its photographs (`robust data download frost`). What is finished is
kept: the same call continues, and several calls may share the work by naming different seeds or methods.
"""

from __future__ import annotations

import argparse
import gzip
import os
from pathlib import Path

import numpy as np

import robustbench_lite as rb
from robustbench_lite.report import over_trainings, results_table
from robustbench_lite.results import Results
from robustbench_lite.training.data import Dataset, from_arrays
from robustbench_lite.training.train import train

METHODS = ("standard", "augmix-no-jsd", "augmix")
SEQUENCES = 100


def read_idx(path: Path) -> np.ndarray:
    """An array from a gzipped IDX file of bytes."""
    raw = gzip.decompress(path.read_bytes())
    dimensions = raw[3]
    shape = np.frombuffer(raw, ">u4", dimensions, 4)
    return np.frombuffer(raw, np.uint8, offset=4 + 4 * dimensions).reshape(shape)


def fashion(folder: Path, part: str, count: int) -> tuple[np.ndarray, np.ndarray]:
    """The first images of "train" or "t10k", uint8 (N, 32, 32, 3), and their labels (N,)."""
    images = read_idx(folder / f"{part}-images-idx3-ubyte.gz")[:count]
    labels = read_idx(folder / f"{part}-labels-idx1-ubyte.gz")[:count]
    padded = np.pad(images, ((0, 0), (2, 2), (2, 2)))
    return np.repeat(padded[..., None], 3, axis=-1), labels


def written(path: Path, images: np.ndarray, labels: np.ndarray) -> Path:
    """An archive of images; whole at once, as other calls may look for it."""
    if not path.exists():
        partial = path.with_name(f"{os.getpid()}-{path.name}")
        np.savez(partial, images=images, labels=labels)
        partial.replace(path)
    return path


def evaluated(
    dataset: Dataset, method: str, seed: int, epochs: int, suites: dict[str, Path], out: Path
) -> dict[str, Results]:
    """Train one network and evaluate it on each suite."""
    folder = out / f"{method}-{seed}"
    trained = train(dataset, arch="resnet-8", method=method, seed=seed, epochs=epochs, out=folder / "model")
    name = f"{method} {seed}"
    print(f"{name}: test error {100 * trained.history[-1].test_error:.1f} %", flush=True)
    return {
        suite: rb.evaluate(
            str(trained.last), suite, clean_data=images, name=name, out=folder / suite, force=True
        )
        for suite, images in suites.items()
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, default=Path("runs/fashion"))
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=METHODS)
    parser.add_argument("--seeds", type=int, nargs="+", default=(0, 1, 2))
    parser.add_argument("--images", type=int, default=20_000, help="to train on")
    parser.add_argument("--test-images", type=int, default=1_000)
    parser.add_argument("--epochs", type=int, default=15)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    test = fashion(options.data, "t10k", options.test_images)
    suites = {
        suite: written(options.out / f"test-{count}.npz", test[0][:count], test[1][:count])
        for suite, count in (("custom-c", options.test_images), ("custom-p", SEQUENCES))
    }
    dataset = from_arrays(*fashion(options.data, "train", options.images), *test, name="fashion-mnist")
    found = {
        method: [
            evaluated(dataset, method, seed, options.epochs, suites, options.out) for seed in options.seeds
        ]
        for method in options.methods
    }
    for suite in suites:
        runs = {method: [results[suite] for results in each] for method, each in found.items()}
        several = len(options.seeds) > 1
        rows = [over_trainings(method, each) if several else each[0] for method, each in runs.items()]
        print(f"\n{results_table(rows).render('text', 110)}")


if __name__ == "__main__":
    main()
