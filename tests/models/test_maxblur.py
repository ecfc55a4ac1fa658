"""Max-blur ResNets: the filter, where it stands, and the names of the public release."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torchvision.models import resnet18, resnet50

from robustbench_lite.models import build, load_model, save_checkpoint
from robustbench_lite.models.maxblur import BINOMIAL, BlurPool
from robustbench_lite.models.meta_init import without_weights


@pytest.mark.parametrize("size", BINOMIAL)
def test_the_filter_is_a_box_convolved_with_itself(size: int) -> None:
    row = torch.ones(1, dtype=torch.float64)
    for _ in range(size - 1):
        padded = torch.nn.functional.pad(row, (1, 1))
        row = padded[1:] + padded[:-1]
    expected = torch.outer(row, row) / 4.0 ** (size - 1)
    torch.testing.assert_close(BlurPool(3, size).filt[1, 0].double(), expected)


@pytest.mark.parametrize("size", BINOMIAL)
def test_a_blur_halves_the_image_and_keeps_a_constant(size: int) -> None:
    image = torch.full((2, 3, 15, 16), 0.7)
    torch.testing.assert_close(BlurPool(3, size)(image), torch.full((2, 3, 8, 8), 0.7))


def test_every_second_pixel_is_the_weighted_mean_of_its_surroundings() -> None:
    image = torch.rand((1, 1, 9, 9), generator=torch.Generator().manual_seed(0))
    weights = torch.tensor([1.0, 4.0, 6.0, 4.0, 1.0]) / 16
    expected = (image[0, 0, 2:7, 2:7] * torch.outer(weights, weights)).sum()
    torch.testing.assert_close(BlurPool(1, 5)(image)[0, 0, 2, 2], expected)


def test_parameters_are_resnets_and_named_as_in_the_release() -> None:
    with without_weights():
        ours, plain = build("resnet50-maxblur", 1000), resnet50()
    sizes = [sorted(tuple(p.shape) for p in network.parameters()) for network in (ours, plain)]
    assert sizes[0] == sizes[1]
    names = set(ours.state_dict())
    released = "maxpool.1.filt layer2.0.conv3.0.filt layer2.0.conv3.1.weight layer2.0.downsample.0.filt"
    assert {*released.split(), "layer2.0.downsample.1.weight", "layer4.0.downsample.2.running_var"} <= names
    assert "layer1.0.conv3.weight" in names


@pytest.mark.parametrize(
    ("name", "plain"), [("resnet-18-maxblur", resnet18), ("resnet-50-maxblur3", resnet50)]
)
def test_maps_have_the_sizes_of_the_plain_network(name: str, plain: object) -> None:
    with without_weights():
        networks = [build(name, 10), plain(num_classes=10)]  # type: ignore[operator]
    shapes: list[list[tuple[int, ...]]] = []
    for network in networks:
        network = network.to_empty(device="meta").eval()
        seen: list[tuple[int, ...]] = []
        for stage in ("layer1", "layer2", "layer3", "layer4"):
            network.get_submodule(stage).register_forward_hook(
                lambda m, i, out, s=seen: s.append(tuple(out.shape))
            )
        network(torch.empty((2, 3, 224, 224), device="meta"))
        shapes.append(seen)
    assert shapes[0] == shapes[1]
    assert shapes[0][0][2:] == (56, 56)


def test_a_release_is_detected_from_its_weights(tmp_path: Path) -> None:
    with torch.random.fork_rng():
        network = build("resnet18-maxblur3", 10).eval()
    torch.save(
        {"state_dict": {f"module.{k}": v for k, v in network.state_dict().items()}}, tmp_path / "m.pth.tar"
    )
    loaded = load_model(tmp_path / "m.pth.tar")
    assert (loaded.info.architecture, loaded.info.normalization) == ("resnet-18-maxblur3", "imagenet")
    images = torch.rand((2, 3, 64, 64), generator=torch.Generator().manual_seed(1))
    normalised = (images - loaded.mean) / loaded.std
    torch.testing.assert_close(loaded(images), network(normalised).detach(), rtol=1e-4, atol=1e-4)


def test_a_kept_model_needs_no_option(tmp_path: Path) -> None:
    with torch.random.fork_rng():
        network = build("resnet18-maxblur", 10)
    mean, std = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
    path = tmp_path / "last.pt"
    save_checkpoint(path, network, architecture="resnet18-maxblur", num_classes=10, mean=mean, std=std)
    assert load_model(path).info.architecture in ("resnet18-maxblur", "resnet-18-maxblur")
