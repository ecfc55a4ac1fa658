"""Image folders with one folder per class. Threads decode the files and crop them for training or testing."""

from __future__ import annotations

import hashlib
import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import torch
from PIL import Image
from torch import Generator, Tensor

from robustbench_lite.errors import DataError
from robustbench_lite.suites import decode
from robustbench_lite.suites.inventory import is_hidden
from robustbench_lite.training.data import InMemory
from robustbench_lite.training.recipes import TrainingRecipe

SUFFIXES: Final = (".jpeg", ".jpg", ".png", ".bmp", ".webp", ".ppm")

_TRIES: Final = 10
_SCALE: Final = (0.08, 1.0)
_RATIO: Final = (3 / 4, 4 / 3)
_TEST_CROP: Final = 224 / 256

Box = tuple[int, int, int, int]


@dataclass(frozen=True)
class FolderImages:
    """Image files of any size, which are decoded when they are needed.

    Attributes:
        files: The paths in the order of the rows.
        labels: int64 (N,).
        side: The height and width of the crops.
        name: The name in errors and fingerprints.
    """

    files: tuple[Path, ...]
    labels: Tensor
    side: int
    name: str

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the crops."""
        return self.side, self.side

    def to(self, device: torch.device) -> FolderImages:
        """Return this object, because the CPU decodes the files."""
        return self

    def crops(self, rows: Tensor, recipe: TrainingRecipe, draws: Generator) -> Tensor:
        """Return a random area of each image, resized to `side` and randomly mirrored.

        Source: torchvision's RandomResizedCrop and RandomHorizontalFlip on PIL images.
        """
        chances = torch.rand((len(rows), 4 * _TRIES + 1), generator=draws, dtype=torch.float64).numpy()
        out = torch.empty((len(rows), self.side, self.side, 3), dtype=torch.uint8)
        numbers = rows.tolist()

        def one(place: int) -> None:
            image = Image.fromarray(self._decode(numbers[place]))
            box = random_area(image.height, image.width, chances[place, :-1].reshape(_TRIES, 4))
            image = image.crop(box).resize((self.side, self.side), Image.Resampling.BILINEAR)
            if recipe.flip and chances[place, -1] < 0.5:
                image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
            out[place] = torch.from_numpy(np.array(image))

        decode.in_threads(one, 0, len(rows))
        return out.permute(0, 3, 1, 2)

    def read(self, start: int, stop: int) -> Tensor:
        """Resize the shorter side of each image to 256/224 of `side`, and return its central crop."""
        out = torch.empty((stop - start, self.side, self.side, 3), dtype=torch.uint8)

        def one(number: int) -> None:
            out[number - start] = torch.from_numpy(middle(self._decode(number), self.side))

        decode.in_threads(one, start, stop)
        return out.permute(0, 3, 1, 2)

    def fingerprint(self) -> str:
        """Return the SHA-256 of the labels and of each file's class folder and name, not of its content."""
        digest = hashlib.sha256(f"{self.side}".encode())
        for path in self.files:
            digest.update(f"{path.parent.name}/{path.name}\n".encode())
        digest.update(self.labels.numpy().data)
        return digest.hexdigest()

    def subset(self, rows: Tensor) -> FolderImages:
        """Return some of the images."""
        files = tuple(self.files[row] for row in rows.tolist())
        return FolderImages(files, self.labels[rows], self.side, self.name)

    def _decode(self, row: int) -> decode.Pixels:
        path = self.files[row]
        try:
            return decode.decode_image(path.read_bytes(), str(path))
        except OSError as error:
            raise DataError(f"{path} can't be read: {error.strerror}") from error


