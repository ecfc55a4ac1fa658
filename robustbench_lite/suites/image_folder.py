"""Image files in class folders: the walk of torchvision's ImageFolder, but for hidden files."""

from __future__ import annotations

import functools
import os
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from PIL import Image

from robustbench_lite.errors import DataError
from robustbench_lite.suites.inventory import entries, is_hidden, what_lies_in
from robustbench_lite.suites.origin import MANIFEST

IMAGE_FOLDER_SUFFIXES: Final = frozenset(
    (".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".pgm", ".tif", ".tiff", ".webp")
)
"""What torchvision's ImageFolder reads."""

UNREADABLE: Final = frozenset(("BUFR", "EPS", "GRIB", "HDF5", "MPEG", "WMF"))
"""Formats that Pillow recognises but decodes only with the help of other programs."""

NO_IMAGES: Final = frozenset(
    f".{kind}"
    for kind in (
        *("csv", "db", "gz", "html", "ini", "json", "log", "mat", "md", "mp4", "npy", "npz", "pkl", "pt"),
        *("pth", "py", "tar", "tsv", "txt", "xml", "yaml", "yml", "zip"),
    )
)
"""Suffixes whose files are not opened to see whether they are images."""

PARTS: Final = frozenset(
    ("train", "training", "val", "valid", "validation", "test", "testing", "dev", "eval")
)
"""Names of the parts of a data set, which are no classes."""


@dataclass
class ImageTree:
    """The image files below a folder of class folders.

    Attributes:
        root: the folder.
        classes: names of the class folders, sorted as text.
        files: paths below the root with forward slashes, in the order of ImageFolder.
        left_out: suffix -> number of files that are no images.
        added: suffix -> number of images that ImageFolder does not read.
        hidden: number of hidden files and folders with images that ImageFolder would read.
        loops: linked folders that lead back to a folder above them.
        beside: number of images beside the class folders, which have no class.
    """

    root: Path
    classes: list[str] = field(default_factory=list)
    files: list[str] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)
    added: Counter[str] = field(default_factory=Counter)
    hidden: int = 0
    loops: list[str] = field(default_factory=list)
    beside: int = 0

    @property
    def empty(self) -> list[str]:
        """Classes without an image."""
        present = {name.partition("/")[0] for name in self.files}
        return [name for name in self.classes if name not in present]

    def notes(self) -> tuple[str, ...]:
        """Sentences on every difference from what ImageFolder finds, and on what was left out."""
        lines = []
        if self.added:
            lines.append(
                f"{self.added.total()} images that torchvision's ImageFolder does not read are in "
                f"({_by_suffix(self.added)})"
            )
        if self.left_out:
            lines.append(
                f"{self.left_out.total()} files that are no images are left out ({_by_suffix(self.left_out)})"
            )
        if self.hidden:
            lines.append(
                f"{self.hidden} hidden files and folders are left out, which torchvision's ImageFolder reads"
            )
        if self.beside:
            lines.append(f"{self.beside} images beside the class folders have no class and are left out")
        if self.loops:
            lines.append(f"the linked folder {self.loops[0]} leads back to a folder above it: it is left out")
        if self.empty:
            lines.append(f"{len(self.empty)} classes have no images: {', '.join(self.empty[:5])}")
        return tuple(lines)


def _by_suffix(counts: Mapping[str, int]) -> str:
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return ", ".join(f"{count} {suffix or 'without suffix'}" for suffix, count in ordered)


def walk_classes(root: Path) -> ImageTree:
    """All images in class folders, in the order of torchvision's ImageFolder.

    Classes are the folders in the root, sorted as text. Folders below a class folder, linked ones too, belong
    to the class. Hidden files and folders are passed over. A file is an image if Pillow reads its suffix, or,
    where it has another suffix or none, if Pillow recognises its content.

    Raises:
        DataError: no class folder, no image in any, a folder that can't be read, or folders that are the
            parts of a data set (train, val) and not classes.
    """
    tree = ImageTree(root)
    try:
        with os.scandir(root) as listed:
            listing = [(entry.name, entry.is_dir()) for entry in listed]
    except OSError as error:
        raise DataError(f"{root} can't be read: {error.strerror}") from error
    folders = sorted(name for name, is_folder in listing if is_folder)
    files = (name for name, is_folder in listing if not is_folder and not is_hidden(name))
    tree.beside = sum(_suffix(name) in IMAGE_FOLDER_SUFFIXES for name in files)
    tree.classes = [name for name in folders if not is_hidden(name)]
    tree.hidden += sum(_has_images(root / name) for name in folders if is_hidden(name))
    _refuse_parts(root, tree.classes)
    for name in tree.classes:
        tree.files += class_files(root, name, tree)
    if not tree.files and tree.beside:
        raise DataError(
            f"{root} has {tree.beside} images and no class folders: move each into the folder of its class "
            "(CLASS/NAME.jpg), or give a table with a file name and a label in each line, `labels=FILE`"
        )
    if not tree.files and (root / MANIFEST).exists():
        raise DataError(
            f"{root} is a suite that `robust corrupt` wrote, not a set of images; your own suite is "
            "made from the clean images: give those"
        )
    if not tree.files:
        raise DataError(
            f"{root} has no images in class folders (CLASS/NAME.jpg, .png, ...); {what_lies_in(root)}"
        )
    return tree


