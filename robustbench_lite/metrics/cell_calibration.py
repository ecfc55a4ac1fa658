"""The calibration errors of one cell as functions of its columns, for the table of scores."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from robustbench_lite.metrics import calibration
from robustbench_lite.metrics.calibration_parts import SignedGaps, SquaredGaps, signed_gaps, squared_gaps
from robustbench_lite.metrics.inputs import FloatArray

Columns = Mapping[str, np.ndarray[Any, Any]]


def rms_error(columns: Columns) -> float:
    """The RMS calibration error."""
    return calibration.rms_calibration_error(*_predictions(columns))


def rms_influence(columns: Columns) -> FloatArray:
    """The influence of each prediction on the RMS calibration error."""
    return _of_root(calibration.rms_calibration_influence(*_predictions(columns)))


def released_rms_error(columns: Columns) -> float:
    """The RMS calibration error without the most confident bin."""
    return calibration.rms_calibration_error(*_predictions(columns), drop_last_bin=True)


def released_rms_influence(columns: Columns) -> FloatArray:
    """The influence of each prediction on the RMS calibration error without the most confident bin."""
    return _of_root(calibration.rms_calibration_influence(*_predictions(columns), drop_last_bin=True))


def expected_error(columns: Columns) -> float:
    """The expected calibration error."""
    return calibration.expected_calibration_error(*_predictions(columns))


def expected_influence(columns: Columns) -> FloatArray:
    """The influence of each prediction on the expected calibration error."""
    return calibration.expected_calibration_influence(*_predictions(columns))


def debiased_rms(columns: Columns) -> SquaredGaps:
    """The parts of the debiased RMS calibration error."""
    return squared_gaps(*_predictions(columns), bin_size=calibration.BIN_SIZE)


def debiased_expected(columns: Columns) -> SignedGaps:
    """The parts of the debiased expected calibration error."""
    return signed_gaps(*_predictions(columns), bin_size=calibration.BIN_SIZE)


def _predictions(columns: Columns) -> tuple[FloatArray, np.ndarray[Any, Any]]:
    return columns["confidence"].astype(np.float64), columns["prediction"] == columns["label"]


def _of_root(squares: FloatArray) -> FloatArray:
    """Influence on a root from the influence on its square, whose mean is the square."""
    scaled: FloatArray = squares / (2 * math.sqrt(max(squares.mean(), np.finfo(np.float64).tiny)))
    return scaled
