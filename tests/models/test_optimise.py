"""Folding batch norm makes a model faster and changes nothing else."""

from __future__ import annotations

import pytest
import torch
import torchvision
from torch import Tensor, nn

from robustbench_lite.models import as_classifier, assert_eval, ensemble, optimise_for_inference
from tests.models.conftest import random_network, randomise


def norms(module: nn.Module) -> int:
    return sum(isinstance(m, nn.BatchNorm2d) for m in module.modules())


# Norms left: none where every norm follows a convolution; pre-activation nets keep those that follow a sum.
FOLDED = {
    "resnet-8": (7, 0),
    "allconv": (9, 0),
    "resnext-11-4x32d": (13, 0),
    "wrn-10-1": (3, 4),
    "densenet-bc-16-4": (6, 9),
    "efficientnet-lite0": (49, 0),
}


@pytest.mark.parametrize("name", FOLDED)
def test_norms_after_convolutions_go_and_outputs_stay(name: str, pixels: Tensor) -> None:
    model = as_classifier(random_network(name), normalize="half")
    with torch.inference_mode():
        before = model(pixels)
    faster, note = optimise_for_inference(model, pixels)
    folded, left = FOLDED[name]
    assert note == f"{folded} batch norms folded into convolutions, channels last"
    assert norms(faster) == left
    assert norms(model) == folded + left
    assert_eval(faster)
    with torch.inference_mode():
        assert (faster(pixels) - before).abs().max() <= 1e-5 * before.abs().max()
        assert torch.equal(model(pixels), before)
    assert faster.info == model.info


def test_torchvision_networks_fold_too() -> None:
    network = randomise(torchvision.models.mobilenet_v3_small(num_classes=10))
    images = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    faster, note = optimise_for_inference(as_classifier(network), images)
    assert norms(faster) == 0, note


def test_all_members_of_an_ensemble_are_folded(pixels: Tensor) -> None:
    joint = ensemble([as_classifier(random_network("resnet-8", seed=s)) for s in (0, 1)])
    faster, note = optimise_for_inference(joint, pixels)
    assert norms(faster) == 0
    assert note.startswith("14 batch norms folded")


class Shared(nn.Module):
    """One convolution read by a norm and by a sum; one norm used twice; one without statistics."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 4, 1)
        self.conv2 = nn.Conv2d(4, 4, 1)
        self.conv3 = nn.Conv2d(4, 4, 1)
        self.bn1 = nn.BatchNorm2d(4)
        self.bn2 = nn.BatchNorm2d(4)
        self.bn3 = nn.BatchNorm2d(4, track_running_stats=False)
        self.bn4 = nn.BatchNorm2d(4)
        self.conv4 = nn.Conv2d(4, 4, 1)
        self.alias = self.conv4

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv1(x)
        x = x + self.bn1(x)
        x = self.bn2(self.conv2(self.bn2(x)))
        x = self.bn3(self.conv3(x))
        return self.bn4(self.conv4(x)).mean(dim=(2, 3))


def test_norms_that_others_depend_on_are_left(pixels: Tensor) -> None:
    faster, note = optimise_for_inference(as_classifier(randomise(Shared())), pixels)
    assert norms(faster) == 4
    assert note == "channels last"


class Fickle(nn.Module):
    """Folds in a trace, but computes something else in a forward pass."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 1)
        self.bn = nn.BatchNorm2d(4)

    def forward(self, x: Tensor) -> Tensor:
        x = self.bn(self.conv(x)).mean(dim=(2, 3))
        return x * float(isinstance(self.bn, nn.BatchNorm2d))


def test_folding_that_would_change_the_outputs_is_left_out(pixels: Tensor) -> None:
    model = as_classifier(randomise(Fickle()))
    faster, note = optimise_for_inference(model, pixels)
    assert note == "channels last, batch norm not folded: the outputs would change"
    with torch.inference_mode():
        torch.testing.assert_close(faster(pixels), model(pixels))


def test_a_network_whose_forward_pass_calls_train_is_left_as_it_is(pixels: Tensor) -> None:
    class Trains(nn.Sequential):
        def forward(self, images: Tensor) -> Tensor:
            self.train()
            return super().forward(images)

    network = Trains(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    _, note = optimise_for_inference(as_classifier(network), pixels)
    assert "folded into" not in note


def test_what_cant_be_traced_is_only_laid_out(pixels: Tensor) -> None:
    class Branching(Fickle):
        def forward(self, x: Tensor) -> Tensor:
            return super().forward(x) if x.mean() > 0 else x.mean(dim=(2, 3))

    faster, note = optimise_for_inference(as_classifier(randomise(Branching())), pixels)
    assert note == "channels last"
    assert norms(faster) == 1


def test_outputs_that_a_layout_changes_are_left_as_they_are(pixels: Tensor) -> None:
    class Layout(Fickle):
        def forward(self, x: Tensor) -> Tensor:
            last = self.conv.weight.is_contiguous(memory_format=torch.contiguous_format)
            return super().forward(x) * (1.0 if last else 2.0)

    network = randomise(Layout())
    network.conv.weight = nn.Parameter(torch.rand(4, 3, 3, 3))
    model = as_classifier(network)
    same, note = optimise_for_inference(model, pixels)
    assert same is model
    assert note.startswith("as loaded")


def test_a_callable_is_left_alone(pixels: Tensor) -> None:
    model = as_classifier(lambda images: images.mean(dim=(2, 3)))
    faster, note = optimise_for_inference(model, pixels)
    assert note == "channels last"
    assert torch.equal(faster(pixels), model(pixels))
