"""Estimates from a part of the images: what is read, how it is marked, and whether the intervals hold."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import robustbench_lite as rb
from robustbench_lite import metrics, reference
from robustbench_lite.errors import DataError, InvalidInput
from robustbench_lite.evaluation.influence import own_group, weighted_mean
from robustbench_lite.evaluation.intervals import sampling_interval
from robustbench_lite.evaluation.subset import read_at, sampled
from robustbench_lite.reference.names import SEVERITIES, TEST_CORRUPTIONS
from robustbench_lite.results import CellResult
from robustbench_lite.suites import Cell, load_official

QUICK = {"device": "cpu", "batch_size": 16, "bootstrap": 100}
IMAGES, CLASSES = 800, 10


def difficult_suite(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Labels, and errors (images, corruptions, severities): what is hard is so throughout."""
    random = np.random.default_rng(seed)
    labels = random.integers(0, CLASSES, IMAGES)
    hard = random.normal(0, 1, IMAGES) + random.normal(0, 0.5, CLASSES)[labels]
    level = random.normal(-1, 0.5, len(TEST_CORRUPTIONS))[:, None] + np.linspace(-0.8, 0.8, 5)
    return labels, hard[:, None, None] + level + random.normal(0, 1, (IMAGES, len(level), 5)) > 0


def estimate(labels: np.ndarray, wrong: np.ndarray, size: int, weights: dict[Cell, float], seed: int):
    """An estimate of a weighted sum of errors with its interval, as an evaluation makes it."""
    random = np.random.default_rng(seed)
    columns, results = {}, {}
    for cell in weights:
        index = metrics.systematic_sample(IMAGES, size, random, labels)
        errors = wrong[index, TEST_CORRUPTIONS.index(cell.name), cell.severity - 1]
        columns[cell] = {"label": labels[index], "prediction": (labels[index] + errors) % CLASSES}
        columns[cell]["confidence"] = np.full(size, 0.5)
        results[cell] = CellResult(cell.name, cell.severity, size, {"error": errors.mean()})
    headline = weighted_mean(weights, columns, results, "error", apart=True)
    return headline.value, sampling_interval(headline, {own_group(cell): IMAGES for cell in weights})


def every_cell(weight) -> dict[Cell, float]:
    return {Cell(name, severity): weight(name) for name in TEST_CORRUPTIONS for severity in SEVERITIES}


BASELINE = reference.baseline("imagenet-c")
SCORES = {
    "mean error": every_cell(lambda name: 1 / 75),
    "mCE": every_cell(lambda name: 1 / (15 * sum(BASELINE[name]))),
    "one corruption": {Cell("brightness", severity): 0.2 for severity in SEVERITIES},
    "one cell": {Cell("brightness", 1): 1.0},
}


@pytest.mark.parametrize("score", SCORES)
def test_95_percent_intervals_cover_the_full_result_95_times_in_100(score: str) -> None:
    labels, wrong = difficult_suite(1)
    weights = SCORES[score]
    full = sum(
        weight * wrong[:, TEST_CORRUPTIONS.index(cell.name), cell.severity - 1].mean()
        for cell, weight in weights.items()
    )
    trials = 300
    hits = 0
    for seed in range(trials):
        _, (low, high) = estimate(labels, wrong, 40, weights, seed)
        hits += low <= full <= high
    assert hits / trials == pytest.approx(0.95, abs=0.035)  # 2.8 standard errors of 300 trials


def test_other_images_in_each_cell_tell_more_than_the_same_ones() -> None:
    """The reason for the design: for the same passes, the mean of 75 cells is three times as certain."""
    labels, wrong = difficult_suite(2)
    apart, same = [], []
    for seed in range(100):
        apart.append(estimate(labels, wrong, 40, SCORES["mean error"], seed)[0])
        index = metrics.systematic_sample(IMAGES, 40, np.random.default_rng(seed), labels)
        same.append(wrong[index].mean())
    assert np.std(same) > 3 * np.std(apart)


def test_an_estimate_is_named_as_one_and_never_as_the_score(cifar_data: Path, model: nn.Module) -> None:
    results = rb.evaluate(model, "cifar10-c", data=cifar_data, budget=0.5, **QUICK)
    assert set(results.summary) == set(results.intervals)
    assert all(name.startswith("estimated_") for name in results.summary)
    assert {"estimated_mean_error", "estimated_clean_error", "estimated_nll"} <= set(results.summary)
    biased = [name for name in results.summary if "calibration" in name and "debiased" not in name]
    assert biased == []
    assert "estimated_debiased_rms_calibration_error" in results.summary
    assert "not estimated" in results.choices["calibration"]
    assert results.estimate is not None
    assert {key: results.estimate[key] for key in ("budget", "images", "of", "seed")} == {
        "budget": 0.5,
        "images": 20,
        "of": 40,
        "seed": 0,
    }
    assert {cell.n for cell in results.cells} == {20}
    assert rb.Results.from_json(results.to_json()) == results
    assert "estimated from 20 of 40 images a cell" in results._repr_html_()


