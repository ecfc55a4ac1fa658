"""The places of the cells of an image or video suite: class folders on disk or in a tar."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from robustbench_lite.errors import DataError
from robustbench_lite.reference.names import TEST_CORRUPTIONS, VALIDATION_CORRUPTIONS
from robustbench_lite.suites.inventory import child, fold, is_hidden, suite_folders
from robustbench_lite.suites.spec import Cell, SuiteSpec, perturbation_file
from robustbench_lite.suites.tars import Progress, TarIndex, peek, tar_index

WNID: Final = re.compile(r"n\d{8}")
IMAGES: Final = (".jpeg", ".jpg", ".png")
VIDEOS: Final = (".mp4",)
EXTRA: Final = "extra"
GROUPS: Final = ("noise", "blur", "weather", "digital", EXTRA)
CLEAN_FOLDERS: Final = {
    "imagenet": ("", "val", "imagenet/val", "imagenet", "ILSVRC/Data/CLS-LOC/val"),
    "tiny-imagenet": (
        "",
        "val",
        "tiny-imagenet/val",
        "tiny-imagenet",
        "tiny-imagenet-200/val",
        "tiny-imagenet-200",
    ),
}
"""Where the class folders of a clean set lie; in names capitals and hyphens don't count."""
ANNOTATIONS: Final = "val_annotations.txt"
PICTURES: Final = "images"
ALL_CORRUPTIONS: Final = (*TEST_CORRUPTIONS, *VALIDATION_CORRUPTIONS)
FLAT: Final = re.compile(r"(ILSVRC2012_)?val_\d+\.JPEG")
FLAT_TAR: Final = "ILSVRC2012_img_val.tar"


@dataclass(frozen=True)
class Listing:
    """The files of one cell.

    Attributes:
        names: "<wnid>/<file name>", sorted as every folder reader sorts them.
        first_sizes: The size in bytes of the first file of each class.
        offsets: The position of each file in the tar, int64; None for separate files.
        sizes: The size in bytes of each file in the tar, int64; None for separate files.
    """

    names: tuple[str, ...]
    first_sizes: tuple[int, ...]
    offsets: npt.NDArray[np.int64] | None = None
    sizes: npt.NDArray[np.int64] | None = None


@dataclass(frozen=True)
class FolderPlace:
    """Class folders on disk."""

    path: Path
    suffixes: tuple[str, ...]

    def classes(self) -> list[str]:
        """Return the names of the class folders, sorted."""
        with os.scandir(self.path) as entries:
            return sorted(entry.name for entry in entries if not is_hidden(entry.name) and entry.is_dir())

    def listing(self, classes: Sequence[str]) -> Listing:
        """List the files of these classes, also those in a folder `images` of the class; `stat` one each."""
        names: list[str] = []
        first_sizes: list[int] = []
        for wnid in classes:
            folder = self.path / wnid
            files = sorted(name for name in os.listdir(folder) if _is_wanted(name, self.suffixes))
            if not files and (folder / PICTURES).is_dir():
                inside = os.listdir(folder / PICTURES)
                files = sorted(f"{PICTURES}/{name}" for name in inside if _is_wanted(name, self.suffixes))
            names += [f"{wnid}/{name}" for name in files]
            first_sizes += [os.stat(folder / name).st_size for name in files[:1]]
        return Listing(tuple(names), tuple(first_sizes))


@dataclass(frozen=True)
class TarPlace:
    """Class folders inside a tar: wnid -> number of the folder in the index."""

    index: TarIndex
    folders: dict[str, int]
    suffixes: tuple[str, ...]

    @property
    def path(self) -> Path:
        """The tar."""
        return self.index.path

    def classes(self) -> list[str]:
        """Return the names of the class folders, sorted."""
        return sorted(self.folders)

    def listing(self, classes: Sequence[str]) -> Listing:
        """List the members of these classes."""
        names: list[str] = []
        picked: list[int] = []
        firsts: list[int] = []
        for wnid in classes:
            rows = self.index.rows(self.folders[wnid])
            members = sorted((self.index.names[self.index.name_ids[row]], int(row)) for row in rows)
            wanted = [(name, row) for name, row in members if _is_wanted(name, self.suffixes)]
            names += [f"{wnid}/{name}" for name, _ in wanted]
            picked += [row for _, row in wanted]
            firsts += [int(self.index.sizes[row]) for _, row in wanted[:1]]
        return Listing(tuple(names), tuple(firsts), self.index.offsets[picked], self.index.sizes[picked])


