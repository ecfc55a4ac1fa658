"""A suite on disk: its cells, checked and ready to be read."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Protocol, cast, runtime_checkable

import numpy as np
import numpy.typing as npt
import torch

from robustbench_lite.errors import InvalidInput, UnknownName
from robustbench_lite.reference.classes import class_names
from robustbench_lite.suites.origin import origin
from robustbench_lite.suites.spec import Cell, SuiteSpec


class Reader(Protocol):
    """The images or sequences of one cell, in the official order.

    Attributes:
        count: images, or sequences of a perturbation.
        labels: class of each image, int64, shape (count,); None for perturbations, which use none.
        shape: the shape of one element: (H, W, 3), or (frames, H, W, 3).
    """

    @property
    def count(self) -> int: ...  # noqa: D102
    @property
    def labels(self) -> npt.NDArray[np.int64] | None: ...  # noqa: D102
    @property
    def shape(self) -> tuple[int, ...]: ...  # noqa: D102

    def read(self, start: int, stop: int) -> torch.Tensor:
        """Elements start to stop - 1 as uint8 (stop - start, *shape), freshly allocated; thread safe.

        Raises:
            DataError: a file is damaged; the message names it.
        """

    def close(self) -> None:
        """Give files back; reading afterwards is an error."""


@runtime_checkable
class ImageFiles(Protocol):
    """A reader of image files: it knows their names, and gives an image before it is cropped, too."""

    def relative(self, number: int) -> str:
        """The path of a file inside its cell, "<class>/<name>", with forward slashes."""

    def photograph(self, number: int) -> npt.NDArray[np.uint8]:
        """One image with its shorter side resized, uint8 (H, W, 3)."""


class Source(Protocol):
    """The files of one suite in one place and layout."""

    def present(self, cells: Sequence[Cell]) -> tuple[Cell, ...]:
        """Those cells whose files are there."""

    def check(self, cells: Sequence[Cell]) -> int:
        """Images (or sequences) per cell, once shapes, counts and labels of these cells were checked.

        Raises:
            DataError: files are damaged, mislabelled or disagree with each other.
        """

    def fingerprint(self, cells: Sequence[Cell]) -> str:
        """A digest of these cells' files, cheap enough to take before every run."""

    def describe(self) -> dict[str, object]:
        """JSON-able facts about files, layout and decoding."""

    def open(self, cell: Cell) -> Reader:
        """Start reading a cell."""


@runtime_checkable
class Generated(Protocol):
    """A source that makes its images while they are read."""

    def to(self, device: torch.device) -> Source:
        """The same source, which makes its images on the device."""