def class_files(root: Path, name: str, tree: ImageTree | None = None) -> list[str]:
    """The images of one class, as paths below the root; `tree` receives what was left out."""
    tree = tree or ImageTree(root)
    paths: list[str] = []
    for folder, files in sorted(_walk(root, name, (), tree)):
        for file in sorted(files):
            path = f"{folder}/{file}"
            suffix = os.path.splitext(file)[1].lower()
            if not is_image(root / path):
                tree.left_out[suffix] += 1
                continue
            if suffix not in IMAGE_FOLDER_SUFFIXES:
                tree.added[suffix] += 1
            paths.append(path)
    return paths


def _walk(
    root: Path, folder: str, above: tuple[tuple[int, int], ...], tree: ImageTree
) -> Iterator[tuple[str, list[str]]]:
    """Folders with their files; a link to one of the folders above is not followed."""
    try:
        status = os.stat(root / folder)
        if (status.st_dev, status.st_ino) in above:
            tree.loops.append(folder)
            return
        with os.scandir(root / folder) as listed:
            children = sorted((entry.name, entry.is_dir()) for entry in listed)
    except OSError as error:
        raise DataError(f"{root / folder} can't be read: {error.strerror}") from error
    files = [name for name, is_folder in children if not is_folder]
    tree.hidden += sum(is_hidden(name) and _suffix(name) in IMAGE_FOLDER_SUFFIXES for name in files)
    yield folder, [name for name in files if not is_hidden(name)]
    for name, is_folder in children:
        if is_folder and is_hidden(name):
            tree.hidden += _has_images(root / folder / name)
        elif is_folder:
            yield from _walk(root, f"{folder}/{name}", (*above, (status.st_dev, status.st_ino)), tree)


def _suffix(name: str) -> str:
    return os.path.splitext(name)[1].lower()


def _has_images(folder: Path) -> bool:
    return any(_suffix(name) in IMAGE_FOLDER_SUFFIXES for _, _, names in os.walk(folder) for name in names)


@functools.cache
def pillow_formats() -> tuple[str, ...]:
    """The formats that Pillow decodes by itself."""
    Image.init()
    return tuple(sorted(set(Image.OPEN) - UNREADABLE))


@functools.cache
def _pillow_suffixes() -> frozenset[str]:
    formats = pillow_formats()
    return frozenset(suffix for suffix, kind in Image.registered_extensions().items() if kind in formats)


def is_image(path: Path) -> bool:
    """Whether Pillow reads files of this suffix; for other suffixes, whether it recognises the content."""
    suffix = path.suffix.lower()
    if suffix in _pillow_suffixes():
        return True
    if suffix in NO_IMAGES or suffix in Image.registered_extensions() or not path.is_file():
        return False
    try:
        with Image.open(path, formats=pillow_formats()):
            return True
    except Exception:  # Pillow's plugins raise whatever a foreign file leads them to
        return False


def _refuse_parts(root: Path, classes: list[str]) -> None:
    """Refuse a root whose folders are not its classes but lie one level above them."""
    parts = [name for name in classes if name.casefold() in PARTS]
    if parts and len(parts) == len(classes):
        usable = [name for name in parts if any(entry.is_dir() for entry in entries(root / name))]
        if usable:
            tests = [name for name in usable if not name.casefold().startswith("train")]
            raise DataError(
                f"the classes found in {root} are {', '.join(classes)}, which are the parts of a data set: "
                f"give {root / (tests or usable)[0]}"
            )
    if len(classes) == 1:
        below = entries(root / classes[0])
        inner = [entry.name for entry in below if entry.is_dir()]
        if len(inner) > 1 and not any(entry.is_file() and is_image(entry) for entry in below):
            raise DataError(
                f"the only class found in {root} is {classes[0]}, which holds the folders "
                f"{', '.join(inner[:3])}: give {root / classes[0]}"
            )