@dataclass(frozen=True)
class AnnotatedPlace:
    """Images in one folder, with their classes in val_annotations.txt, as Tiny-ImageNet keeps them."""

    path: Path
    suffixes: tuple[str, ...]

    @cached_property
    def _files(self) -> dict[str, list[str]]:
        files: dict[str, list[str]] = {}
        for line in (self.path / ANNOTATIONS).read_text(encoding="utf-8-sig").splitlines():
            columns = line.split()
            if len(columns) < 2 or not WNID.fullmatch(columns[1]):
                raise DataError(
                    f"{self.path / ANNOTATIONS} has the line {line!r}; expected a file name and a WordNet id"
                )
            files.setdefault(columns[1], []).append(columns[0])
        return files

    def classes(self) -> list[str]:
        """WordNet ids of the annotations, sorted."""
        return sorted(self._files)

    def listing(self, classes: Sequence[str]) -> Listing:
        """The annotated files of these classes."""
        names = [f"{wnid}/{name}" for wnid in classes for name in sorted(self._files[wnid])]
        try:
            sizes = [(self.path / self.file(f"{wnid}/{min(self._files[wnid])}")).stat() for wnid in classes]
        except OSError as error:
            raise DataError(f"{error.filename} can't be read: {error.strerror}") from error
        return Listing(tuple(names), tuple(status.st_size for status in sizes))

    def file(self, name: str) -> str:
        """The path of a listed name below the place."""
        return f"{PICTURES}/{name.partition('/')[2]}"


Place = FolderPlace | TarPlace | AnnotatedPlace


def _is_wanted(name: str, suffixes: tuple[str, ...]) -> bool:
    return name.lower().endswith(suffixes) and not is_hidden(name)


def cell_path(spec: SuiteSpec, cell: Cell) -> tuple[str, ...]:
    """Return the folders above the class folders: corruption and severity, or perturbation, or none."""
    if spec.kind == "clean":
        return ()
    return (
        (perturbation_file(spec, cell),) if spec.kind == "perturbation" else (cell.name, str(cell.severity))
    )


def locate(
    spec: SuiteSpec, root: Path, cells: Sequence[Cell], progress: Progress | None = None
) -> dict[Cell, Place]:
    """Find the selected cells, first in folders, then in the official tars.

    `root` is the suite's folder, its parent, a tar, or a folder with the tars. Group folders such as blur/
    may lie in between. The content of a tar decides which cells it has, because tars of ImageNet-C and -P
    share names.

    Raises:
        DataError: A tar is damaged, or the clean images have no class folders.
    """
    suffixes = VIDEOS if spec.kind == "perturbation" else IMAGES
    places: dict[Cell, Place] = {}
    if root.is_dir():
        for cell in cells:
            if (folder := _cell_folder(spec, root, cell)) is not None:
                places[cell] = FolderPlace(folder, suffixes)
            elif spec.kind == "clean" and (annotated := _annotated(spec, root)) is not None:
                places[cell] = AnnotatedPlace(annotated, suffixes)
    for tar in _tars(spec, root, [cell for cell in cells if cell not in places]):
        left = [cell for cell in cells if cell not in places]
        if not left:
            break
        if _holds(spec, tar, suffixes):
            places.update(_cells_in_tar(spec, tar_index(tar, progress), left, suffixes))
    if not places and spec.kind == "clean":
        _refuse_flat(spec, root)
    return {cell: places[cell] for cell in cells if cell in places}


def _cell_folder(spec: SuiteSpec, root: Path, cell: Cell) -> Path | None:
    if spec.kind == "clean":
        candidates = _clean_folders(spec, root)
    else:
        bases = suite_folders(root, spec.title)
        groups = [folder for base in bases for folder in (base, *(base / group for group in GROUPS))]
        candidates = [_below(folder, cell_path(spec, cell)) for folder in groups]
    return next((folder for folder in candidates if _has_class_folders(folder)), None)


def _clean_folders(spec: SuiteSpec, root: Path) -> list[Path]:
    return [_below(root, tuple(part.split("/")) if part else ()) for part in CLEAN_FOLDERS[spec.dataset]]


def _below(folder: Path, path: tuple[str, ...]) -> Path:
    """The folder at a path, whose names may differ in case and hyphens."""
    for name in path:
        folder = child(folder, name)
    return folder


def _annotated(spec: SuiteSpec, root: Path) -> Path | None:
    folders = _clean_folders(spec, root)
    return next((path for path in folders if (path / ANNOTATIONS).is_file()), None)


def _has_class_folders(folder: Path) -> bool:
    try:
        with os.scandir(folder) as entries:
            return any(WNID.fullmatch(entry.name) and entry.is_dir() for entry in entries)
    except (FileNotFoundError, NotADirectoryError):
        return False