class Suite:
    """The selected cells of a suite, whose files were found and checked.

    Attributes:
        spec: what the suite is.
        root: where it was looked for.
        protocol: name of the input protocol.
        cells: cells that can be read, in canonical order.
        missing: selected cells that are not on disk; empty unless that was allowed.
        images: images (or sequences) in each cell; `spec.images` in the official release.
        clean: the matching clean images, which an evaluation runs first; None where there are none.
    """

    def __init__(
        self,
        spec: SuiteSpec,
        root: Path,
        protocol: str,
        cells: tuple[Cell, ...],
        missing: tuple[Cell, ...],
        source: Source,
        clean: Suite | None = None,
    ) -> None:
        self.spec = spec
        self.root = root
        self.protocol = protocol
        self.cells = cells
        self.missing = missing
        self.images = source.check(cells)
        self.clean = clean
        self._source = source

    def with_spec(self, spec: SuiteSpec) -> Suite:
        """The same images under another record, for example with another baseline."""
        other = copy.copy(self)
        other.spec = spec
        return other

    def with_clean(self, clean: Suite | None) -> Suite:
        """The same suite with other clean images beside it."""
        other = copy.copy(self)
        other.clean = clean
        return other

    def to(self, device: torch.device) -> Suite:
        """The same suite; images that are generated while they are read are generated on the device."""
        if not isinstance(self._source, Generated):
            return self
        other = copy.copy(self)
        other._source = self._source.to(device)
        return other

    @property
    def class_names(self) -> tuple[str, ...] | None:
        """The names of the classes in the order of the labels; None where nothing names them."""
        if not self.spec.own:
            return class_names(self.spec.dataset)
        own: tuple[str, ...] | None = getattr(self._source, "class_names", None)
        return self.clean.class_names if own is None and self.clean is not None else own

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader of the numbers should know of the files."""
        if isinstance(self._source, Generated):
            # Those of its clean images, whose fingerprint a description would compute again.
            return () if self.clean is None else self.clean.notes
        return tuple(map(str, self._source.describe().get("notes", ())))  # type: ignore[call-overload]

    def fingerprint(self) -> str:
        """SHA-256 (hex) over the cells' files; equal for a folder and the tar it came from.

        CIFAR arrays: file name, header, size and 64 evenly spread blocks of each file, labels whole.
        Image and video folders: class folder and file name of every file, and the size of the first
        file of each class in each cell. Bytes that no sample touches are not covered: `robust data
        verify` compares whole-file checksums.
        """
        return self._source.fingerprint(self.cells)

    def cell_fingerprint(self, cell: Cell) -> str:
        """The same digest over the files of one cell alone."""
        return self._source.fingerprint((cell,))

    def provenance(self) -> dict[str, object]:
        """JSON-able record of what is read and how: files, counts, origin, protocol, decoder, notes."""
        description = self._source.describe()
        places = description.get("places") or [description.get("place", str(self.root))]
        return {
            "suite": self.spec.name,
            "root": str(self.root),
            "protocol": self.protocol,
            "fingerprint": self.fingerprint(),
            "cells": len(self.cells),
            "images": self.images,
            "official_images": self.spec.images,
            "official_count": self.images == self.spec.images,
            "missing": [[cell.name, cell.severity] for cell in self.missing],
            **origin(self.spec, [Path(str(place)) for place in cast("list[object]", places)], self.images),
            **description,
        }

    def open(self, cell: Cell) -> Reader:
        """Start reading one of the suite's cells.

        Raises:
            InvalidInput: the cell is not one of `cells`.
        """
        if cell not in self.cells:
            raise InvalidInput(f"{cell} is not among the {len(self.cells)} cells loaded of {self.spec.name}")
        return self._source.open(cell)


def select_cells(
    spec: SuiteSpec, names: Iterable[str] | None, severities: Iterable[int] | None
) -> tuple[Cell, ...]:
    """The selected cells in canonical order: by name in the papers' order, then by severity.

    Without a selection: the test names at all severities, perturbations at difficulty 1.

    Args:
        spec: the suite.
        names: corruptions (or perturbations); the name of a group ("noise") stands for all its members.
        severities: severities 1 to 5 (or difficulties 1 to 3).

    Raises:
        UnknownName: a name is not one of the suite's.
        InvalidInput: a severity is not one of the suite's, or nothing is selected.
    """
    chosen = spec.test if names is None else expand_groups(names, spec.test_groups())
    levels = spec.default_severities if severities is None else tuple(severities)
    kind = "perturbation" if spec.kind == "perturbation" else "corruption"
    for name in chosen:
        if name not in spec.names:
            raise UnknownName(
                f"{kind} of {spec.name}", name, (*spec.names, *filter(None, spec.test_groups()))
            )
    for level in levels:
        if level not in spec.severities:
            raise InvalidInput(
                f"severity {level!r} is not one of {spec.name}'s: {', '.join(map(str, spec.severities))}"
            )
    cells = tuple(
        Cell(name, level)
        for name in spec.names
        if name in chosen
        for level in spec.severities
        if level in levels
    )
    if not cells:
        raise InvalidInput(f"the selection of {spec.name} is empty: name at least one {kind} and severity")
    return cells


def expand_groups(names: Iterable[str], groups: Mapping[str, tuple[str, ...]]) -> tuple[str, ...]:
    """The names, where the members of a group stand for its name."""
    return tuple(dict.fromkeys(member for name in names for member in groups.get(name, (name,))))


def list_cells(cells: Sequence[Cell]) -> str:
    """A short list of cells: "glass_blur 1-5, frost 3+4"."""
    levels: dict[str, list[int]] = {}
    for cell in cells:
        levels.setdefault(cell.name, []).append(cell.severity)
    return ", ".join(f"{name}{_ranges(found)}" for name, found in levels.items())


def _ranges(levels: list[int]) -> str:
    if levels == [0]:
        return ""
    if len(levels) > 2 and levels == list(range(levels[0], levels[-1] + 1)):
        return f" {levels[0]}-{levels[-1]}"
    return " " + "+".join(map(str, levels))
