"""The labelled images of a training: in memory, or in files that are decoded when they are needed."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Protocol

import numpy as np
import torch
from torch import Generator, Tensor

from robustbench_lite.augmix import random_crop_flip
from robustbench_lite.errors import DataError, InvalidInput
from robustbench_lite.training.recipes import Family, TrainingRecipe
from robustbench_lite.training.seeds import generator

LARGE: Final = 64
"""Images with a longer side use ImageNet's recipe and are decoded when they are needed."""


class Images(Protocol):
    """Labelled images.

    Attributes:
        labels: int64 (N,) on the CPU.
        size: The height and width of the images that `crops` and `read` return.
    """

    @property
    def labels(self) -> Tensor: ...  # noqa: D102
    @property
    def size(self) -> tuple[int, int]: ...  # noqa: D102

    def to(self, device: torch.device) -> Images:
        """Return the same images, on the device where they are in memory."""

    def crops(self, rows: Tensor, recipe: TrainingRecipe, draws: Generator) -> Tensor:
        """Return these images for training, randomly cropped and mirrored, uint8 (n, 3, H, W)."""

    def read(self, start: int, stop: int) -> Tensor:
        """Return images start to stop - 1 for testing, uint8 (n, 3, H, W)."""

    def fingerprint(self) -> str:
        """Return a SHA-256 that identifies the images and their labels."""


@dataclass(frozen=True)
class InMemory:
    """Small images of one size, uint8 (N, 3, H, W), and their labels, int64 (N,)."""

    images: Tensor
    labels: Tensor

    @property
    def size(self) -> tuple[int, int]:
        """Height and width."""
        return self.images.shape[2], self.images.shape[3]

    def to(self, device: torch.device) -> InMemory:
        """Return the same images on the device."""
        return replace(self, images=self.images.to(device))

    def crops(self, rows: Tensor, recipe: TrainingRecipe, draws: Generator) -> Tensor:
        """Return the images with a random shift within a border of zeros, randomly mirrored."""
        images = self.images.index_select(0, rows.to(self.images.device))
        return random_crop_flip(
            images, padding=recipe.padding, flip=0.5 if recipe.flip else 0.0, generator=draws
        )

    def read(self, start: int, stop: int) -> Tensor:
        """Return the images without a change."""
        return self.images[start:stop]

    def fingerprint(self) -> str:
        """Return the SHA-256 of all pixels and labels."""
        digest = hashlib.sha256(repr(tuple(self.images.shape)).encode())
        digest.update(self.images.cpu().contiguous().numpy().data)
        digest.update(self.labels.numpy().data)
        return digest.hexdigest()

    def subset(self, rows: Tensor) -> InMemory:
        """Return some of the images."""
        return InMemory(self.images[rows], self.labels[rows])


@dataclass(frozen=True)
class Dataset:
    """The training images and the test images of a run.

    Attributes:
        name: The name in the log.
        train: The training images.
        test: The test images. They only choose the epoch of the file best.pt.
        classes: The number of classes; labels start at 0.
        class_names: The names in the order of the labels, where they are known.
        family: The paper's recipe that fits: "cifar" for small images, "imagenet" for large ones.
    """

    name: str
    train: Images
    test: Images
    classes: int
    class_names: tuple[str, ...] | None
    family: Family

    def fingerprint(self) -> str:
        """Return the SHA-256 of both parts."""
        return hashlib.sha256(f"{self.train.fingerprint()} {self.test.fingerprint()}".encode()).hexdigest()


def from_arrays(
    images: object,
    labels: object,
    test_images: object | None = None,
    test_labels: object | None = None,
    *,
    name: str = "arrays",
    class_names: Sequence[str] | None = None,
    classes: int | None = None,
    test_fraction: float = 0.1,
    seed: int = 0,
) -> Dataset:
    """Make a data set from arrays.

    Args:
        images: uint8 (N, H, W, 3), or grey (N, H, W) or (N, H, W, 1); NumPy array or tensor.
        labels: Integers (N,) from 0.
        test_images: The test images, in the form of `images`. None draws a part of the images of each class
            for testing.
        test_labels: The labels of the test images, in the form of `labels`.
        name: The name in logs and errors.
        class_names: The names in the order of the labels.
        classes: The number of classes. By default the number of class_names, or the highest label + 1 where
            every label below it occurs.
        test_fraction: The share of the images that becomes the test set where there are no test images.
        seed: The seed of that draw.

    Raises:
        DataError: The shape, type or labels are wrong, or there is only one class.
        InvalidInput: The test fraction leaves no image to train on or to test on.
    """
    train = _checked(images, labels, name)
    if class_names is not None and classes is None:
        classes = len(class_names)
    if test_images is None or test_labels is None:
        if (test_images is None) != (test_labels is None):
            raise InvalidInput("test_images and test_labels go together; only one of them was given")
        train_rows, test_rows = split(train.labels, test_fraction, seed)
        train, test = train.subset(train_rows), train.subset(test_rows)
    else:
        test = _checked(test_images, test_labels, f"the test set of {name}")
        if test.size != train.size:
            raise DataError(
                f"{name}: training images are {train.size}, test images {test.size} pixels high and wide"
            )
    classes = classes or _counted(torch.cat((train.labels, test.labels)), name)
    for part, what in ((train, name), (test, f"the test set of {name}")):
        check_labels(part.labels, classes, what)
    check_variety(train.labels, name)
    names = tuple(class_names) if class_names is not None else None
    family: Family = "imagenet" if max(train.size) > LARGE else "cifar"
    return Dataset(name, train, test, classes, names, family)


