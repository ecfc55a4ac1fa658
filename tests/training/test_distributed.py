"""Two processes under torchrun train what one would."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.training.distributed_run import run

SCRIPT = "tests.training.distributed_run"
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Content of the files that a single process and both processes of a pair wrote."""
    alone, pair = tmp_path_factory.mktemp("alone"), tmp_path_factory.mktemp("pair")
    run(alone)
    torchrun = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m", SCRIPT]
    command = [sys.executable, *torchrun, str(pair)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    files = {"alone": alone / "alone.pt", "first": pair / "0.pt", "second": pair / "1.pt"}
    return {name: torch.load(path, weights_only=True) for name, path in files.items()}


@pytest.mark.parametrize("kind", ["plain", "shared"])
def test_both_processes_end_with_the_same_weights(runs: dict[str, Any], kind: str) -> None:
    first, second = runs["first"][kind], runs["second"][kind]
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_without_batch_norm_two_processes_give_the_weights_of_one(runs: dict[str, Any]) -> None:
    # The sums of gradients run in another order, so the last digits differ.
    torch.testing.assert_close(runs["first"]["plain"], runs["alone"]["plain"], rtol=1e-4, atol=1e-6)


def test_losses_and_errors_in_the_log_are_those_over_all_images(runs: dict[str, Any]) -> None:
    for ours, theirs in zip(runs["first"]["rows"], runs["alone"]["rows"], strict=True):
        assert ours == pytest.approx(theirs, rel=1e-4)


def test_the_error_in_the_log_is_that_of_the_model_that_is_kept(runs: dict[str, Any]) -> None:
    # Each process has batch-norm statistics of its own part of the batches; the first one's are kept.
    assert runs["first"]["logged"] == pytest.approx(runs["first"]["kept"], rel=1e-6)
