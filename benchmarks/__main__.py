"""Every benchmark, one after the other: `python -m benchmarks`, or `make bench`."""

from __future__ import annotations

import runpy
import sys

BENCHMARKS = ("engine", "corruptions", "corruptions --size 32", "augmix", "training", "fourier")

for command in BENCHMARKS:
    print(f"\n== {command} ==", flush=True)
    sys.argv = command.split()
    runpy.run_module(f"benchmarks.{sys.argv[0]}", run_name="__main__")
