"""Milliseconds an image for every corruption on one CPU core, beside a peer.

    python -m benchmarks.corruptions [--size 224|32] [--rounds 5] [--batch N] [--json FILE]

At 224 px the peer is imagecorruptions-imaug, which knows ImageNet-C's parameters; at 32 px it is the official
CIFAR script's way, restated in tests/oracles: an image at a time by NumPy, SciPy, Pillow, OpenCV. They take
turns, cell by cell and round by round; a cell is one corruption at one severity. Ours gets a batch, the peer
one image. CPU time is measured, so that other programs on the machine count little, and each cell's median
over the rounds is taken; a row adds up its five severities.
"""

from __future__ import annotations

import argparse
import importlib
import json
import platform
import statistics
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from robustbench_lite.corruptions import CORRUPTIONS, corrupt
from robustbench_lite.corruptions.frost import find_photographs
from robustbench_lite.errors import DataError
from robustbench_lite.reference.names import SEVERITIES, TEST_CORRUPTIONS

Picture = NDArray[np.uint8]
Peer = Callable[[Picture, str, int], object]
PROFILES = {224: "imagenet", 32: "cifar"}
BATCHES = {224: 8, 32: 64}


def pictures(count: int, size: int) -> Picture:
    """Images with smooth areas, texture and a white and a black corner."""
    rng = np.random.default_rng(0)
    batch = []
    for _ in range(count):
        coarse = Image.fromarray(rng.integers(0, 256, (8, 8, 3), dtype=np.uint8))
        smooth = np.asarray(coarse.resize((size, size), Image.Resampling.BICUBIC)).astype(int)
        smooth += rng.integers(-8, 9, smooth.shape)
        smooth[: size // 6, : size // 6] = 255
        smooth[-size // 6 :, -size // 6 :] = 0
        batch.append(smooth.clip(0, 255).astype(np.uint8))
    return np.stack(batch)


def package() -> Peer:
    """The maintained fork of imagecorruptions."""
    peer = importlib.import_module("imagecorruptions")

    def run(image: Picture, name: str, severity: int) -> object:
        return peer.corrupt(image, corruption_name=name, severity=severity)

    return run


def script(profile: str) -> Peer:
    """The published scripts, restated one image at a time."""
    plain = importlib.import_module("tests.oracles.corruptions")
    weather = importlib.import_module("tests.oracles.weather")
    state, generator = np.random.RandomState(0), np.random.default_rng(0)

    def run(image: Picture, name: str, severity: int) -> object:
        parameters = CORRUPTIONS[name].levels(profile)[severity - 1]
        if name == "impulse_noise":
            return plain.impulse_noise(image, parameters, generator)
        if name == "glass_blur":
            parameters = (parameters[0], int(parameters[1]), int(parameters[2]))
        if name == "frost":
            return weather.frost(image, parameters, state, find_photographs())
        kernel = plain.CORRUPTIONS.get(name) or getattr(weather, name)
        return kernel(image, parameters, state)

    return run


def milliseconds(run: Callable[[], object]) -> float:
    start = time.process_time()
    run()
    return (time.process_time() - start) * 1000


def compare(size: int, rounds: int, batch: int, peer: Peer) -> dict[str, dict[str, list[float]]]:
    """For each corruption ours and the peer's medians by severity, in ms an image."""
    images = pictures(batch, size)
    table: dict[str, dict[str, list[float]]] = {}
    for name in CORRUPTIONS:
        try:
            corrupt(images, name, 1)
        except DataError as error:
            print(f"{name} left out: {error}")
            continue
        table[name] = {"ours": [], "peer": []}
        for severity in SEVERITIES:

            def ours(name: str = name, severity: int = severity) -> object:
                return corrupt(images, name, severity, profile=PROFILES[size])

            def theirs(name: str = name, severity: int = severity) -> object:
                return peer(images[0], name, severity)

            ours(), theirs()
            times = [(milliseconds(ours) / batch, milliseconds(theirs)) for _ in range(rounds)]
            for key, values in zip(("ours", "peer"), zip(*times, strict=True), strict=True):
                table[name][key].append(statistics.median(values))
    return table


def show(table: dict[str, dict[str, list[float]]], label: str) -> None:
    line = "{:20}{:>12}{:>12}{:>10}{:>18}"
    print(line.format("ms an image, 5 cells", "ours", label, "ratio", "least of 5 ratios"))
    for name, row in table.items():
        ours, peer = sum(row["ours"]), sum(row["peer"])
        least = min(b / a for a, b in zip(row["ours"], row["peer"], strict=True))
        print(line.format(name, f"{ours:.2f}", f"{peer:.2f}", f"{peer / ours:.1f}", f"{least:.1f}"))
    tested = [row for name, row in table.items() if name in TEST_CORRUPTIONS]
    ours, peer = (sum(sum(row[key]) for row in tested) for key in ("ours", "peer"))
    cells = 5 * len(tested)
    print(line.format(f"all {cells} test cells", f"{ours:.2f}", f"{peer:.2f}", f"{peer / ours:.1f}", ""))


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.corruptions")
    parser.add_argument("--size", type=int, choices=sorted(PROFILES), default=224)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--batch", type=int, help="images at a time for ours (8 at 224 px, 64 at 32 px)")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    warnings.simplefilter("ignore")
    peer = package() if arguments.size == 224 else script(PROFILES[arguments.size])
    batch = arguments.batch or BATCHES[arguments.size]
    table = compare(arguments.size, arguments.rounds, batch, peer)
    print(f"{platform.processor() or platform.machine()}, torch {torch.__version__}, {arguments.size} px")
    show(table, "imagecorr." if arguments.size == 224 else "script")
    if arguments.json:
        arguments.json.write_text(
            json.dumps({"size": arguments.size, "batch": batch, "cells": table}, indent=1)
        )


if __name__ == "__main__":
    main()
