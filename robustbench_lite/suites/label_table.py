"""Labels in a table beside a folder of images: file and label a line, with or without a header."""

from __future__ import annotations

import csv
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from robustbench_lite.errors import DataError
from robustbench_lite.suites.image_folder import is_image
from robustbench_lite.suites.inventory import is_hidden
from robustbench_lite.suites.places import ANNOTATIONS, PICTURES

SHOWN: Final = 3
FILE_HEADINGS: Final = ("file", "filename", "file_name", "image", "image_id", "img", "path", "name", "id")
LABEL_HEADINGS: Final = ("label", "class", "target", "category", "class_name", "class_id", "breed", "y")
"""Headings of the two columns, where a table has more."""

Table = tuple[Mapping[str, str], tuple[str, ...]]


def labelled_files(folder: Path, table: Path) -> Table:
    """File -> label, in the order of the files' names, and notes.

    The columns are separated by commas, semicolons, tabs or spaces. A first line that names no file is the
    header; a table with more than two columns needs one, with headings such as "file" and "label". A file's
    suffix may be missing.

    Args:
        folder: the images, also in folders below it.
        table: the table.

    Raises:
        DataError: the table can't be read, names files that are not there or one file twice, or has no label
            for a line.
    """
    files = _images_below(folder)
    rows = _rows(table)
    header, rows = _split_header(rows, files, table)
    columns = _columns(header, rows, table)
    labels: dict[str, str] = {}
    missing: list[str] = []
    for number, row in enumerate(rows, start=1 + (header is not None)):
        if max(columns) >= len(row) or not row[columns[1]]:
            raise DataError(f"{table}, line {number}: expected a file and its label, found {','.join(row)!r}")
        path = files.get(row[columns[0]])
        if path is None:
            missing.append(row[columns[0]])
        elif path in labels:
            raise DataError(f"{table} names {row[columns[0]]} twice")
        else:
            labels[path] = row[columns[1]]
    if missing:
        raise DataError(
            f"{table} names {len(missing)} files that are not in {folder}: {', '.join(missing[:SHOWN])}"
        )
    rest = sorted(set(files.values()) - set(labels))
    ordered = {path: labels[path] for path in sorted(labels)}
    if not rest:
        return ordered, ()
    note = f"{len(rest)} images of {folder} have no label in {table.name} and are left out: {rest[0]}"
    return ordered, (note,)


def annotated_images(folder: Path) -> Table:
    """File -> WordNet id of Tiny-ImageNet's validation images, from val_annotations.txt.

    Raises:
        DataError: the annotations can't be read or do not fit the files.
    """
    rows = _rows(folder / ANNOTATIONS)
    labels = {f"{PICTURES}/{row[0]}": row[1] for row in rows if len(row) > 1}
    missing = [path for path in labels if not (folder / path).is_file()]
    if missing or len(labels) != len(rows):
        name = missing[0] if missing else "one file twice, or no label"
        raise DataError(f"{folder / ANNOTATIONS} does not fit the files in {folder / PICTURES}: {name}")
    return {path: labels[path] for path in sorted(labels)}, ()


def _images_below(folder: Path) -> dict[str, str]:
    """Names by which a table may call each image -> its path; a short name only where it is one image's."""
    paths: list[str] = []
    for place, folders, names in os.walk(folder, followlinks=True):
        folders[:] = [name for name in folders if not is_hidden(name)]
        inside = Path(place).relative_to(folder)
        images = (name for name in names if not is_hidden(name) and is_image(Path(place) / name))
        paths += [(inside / name).as_posix() for name in images]
    if not paths:
        raise DataError(f"{folder} holds no images")
    called: list[tuple[str, str]] = []
    for path in paths:
        short = {os.path.splitext(path)[0], Path(path).name, Path(path).stem, f"{folder.name}/{path}"}
        called += [(name, path) for name in short - {path}]
    counts = Counter(name for name, _ in called)
    return {name: path for name, path in called if counts[name] == 1} | {path: path for path in paths}


def _rows(table: Path) -> list[list[str]]:
    try:
        text = table.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"the table of labels {table} can't be read: {error}") from error
    lines = [line for line in text.splitlines() if line.strip()]
    if not lines:
        raise DataError(f"the table of labels {table} is empty")
    separator = next((mark for mark in ("\t", ",", ";") if mark in lines[0]), None)
    if separator is None:
        return [line.split() for line in lines]
    try:
        return [[cell.strip() for cell in row] for row in csv.reader(lines, delimiter=separator)]
    except csv.Error as error:
        raise DataError(f"the table of labels {table} can't be read: {error}") from error


def _split_header(
    rows: list[list[str]], files: Mapping[str, str], table: Path
) -> tuple[list[str] | None, list[list[str]]]:
    first = rows[0]
    headings = {cell.casefold() for cell in first}
    if any(cell in files for cell in first) or (
        len(first) <= 2 and not headings & {*FILE_HEADINGS, *LABEL_HEADINGS}
    ):
        return None, rows
    if len(rows) == 1:
        raise DataError(f"the table of labels {table} has a header and no line below it")
    return [cell.casefold() for cell in first], rows[1:]


def _columns(header: Sequence[str] | None, rows: list[list[str]], table: Path) -> tuple[int, int]:
    """The columns of file and label."""
    if header is not None:
        file, label = (
            next((header.index(name) for name in headings if name in header), None)
            for headings in (FILE_HEADINGS, LABEL_HEADINGS)
        )
        if file is not None and label is not None and file != label:
            return file, label
        if len(header) == 2:
            return 0, 1
        raise DataError(
            f"{table} has the columns {', '.join(header)}; call those with file and label so: file,label"
        )
    if len(rows[0]) != 2:
        raise DataError(
            f"{table} has {len(rows[0])} columns and no header; expected a file and its label in each line"
        )
    return 0, 1