def _tars(spec: SuiteSpec, root: Path, wanted: Sequence[Cell]) -> Iterator[Path]:
    if not wanted:
        return
    if root.is_file():
        yield root
        return
    names = [spec.title, f"{spec.title}-extra"]
    if spec.kind == "clean":
        names = ["val", FLAT_TAR.removesuffix(".tar")]
    elif spec.dataset == "imagenet":
        named = {cell.name for cell in wanted}
        likely = [group for group, members in spec.groups.items() if named.intersection(members)]
        likely += [EXTRA] if named.intersection(spec.validation) else []
        names += dict.fromkeys([*likely, *GROUPS])
    for base in suite_folders(root, spec.title):
        yield from (tar for name in names if (tar := child(base, f"{name}.tar")).is_file())


def _holds(spec: SuiteSpec, tar: Path, suffixes: tuple[str, ...]) -> bool:
    depth = len(cell_path(spec, Cell(spec.test[0], spec.severities[0])))
    for name in peek(tar):
        *folders, wnid, file = ("", *name.removeprefix("./").split("/"))
        if not WNID.fullmatch(wnid) or not _is_wanted(file, suffixes):
            continue
        if spec.kind == "clean":
            # A tar can hold training images first; no tar of a -C suite has class folders at the top.
            if _clean_rank(spec, folders[1:]) is not None or folders[-1] in ("train", "training"):
                return True
        elif len(folders) > depth:
            return True
    return False


def _clean_rank(spec: SuiteSpec, folders: Sequence[str]) -> int | None:
    """The place of these folders of a tar in the layouts of a clean set; None where they are none.

    The folders of a corruption or of a severity are none, so that a part of a -C suite is never taken.
    """
    path = fold("/".join(folders))
    layouts = [fold(part) for part in CLEAN_FOLDERS[spec.dataset]]
    if path in layouts:
        return layouts.index(path)
    excluded = {*map(fold, ALL_CORRUPTIONS), "train", "training", "test"}
    return len(layouts) if len(folders) == 1 and not path.isdecimal() and path not in excluded else None


def _cells_in_tar(
    spec: SuiteSpec, index: TarIndex, cells: Sequence[Cell], suffixes: tuple[str, ...]
) -> dict[Cell, Place]:
    by_path: dict[tuple[str, ...], dict[str, int]] = {}
    depth = len(cell_path(spec, cells[0]))
    for number, folder in enumerate(index.directories):
        *above, wnid = folder.split("/")
        if len(above) >= depth and wnid:
            group = tuple(above) if spec.kind == "clean" else tuple(above[len(above) - depth :])
            by_path.setdefault(group, {})[wnid] = number
    if spec.kind == "clean":
        return _clean_in_tar(spec, index, cells, by_path, suffixes)
    return {
        cell: TarPlace(index, by_path[path], suffixes)
        for cell in cells
        if (path := cell_path(spec, cell)) in by_path
    }


def _clean_in_tar(
    spec: SuiteSpec,
    index: TarIndex,
    cells: Sequence[Cell],
    by_path: dict[tuple[str, ...], dict[str, int]],
    suffixes: tuple[str, ...],
) -> dict[Cell, Place]:
    ranks = {
        path: rank
        for path, folders in by_path.items()
        if any(WNID.fullmatch(name) for name in folders) and (rank := _clean_rank(spec, path)) is not None
    }
    if not ranks:
        return {}
    best = min(ranks, key=lambda path: ranks[path])
    if sum(rank == ranks[best] for rank in ranks.values()) > 1:
        several = ", ".join(sorted("/".join(path) for path in ranks if ranks[path] == ranks[best]))
        raise DataError(
            f"{index.path} has class folders in {several}: unpack it, and give the folder to read"
        )
    folders = {name: number for name, number in by_path[best].items() if WNID.fullmatch(name)}
    return {cell: TarPlace(index, folders, suffixes) for cell in cells}


def _refuse_flat(spec: SuiteSpec, root: Path) -> None:
    folders = _clean_folders(spec, root) if root.is_dir() else []
    flat = next((path for path in folders if path.is_dir() and _is_flat(path)), None)
    if flat is None:
        tar = root if root.is_file() else root / FLAT_TAR
        flat = tar if tar.is_file() and any(map(_is_flat_member, peek(tar))) else None
    if flat is not None:
        raise DataError(
            f"{flat} holds validation images without class folders, so their labels are unknown: move each "
            "into the folder of its class, as in val/n01440764/ILSVRC2012_val_00000293.JPEG"
        )


def _is_flat_member(name: str) -> bool:
    path = Path(name)
    return FLAT.fullmatch(path.name) is not None and not WNID.fullmatch(path.parent.name)


def _is_flat(folder: Path) -> bool:
    with os.scandir(folder) as entries:
        return any(FLAT.fullmatch(entry.name) for entry in entries)
