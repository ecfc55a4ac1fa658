"""What each process of the test of torchrun runs: python distributed_run.py OUT (not a test itself)."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import torch
from torch import nn

from robustbench_lite.training import first_network as module
from robustbench_lite.training.data import from_arrays
from robustbench_lite.training.train import train
from tests.training.conftest import toy_arrays


def plain_network(architecture: str, classes: int, seed: int) -> nn.Module:
    """A network without batch norm, whose gradient of a batch is the mean of its parts' gradients."""
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Tanh(), nn.Flatten(), nn.Linear(4 * 36, classes))
    draws = torch.Generator().manual_seed(seed)
    for parameter in network.parameters():
        parameter.data = 0.1 * torch.randn(parameter.shape, generator=draws)
    return network


def run(out: Path) -> None:
    """Train twice, without and with batch norm and a folder, and write this process's weights."""
    rank = os.environ.get("RANK", "alone")
    # 70 images: the last batch of an epoch has 22, which 2 processes share, and 24 before it.
    dataset = from_arrays(*toy_arrays(70, 1), *toy_arrays(30, 2), name="toy")
    original = module.fresh_network
    module.fresh_network = plain_network
    plain = {"padding": 0, "flip": False, "lr": 0.02, "channels_last": False}
    done = train(dataset, method="standard", epochs=2, batch_size=24, device="cpu", **plain)
    module.fresh_network = original
    shared = train(dataset, arch="resnet-8", epochs=1, batch_size=24, device="cpu", out=out / "run")
    rows = [(row.train_loss, row.train_error, row.test_loss, row.test_error) for row in done.history]
    logits = shared.classifier(dataset.test.read(0, 30))
    kept = float(nn.functional.cross_entropy(logits, dataset.test.labels))
    content = {"logged": shared.history[-1].test_loss, "kept": kept, "rows": rows}
    content |= {"plain": done.classifier.network.state_dict()}
    torch.save(content | {"shared": shared.classifier.network.state_dict()}, out / f"{rank}.pt")


if __name__ == "__main__":
    torch.set_num_threads(1)
    run(Path(sys.argv[1]))
