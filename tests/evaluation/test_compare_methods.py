"""Methods are judged over trainings: a retrained model is no evidence of a better method."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

import robustbench_lite as rb
from robustbench_lite.cli import main
from robustbench_lite.errors import InvalidInput
from robustbench_lite.evaluation.compare_methods import compare_methods, judged_methods
from robustbench_lite.evaluation.influence import Headline
from robustbench_lite.evaluation.paired_tests import Pair, judged

IMAGES = 400
QUICK = {"device": "cpu", "batch_size": 40, "bootstrap": 0, "force": True}


def trainings(
    generator: np.random.Generator, hard: np.ndarray, count: int, spread: float, gain: float = 0.0
) -> list[Headline]:
    """Errors of models whose skill varies with the seed, on images that are hard for all of them."""
    headlines = []
    for _ in range(count):
        skill = gain + generator.normal(0, spread)
        wrong = 1.0 * (hard + generator.normal(0, 1, len(hard)) > 0.6 + skill)
        headlines.append(Headline(wrong.mean(), {"suite": wrong - wrong.mean()}, 1.0, 0.0))
    return headlines


@pytest.mark.parametrize("count", [2, 3, 5])
@pytest.mark.parametrize("spread", [0.0, 0.1, 0.4])
def test_equal_methods_give_a_verdict_in_at_most_one_of_twenty(count: int, spread: float) -> None:
    comparisons = 600
    generator = np.random.default_rng([count, int(10 * spread)])
    verdicts = 0
    for _ in range(comparisons):
        hard = generator.normal(0, 1, IMAGES)
        methods = [trainings(generator, hard, count, spread) for _ in range(2)]
        verdicts += judged_methods("error", *methods).verdict != "no evidence"
    # Two standard deviations of a share of 5 % of 600.
    assert verdicts / comparisons < 0.05 + 0.018


def test_two_models_of_equal_methods_differ_far_more_often_than_the_methods() -> None:
    """The reason for judging methods over trainings."""
    generator = np.random.default_rng(0)
    verdicts = 0
    for seed in range(100):
        hard = generator.normal(0, 1, IMAGES)
        first, second = trainings(generator, hard, 2, 0.4)
        (one,) = judged([Pair("error", first, second)], None, 1000, seed)
        verdicts += one.verdict != "no evidence"
    assert verdicts > 30


def test_a_better_method_is_found_and_its_interval_covers_the_gain() -> None:
    generator = np.random.default_rng(1)
    found = covered = 0
    for _ in range(200):
        hard = generator.normal(0, 1, IMAGES)
        methods = [trainings(generator, hard, 3, 0.05, gain) for gain in (0.0, 0.5)]
        difference = judged_methods("error", *methods)
        found += difference.verdict == "better"
        # P(N(0, 2) > 0.6 + skill), for skills of 0 and 0.5.
        covered += difference.low <= -0.11735 <= difference.high
    assert found > 190
    assert covered / 200 > 0.92


@pytest.fixture
def runs(cifar_data: Path, tmp_path: Path) -> list[str]:
    """Four runs, as of four trainings."""
    folders = []
    for seed in range(4):
        weights = np.random.default_rng(seed).normal(size=10)

        def model(images, weights=weights):
            import torch

            return images.mean((1, 2, 3))[:, None] * torch.from_numpy(weights).float()

        folder = tmp_path / f"run{seed}"
        names = {"corruptions": ["fog", "snow"], "name": f"net {seed}"}
        rb.evaluate(model, "cifar10-c", data=cifar_data, out=folder, **names, **QUICK)
        folders.append(str(folder))
    return folders


def test_the_command_and_python_say_the_same(runs: list[str]) -> None:
    arguments = ["compare", ",".join(runs[:2]), ",".join(runs[2:]), "--format", "json"]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 0, result.output
    rows = {row["key"]: row for row in json.loads(result.stdout)["rows"]}
    found = rb.compare(runs[:2], runs[2:])
    assert rows["fog"]["p"] == {one.name: one for one in found.by_name}["fog"].p
    assert any("Means over 2 trainings of A and 2 of B" in note for note in found.notes)


def test_one_training_is_refused_for_a_claim_about_methods(runs: list[str]) -> None:
    with pytest.raises(InvalidInput, match="method B has 1 training, which does not show"):
        rb.compare(runs[:2], runs[2])
    result = CliRunner().invoke(main, ["compare", runs[0], ",".join(runs[1:])])
    assert (result.exit_code, result.stderr.count("\n")) == (1, 1)
    assert "method A has 1 training" in result.stderr


def test_one_model_is_not_two_trainings(runs: list[str], tmp_path: Path) -> None:
    for run in runs:
        record = json.loads((Path(run) / "results.json").read_text())
        record["provenance"]["model"]["sha256"] = "same"
        (Path(run) / "results.json").write_text(json.dumps(record))
    with pytest.raises(InvalidInput, match="two of the runs are of the same model file"):
        compare_methods(runs[:2], runs[2:])


def test_runs_on_other_images_are_no_trainings_of_one_comparison(runs: list[str], tmp_path: Path) -> None:
    shutil.copytree(runs[3], tmp_path / "other")
    record = json.loads((tmp_path / "other" / "results.json").read_text())
    record["provenance"]["data"]["fingerprint"] = "0" * 64
    (tmp_path / "other" / "results.json").write_text(json.dumps(record))
    with pytest.raises(InvalidInput, match="the runs of net 0 and net 3 can't be compared: data"):
        compare_methods(runs[:2], [runs[2], tmp_path / "other"])
