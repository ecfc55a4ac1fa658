"""AlexNet's errors and flip probabilities, by which ImageNet-C and ImageNet-P scores are normalised."""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping
from typing import Literal, overload

from robustbench_lite.errors import InvalidInput, UnknownName
from robustbench_lite.reference.files import read_rows
from robustbench_lite.reference.names import TEST_CORRUPTIONS
from robustbench_lite.suite_spec import Baseline

_UNNORMALIZED = ("cifar10-c", "cifar100-c", "tiny-imagenet-c", "cifar10-p", "cifar100-p", "tiny-imagenet-p")


@overload
def baseline(suite: Literal["imagenet-c"]) -> dict[str, tuple[float, ...]]: ...
@overload
def baseline(suite: Literal["imagenet-p"]) -> dict[str, float]: ...
@overload
def baseline(suite: str) -> dict[str, tuple[float, ...]] | dict[str, float]: ...
def baseline(suite: str) -> dict[str, tuple[float, ...]] | dict[str, float]:
    """Return what the papers divide a suite's scores by; fractions.

    "imagenet-c": each of the 15 test corruptions -> AlexNet's five errors. "imagenet-p": each of the 14
    perturbations -> AlexNet's flip probability (those of the four validation perturbations come from a
    single source).

    Raises:
        InvalidInput: a suite whose scores the papers do not normalise.
        UnknownName: no such suite.

    Source: hendrycks/robustness issue 10 and google-research/augmix imagenet.py (ALEXNET_ERR);
        clovaai/assembled-cnn mce/eval_robustness.py (ALEXNET_FP). See data/README.md.
    """
    if suite == "imagenet-c":
        return dict(_alexnet_imagenet_c())
    if suite == "imagenet-p":
        return dict(_alexnet_imagenet_p())
    if suite in _UNNORMALIZED:
        raise InvalidInput(f"{suite} is not normalised by a baseline: its mean is over plain errors")
    raise UnknownName("suite with a baseline", suite, ("imagenet-c", "imagenet-p"))


@functools.cache
def alexnet_imagenet_c() -> Baseline:
    """Return AlexNet's errors on ImageNet-C as a suite's baseline; of the validation corruptions, the means.

    Source: as `baseline` and `baseline_means`; its clean error as `baseline_clean_error`.
    """
    errors = dict(_alexnet_imagenet_c())
    extra = {name: (mean,) for name, mean in baseline_means().items() if name not in errors}
    return Baseline(
        name="AlexNet",
        values=errors | extra,
        clean_error=baseline_clean_error(),
        source="Hendrycks & Dietterich 2019",
        published_for="imagenet",
    )


@functools.cache
def alexnet_imagenet_p() -> Baseline:
    """Return AlexNet's flip probabilities on ImageNet-P as a suite's baseline.

    Source: as `baseline`.
    """
    values = {name: (value,) for name, value in _alexnet_imagenet_p().items()}
    return Baseline("AlexNet", values, source="Hendrycks & Dietterich 2019", published_for="imagenet")


def baseline_means() -> dict[str, float]:
    """Return AlexNet's mean error over severities on ImageNet-C, validation corruptions included.

    CE needs no more than the mean; of the four validation corruptions only the means are shipped.

    Source: as `baseline`; facebookresearch/augmentation-corruption mCE_baseline_imagenet.p for the four.
    """
    means = {name: math.fsum(errors) / len(errors) for name, errors in _alexnet_imagenet_c().items()}
    extra = read_rows("alexnet_imagenet_c_validation.csv")
    return means | {row["corruption"]: float(row["mean_error"]) for row in extra}


def baseline_clean_error(measurement: str = "paper") -> float:
    """Return AlexNet's clean ImageNet error, for relative mCE; a fraction.

    Args:
        measurement: "paper" (0.435, the printed value that the papers' relative mCE uses), "torchvision"
            (0.43478, its current weights) or "torchvision-0.x" (0.4345, its old model table).

    Raises:
        UnknownName: no such measurement.

    Source: Hendrycks & Dietterich 2019; torchvision. See data/README.md.
    """
    values = {row["measurement"]: float(row["error"]) for row in read_rows("alexnet_clean.csv")}
    if measurement not in values:
        raise UnknownName("measurement of AlexNet's clean error", measurement, values)
    return values[measurement]


@functools.cache
def _alexnet_imagenet_c() -> Mapping[str, tuple[float, ...]]:
    errors: dict[str, list[float]] = {name: [] for name in TEST_CORRUPTIONS}
    for row in read_rows("alexnet_imagenet_c.csv"):
        errors[row["corruption"]].append(float(row["error"]))
    return {name: tuple(values) for name, values in errors.items()}


@functools.cache
def _alexnet_imagenet_p() -> Mapping[str, float]:
    return {
        row["perturbation"]: float(row["flip_probability"]) for row in read_rows("alexnet_imagenet_p.csv")
    }
