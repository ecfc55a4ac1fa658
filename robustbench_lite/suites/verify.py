"""Compare the files of a suite on disk with the published ones."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from robustbench_lite.errors import DataError
from robustbench_lite.suites.checksums import NPY_MD5
from robustbench_lite.suites.download import Report, file_md5
from robustbench_lite.suites.load import load_official
from robustbench_lite.suites.official import RESOURCES, find_file
from robustbench_lite.suites.spec import SuiteSpec
from robustbench_lite.suites.suite import list_cells
from robustbench_lite.suites.tars import Progress


@dataclass(frozen=True)
class Finding:
    """The result of one check.

    Attributes:
        subject: The file, or the title of the suite where the check is about all of it.
        right: Whether it is as published.
        text: The result in words.
    """

    subject: str
    right: bool
    text: str


def verify_checksums(name: str, title: str, data: Path, report: Report | None = None) -> Iterator[Finding]:
    """Compare the official files and unpacked arrays on disk with the published checksums."""
    for file in RESOURCES.get(name, ()):
        if (path := find_file(file, data)) is not None:
            yield _compare(path, file.md5, report)
    for base in (data / title, data):
        for array, expected in NPY_MD5.get(name, {}).items():
            if (path := base / array).is_file():
                yield _compare(path, expected, report)


def _compare(path: Path, expected: str, report: Report | None) -> Finding:
    digest = file_md5(path, report)
    right = digest == expected
    return Finding(str(path), right, f"MD5 {digest}" + ("" if right else f", published is {expected}"))


def verify_suite(spec: SuiteSpec, data: Path, progress: Progress | None = None) -> Iterator[Finding]:
    """Load all cells of a suite that are on disk, and read the first and the last image of each.

    Counts that differ from the official ones and missing test cells are wrong. Missing validation cells are
    reported, but they are not wrong.
    """
    try:
        suite = load_official(spec.name, data, corruptions=spec.names, allow_partial=True, progress=progress)
        for cell in suite.cells:
            reader = suite.open(cell)
            reader.read(0, 1)
            reader.read(reader.count - 1, reader.count)
            reader.close()
    except DataError as error:
        yield Finding(spec.title, False, str(error))
        return
    yield Finding(
        spec.title,
        suite.images == spec.images,
        f"{len(suite.cells)} cells of {suite.images} each"
        + ("" if suite.images == spec.images else f", the release has {spec.images} each"),
    )
    missing = [cell for cell in suite.missing if cell.name in spec.test]
    if missing:
        yield Finding(spec.title, False, f"missing: {list_cells(missing)}")
    optional = [cell for cell in suite.missing if cell.name not in spec.test]
    if optional:
        yield Finding(spec.title, True, f"without the validation names: {list_cells(optional)}")
