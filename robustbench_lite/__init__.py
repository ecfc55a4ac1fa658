"""Robustness of image classifiers to corruptions and perturbations, with the papers' own protocols.

    import robustbench_lite as rb

    results = rb.evaluate("ckpt.pt", "cifar10-c", data="data")
    results.summary["mean_error"]

Names load when they are first used, so that `robust --help` imports no torch.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any, Final

__version__ = "0.1.0"

if TYPE_CHECKING:
    from robustbench_lite.evaluation.evaluate import evaluate
    from robustbench_lite.evaluation.fourier.heatmap import fourier_heatmap
    from robustbench_lite.models import load_model
    from robustbench_lite.plugins import load_plugin, register
    from robustbench_lite.report.fourier.heatmap import plot_fourier_heatmap
    from robustbench_lite.results import Results
    from robustbench_lite.suites import load_suite

_HOMES: Final = {
    "Results": "robustbench_lite.results",
    "evaluate": "robustbench_lite.evaluation",
    "fourier_heatmap": "robustbench_lite.evaluation.fourier.heatmap",
    "load_model": "robustbench_lite.models",
    "load_plugin": "robustbench_lite.plugins",
    "load_suite": "robustbench_lite.suites",
    "plot_fourier_heatmap": "robustbench_lite.report.fourier.heatmap",
    "register": "robustbench_lite.plugins",
}

_SUBPACKAGES: Final = (
    "augmix",
    "corruptions",
    "metrics",
    "models",
    "plugins",
    "reference",
    "report",
    "suites",
    "training",
)

__all__ = [
    "Results",
    "__version__",
    "evaluate",
    "fourier_heatmap",
    "load_model",
    "load_plugin",
    "load_suite",
    "plot_fourier_heatmap",
    "register",
]


def __getattr__(name: str) -> Any:
    if name in _SUBPACKAGES:
        return importlib.import_module(f"{__name__}.{name}")
    if name in _HOMES:
        return getattr(importlib.import_module(_HOMES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES, *_SUBPACKAGES})
