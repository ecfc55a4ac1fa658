"""ImageNet and Tiny-ImageNet: clean images and -C, as JPEGs in class folders on disk or in a tar."""

from __future__ import annotations

import hashlib
import importlib.metadata
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
import torch

from robustbench_lite.errors import DataError
from robustbench_lite.reference.classes import imagenet_wnids, tiny_imagenet_wnids
from robustbench_lite.suites.decode import (
    Pixels,
    decode_image,
    image_size,
    in_threads,
    resize,
    resize_and_crop,
    resize_for,
)
from robustbench_lite.suites.files import OpenFile
from robustbench_lite.suites.places import AnnotatedPlace, Listing, Place, locate
from robustbench_lite.suites.spec import Cell, SuiteSpec
from robustbench_lite.suites.suite import Reader
from robustbench_lite.suites.tars import Progress

SCANNERS: Final = 8
SHOWN: Final = 3

Decode = Callable[[bytes, str, Pixels], None]
"""Called with the bytes of a file, its name for errors, and the output array that receives its pixels."""


class EncodedReader:
    """The files of one cell. Threads read and decode them directly into the batch."""

    def __init__(
        self,
        place: Place,
        listing: Listing,
        labels: npt.NDArray[np.int64] | None,
        shape: tuple[int, ...],
        decode: Decode,
    ) -> None:
        self.count = len(listing.names)
        self.labels = labels
        self.shape = shape
        self._place = place
        self._listing = listing
        self._decode = decode
        self._tar = OpenFile(place.path) if listing.offsets is not None else None
        self._closed = False

    def read(self, start: int, stop: int) -> torch.Tensor:
        """Read elements start to stop - 1 into new memory."""
        if self._closed:
            raise DataError(f"{self._place.path} was closed before this read")
        start, stop, _ = slice(start, stop).indices(self.count)
        batch = torch.empty((max(stop - start, 0), *self.shape), dtype=torch.uint8)
        rows = batch.numpy()

        def one(number: int) -> None:
            self._decode(self.fetch(number), self.name(number), rows[number - start])

        in_threads(one, start, stop)
        return batch

    def relative(self, number: int) -> str:
        """Return the path of a file inside its cell."""
        return self._listing.names[number]

    def photograph(self, number: int) -> Pixels:
        """Return one image with its shorter side resized to 256, without a crop, as -P sequences need it."""
        return resize(decode_image(self.fetch(number), self.name(number)), resize_for(self.shape[0]))

    def name(self, number: int) -> str:
        """Return the path of a file, for messages."""
        separator = "/" if self._tar is None else ":"
        name = self._listing.names[number]
        file = self._place.file(name) if isinstance(self._place, AnnotatedPlace) else name
        return f"{self._place.path}{separator}{file}"

    def fetch(self, number: int) -> bytes:
        """Return the bytes of a file."""
        listing = self._listing
        if self._tar is not None and listing.offsets is not None and listing.sizes is not None:
            return self._tar.read(int(listing.offsets[number]), int(listing.sizes[number]))
        try:
            with open(self.name(number), "rb", buffering=0) as file:
                return file.read()
        except OSError as error:
            raise DataError(f"{self.name(number)} can't be read: {error.strerror}") from error

    def close(self) -> None:
        """Close the tar. A later read raises DataError."""
        self._closed = True
        if self._tar is not None:
            self._tar.close()


