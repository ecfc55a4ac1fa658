"""Suites: the official files in their official layouts, found, checked and read in place."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any, Final

from robustbench_lite.reference.suites import custom_spec
from robustbench_lite.suite_spec import OWN as CUSTOM
from robustbench_lite.suites.spec import CLEAN, SUITES, Cell, SuiteSpec, suite_spec

if TYPE_CHECKING:
    from robustbench_lite.suites.cifar_batches import load_cifar_train
    from robustbench_lite.suites.custom import load_custom
    from robustbench_lite.suites.load import load_official
    from robustbench_lite.suites.protocols import PROTOCOLS
    from robustbench_lite.suites.suite import ImageFiles, Reader, Suite, select_cells

# Reading needs torch; listing suites and downloading their files does not, and must start fast.
_HOMES: Final = {
    "PROTOCOLS": "protocols",
    "ImageFiles": "suite",
    "Reader": "suite",
    "Suite": "suite",
    "load_cifar_train": "cifar_batches",
    "load_custom": "custom",
    "load_official": "load",
    "select_cells": "suite",
}

__all__ = [
    "CLEAN",
    "CUSTOM",
    "PROTOCOLS",
    "SUITES",
    "Cell",
    "ImageFiles",
    "Reader",
    "Suite",
    "SuiteSpec",
    "custom_spec",
    "load_cifar_train",
    "load_custom",
    "load_official",
    "select_cells",
    "suite_spec",
]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
