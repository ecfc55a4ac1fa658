"""Checks of the images of a suite against each other, before the first pass through the model."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from robustbench_lite.errors import DataError
from robustbench_lite.metrics.flips import check_pairs
from robustbench_lite.suite_spec import SuiteSpec
from robustbench_lite.suites import CLEAN, Cell, Reader


def clean_difference(readers: Mapping[Cell, Reader], spec: SuiteSpec) -> str | None:
    """Compare the labels of the clean set with those of the corrupted images.

    Args:
        readers: The cells, the clean set among them where there is one.
        spec: The record of the suite.

    Returns:
        A warning where the labels differ; None where they are equal or can't be compared.

    Raises:
        DataError: They differ in a CIFAR suite, whose order is fixed.
    """
    cell = next((cell for cell in readers if cell != CLEAN), None)
    if CLEAN not in readers or cell is None:
        return None
    clean, corrupted = readers[CLEAN].labels, readers[cell].labels
    if clean is None or corrupted is None or np.array_equal(clean, corrupted):
        return None
    if spec.dataset.startswith("cifar") and len(clean) == len(spec.severities) * len(corrupted):
        raise DataError(
            f"the files of {spec.title} have {len(clean)} rows, one for each image of the clean set, so "
            f"each holds one severity and not {len(spec.severities)}"
        )
    if spec.dataset.startswith("cifar") and len(clean) == len(corrupted) == spec.images:
        differ = int((clean != corrupted).sum())
        raise DataError(
            f"{differ} of {len(clean)} labels of {cell} are not those of the clean test set, whose order "
            "all CIFAR suites keep: labels.npy, or the clean set, is another one"
        )
    return (
        f"the clean set ({len(clean)} images) is not what the corrupted images ({len(corrupted)}) were "
        "made from: their labels differ, and so a difference in error is not the corruptions' alone"
    )


def check_sequences(readers: Mapping[Cell, Reader], spec: SuiteSpec) -> None:
    """Check that each sequence has frames enough for its difficulty.

    Raises:
        InvalidInput: A sequence is too short.
    """
    for cell, reader in readers.items():
        if len(reader.shape) == 4:
            noise = cell.name in spec.against_first
            check_pairs(reader.shape[0], against_first=noise, step=1 if noise else cell.severity)
