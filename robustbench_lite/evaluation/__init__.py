"""A model on a suite: the run, its folder, its scores."""

from __future__ import annotations

from robustbench_lite.evaluation.evaluate import evaluate
from robustbench_lite.evaluation.progress import Progress
from robustbench_lite.evaluation.settings import Settings
from robustbench_lite.evaluation.sources import check_sources

__all__ = ["Progress", "Settings", "check_sources", "evaluate"]
