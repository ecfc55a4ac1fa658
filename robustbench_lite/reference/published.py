"""Rows of published tables, to stand beside what was measured."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from robustbench_lite.errors import UnknownName
from robustbench_lite.reference.files import read_rows
from robustbench_lite.reference.suites import SUITES
from robustbench_lite.suite_spec import SuiteSpec

PAPERS: Final[Mapping[str, str]] = {
    "augmix": "Hendrycks et al., AugMix, ICLR 2020 (arXiv 1912.02781)",
    "hendrycks2019": "Hendrycks & Dietterich, ICLR 2019 (arXiv 1903.12261)",
    "leaderboard": "leaderboard in the README of hendrycks/robustness",
    "robustbench": "RobustBench model zoo (5,000 images a cell on ImageNet-C)",
    "game-of-noise": "Rusak et al., ECCV 2020, result files (bethgelab/game-of-noise)",
}
"""Where published rows come from."""


@dataclass(frozen=True)
class PublishedRow:
    """One row of a published table; fractions, None where the number is not published.

    Attributes:
        paper: key of `PAPERS`.
        suite: name of the suite.
        architecture: the paper's name for it; "mean of four" for the mean over the paper's four networks.
        method: training method, or the model's name.
        clean_error: error on the clean set.
        values: corruption -> CE (ImageNet-C) or mean error (CIFAR-C); perturbation -> flip rate (ImageNet-P);
            empty where only the mean is published.
        mean: mCE, mean corruption error, mFR or mFP: the suite's headline.
        other: further published scores: "relative_mce", "rms_calibration_error",
            "clean_rms_calibration_error", "mt5d".
        source: where it was read.
        note: what to know about the row.
    """

    paper: str
    suite: str
    architecture: str
    method: str
    clean_error: float | None
    values: Mapping[str, float]
    mean: float | None
    other: Mapping[str, float]
    source: str
    note: str


_OTHER: Final[Mapping[str, str]] = {
    "relative_mean": "relative_mce",
    "rms_calibration_error": "rms_calibration_error",
    "clean_rms_calibration_error": "clean_rms_calibration_error",
    "top5_distance": "mt5d",
}


def published_rows(suite: SuiteSpec | str, *, paper: str | None = "augmix") -> tuple[PublishedRow, ...]:
    """Return the published rows for a suite, in the papers' order; none is an empty tuple.

    A suite with other test names, or another baseline, than the published one has no rows.

    Args:
        suite: The record of the suite, or the name of an official one.
        paper: A key of `PAPERS`; None for all of them.

    Raises:
        UnknownName: no such paper, or no official suite of that name.

    Source: the `source` of each row; AugMix (arXiv 1912.02781), Tables 1 to 6, by default.
    """
    if paper is not None and paper not in PAPERS:
        raise UnknownName("paper", paper, PAPERS)
    if isinstance(suite, str):
        if suite not in SUITES:
            raise UnknownName("suite", suite, SUITES)
        return published_rows(SUITES[suite], paper=paper)
    if not suite.published or (suite.baseline is not None and not suite.published_baseline):
        return ()
    return tuple(
        _row(record, suite.names)
        for file in ("published_corruptions.csv", "published_perturbations.csv")
        for record in read_rows(file)
        if record["suite"] == suite.name and paper in (None, record["paper"])
    )


def _row(record: Mapping[str, str], names: tuple[str, ...]) -> PublishedRow:
    return PublishedRow(
        paper=record["paper"],
        suite=record["suite"],
        architecture=record["architecture"],
        method=record["method"],
        clean_error=_fraction(record["clean_error"]),
        values=_fractions(record, {name: name for name in names}),
        mean=_fraction(record["mean"]),
        other=_fractions(record, _OTHER),
        source=record["source"],
        note=record["note"],
    )


def _fractions(record: Mapping[str, str], keys: Mapping[str, str]) -> dict[str, float]:
    """Fractions of the columns in `keys` that are there and not empty, under their new names."""
    numbers = {key: _fraction(record.get(column, "")) for column, key in keys.items()}
    return {key: number for key, number in numbers.items() if number is not None}


def _fraction(percent: str) -> float | None:
    return float(percent) / 100 if percent else None
