"""The zoo: published sizes, the parameter names of public releases, and forward passes against the papers."""

from __future__ import annotations

import functools
from dataclasses import replace

import pytest
import timm
import torch
import torchvision
from torch import Tensor, nn

from robustbench_lite.errors import InvalidInput, UnknownName
from robustbench_lite.models import FAMILIES, architecture_names, build
from robustbench_lite.models.family import class_tensors
from robustbench_lite.models.meta_init import without_weights
from robustbench_lite.models.registry import own_family
from tests.models.conftest import random_network, randomise
from tests.oracles import networks as oracle


def parameters(name: str, num_classes: int = 10) -> int:
    with without_weights():
        return sum(p.numel() for p in build(name, num_classes).parameters())


# Zagoruyko & Komodakis table 4, He et al. table 6, Huang et al. table 2, kuangliu's count, TensorFlow's.
PUBLISHED_MILLIONS = {
    "wrn-40-2": (2.2, 0.05),
    "wrn-28-10": (36.5, 0.05),
    "wrn-16-4": (2.8, 0.1),
    "resnet-20": (0.27, 0.005),
    "resnet-32": (0.46, 0.005),
    "resnet-44": (0.66, 0.005),
    "resnet-56": (0.85, 0.01),
    "resnet-110": (1.7, 0.05),
    "densenet-bc-100-12": (0.8, 0.05),
    # The paper's starts from 16 channels, the AugMix authors' from 24.
    "densenet-40-12": (1.0, 0.1),
    "cifar-resnet-18": (11.17, 0.01),
    "efficientnet-lite0": (4.7, 0.05),
    "efficientnet-lite1": (5.4, 0.05),
    "efficientnet-lite2": (6.1, 0.05),
    "efficientnet-lite3": (8.2, 0.05),
    "efficientnet-lite4": (13.0, 0.05),
}


@pytest.mark.parametrize("name", PUBLISHED_MILLIONS)
def test_parameter_counts_are_the_published_ones(name: str) -> None:
    millions, rounding = PUBLISHED_MILLIONS[name]
    classes = 1000 if "lite" in name else 10
    assert parameters(name, classes) / 1e6 == pytest.approx(millions, abs=rounding)


def test_the_two_resnexts_differ_only_in_their_grouped_convolutions() -> None:
    # 3 stages of 3 blocks with 128, 256, 512 inner channels: 9 w^2 / groups weights each.
    grouped = sum(3 * 9 * width**2 for width in (128, 256, 512))
    assert parameters("resnext-29-4x32d") - parameters("resnext-29-32x4d") == grouped // 4 - grouped // 32


ORACLES = {
    "wrn-10-2": oracle.wide_resnet,
    "wrn-16-1": oracle.wide_resnet,
    "resnet-8": oracle.cifar_resnet,
    "resnet-14": oracle.cifar_resnet,
    "resnet-14-b": oracle.cifar_resnet,
    "densenet-bc-16-4": oracle.densenet,
    "densenet-10-6": oracle.densenet,
    "resnext-11-4x32d": functools.partial(oracle.resnext, groups=4),
    "resnext-11-32x4d": functools.partial(oracle.resnext, groups=32),
    "allconv": oracle.allconv,
    "cifar-preact-resnet-18": functools.partial(oracle.preact_resnet, raw=False),
    "cifar-preact-resnet-18-bn-raw": functools.partial(oracle.preact_resnet, raw=True),
}


