"""Stages around a classifier: another image size, another order of channels, other outputs."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn
from torchvision.transforms import v2

from robustbench_lite.errors import ModelError
from robustbench_lite.models import as_classifier
from robustbench_lite.models.adapt import FlipChannels, ResizeInput, SelectOutputs, SigmoidOutput, adapted


def pictures(side: int) -> torch.Tensor:
    coarse = np.random.default_rng(0).integers(0, 256, (3, 9, 9, 3), dtype=np.uint8)
    large = [
        np.asarray(Image.fromarray(one).resize((side, side), Image.Resampling.BICUBIC)) for one in coarse
    ]
    return torch.from_numpy(np.stack(large)).permute(0, 3, 1, 2)


@pytest.mark.parametrize(("side", "target"), [(224, 299), (224, 384), (224, 32), (64, 224), (32, 24)])
def test_resized_images_are_pillows_and_torchvisions(side: int, target: int) -> None:
    images = pictures(side)
    resized = ResizeInput(target)(images)
    assert resized.dtype == torch.uint8
    bicubic, size = v2.InterpolationMode.BICUBIC, (target, target)
    torchvision = v2.functional.resize(images, list(size), interpolation=bicubic, antialias=True)
    files = (Image.fromarray(image.permute(1, 2, 0).numpy()) for image in images)
    pillow = np.stack([np.asarray(file.resize(size, Image.Resampling.BICUBIC)) for file in files])
    for expected in (torchvision, torch.from_numpy(pillow).permute(0, 3, 1, 2)):
        difference = (resized.int() - expected.int()).abs()
        # torchvision and Pillow differ by two levels, too: a rounding of the rows is enlarged in the columns.
        assert difference.max() <= 2
        assert (difference > 0).float().mean() < 0.02


def test_images_in_0_1_are_resized_to_the_same_values_but_for_the_rounding() -> None:
    images = pictures(64)
    floats, levels = 255 * ResizeInput(96)(images / 255), ResizeInput(96)(images).float()
    inside = (floats > 2) & (floats < 253)
    assert (floats - levels).abs()[inside].max() < 2


def test_the_own_size_leaves_images_as_they_are_and_rectangles_keep_their_shape() -> None:
    images = pictures(32)
    assert ResizeInput(32)(images) is images
    assert ResizeInput(16)(images[:, :, :, :24]).shape == (3, 3, 21, 16)


def test_a_sigmoids_output_gives_the_probabilities_of_both_classes() -> None:
    score = torch.tensor([[-2.0], [0.0], [3.0]])
    expected = torch.cat([1 - score.sigmoid(), score.sigmoid()], dim=1)
    torch.testing.assert_close(SigmoidOutput(probabilities=False)(score).softmax(1), expected)
    torch.testing.assert_close(SigmoidOutput(probabilities=True)(score.sigmoid()).softmax(1), expected)


def test_outputs_are_picked_in_order_and_too_few_are_refused() -> None:
    logits = torch.arange(8.0).reshape(2, 4)
    assert SelectOutputs([3, 1])(logits).tolist() == [[3, 1], [7, 5]]
    with pytest.raises(ModelError, match=r"returned shape \(2, 3\), but output 3 is asked for"):
        SelectOutputs([3, 1])(logits[:, :3])


def test_stages_act_before_the_normalisation_and_after_the_network_and_the_original_stays() -> None:
    seen: list[torch.Tensor] = []

    class Network(nn.Module):
        def forward(self, images: torch.Tensor) -> torch.Tensor:
            seen.append(images)
            return images.mean(dim=(2, 3))

    plain = as_classifier(Network(), normalize="0.1,0.2,0.3,0.5,0.5,0.5")
    images = pictures(16)
    first = adapted(plain, before=FlipChannels(), after=SelectOutputs([2, 0]), note="flipped", num_classes=2)
    both = adapted(first, before=ResizeInput(8))
    logits = both(images)
    mean = torch.tensor([0.1, 0.2, 0.3]).reshape(1, 3, 1, 1)
    torch.testing.assert_close(seen[0], (ResizeInput(8)(images).flip(1) / 255 - mean) / 0.5)
    torch.testing.assert_close(logits, seen[0].mean(dim=(2, 3))[:, [2, 0]])
    assert (both.info.notes, both.info.num_classes) == (("flipped",), 2)
    assert plain(images).shape == (3, 3)
    assert plain.info.notes == ()
