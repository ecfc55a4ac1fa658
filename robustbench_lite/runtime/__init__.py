"""The device and precision of a run, and the processes that share it."""

from __future__ import annotations

from robustbench_lite.runtime.devices import (
    Amp,
    autocast,
    check_amp,
    environment,
    fixed_precision,
    resolve_device,
    versions,
)
from robustbench_lite.runtime.distributed import Processes, processes

__all__ = [
    "Amp",
    "Processes",
    "autocast",
    "check_amp",
    "environment",
    "fixed_precision",
    "processes",
    "resolve_device",
    "versions",
]
