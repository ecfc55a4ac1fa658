"""The network that a training starts from: fresh, of the user's own, or with the weights of a file."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

import robustbench_lite as rb
from robustbench_lite.errors import CheckpointError, InvalidInput, ModelError
from robustbench_lite.models import load_model
from robustbench_lite.models.checkpoint import save_checkpoint
from robustbench_lite.training.data import Dataset
from robustbench_lite.training.first_network import first_network
from robustbench_lite.training.initialise import fresh_network
from robustbench_lite.training.settings import TrainingSettings
from robustbench_lite.training.train import train

QUICK: dict[str, Any] = {"epochs": 1, "batch_size": 24, "padding": 1, "device": "cpu", "method": "standard"}
HALF = (0.5, 0.5, 0.5)


def own_network(classes: int = 3) -> nn.Module:
    """A network that no name of the zoo builds."""
    generator = torch.Generator().manual_seed(1)
    network = nn.Sequential(nn.Conv2d(3, 6, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(2), nn.Flatten())
    network.append(nn.Linear(24, classes))
    for parameter in network.parameters():
        parameter.data = 0.2 * torch.randn(parameter.shape, generator=generator)
    return network


def saved(path: Path, classes: int, *, mean: tuple[float, ...] = HALF, seed: int = 9) -> nn.Module:
    network = fresh_network("resnet-8", classes, seed)
    save_checkpoint(path, network, architecture="resnet-8", num_classes=classes, mean=mean, std=HALF)
    return network


def test_a_module_is_trained_from_its_weights_in_a_copy(toy: Dataset, tmp_path: Path) -> None:
    network = own_network()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    still = train(toy, model=network, **(QUICK | {"lr": 0.0, "min_lr": 0.0})).classifier.network
    for name, value in before.items():
        assert torch.equal(network.state_dict()[name], value)
        assert torch.equal(still.state_dict()[name], value)
    done = train(toy, model=network, out=tmp_path, **QUICK)
    assert not torch.equal(done.classifier.network.state_dict()["4.weight"], before["4.weight"])
    kept = torch.load(done.last, weights_only=True)["state_dict"]  # the test's own file
    assert torch.equal(kept["4.weight"], done.classifier.network.state_dict()["4.weight"])
    assert done.classifier.info.architecture == "Sequential"


def test_a_module_of_other_weights_does_not_continue_the_run(toy: Dataset, tmp_path: Path) -> None:
    network = own_network()
    train(toy, model=network, out=tmp_path, **QUICK)
    again = train(toy, model=network, out=tmp_path, **QUICK)
    assert len(again.history) == 1
    with torch.no_grad():
        network[4].bias += 1
    with pytest.raises(InvalidInput, match="init was"):
        train(toy, model=network, out=tmp_path, **QUICK)


def test_a_training_starts_from_the_weights_of_a_file(toy: Dataset, tmp_path: Path) -> None:
    network = saved(tmp_path / "start.pt", 3)
    done = train(
        toy, init=tmp_path / "start.pt", out=tmp_path / "run", **(QUICK | {"lr": 0.0, "min_lr": 0.0})
    )
    parameters = dict(done.classifier.network.named_parameters())
    for name, value in network.named_parameters():
        assert torch.equal(parameters[name], value), name
    assert load_model(done.last).info.architecture == "resnet-8"
    moved = train(toy, init=tmp_path / "start.pt", **QUICK).classifier.network
    assert not torch.equal(dict(moved.named_parameters())["conv1.weight"], parameters["conv1.weight"])


def test_where_the_classes_differ_the_last_layer_alone_starts_fresh(toy: Dataset, tmp_path: Path) -> None:
    network = saved(tmp_path / "start.pt", 10)
    start = first_network(None, tmp_path / "start.pt", TrainingSettings(seed=4), toy)
    fresh = fresh_network("resnet-8", 3, 4).state_dict()
    new = {name for name, value in fresh.items() if network.state_dict()[name].shape != value.shape}
    assert len(new) == 2
    for name, value in start.network.state_dict().items():
        assert torch.equal(value, fresh[name] if name in new else network.state_dict()[name]), name
    assert "It has 10 classes and toy 3, so these tensors start fresh: " in start.notes[1]
    assert all(name in start.notes[1] for name in new)
    assert all(parameter.requires_grad for parameter in start.network.parameters())


def test_the_normalisation_of_the_weights_is_kept(toy: Dataset, tmp_path: Path) -> None:
    mean, std = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
    network = fresh_network("resnet-8", 3, 0)
    save_checkpoint(tmp_path / "a.pt", network, architecture="resnet-8", num_classes=3, mean=mean, std=std)
    assert train(toy, init=tmp_path / "a.pt", **QUICK).classifier.info.mean == mean
    chosen = train(toy, init=tmp_path / "a.pt", normalization="half", **QUICK).classifier
    assert chosen.info.mean == HALF


def test_what_can_not_be_started_from_is_refused(toy: Dataset, tmp_path: Path) -> None:
    saved(tmp_path / "start.pt", 3)
    both = [{"arch": "resnet-8"}, {"init": tmp_path / "start.pt"}]
    for other in both:
        with pytest.raises(InvalidInput, match="its architecture and weights: leave"):
            train(toy, model=own_network(), **other, **QUICK)
    with pytest.raises(ModelError, match=r"returns \(2, 5\) for 2 images, expected .* \(2, 3\)"):
        train(toy, model=own_network(5), **QUICK)
    with pytest.raises(ModelError, match=r"Linear fails on images \(2, 3, 8, 8\): RuntimeError"):
        train(toy, model=nn.Linear(3, 3), **QUICK)
    with pytest.raises(InvalidInput, match="a torch module to train, got function"):
        train(toy, model=lambda images: images, **QUICK)  # type: ignore[arg-type]
    with pytest.raises(InvalidInput, match="no parameter that requires a gradient"):
        train(toy, model=own_network().requires_grad_(False), **QUICK)
    with pytest.raises(CheckpointError, match="there is no file"):
        train(toy, init=tmp_path / "nowhere.pt", **QUICK)
    saved(tmp_path / "odd.pt", 3, mean=(0.1, 0.2, 0.3))
    with pytest.raises(InvalidInput, match="a normalisation of its own"):
        train(toy, init=tmp_path / "odd.pt", **QUICK)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # TorchScript is deprecated, and its files are around.
        torch.jit.trace(own_network(), torch.zeros(1, 3, 8, 8)).save(tmp_path / "traced.pt")
    with pytest.raises(InvalidInput, match="is a torchscript, which can't be trained further"):
        train(toy, init=tmp_path / "traced.pt", **QUICK)


def test_images_in_memory_are_trained_on(toy: Dataset) -> None:
    images, labels = toy.train.read(0, 70).permute(0, 2, 3, 1), toy.train.labels[:70]
    tested = (toy.test.read(0, 30), toy.test.labels[:30])
    own = rb.train((images, labels), test_data=tested, arch="resnet-8", **QUICK)
    floats = rb.train((toy.train.read(0, 70) / 255, labels), test_data=tested, arch="resnet-8", **QUICK)
    assert own.history[0].train_loss == floats.history[0].train_loss
    loader = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(toy.train.read(0, 70), labels))
    kept = rb.train(loader, arch="resnet-8", **(QUICK | {"batch_size": 10})).history
    assert len(kept) == 1
    with pytest.raises(InvalidInput, match="the training images have no labels"):
        rb.train(images, arch="resnet-8", **QUICK)
    with pytest.raises(InvalidInput, match="leave out `data=DIR`"):
        rb.train((images, labels), data="somewhere", **QUICK)
    with pytest.raises(InvalidInput, match="`test_data=...` goes with images in memory".replace(".", r"\.")):
        rb.train("cifar10", data="somewhere", test_data=tested, **QUICK)
