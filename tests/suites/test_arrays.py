"""Images in memory: every form that holds the same pictures gives the same pixels and labels."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import (
    DataLoader,
    Dataset,
    IterableDataset,
    RandomSampler,
    SubsetRandomSampler,
    TensorDataset,
)
from torchvision import datasets
from torchvision.transforms import v2
from torchvision.transforms.functional import to_tensor

from robustbench_lite.errors import DataError, InvalidInput, RobustBenchWarning
from robustbench_lite.suites.custom import load_custom, memory_source
from robustbench_lite.suites.memory import read_images
from robustbench_lite.suites.spec import CLEAN

COUNT = 12
PIXELS = np.random.default_rng(0).integers(0, 256, (COUNT, 10, 8, 3), dtype=np.uint8)
LABELS = np.arange(COUNT) % 4
NAMES = ["cat", "dog", "fox", "owl"]


class Pictures(Dataset[Any]):
    """A data set like torchvision's, through a transform."""

    classes = NAMES

    def __init__(self, transform: Callable[[Image.Image], Any] | None = None, columns: str = "tuple") -> None:
        self.transform, self.columns = transform, columns

    def __len__(self) -> int:
        return COUNT

    def __getitem__(self, number: int) -> Any:
        image: Any = Image.fromarray(PIXELS[number])
        image = self.transform(image) if self.transform else image
        label = int(LABELS[number])
        return (image, label) if self.columns == "tuple" else {"img": image, "label": label}


class Columns:
    """A stand-in with the two features of a Hugging Face data set that matter: columns and their types."""

    def __init__(self, columns: dict[str, Sequence[Any]], features: dict[str, Any]) -> None:
        self.columns, self.features = columns, features

    def __len__(self) -> int:
        return len(next(iter(self.columns.values())))

    def __getitem__(self, number: int) -> dict[str, Any]:
        return {name: values[number] for name, values in self.columns.items()}


class ClassLabel(SimpleNamespace):
    names: list[str]


PILLOW = [Image.fromarray(one) for one in PIXELS]
FLOATS = torch.stack([to_tensor(one) for one in PILLOW])
SCALED = v2.Compose([v2.ToImage(), v2.ToDtype(torch.float32, scale=True)])

