"""Every benchmark, one after the other: `python -m benchmarks`, or `make bench`."""

from __future__ import annotations

import runpy
import sys

BENCHMARKS = ("engine", "corruptions", "augmix", "training", "fourier")

for name in BENCHMARKS:
    print(f"\n== {name} ==", flush=True)
    sys.argv = [name]
    runpy.run_module(f"benchmarks.{name}", run_name="__main__")
