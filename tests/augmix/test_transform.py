"""AugMix inside torchvision pipelines."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision import tv_tensors
from torchvision.transforms import v2

from robustbench_lite.augmix import AugMix, augment_and_mix
from robustbench_lite.errors import InvalidInput, UnknownName


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.fixture
def picture() -> torch.Tensor:
    return torch.randint(0, 256, (3, 32, 32), dtype=torch.uint8, generator=seeded(3))


def test_a_float_result_is_augment_and_mix(picture):
    transform = AugMix(severity=2, width=4, depth=2, alpha=0.5, dtype=torch.float32, generator=seeded(1))
    expected = augment_and_mix(picture[None], severity=2, width=4, depth=2, alpha=0.5, generator=seeded(1))[0]
    assert torch.equal(transform(picture), expected)


def test_a_whole_result_is_rounded_to_the_nearest_level(picture):
    floats = AugMix(dtype=torch.float32, generator=seeded(1))(picture)
    levels = AugMix(generator=seeded(1))(picture)
    assert levels.dtype == torch.uint8
    assert (levels.float() - floats * 255).abs().max() <= 0.501


def test_pil_tensor_and_tv_tensor_go_in_and_come_out_as_they_are(picture):
    image = Image.fromarray(picture.permute(1, 2, 0).numpy())
    from_tensor = AugMix(generator=seeded(2))(picture)
    from_pil = AugMix(generator=seeded(2))(image)
    from_image = AugMix(generator=seeded(2))(tv_tensors.Image(picture))
    assert type(from_tensor) is torch.Tensor
    assert isinstance(from_pil, Image.Image)
    assert isinstance(from_image, tv_tensors.Image)
    assert torch.equal(from_image, from_tensor)
    assert np.array_equal(np.asarray(from_pil), from_tensor.permute(1, 2, 0))


def test_any_leading_shape_is_a_batch_with_draws_of_its_own(picture):
    batch = picture.repeat(2, 4, 1, 1, 1)
    mixed = AugMix(generator=seeded())(batch)
    assert mixed.shape == batch.shape
    assert len(torch.unique(mixed.flatten(0, 1).flatten(1), dim=0)) == 8


def test_labels_pass_through(picture):
    image, label = AugMix(generator=seeded())(Image.fromarray(picture.permute(1, 2, 0).numpy()), 7)
    assert isinstance(image, Image.Image)
    assert label == 7


@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32])
def test_it_replaces_torchvision_s_in_a_pipeline(picture, dtype):
    pipeline = v2.Compose(
        [
            v2.RandomCrop(32, padding=4),
            v2.RandomHorizontalFlip(),
            AugMix.paper("cifar", dtype=dtype),
            v2.ToImage(),
            v2.ToDtype(torch.float32, scale=True),
            v2.Normalize([0.5] * 3, [0.5] * 3),
        ]
    )
    out = pipeline(Image.fromarray(picture.permute(1, 2, 0).numpy()))
    assert out.dtype == torch.float32
    assert out.shape == (3, 32, 32)
    assert -1 <= out.min() <= out.max() <= 1


def test_without_a_generator_torch_s_seed_decides_as_for_all_torchvision_transforms(picture):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(4)
        first, second = AugMix()(picture), AugMix()(picture)
        torch.manual_seed(4)
        again = AugMix()(picture)
    assert torch.equal(first, again)
    assert not torch.equal(first, second)


class Squares(torch.utils.data.Dataset):
    def __len__(self):
        return 4

    def __getitem__(self, index):
        return AugMix(dtype=torch.float32)(torch.arange(3 * 64, dtype=torch.uint8).view(3, 8, 8))


def test_workers_of_a_loader_draw_differently():
    loader = torch.utils.data.DataLoader(Squares(), batch_size=1, num_workers=2, generator=seeded())
    assert len(torch.unique(torch.cat(list(loader)).flatten(1), dim=0)) == 4


@pytest.mark.parametrize(("dataset", "severity"), [("cifar", 3), ("imagenet", 1)])
def test_the_paper_s_presets(dataset, severity):
    preset = AugMix.paper(dataset)
    assert (preset.severity, preset.width, preset.depth, preset.alpha) == (severity, 3, None, 1.0)
    assert not preset.all_ops
    assert preset.overlap == ()
    assert AugMix.paper(dataset, width=5).width == 5


def test_all_ops_warns_and_names_the_corruptions():
    with pytest.warns(UserWarning, match="mark brightness, contrast, .* in the results"):
        transform = AugMix(all_ops=True)
    assert transform.overlap == ("brightness", "contrast", "defocus_blur", "gaussian_blur", "saturate")


def test_bad_input_is_refused(picture):
    with pytest.raises(UnknownName, match="unknown preset of AugMix 'cifer'; did you mean cifar"):
        AugMix.paper("cifer")
    with pytest.raises(InvalidInput, match=r"gives torch.uint8 or torch.float32; got torch.float16"):
        AugMix(dtype=torch.float16)
    with pytest.raises(InvalidInput, match="severity must lie in"):
        AugMix(severity=20)
    with pytest.raises(InvalidInput, match=r"got mode L: convert\('RGB'\) first"):
        AugMix()(Image.new("L", (8, 8)))
    with pytest.raises(InvalidInput, match=r"got torch.float32 \(3, 32, 32\)"):
        AugMix()(picture.float())
    with pytest.raises(InvalidInput, match=r"got torch.uint8 \(1, 32, 32\)"):
        AugMix()(picture[:1])


def test_masks_and_boxes_beside_an_image_pass_through(picture):
    mask = tv_tensors.Mask(torch.randint(0, 256, (3, 32, 32), dtype=torch.uint8))
    boxes = tv_tensors.BoundingBoxes([[1, 2, 3, 4]], format="XYXY", canvas_size=(32, 32))
    image, same_mask, same_boxes = AugMix(generator=seeded())(tv_tensors.Image(picture), mask, boxes)
    assert not torch.equal(image, picture)
    assert torch.equal(same_mask, mask)
    assert torch.equal(same_boxes, boxes)