FORMS: dict[str, Any] = {
    "uint8 arrays": (PIXELS, LABELS),
    "a list of the two": [PIXELS, LABELS],
    "uint8 tensors": (torch.from_numpy(PIXELS), torch.from_numpy(LABELS)),
    "uint8 tensors with the channels first": (torch.from_numpy(PIXELS).permute(0, 3, 1, 2), LABELS.tolist()),
    "what ToTensor gives": (FLOATS, torch.from_numpy(LABELS)),
    "float64 arrays": (FLOATS.double().numpy(), LABELS.astype(np.int32)),
    "floats with the channels last": (PIXELS / 255, LABELS),
    "PIL images in a list": (PILLOW, LABELS),
    "pairs in a list": list(zip(PILLOW, LABELS.tolist(), strict=True)),
    "a data set of PIL images": Pictures(),
    "a data set through ToTensor": Pictures(to_tensor),
    "a data set through transforms v2": Pictures(SCALED),
    "a data set of tv_tensors": Pictures(v2.ToImage()),
    "a data set of arrays": Pictures(np.asarray),
    "a data set of mappings": Pictures(columns="mapping"),
    "a TensorDataset": TensorDataset(FLOATS, torch.from_numpy(LABELS)),
    "a Subset": torch.utils.data.Subset(Pictures(), range(COUNT)),
    "a DataLoader": DataLoader(Pictures(to_tensor), batch_size=5),
    "a DataLoader that drops the last batch": DataLoader(Pictures(to_tensor), batch_size=5, drop_last=True),
    "a DataLoader of mappings": DataLoader(Pictures(to_tensor, columns="mapping"), batch_size=4),
    "columns": Columns(
        {"image": PILLOW, "label": LABELS.tolist()}, {"image": "Image", "label": ClassLabel(names=NAMES)}
    ),
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_gives_the_same_pixels_and_labels(form: str) -> None:
    own = read_images(FORMS[form])
    assert np.array_equal(own.as_uint8(), PIXELS)
    assert own.labels is not None
    assert own.labels.tolist() == LABELS.tolist()
    assert own.labels.dtype == np.int64


@pytest.mark.parametrize("form", ["a data set of PIL images", "a DataLoader", "columns"])
def test_the_names_of_the_classes_are_those_of_the_data_set(form: str) -> None:
    assert read_images(FORMS[form]).class_names == tuple(NAMES)


def test_a_data_set_of_torchvision_s_is_read(tmp_path: Any) -> None:
    for number, picture in enumerate(PILLOW):
        folder = tmp_path / NAMES[LABELS[number]]
        folder.mkdir(exist_ok=True)
        picture.save(folder / f"{number:02}.png")
    own = read_images(datasets.ImageFolder(tmp_path))
    order = np.argsort(LABELS, kind="stable")
    assert np.array_equal(own.images, PIXELS[order])
    assert own.class_names == tuple(NAMES)


def test_round_255_x_gives_back_every_byte_and_rounds_what_lies_between() -> None:
    levels = np.arange(256, dtype=np.uint8).reshape(1, 16, 16)
    rgb = np.stack([levels] * 3, axis=-1)
    unit = torch.from_numpy(rgb).permute(0, 3, 1, 2).float() / 255
    assert np.array_equal(read_images((unit, [0])).as_uint8(), rgb)
    between = np.full((1, 3, 4, 4), 0.1, dtype=np.float32)  # 25.5 in float32 lies just above 25.5
    assert read_images((between, [0])).as_uint8().max() in (25, 26)
    assert read_images((np.full((1, 3, 4, 4), 0.0999), [0])).as_uint8().max() == 25


def test_grey_images_become_three_equal_channels() -> None:
    own = read_images((PIXELS[..., 0], LABELS))
    assert np.array_equal(own.images, np.repeat(PIXELS[..., :1], 3, axis=3))
    assert np.array_equal(read_images([(Image.fromarray(PIXELS[0, :, :, 0]), 1)]).images, own.images[:1])


def test_a_shuffled_loader_is_read_in_the_order_of_its_data_set_with_a_word() -> None:
    loader = DataLoader(Pictures(to_tensor), batch_size=4, shuffle=True)
    with pytest.warns(RobustBenchWarning, match="read in the order of its data set"):
        own = read_images(loader)
    assert np.array_equal(own.as_uint8(), PIXELS)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (DataLoader(Pictures(to_tensor), sampler=SubsetRandomSampler([1, 2])), "SubsetRandomSampler"),
        (
            DataLoader(Pictures(to_tensor), sampler=RandomSampler(Pictures(), replacement=True)),
            "may repeat or leave out images",
        ),
        ((FLOATS * 255, LABELS), r"must lie in \[0, 1\].*got 0 to 255; give values from 0 to 255 as uint8"),
        ((v2.Normalize([0.5] * 3, [0.5] * 3)(FLOATS), LABELS), r"got -1 to 1; they look normalised"),
        ((FLOATS * torch.nan, LABELS), "got nan to nan; they are not all numbers"),
        ((FLOATS.half() - 1, LABELS), "they look normalised"),
        (Pictures(v2.Compose([SCALED, v2.Normalize([0.5] * 3, [0.5] * 3)])), "they look normalised"),
        ((PIXELS.astype(np.int64), LABELS), "the images are int64; expected uint8"),
        ((np.zeros((3, 5, 6, 4), np.uint8), [0, 1, 2]), r"shape \(3, 5, 6, 4\)"),
        ((PIXELS[:0], []), r"shape \(0, "),
        ((PIXELS, LABELS[:3]), r"labels must be 12 class indices from 0.*shape \(3,\)"),
        ((PIXELS, LABELS - 1), "from -1"),
        ((PIXELS, LABELS * 1.0), "got float64"),
        ((PIXELS, np.eye(12)), r"shape \(12, 12\)"),
        ([(PILLOW[0], 0), (PILLOW[1].resize((9, 9)), 1)], "image 0 have 10 x 8 and .* image 1 have 9 x 9"),
        ([(PILLOW[0], 0), (PILLOW[1], None)], "image 1 has no label, others have one"),
        ([(PILLOW[0], 0), (FLOATS[1], 1)], "several types: float32, uint8"),
        ([(PILLOW[0], 0, "more")], "have 3 parts; expected"),
        ([], "holds no images"),
        ({"train": Pictures(), "test": Pictures()}, r"dataset\["),
        (Columns({"audio": [1], "label": [1]}, {}), "no images among the columns audio, label"),
        (
            Columns({"img": PILLOW, "fine_label": LABELS, "label": LABELS}, {}),
            "several columns could be the labels: label, fine_label",
        ),
        (3, "got int"),
        (object(), "images are a path, .* got object"),
    ],
)  # fmt: skip
def test_what_is_no_set_of_images_is_one_clear_error(source: Any, message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        read_images(source)


def test_a_stream_has_no_fixed_order() -> None:
    class Stream(IterableDataset[Any]):
        def __iter__(self) -> Any:
            return iter(zip(FLOATS, LABELS, strict=True))

    with pytest.raises(InvalidInput, match="got Stream"):
        read_images(Stream())
    with pytest.raises(InvalidInput, match="IterableDataset has no fixed order"):
        read_images(DataLoader(Stream()))


@pytest.mark.parametrize("wrap", [lambda broken: broken, lambda broken: DataLoader(broken)])
def test_an_exception_of_the_data_set_is_named(wrap: Callable[[Any], Any]) -> None:
    class Broken(Pictures):
        def __getitem__(self, number: int) -> Any:
            raise OSError("the disk is gone")

    with pytest.raises(InvalidInput, match=r"can't be read.*OSError.*the disk is gone"):
        read_images(wrap(Broken()))


def test_images_in_memory_are_a_suite_with_a_digest_of_their_content() -> None:
    suite = load_custom((PIXELS[:, :8], LABELS))
    assert (suite.spec.classes, suite.spec.image_size, suite.images) == (4, 8, COUNT)
    reader = suite.open(CLEAN)
    assert np.array_equal(reader.read(2, 5).numpy(), PIXELS[2:5, :8])
    other = PIXELS[:, :8].copy()
    other[0, 0, 0, 0] ^= 1
    prints = [
        load_custom(pair).fingerprint()
        for pair in ((PIXELS[:, :8], LABELS), (other, LABELS), (PIXELS[:, :8], LABELS[::-1]))
    ]
    assert suite.fingerprint() == prints[0]
    assert len(set(prints)) == 3


def test_a_suite_in_memory_needs_labels_that_fit_its_classes() -> None:
    with pytest.raises(InvalidInput, match="the images have no labels"):
        memory_source(read_images(PIXELS))
    with pytest.raises(DataError, match="labels from 0 to 3, expected 0 to 1"):
        load_custom((PIXELS, LABELS), classes=["a", "b"])
    with pytest.raises(InvalidInput, match="`image_size=N` is for image files"):
        load_custom((PIXELS, LABELS), image_size=32)
