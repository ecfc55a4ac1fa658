"""Robustness of image classifiers to corruptions and perturbations, with the papers' own protocols.

    import robustbench_lite as rb

    results = rb.evaluate("ckpt.pt", "cifar10-c", data="data")
    results.summary["mean_error"]

`load_model` and `load_suite` open the two for `evaluate`; `corrupt` and `perturb` change images, and
`write_suite` a whole clean set; `compare`, `write_report`, `fourier_heatmap` and `plot_fourier_heatmap` read
the results; `train` makes models with AugMix.

Names load when they are first used, so that `robust --help` imports no torch.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any, Final

__version__ = "0.1.0"

if TYPE_CHECKING:
    from robustbench_lite import augmix, errors, metrics, reference
    from robustbench_lite.augmix import AugMix
    from robustbench_lite.corruptions import corrupt, perturb
    from robustbench_lite.evaluation.compare import compare
    from robustbench_lite.evaluation.evaluate import evaluate
    from robustbench_lite.evaluation.fourier.heatmap import fourier_heatmap
    from robustbench_lite.evaluation.sources import load_suite
    from robustbench_lite.evaluation.write_report import write_report
    from robustbench_lite.evaluation.write_suite import write_suite
    from robustbench_lite.models import load_model
    from robustbench_lite.plugins import load_plugin, register
    from robustbench_lite.report.fourier.heatmap import plot_fourier_heatmap
    from robustbench_lite.results import Results
    from robustbench_lite.training.train import train

_MODULES: Final = {
    "AugMix": "augmix",
    "Results": "results",
    "compare": "evaluation.compare",
    "corrupt": "corruptions",
    "evaluate": "evaluation.evaluate",
    "fourier_heatmap": "evaluation.fourier.heatmap",
    "load_model": "models",
    "load_plugin": "plugins",
    "load_suite": "evaluation.sources",
    "perturb": "corruptions",
    "plot_fourier_heatmap": "report.fourier.heatmap",
    "register": "plugins",
    "train": "training.train",
    "write_report": "evaluation.write_report",
    "write_suite": "evaluation.write_suite",
}
"""Public function or class -> its module."""

__all__ = [
    "AugMix",
    "Results",
    "__version__",
    "augmix",
    "compare",
    "corrupt",
    "errors",
    "evaluate",
    "fourier_heatmap",
    "load_model",
    "load_plugin",
    "load_suite",
    "metrics",
    "perturb",
    "plot_fourier_heatmap",
    "reference",
    "register",
    "train",
    "write_report",
    "write_suite",
]


if not TYPE_CHECKING:  # A type checker would take any name for a public one.

    def __getattr__(name: str) -> Any:
        if name in _MODULES:
            return getattr(importlib.import_module(f"{__name__}.{_MODULES[name]}"), name)
        if name in __all__:
            return importlib.import_module(f"{__name__}.{name}")
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
