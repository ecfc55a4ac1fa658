"""Models: any checkpoint becomes a Classifier that takes images in [0, 1]."""

from robustbench_lite.models.checkpoint import save_checkpoint
from robustbench_lite.models.classifier import (
    Classifier,
    ModelInfo,
    as_classifier,
    assert_eval,
    check_logits,
)
from robustbench_lite.models.ensemble import Ensemble, ensemble, renamed
from robustbench_lite.models.family import Family
from robustbench_lite.models.load import load_model
from robustbench_lite.models.normalize import NORMALIZATIONS
from robustbench_lite.models.optimise import optimise_for_inference
from robustbench_lite.models.registry import FAMILIES, architecture_names, build

__all__ = [
    "FAMILIES",
    "NORMALIZATIONS",
    "Classifier",
    "Ensemble",
    "Family",
    "ModelInfo",
    "architecture_names",
    "as_classifier",
    "assert_eval",
    "build",
    "check_logits",
    "ensemble",
    "load_model",
    "optimise_for_inference",
    "renamed",
    "save_checkpoint",
]
