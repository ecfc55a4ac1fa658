"""The places of the cells of an image or video suite: class folders on disk or in a tar."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from robustbench_lite.errors import DataError
from robustbench_lite.suites.spec import Cell, SuiteSpec, perturbation_file
from robustbench_lite.suites.tars import Progress, TarIndex, peek, tar_index

WNID: Final = re.compile(r"n\d{8}")
IMAGES: Final = (".jpeg", ".jpg", ".png")
VIDEOS: Final = (".mp4",)
EXTRA: Final = "extra"
GROUPS: Final = ("noise", "blur", "weather", "digital", EXTRA)
CLEAN_FOLDERS: Final = {
    "imagenet": ("", "val", "imagenet/val", "imagenet", "ImageNet/val", "ILSVRC/Data/CLS-LOC/val"),
    "tiny-imagenet": ("", "val", "tiny-imagenet/val", "tiny-imagenet", "Tiny-ImageNet/val"),
}
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
            return sorted(
                entry.name for entry in entries if not entry.name.startswith(".") and entry.is_dir()
            )

    def listing(self, classes: Sequence[str]) -> Listing:
        """List the files of these classes, with one `stat` call for each class."""
        names: list[str] = []
        first_sizes: list[int] = []
        for wnid in classes:
            folder = self.path / wnid
            files = sorted(name for name in os.listdir(folder) if _is_wanted(name, self.suffixes))
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


Place = FolderPlace | TarPlace


def _is_wanted(name: str, suffixes: tuple[str, ...]) -> bool:
    return name.lower().endswith(suffixes) and not name.startswith(".")


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
        candidates = [root / part for part in CLEAN_FOLDERS[spec.dataset]]
    else:
        path = Path(*cell_path(spec, cell))
        candidates = [base / group / path for base in (root / spec.title, root) for group in ("", *GROUPS)]
    return next((folder for folder in candidates if _has_class_folders(folder)), None)


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
    for base in (root / spec.title, root):
        yield from (tar for name in names if (tar := base / f"{name}.tar").is_file())


def _holds(spec: SuiteSpec, tar: Path, suffixes: tuple[str, ...]) -> bool:
    depth = len(cell_path(spec, Cell(spec.test[0], spec.severities[0])))
    for name in peek(tar):
        *folders, wnid, file = ("", *name.split("/"))
        if WNID.fullmatch(wnid) and _is_wanted(file, suffixes) and len(folders) > depth:
            return True
    return False


def _cells_in_tar(
    spec: SuiteSpec, index: TarIndex, cells: Sequence[Cell], suffixes: tuple[str, ...]
) -> dict[Cell, Place]:
    by_path: dict[tuple[str, ...], dict[str, int]] = {}
    depth = len(cell_path(spec, cells[0]))
    for number, folder in enumerate(index.directories):
        *above, wnid = folder.split("/")
        if len(above) >= depth and wnid:
            by_path.setdefault(tuple(above[len(above) - depth :]), {})[wnid] = number
    return {
        cell: TarPlace(index, by_path[path], suffixes)
        for cell in cells
        if (path := cell_path(spec, cell)) in by_path
    }


def _refuse_flat(spec: SuiteSpec, root: Path) -> None:
    folders = [root / part for part in CLEAN_FOLDERS[spec.dataset]] if root.is_dir() else []
    flat = next((path for path in folders if path.is_dir() and _is_flat(path)), None)
    if flat is None:
        tar = root if root.is_file() else root / FLAT_TAR
        flat = tar if tar.is_file() and any(FLAT.fullmatch(Path(name).name) for name in peek(tar)) else None
    if flat is not None:
        raise DataError(
            f"{flat} holds validation images without class folders, so their labels are unknown: move each "
            "into the folder of its class, as in val/n01440764/ILSVRC2012_val_00000293.JPEG"
        )


def _is_flat(folder: Path) -> bool:
    with os.scandir(folder) as entries:
        return any(FLAT.fullmatch(entry.name) for entry in entries)