def random_area(height: int, width: int, chances: np.ndarray[tuple[int, int], np.dtype[np.float64]]) -> Box:
    """Return the box (left, top, right, bottom) of a random area and shape.

    Args:
        height: The height of the image, in pixels.
        width: The width of the image, in pixels.
        chances: (tries, 4) uniform draws from [0, 1): area, shape, vertical place, horizontal place; one row
            per try.

    Source: torchvision's RandomResizedCrop.get_params: the area is U(0.08, 1) of the image's, and the ratio
    is log-uniform from 3/4 to 4/3. The first of ten tries that fits is used, else the largest central box of
    an allowed ratio.
    """
    for area_chance, ratio_chance, down, across in chances:
        area = height * width * (_SCALE[0] + (_SCALE[1] - _SCALE[0]) * area_chance)
        low, high = math.log(_RATIO[0]), math.log(_RATIO[1])
        ratio = math.exp(low + (high - low) * ratio_chance)
        w, h = round(math.sqrt(area * ratio)), round(math.sqrt(area / ratio))
        if 0 < w <= width and 0 < h <= height:
            top, left = int(down * (height - h + 1)), int(across * (width - w + 1))
            return left, top, left + w, top + h
    w, h = width, height
    if width / height < _RATIO[0]:
        h = round(w / _RATIO[0])
    elif width / height > _RATIO[1]:
        w = round(h * _RATIO[1])
    left, top = (width - w) // 2, (height - h) // 2
    return left, top, left + w, top + h


def middle(pixels: decode.Pixels, side: int) -> decode.Pixels:
    """Return the central crop of a test image, as torchvision's Resize and CenterCrop on a PIL image."""
    height, width = pixels.shape[:2]
    short, target = min(height, width), round(side / _TEST_CROP)
    size = (target * width // short, target * height // short)
    image = Image.fromarray(pixels).resize(size, Image.Resampling.BILINEAR)
    left, top = (round((length - side) / 2) for length in size)
    return np.array(image.crop((left, top, left + side, top + side)))


def class_folders(folder: Path) -> list[str]:
    """Return the names of the folders in a folder, sorted; none where it is not a folder."""
    if not folder.is_dir():
        return []
    with os.scandir(folder) as entries:
        return sorted(entry.name for entry in entries if entry.is_dir() and not is_hidden(entry.name))


def list_files(folder: Path, classes: Sequence[str], side: int) -> FolderImages:
    """List the image files of some classes, sorted by class and name; a label is an index of `classes`.

    Raises:
        DataError: A class has no folder or no images.
    """
    files: list[Path] = []
    labels: list[int] = []
    for label, name in enumerate(classes):
        place = folder / name
        if not place.is_dir():
            raise DataError(f"{folder} has no folder for the class {name}")
        entries = (entry for entry in os.listdir(place) if not is_hidden(entry))
        names = sorted(entry for entry in entries if entry.lower().endswith(SUFFIXES))
        if not names:
            raise DataError(f"{place} holds no images ({', '.join(SUFFIXES)}); remove the folder or fill it")
        files += [place / entry for entry in names]
        labels += [label] * len(names)
    return FolderImages(tuple(files), torch.tensor(labels), side, str(folder))


def common_size(images: FolderImages) -> tuple[int, int] | None:
    """Return the common size of each class's first image; None where the sizes differ."""
    firsts = {
        label: path
        for path, label in zip(reversed(images.files), reversed(images.labels.tolist()), strict=True)
    }
    sizes = {decode.image_size(path.read_bytes(), str(path)) for path in firsts.values()}
    return sizes.pop() if len(sizes) == 1 else None


def load(images: FolderImages, size: tuple[int, int]) -> InMemory:
    """Decode all images without a change.

    Raises:
        DataError: An image has another size.
    """
    out = torch.empty((len(images.files), *size, 3), dtype=torch.uint8)

    def one(row: int) -> None:
        pixels = images._decode(row)
        if pixels.shape[:2] != size:
            raise DataError(
                f"{images.files[row]} is {pixels.shape[0]} x {pixels.shape[1]} pixels, others are "
                f"{size[0]} x {size[1]}; give an image size to crop and resize them all"
            )
        out[row] = torch.from_numpy(pixels.copy())

    decode.in_threads(one, 0, len(images.files))
    return InMemory(out.permute(0, 3, 1, 2).contiguous(), images.labels)
