"""The official suites as records: names, classes, image size, counts, lists, groups and baselines."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from robustbench_lite.reference.baselines import alexnet_imagenet_c, alexnet_imagenet_p
from robustbench_lite.reference.names import (
    CORRUPTION_GROUPS,
    DIFFICULTIES,
    FIRST_FRAME_PERTURBATIONS,
    PERTURBATION_GROUPS,
    PERTURBATION_LISTS,
    SEVERITIES,
    SHORT_NAMES,
    TEST_CORRUPTIONS,
    TEST_PERTURBATIONS,
    VALIDATION_CORRUPTIONS,
    VALIDATION_PERTURBATIONS,
)
from robustbench_lite.suite_spec import OWN, Baseline, Dataset, Kind, SuiteSpec

CLEAN_NAME: Final = "clean"

DATASETS: Final[Mapping[Dataset, tuple[str, int, int, int]]] = {
    "cifar10": ("CIFAR-10", 10, 32, 10_000),
    "cifar100": ("CIFAR-100", 100, 32, 10_000),
    "imagenet": ("ImageNet", 1000, 224, 50_000),
    "tiny-imagenet": ("Tiny-ImageNet", 200, 64, 10_000),
}
"""Data set -> title, classes, side in pixels, test images."""


def _clean(dataset: Dataset) -> SuiteSpec:
    title, classes, size, images = DATASETS[dataset]
    return SuiteSpec(
        name=dataset,
        title=title,
        kind="clean",
        dataset=dataset,
        classes=classes,
        image_size=size,
        images=images,
        test=(CLEAN_NAME,),
        validation=(),
        severities=(0,),
        clean=None,
        groups={},
    )


def _corruptions(clean: SuiteSpec, baseline: Baseline | None = None) -> SuiteSpec:
    return replace(
        clean,
        name=f"{clean.name}-c",
        title=f"{clean.title}-C",
        kind="corruption",
        test=TEST_CORRUPTIONS,
        validation=VALIDATION_CORRUPTIONS,
        severities=SEVERITIES,
        clean=clean.name,
        groups=CORRUPTION_GROUPS,
        short_names={name: SHORT_NAMES[name] for name in TEST_CORRUPTIONS + VALIDATION_CORRUPTIONS},
        baseline=baseline,
        published_tests=(TEST_CORRUPTIONS,),
    )


def _perturbations(clean: SuiteSpec, baseline: Baseline | None = None) -> SuiteSpec:
    return replace(
        clean,
        name=f"{clean.name}-p",
        title=f"{clean.title}-P",
        kind="perturbation",
        test=TEST_PERTURBATIONS,
        validation=VALIDATION_PERTURBATIONS,
        severities=DIFFICULTIES,
        clean=clean.name,
        groups=PERTURBATION_GROUPS,
        short_names={name: SHORT_NAMES[name] for name in TEST_PERTURBATIONS + VALIDATION_PERTURBATIONS},
        baseline=baseline,
        published_tests=tuple(PERTURBATION_LISTS.values()),
        test_lists=PERTURBATION_LISTS,
        test_list="snow",
        against_first=FIRST_FRAME_PERTURBATIONS,
    )


def _family(dataset: Dataset) -> tuple[SuiteSpec, ...]:
    clean = _clean(dataset)
    if dataset == "imagenet":
        return clean, _corruptions(clean, alexnet_imagenet_c()), _perturbations(clean, alexnet_imagenet_p())
    return clean, _corruptions(clean), _perturbations(clean)


SUITES: dict[str, SuiteSpec] = {spec.name: spec for dataset in DATASETS for spec in _family(dataset)}
"""Every suite by name. Add an entry for a suite of your own."""


def custom_spec(kind: Kind, classes: int, image_size: int, images: int) -> SuiteSpec:
    """The suite that a user's own images, or corrupted copies of them, make.

    Args:
        kind: "clean", "corruption" (the lists of ImageNet-C) or "perturbation" (those of ImageNet-P).
        classes: The number of classes.
        image_size: The side of the images in pixels.
        images: The images at hand.
    """
    clean = replace(
        _clean("imagenet"),
        name=OWN,
        title=OWN,
        dataset="custom",
        classes=classes,
        image_size=image_size,
        images=images,
    )
    return {"clean": clean, "corruption": _corruptions(clean), "perturbation": _perturbations(clean)}[kind]