def test_an_estimate_covers_the_full_run_of_the_same_model(cifar_data: Path, model: nn.Module) -> None:
    full = rb.evaluate(model, "cifar10-c", data=cifar_data, **QUICK).summary["mean_error"]
    part = rb.evaluate(model, "cifar10-c", data=cifar_data, budget=0.5, **QUICK)
    low, high = part.intervals["estimated_mean_error"]
    assert low < full < high
    assert part.summary["estimated_mean_error"] != full


def test_cells_have_other_images_and_each_class_its_share(cifar_data: Path) -> None:
    suite = load_official("cifar10-c", cifar_data)
    cells = [sampled(suite.open(cell), cell, 0.5, 0) for cell in suite.cells[:8]]
    assert len({tuple(cell.indices) for cell in cells}) == 8
    assert all((np.bincount(cell.labels, minlength=10) == 2).all() for cell in cells)


def test_a_sample_reads_the_images_of_its_indices(cifar_data: Path) -> None:
    suite = load_official("cifar10-c", cifar_data)
    reader = suite.open(suite.cells[3])
    part = sampled(reader, suite.cells[3], 0.4, 7)
    whole = reader.read(0, reader.count)
    assert torch.equal(part.read(0, part.count), whole[part.indices])
    assert torch.equal(part.read(3, 9), whole[part.indices[3:9]])
    assert (part.labels == reader.labels[part.indices]).all()
    assert torch.equal(read_at(reader, np.arange(4, 9)), whole[4:9])
    part.close()


def test_generated_images_are_those_of_the_whole_suite(cifar_data: Path, model: nn.Module) -> None:
    settings = {**QUICK, "clean_data": cifar_data / "cifar10.npz", "corruptions": ["gaussian_noise"]}
    full = rb.evaluate(model, "cifar10-c", **settings)
    half = rb.evaluate(model, "cifar10-c", budget=0.99, **settings)
    assert half.cells == full.cells


def test_sequences_are_sampled_too(cifar_data: Path, model: nn.Module) -> None:
    results = rb.evaluate(model, "cifar10-p", data=cifar_data, budget=0.5, **QUICK)
    low, high = results.intervals["estimated_mfp"]
    assert 0 <= low < results.summary["estimated_mfp"] < high <= 1


def test_another_seed_draws_another_sample(cifar_data: Path, model: nn.Module) -> None:
    one, two = (
        rb.evaluate(model, "cifar10-c", data=cifar_data, budget=0.3, seed=seed, **QUICK) for seed in (0, 1)
    )
    assert one.summary != two.summary


def test_an_estimate_does_not_continue_a_full_run(cifar_data: Path, tmp_path: Path, model: nn.Module) -> None:
    settings = {**QUICK, "corruptions": ["fog"], "data": cifar_data, "out": tmp_path / "run"}
    rb.evaluate(model, "cifar10-c", **settings)
    with pytest.raises(DataError, match=r"holds another run .*estimate"):
        rb.evaluate(model, "cifar10-c", budget=0.5, **settings)
    rb.evaluate(model, "cifar10-c", budget=0.5, overwrite=True, **settings)
    assert (
        json.loads((tmp_path / "run" / "results.json").read_text())["provenance"]["estimate"]["images"] == 20
    )


def test_a_sample_too_small_for_an_interval_is_refused(cifar_data: Path, model: nn.Module) -> None:
    with pytest.raises(InvalidInput, match=r"5 % is 2 of the 40 images .* give at least 25 %"):
        rb.evaluate(model, "cifar10-c", data=cifar_data, budget=0.05, **QUICK)


@pytest.mark.parametrize("budget", [0.0, 1.0, 5.0, -0.1])
def test_a_budget_is_a_share_between_none_and_all(cifar_data: Path, model: nn.Module, budget: float) -> None:
    with pytest.raises(InvalidInput, match="share of the images between 0 and 1"):
        rb.evaluate(model, "cifar10-c", data=cifar_data, budget=budget, **QUICK)


def test_an_estimated_loss_is_never_below_zero() -> None:
    cell = Cell("brightness", 1)
    losses = np.zeros(40)
    losses[7] = 9.0
    columns = {cell: {"label": np.zeros(40, int), "nll": losses}}
    results = {cell: CellResult(cell.name, cell.severity, 40, {"nll": losses.mean()})}
    populations = {own_group(cell): IMAGES}
    low, high = sampling_interval(
        weighted_mean({cell: 1.0}, columns, results, "nll", apart=True), populations
    )
    assert low == 0 < losses.mean() < high
    fallen = weighted_mean({cell: -1.0}, columns, results, "nll", apart=True)
    assert sampling_interval(fallen, populations)[0] == pytest.approx(-high)