@pytest.mark.parametrize("name", ORACLES)
def test_the_forward_pass_is_the_papers(name: str, pixels: Tensor) -> None:
    network = random_network(name)
    with torch.inference_mode():
        expected = ORACLES[name](pixels, network.state_dict())
        torch.testing.assert_close(network(pixels), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("depth", [18, 50])
def test_the_cifar_resnet_is_torchvisions_with_another_stem(depth: int, pixels: Tensor) -> None:
    theirs = torchvision.models.get_model(f"resnet{depth}", num_classes=10)
    theirs.conv1 = nn.Conv2d(3, 64, 3, padding=1, bias=False)
    pool = theirs.maxpool
    state = randomise(theirs).state_dict()
    renamed = {k.replace("downsample", "shortcut").replace("fc.", "linear."): v for k, v in state.items()}
    for name, maxpool in ((f"cifar-resnet-{depth}", nn.Identity()), (f"cifar-resnet-{depth}-maxpool", pool)):
        ours = build(name, 10).eval()
        ours.load_state_dict(renamed)
        theirs.maxpool = maxpool
        with torch.inference_mode():
            torch.testing.assert_close(ours(pixels), theirs(pixels), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(("variant", "size"), [(0, 224), (0, 65), (1, 96)])
def test_efficientnet_lite_is_timms_under_other_names(variant: int, size: int) -> None:
    theirs = randomise(timm.create_model(f"tf_efficientnet_lite{variant}", num_classes=10))
    ours = build(f"efficientnet-lite{variant}", 10).eval()
    ours.load_state_dict(dict(zip(ours.state_dict(), theirs.state_dict().values(), strict=True)))
    images = torch.rand(1, 3, size, size, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        torch.testing.assert_close(ours(images), theirs(images), rtol=1e-4, atol=1e-4)


# Names as they stand in public checkpoints: first and last of the file, and one of each kind.
RELEASED_NAMES = {
    "wrn-40-2": [
        "conv1.weight",
        "block1.layer.0.convShortcut.weight",
        "block2.layer.5.bn2.running_var",
        "block3.layer.0.conv2.weight",
        "bn1.num_batches_tracked",
        "fc.bias",
    ],
    "allconv": ["features.0.weight", "features.11.bias", "features.23.running_mean", "classifier.bias"],
    "densenet-40-12": [
        "conv1.weight",
        "dense1.0.bn1.weight",
        "dense3.11.conv1.weight",
        "trans2.conv1.weight",
        "fc.bias",
    ],
    "densenet-bc-100-12": ["dense2.15.bn2.weight", "dense2.15.conv2.weight", "trans1.bn1.bias", "bn1.weight"],
    "resnext-29-4x32d": [
        "conv_1_3x3.weight",
        "bn_1.weight",
        "stage_1.0.conv_reduce.weight",
        "stage_1.0.downsample.1.bias",
        "stage_3.2.bn_expand.running_mean",
        "stage_2.1.conv_conv.weight",
        "classifier.weight",
    ],
    "resnet-20": ["conv1.weight", "layer1.0.conv1.weight", "layer3.2.bn2.bias", "linear.bias"],
    "resnet-20-b": ["layer2.0.shortcut.0.weight", "layer3.0.shortcut.1.running_var"],
    "cifar-resnet-18": [
        "layer1.0.conv1.weight",
        "layer4.0.shortcut.0.weight",
        "layer4.1.bn2.bias",
        "linear.weight",
    ],
    "cifar-preact-resnet-18": ["layer1.0.bn1.weight", "layer2.0.shortcut.0.weight", "linear.weight"],
    "efficientnet-lite0": [
        "_conv_stem.weight",
        "_blocks.0._depthwise_conv.weight",
        "_blocks.15._project_conv.weight",
        "_blocks.1._bn0.running_var",
        "_conv_head.weight",
        "_fc.bias",
    ],
}


@pytest.mark.parametrize("name", RELEASED_NAMES)
def test_parameters_are_named_as_in_the_public_releases(name: str) -> None:
    with without_weights():
        names = set(build(name, 10).state_dict())
    assert set(RELEASED_NAMES[name]) <= names


@pytest.mark.parametrize("name", architecture_names())
def test_every_architecture_has_one_output_a_class(name: str) -> None:
    own = own_family(name)
    assert own is not None
    head = own[0].head or next(iter(class_tensors(own[1]))).rpartition(".")[0]
    with without_weights():
        assert build(name, 7).get_submodule(head).out_features == 7


@pytest.mark.parametrize("key", [key for key, family in FAMILIES.items() if family.pattern])
def test_the_pattern_of_a_family_builds_its_presets_too(key: str) -> None:
    family = FAMILIES[key]
    for name in family.names(key):
        preset, described = family.builder(key, name), replace(family, presets={"": {}}).builder(key, name)
        assert preset is not None
        assert described is not None
        with without_weights():
            shapes = [
                {k: v.shape for k, v in b(num_classes=7).state_dict().items()} for b in (preset, described)
            ]
        assert shapes[0] == shapes[1], name


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("wrn-41-2", r"6 n \+ 4 layers .* got 41"),
        ("resnet-21", r"6 n \+ 2 layers .* got 21"),
        ("densenet-bc-101-12", r"6 n \+ 4 layers, got 101"),
        ("densenet-41-12", r"3 n \+ 4 layers, got 41"),
        ("resnext-30-4x32d", r"9 n \+ 2 layers .* got 30"),
    ],
)
def test_a_depth_that_the_family_has_not_is_refused(name: str, message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        build(name, 10)


def test_an_unknown_architecture_is_answered_with_the_nearest_names() -> None:
    with pytest.raises(UnknownName, match="did you mean wrn-40-2"):
        build("wnr-40-2", 10)
    with pytest.raises(UnknownName, match=r"unknown torchvision model 'resnet51'; did you mean .*resnet50"):
        build("torchvision:resnet51", 10)
    with pytest.raises(UnknownName, match="unknown timm model 'resnet51'"):
        build("timm:resnet51", 10)


def test_a_name_without_hyphen_is_torchvisions_where_both_have_it() -> None:
    with without_weights():
        assert type(build("resnet20", 10)).__name__ == "CifarResNet"
        assert isinstance(build("resnet18", 10), torchvision.models.ResNet)
        assert isinstance(build("torchvision:resnet18", 10), torchvision.models.ResNet)
        assert build("timm:resnet18", 5).get_classifier().out_features == 5  # type: ignore[operator]


def test_building_without_weights_draws_no_random_number() -> None:
    before = torch.random.get_rng_state()
    with without_weights():
        network = build("wrn-10-1", 10)
        build("torchvision:swin_t", 10)
    assert torch.equal(before, torch.random.get_rng_state())
    assert all(parameter.is_meta for parameter in network.parameters())