class ClassFolders(ABC):
    """A suite of encoded files in class folders. It compares the cells and numbers the classes."""

    def __init__(self, spec: SuiteSpec, root: Path, protocol: str, progress: Progress | None = None) -> None:
        self.spec = spec
        self.protocol = protocol
        self._root = root
        self._progress = progress
        self._places: dict[Cell, Place] = {}
        self._listings: dict[Cell, Listing] = {}
        self._labels = np.empty(0, dtype=np.int64)
        self._ignored: dict[str, int] = {}

    def present(self, cells: Sequence[Cell]) -> tuple[Cell, ...]:
        """Return the cells that are on disk, in folders or in tars."""
        self._places = locate(self.spec, self._root, cells, self._progress)
        return tuple(self._places)

    def check(self, cells: Sequence[Cell]) -> int:
        """Return the number of files per cell.

        Raises:
            DataError: A class folder does not belong to the data set, the cells have different files, or the
                first file of a cell does not fit the suite.
        """
        with ThreadPoolExecutor(SCANNERS) as pool:
            for cell, listing in zip(cells, pool.map(self._listing, cells), strict=True):
                names = self._listings[cells[0]].names if self._listings else listing.names
                if listing.names != names:
                    raise DataError(_difference(self.spec, cells[0], names, cell, listing.names))
                # All cells share one list of names: 75 lists of 50,000 names would take hundreds of
                # megabytes.
                self._listings[cell] = replace(listing, names=names)
        if not names:
            raise DataError(f"the class folders in {self._places[cells[0]].path} hold no files of the suite")
        classes = {wnid: index for index, wnid in enumerate(self._wnids())}
        self._labels = np.array([classes[name.partition("/")[0]] for name in names], dtype=np.int64)
        for cell in cells:
            self._check_first(cell)
        return len(names)

    def fingerprint(self, cells: Sequence[Cell]) -> str:
        """Return a digest of all names and of the size of the first file of each class in each cell."""
        digest = hashlib.sha256(self.spec.name.encode())
        digest.update("\0".join(self._listings[cells[0]].names).encode())
        for cell in sorted(cells):
            digest.update(f"\0{cell}:{self._listings[cell].first_sizes}".encode())
        return digest.hexdigest()

    def describe(self) -> dict[str, object]:
        """Describe places, layout, decoder and number of classes."""
        tars = any(listing.offsets is not None for listing in self._listings.values())
        return {
            "places": sorted({str(self._shown_place(place)) for place in self._places.values()}),
            "layout": "class folders in tar" if tars else "class folders",
            "classes": len(np.unique(self._labels)),
            "ignored_classes": dict(sorted(self._ignored.items())),
            **self._annotated(),
        }

    def _annotated(self) -> dict[str, object]:
        """What a reader must know of the validation images of Tiny-ImageNet."""
        if not any(isinstance(place, AnnotatedPlace) for place in self._places.values()):
            return {}
        note = (
            "the clean images are the validation set of Tiny-ImageNet; Tiny-ImageNet-C was made from other "
            "images of the same classes"
        )
        return {"layout": "val_annotations.txt", "notes": [note]}

    def _shown_place(self, place: Place) -> Path:
        # For folders, record the folder above corruption and severity only.
        depth = {"corruption": 1, "perturbation": 0, "clean": -1}[self.spec.kind]
        return place.path.parents[depth] if place.path.is_dir() and depth >= 0 else place.path

    def _wnids(self) -> tuple[str, ...]:
        return imagenet_wnids() if self.spec.dataset == "imagenet" else tiny_imagenet_wnids()

    def _listing(self, cell: Cell) -> Listing:
        place = self._places[cell]
        known, all_known = set(self._wnids()), set(imagenet_wnids())
        wnids = place.classes()
        # The first public Tiny-ImageNet-C has frost for all classes of ImageNet; only the 200 classes count.
        surplus = [wnid for wnid in wnids if wnid not in known]
        unknown = [wnid for wnid in surplus if wnid not in all_known]
        if unknown:
            raise DataError(
                f"{place.path} has {len(unknown)} folders for {cell} that are not classes of "
                f"{self.spec.dataset}: {', '.join(unknown[:SHOWN])}; class folders are named by WordNet id"
            )
        if surplus:
            self._ignored[cell.name] = len(surplus)
        return place.listing([wnid for wnid in wnids if wnid in known])

    @abstractmethod
    def _check_first(self, cell: Cell) -> None:
        """Raise DataError where the first file of a cell does not fit the suite."""


class ClassImages(ClassFolders):
    """JPEGs: ImageNet-C and Tiny-ImageNet-C as released, and clean images of any size for ImageNet."""

    def open(self, cell: Cell) -> Reader:
        """Open the images of a cell, with the transform of the protocol."""
        side = self.spec.image_size
        decode = _decode_and_resize if self._resizes else _decode_as_is
        return EncodedReader(self._places[cell], self._listings[cell], self._labels, (side, side, 3), decode)

    def describe(self) -> dict[str, object]:
        """Describe places, layout, decoder and transform."""
        size = self.spec.image_size
        return {
            **super().describe(),
            "decoder": f"simplejpeg {importlib.metadata.version('simplejpeg')}",
            "transform": "Resize(256, bilinear), CenterCrop(224)"
            if self._resizes
            else f"none ({size} px files)",
        }

    @property
    def _resizes(self) -> bool:
        if self.spec.dataset != "imagenet":
            return False
        return self.spec.kind == "clean" or self.protocol == "augmix"

    def _check_first(self, cell: Cell) -> None:
        reader = EncodedReader(self._places[cell], self._listings[cell], None, (0,), _decode_as_is)
        try:
            name, size = reader.name(0), image_size(reader.fetch(0), reader.name(0))
        finally:
            reader.close()
        if self.spec.kind != "clean" or self.spec.dataset != "imagenet":
            _require_side(size, self.spec.image_size, name)


def _require_side(size: tuple[int, int], side: int, name: str) -> None:
    if size != (side, side):
        raise DataError(
            f"{name} has {size[1]} x {size[0]} pixels, the released images {side} x {side}: a copy of "
            "another size is a different data set, and its errors compare with no published one"
        )


def _decode_as_is(data: bytes, name: str, out: Pixels) -> None:
    pixels = decode_image(data, name, out)
    if pixels is not out:
        _require_side(pixels.shape[:2], out.shape[0], name)
        out[...] = pixels


def _decode_and_resize(data: bytes, name: str, out: Pixels) -> None:
    out[...] = resize_and_crop(decode_image(data, name))


def _difference(
    spec: SuiteSpec, first: Cell, expected: tuple[str, ...], cell: Cell, names: tuple[str, ...]
) -> str:
    lacks, surplus = sorted(set(expected) - set(names)), sorted(set(names) - set(expected))
    parts = [
        f"{len(names)} {what} ({', '.join(names[:SHOWN])}{', ...' if len(names) > SHOWN else ''})"
        for what, names in (("missing", lacks), ("surplus", surplus))
        if names
    ]
    return (
        f"the cells of {spec.title} hold different files: {cell} has {len(names)}, {first} has "
        f"{len(expected)}; in {cell} are {' and '.join(parts)}; every cell must hold the same images"
    )