def _checked(images: object, labels: object, name: str) -> InMemory:
    pixels, classes = _tensor(images, name, "images"), _tensor(labels, name, "labels")
    if pixels.ndim == 3:
        pixels = pixels[..., None]
    if pixels.ndim == 4 and pixels.shape[-1] == 1:
        pixels = pixels.expand(*pixels.shape[:3], 3)
    if pixels.dtype != torch.uint8 or pixels.ndim != 4 or pixels.shape[-1] != 3:
        raise DataError(
            f"{name}: images are {pixels.dtype} of shape {tuple(pixels.shape)}; expected uint8 (N, H, W, 3), "
            "or grey (N, H, W) or (N, H, W, 1)"
        )
    if (
        classes.ndim != 1
        or classes.is_floating_point()
        or classes.is_complex()
        or classes.dtype == torch.bool
    ):
        raise DataError(
            f"{name}: labels are {classes.dtype} of shape {tuple(classes.shape)}; expected whole numbers (N,)"
        )
    if len(pixels) != len(classes) or not len(pixels):
        raise DataError(
            f"{name}: {len(pixels)} images and {len(classes)} labels; expected equal numbers, at least one"
        )
    return InMemory(pixels.permute(0, 3, 1, 2).contiguous(), classes.long())


def _counted(labels: Tensor, name: str) -> int:
    """Return the number of classes from the labels alone; each class must occur."""
    present = labels.unique()
    classes = int(present[-1]) + 1
    absent = classes - int((present >= 0).sum())
    if absent:
        raise DataError(
            f"{name} has labels up to {classes - 1}, of which {absent} never occur; number the classes from "
            "0 without gaps, or name them all (class_names)"
        )
    return classes


def _tensor(values: Any, name: str, what: str) -> Tensor:
    try:
        return torch.as_tensor(values) if isinstance(values, Tensor) else torch.from_numpy(np.array(values))
    except (TypeError, ValueError) as error:
        raise DataError(f"{name}: {what} can't be made an array of numbers ({error})") from error


def check_labels(labels: Tensor, classes: int, name: str) -> None:
    """Raise DataError unless all labels lie in 0 .. classes - 1."""
    low, high = int(labels.min()), int(labels.max())
    if low < 0 or high >= classes:
        raise DataError(
            f"{name} has labels from {low} to {high}; the labels of {classes} classes are 0..{classes - 1}"
        )


def check_variety(labels: Tensor, name: str) -> None:
    """Raise DataError if all labels are the same."""
    if len(labels.unique()) < 2:
        raise DataError(
            f"all {len(labels)} training images of {name} have the label {int(labels[0])}; "
            "a classifier needs at least two classes to learn"
        )


def check_batch(images: int, batch_size: int, processes: int) -> None:
    """Raise InvalidInput unless the images fill a batch and every process gets two images of it."""
    if images < batch_size:
        raise InvalidInput(
            f"{images} training images do not fill one batch of {batch_size}; lower the batch size"
        )
    if batch_size < 2 * processes:
        raise InvalidInput(
            f"a batch of {batch_size} gives {processes} processes fewer than two images each; "
            "raise the batch size"
        )


def split(labels: Tensor, fraction: float, seed: int) -> tuple[Tensor, Tensor]:
    """Divide rows into training rows and test rows, both sorted. The test rows are drawn class by class.

    Raises:
        InvalidInput: The fraction is not between 0 and 1, or it leaves no training image of a class.
    """
    if not 0 < fraction < 1:
        raise InvalidInput(f"the test fraction must lie between 0 and 1, got {fraction}")
    held: list[Tensor] = []
    for label in labels.unique().tolist():
        rows = torch.nonzero(labels == label).flatten()
        order = torch.randperm(len(rows), generator=generator(seed, "split", label))
        count = max(1, round(fraction * len(rows)))
        if count == len(rows):
            raise InvalidInput(
                f"class {label} has {len(rows)} images; a test fraction of {fraction} leaves none to train on"
            )
        held.append(rows[order[:count]])
    test = torch.zeros(len(labels), dtype=torch.bool)
    test[torch.cat(held)] = True
    return torch.nonzero(~test).flatten(), torch.nonzero(test).flatten()
