"""From a suite's name and a place on disk to a checked `Suite`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from os import PathLike
from pathlib import Path
from typing import Final

from robustbench_lite.errors import DataError, MissingData, UnknownName
from robustbench_lite.suites.cifar import CifarCorruptions, CifarPerturbations
from robustbench_lite.suites.cifar_clean import CifarClean
from robustbench_lite.suites.images import ClassImages
from robustbench_lite.suites.inventory import what_lies_in
from robustbench_lite.suites.official import how_to_get
from robustbench_lite.suites.protocols import PROTOCOLS
from robustbench_lite.suites.spec import SuiteSpec, suite_spec
from robustbench_lite.suites.suite import Source, Suite, list_cells, select_cells
from robustbench_lite.suites.tars import Progress
from robustbench_lite.suites.videos import ClassVideos

SOURCES: Final[Mapping[tuple[str, str], Callable[[SuiteSpec, Path, str, Progress | None], Source]]] = {
    ("cifar", "clean"): CifarClean,
    ("cifar", "corruption"): CifarCorruptions,
    ("cifar", "perturbation"): CifarPerturbations,
    ("imagenet", "clean"): ClassImages,
    ("imagenet", "corruption"): ClassImages,
    ("imagenet", "perturbation"): ClassVideos,
}
"""Family of the data set and kind of the suite -> how its files are read."""


def load_official(
    suite: str | SuiteSpec,
    root: str | PathLike[str],
    *,
    protocol: str = "official",
    corruptions: Iterable[str] | None = None,
    severities: Iterable[int] | None = None,
    allow_partial: bool = False,
    progress: Progress | None = None,
) -> Suite:
    """Find a suite's official files and check them before anything is computed.

    `root` is the suite's own folder, a folder that has it or the official tars in it, or a tar as
    downloaded, which is read in place. Checked are presence, sizes, shapes, dtypes, counts, labels and
    that all cells hold the same images; pixels are decoded later, when they are read.

    Args:
        suite: one of `SUITES`, by name or as a record.
        root: where the files are.
        protocol: one of `PROTOCOLS`; how files become model inputs.
        corruptions: corruptions or perturbations to load; the test names if None.
        severities: severities or difficulties to load; see `select_cells` for None.
        allow_partial: load what is there; the rest is in `Suite.missing`.
        progress: called with tar, bytes passed and bytes in all while a tar is indexed for the first time.

    Raises:
        UnknownName: no such suite, protocol, corruption or perturbation.
        InvalidInput: no such severity, or an empty selection.
        DataError: files are missing, damaged, mislabelled or at odds with each other.
    """
    spec = suite if isinstance(suite, SuiteSpec) else suite_spec(suite)
    if protocol not in PROTOCOLS:
        raise UnknownName("input protocol", protocol, PROTOCOLS)
    cells = select_cells(spec, corruptions, severities)
    place = Path(root).expanduser()
    if not place.exists():
        raise MissingData(f"{place} does not exist; {how_to_get(spec, place)}")
    family = "cifar" if spec.dataset.startswith("cifar") else "imagenet"
    source = SOURCES[family, spec.kind](spec, place, protocol, progress)
    present = source.present(cells)
    missing = tuple(cell for cell in cells if cell not in set(present))
    if not present:
        raise MissingData(
            f"no files of {spec.title} were found in {place}: {what_lies_in(place)}; "
            f"{how_to_get(spec, place)}"
        )
    if missing and not allow_partial:
        raise DataError(
            f"{len(missing)} of {len(cells)} cells of {spec.title} are missing in {place}: "
            f"{list_cells(missing)}; {how_to_get(spec, place)}, or evaluate what is there with "
            "`allow_partial=True`"
        )
    return Suite(spec, place, protocol, present, missing, source)
