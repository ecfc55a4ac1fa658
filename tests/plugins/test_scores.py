"""A user's own score: one entry, which the record of a run, its tables and intervals follow."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import robustbench_lite as rb
from robustbench_lite.errors import InvalidInput
from robustbench_lite.plugins import register
from robustbench_lite.results import Results
from robustbench_lite.scores import SCORES, Presentation, Score

pytestmark = pytest.mark.usefixtures("tables_as_before")


def confident_errors(columns: Any) -> Any:
    return (columns["prediction"] != columns["label"]) & (columns["confidence"] > 0.9)


CONFIDENT = Score(
    "confident_errors",
    Presentation("Confident errors"),
    per_image=confident_errors,
    largest=1.0,
    headline="confident_errors",
)


def model(images: torch.Tensor) -> torch.Tensor:
    return images.mean((1, 2, 3))[:, None] * torch.arange(10.0) * 30


def evaluated(folder: Path) -> Results:
    images = np.random.default_rng(0).integers(0, 256, (30, 32, 32, 3), np.uint8)
    np.savez(folder / "own.npz", images=images, labels=np.arange(30) % 10)
    return rb.evaluate(
        model,
        "custom-c",
        clean_data=folder / "own.npz",
        corruptions=["contrast"],
        severities=[1, 2],
        force=True,
        out=folder / "run",
    )


def test_one_entry_is_enough_for_record_cells_headline_interval_and_table(tmp_path: Path) -> None:
    register("confident_errors", CONFIDENT)
    results = evaluated(tmp_path)
    stored = np.load(tmp_path / "run" / "predictions" / "contrast-1.npz")
    expected = ((stored["prediction"] != stored["label"]) & (stored["confidence"] > 0.9)).mean()
    assert results.cell("contrast", 1).scores["confident_errors"] == pytest.approx(expected)
    both = [results.cell("contrast", level).scores["confident_errors"] for level in (1, 2)]
    assert results.summary["selected_confident_errors"] == pytest.approx(sum(both) / 2)
    low, high = results.intervals["selected_confident_errors"]
    assert low <= results.summary["selected_confident_errors"] <= high
    with (tmp_path / "run" / "cells.csv").open() as file:
        assert float(next(csv.DictReader(file))["confident_errors"]) >= 0
    assert results.presentation("confident_errors").title == "Confident errors"
    assert results.provenance["plugins"][0]["adds"] == ["score confident_errors"]


def test_a_table_of_a_run_shows_the_score_without_its_definition(tmp_path: Path) -> None:
    register("confident_errors", CONFIDENT)
    evaluated(tmp_path)
    del SCORES["confident_errors"]
    results = Results.load(tmp_path / "run")
    assert results.presentation("confident_errors").title == "Confident errors"


def test_a_score_of_another_name_or_a_taken_headline_is_refused() -> None:
    with pytest.raises(InvalidInput, match="registered as 'mine', and its record has the name 'confident_er"):
        register("mine", CONFIDENT)
    for headline in ("mce", "mean_error", "nll"):
        with pytest.raises(InvalidInput, match=f"already a headline named '{headline}'"):
            register("confident_errors", replace(CONFIDENT, headline=headline))
    with pytest.raises(InvalidInput, match="already a score named 'error'"):
        register("error", replace(CONFIDENT, name="error"))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"per_image": lambda c: c["wrong"]},
            r"fails at .*test_scores.py, line \d+: KeyError: 'wrong'; the col",
        ),
        (
            {"per_image": lambda c: c["label_rank"]},
            r"not every cell has this column: state needs=\('label_rank'",
        ),
        (
            {"per_image": lambda c: 0.5},
            r"one number for each image, shape \(240,\), got float64 of shape \(\)",
        ),
        ({"per_image": lambda c: c["label"].astype(str)}, "one number for each image"),
        ({"needs": ("depth",)}, "needs the columns depth; images have label, prediction"),
        ({"per_image": None, "value": lambda c: float("nan")}, "to be a finite number, got nan"),
        ({"per_image": None, "value": lambda c: c["nll"]}, "to be a finite number, got array"),
        ({"per_image": None, "value": lambda c: 1 / 0}, r"line \d+: ZeroDivisionError"),
        (
            {"per_image": None, "value": lambda c: 0.5, "influence": lambda c: 0.5},
            "expected influence of the score 'confident_errors' to return one number for each image",
        ),
    ],
)
def test_a_score_is_tried_before_it_is_registered(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        register("confident_errors", replace(CONFIDENT, **changes))


def test_scores_of_videos_and_scores_with_their_own_influence_are_accepted() -> None:
    register(
        "flip_share",
        Score("flip_share", Presentation("Flips"), per_image=lambda c: c["flips"] > 0, of="videos"),
    )
    register(
        "worst",
        Score(
            "worst",
            Presentation("Worst"),
            value=lambda c: c["nll"].max(),
            influence=lambda c: c["nll"] - c["nll"].mean(),
        ),
    )
    assert {"flip_share", "worst"} <= set(SCORES)


def test_a_headline_of_a_value_needs_influence_before_any_run() -> None:
    def spread(columns: Any) -> float:
        return float(columns["confidence"].std())

    score = Score("spread", Presentation("Spread"), value=spread, headline="mean_spread")
    with pytest.raises(InvalidInput, match=r"'mean_spread' of the score 'spread' has .* influence"):
        register("spread", score)
    register("spread", replace(score, headline=None))
