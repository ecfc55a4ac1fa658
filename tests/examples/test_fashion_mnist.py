"""The example of several seeds runs from the data set's own files to its table."""

from __future__ import annotations

import gzip
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
from PIL import Image

from robustbench_lite.corruptions.frost import PHOTOGRAPHS

SCRIPT = Path(__file__).resolve().parents[2] / "examples" / "fashion_mnist.py"


def write_idx(path: Path, array: np.ndarray) -> None:
    header = bytes([0, 0, 8, array.ndim]) + np.array(array.shape, ">u4").tobytes()
    path.write_bytes(gzip.compress(header + array.tobytes()))


def write_data(folder: Path) -> None:
    """Images whose brightness tells the class, and noise in the place of the frost photographs."""
    generator = np.random.default_rng(0)
    for part, count in (("train", 140), ("t10k", 12)):
        labels = (np.arange(count) % 10).astype(np.uint8)
        noise = generator.integers(0, 10, (count, 28, 28), dtype=np.uint8)
        write_idx(folder / f"{part}-images-idx3-ubyte.gz", 24 * labels[:, None, None] + noise)
        write_idx(folder / f"{part}-labels-idx1-ubyte.gz", labels)
    (folder / "frost").mkdir()
    for name in PHOTOGRAPHS:
        pixels = generator.integers(0, 256, (300, 300, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / "frost" / name)


def test_the_fashion_mnist_example_prints_means_over_the_seeds_and_continues(tmp_path: Path) -> None:
    write_data(tmp_path)
    command = [sys.executable, str(SCRIPT), "--data", str(tmp_path), "--out", str(tmp_path / "runs")]
    command += ["--images", "140", "--test-images", "12", "--epochs", "1", "--seeds", "0", "1"]
    command += ["--methods", "standard"]
    environment = {**os.environ, "ROBUSTBENCH_LITE_DATA": str(tmp_path), "OMP_NUM_THREADS": "1"}
    tables = []
    for _ in range(2):
        done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
        assert done.returncode == 0, done.stderr
        tables.append(done.stdout)
    assert "standard 1: test error" in tables[0]
    assert tables[0].count("±: standard deviation over 2 trainings.") == 2
    assert "mFP %" in tables[0]
    assert tables[1] == tables[0]
