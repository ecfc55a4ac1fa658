"""The published frost photographs, which the project can't carry: how to find them; random crops of them."""

from __future__ import annotations

import functools
import hashlib
import importlib.util
import os
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from robustbench_lite.corruptions.random import Draws
from robustbench_lite.errors import DataError, InvalidInput

PHOTOGRAPHS: Final[Mapping[str, str]] = {
    "frost1.png": "ff9f907860bd7a835d459e32f9d588062b7f61ee267343cc7222b56753a14755",
    "frost2.png": "fe211a89b336999c207a852ce05818d4545d0b57c5beadd824b4cc9d9a9b6137",
    "frost3.png": "2d0d50b4a9bb213f38b024ef7768731bb83cc08d2f26b5766bbc167cdfa0e504",
    "frost4.jpg": "3f8b91ca1a9fa7167b09e773da53f5ae60d0a1fd88f02a783f6e328a72887f6e",
    "frost5.jpg": "5fc6a19df4a429ba68abdcc8f8a4278d4c9f81c9ccafd2c92ab0c8cf8992ebd2",
}
"""The photographs that are drawn from, with their SHA-256; the script lists a sixth and never reaches it."""

DATA_VARIABLE: Final = "ROBUSTBENCH_LITE_DATA"


def find_photographs(folder: str | os.PathLike[str] | None = None) -> Path:
    """The folder that holds the frost photographs.

    Looks into the given folder alone, if there is one; else into $ROBUSTBENCH_LITE_DATA/frost and into the
    installed package `imagecorruptions`, which isn't imported.

    Raises:
        DataError: none of these holds all five photographs.
    """
    places = [Path(folder)] if folder is not None else _usual_places()
    for place in places:
        if all((place / name).is_file() for name in PHOTOGRAPHS):
            return place
    looked = ", ".join(map(str, places)) or "nowhere: nothing is set or installed"
    raise DataError(
        f"frost needs the five published photographs ({', '.join(PHOTOGRAPHS)}); looked in {looked}. "
        f"Do one of three: name the folder that holds them, run `robust data download frost` (it fills "
        f"${DATA_VARIABLE}/frost), or install imagecorruptions-imaug, which carries them"
    )


def _usual_places() -> list[Path]:
    places = []
    if os.environ.get(DATA_VARIABLE):
        places.append(Path(os.environ[DATA_VARIABLE]) / "frost")
    package = importlib.util.find_spec("imagecorruptions")
    if package is not None and package.submodule_search_locations:
        places += [Path(location) / "frost" for location in package.submodule_search_locations]
    return places


@functools.lru_cache(maxsize=2)
def load_photographs(folder: Path) -> tuple[NDArray[np.uint8], ...]:
    """The five photographs as uint8 arrays (H, W, 3), RGB, in the published order.

    Warns when a file is not the published one: results are then not comparable with published ones.

    Raises:
        DataError: a file is missing or can't be decoded.
    """
    photographs = []
    for name, digest in PHOTOGRAPHS.items():
        path = folder / name
        try:
            if hashlib.sha256(path.read_bytes()).hexdigest() != digest:
                warnings.warn(f"{path} is not the published frost photograph (SHA-256 differs)", stacklevel=2)
            with Image.open(path) as image:
                photographs.append(np.asarray(image.convert("RGB")))
        except OSError as error:
            raise DataError(f"{path}: not a readable frost photograph ({error}); replace the file") from error
    return tuple(photographs)


def crop_photographs(
    draws: Draws, size: Sequence[int], folder: Path, scale: float, device: torch.device
) -> Tensor:
    """A random crop of a random photograph for every image, uint8 (N, 3, H, W).

    Args:
        draws: asked for the photograph, the first row and the first column.
        size: H and W of the crops.
        folder: where the photographs are, see `find_photographs`.
        scale: the photographs are reduced to this scale first.
        device: where the crops are wanted.

    Raises:
        DataError: a photograph can't be read.
        InvalidInput: the size leaves no choice of a crop in the smallest photograph.
    """
    height, width = size
    stack, shapes = _scaled_stack(folder, scale, device)
    room = shapes - torch.tensor([height, width])
    if int(room.min()) < 1:
        rows, columns = shapes.amin(0).tolist()
        raise InvalidInput(
            f"frost crops photographs to the size of the image: expected less than {rows} x {columns} pixels "
            f"(the smallest photograph at scale {scale:g}), got {height} x {width}; resize the images first"
        )
    room = room.to(device)
    which = draws.integers(0, len(PHOTOGRAPHS))
    row, column = draws.integers(0, room[which, 0]), draws.integers(0, room[which, 1])
    if device.type != "cpu":
        windows = stack.unfold(2, height, 1).unfold(3, width, 1)
        return windows[which, :, row, column]
    corners = zip(which.tolist(), row.tolist(), column.tolist(), strict=True)
    return torch.stack([stack[k, :, top : top + height, left : left + width] for k, top, left in corners])


@functools.lru_cache(maxsize=4)
def _scaled_stack(folder: Path, scale: float, device: torch.device) -> tuple[Tensor, Tensor]:
    """The photographs side by side in one tensor (5, 3, H, W), padded with 0, and their sizes (5, 2)."""
    photographs = [_reduce(photograph, scale) for photograph in load_photographs(folder)]
    shapes = torch.tensor([photograph.shape[:2] for photograph in photographs])
    height, width = shapes.amax(0).tolist()
    stack = torch.zeros(len(photographs), 3, height, width, dtype=torch.uint8)
    for image, photograph in zip(stack, photographs, strict=True):
        image[:, : photograph.shape[0], : photograph.shape[1]] = torch.tensor(photograph).permute(2, 0, 1)
    return stack.to(device), shapes


def _reduce(photograph: NDArray[np.uint8], scale: float) -> NDArray[np.uint8]:
    """The photograph at a smaller scale: linear interpolation without a low-pass filter.

    Source: cv2.resize, whose weights have 11 bits and whose sums lose their last bits on the way.
    """
    if scale == 1:
        return photograph
    rows, columns = (_linear_samples(size, scale) for size in photograph.shape[:2])
    left, right = (photograph[:, place] * weight[:, None] for place, weight in columns)
    lines = (left + right) >> 4
    upper, lower = ((lines[place] * weight[:, None, None]) >> 16 for place, weight in rows)
    return ((upper + lower + 2) >> 2).astype(np.uint8)


def _linear_samples(size: int, scale: float) -> list[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """The two pixels that each pixel of the smaller line lies between, with their weights of 11 bits."""
    place = ((np.arange(round(size * scale)) + 0.5) / scale - 0.5).astype(np.float32)
    low = np.floor(place).astype(np.int64)
    weight = np.where((low < 0) | (low >= size - 1), 0, place - low).astype(np.float32)
    low = low.clip(0, size - 1)
    pairs = (low, 1 - weight), (np.minimum(low + 1, size - 1), weight)
    return [(index, np.rint(share * 2048).astype(np.int64)) for index, share in pairs]
