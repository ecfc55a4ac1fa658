"""The suites that a training is evaluated on afterwards; their images are found before it begins."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any, Final

import numpy as np

from robustbench_lite.atomic_write import write_atomically
from robustbench_lite.corruptions import CORRUPTIONS
from robustbench_lite.corruptions.frost import find_photographs
from robustbench_lite.errors import InvalidInput, MissingData
from robustbench_lite.evaluation.sources import CUSTOM_SUITES, load_suite
from robustbench_lite.runtime import processes
from robustbench_lite.suites import SUITES, suite_spec
from robustbench_lite.training.data import Dataset, InMemory
from robustbench_lite.training.sources import test_part

TEST_IMAGES: Final = "test.npz"


def suite_options(
    suite: str, dataset: str, opened: Dataset, data: Path | None, folder: Path
) -> dict[str, Any]:
    """The place of a suite's images, as keywords of `evaluate`.

    Official files in --data are read. Where there are none, the suite is made from the clean set there.

    Args:
        suite: The name of the suite; your own suites are made from the test images of the run.
        dataset: The value of --dataset.
        opened: The data set.
        data: The value of --data.
        folder: The run folder.

    Raises:
        UnknownName: No such suite.
        DataError: Its files, or the frost photographs that it is made with, are missing or damaged.
        InvalidInput: The suite has other classes than the data set, or the data set has no test images to
            make it from.
    """
    place = _own_images(dataset, opened, folder) if is_own(suite) else _official(suite, opened, data)
    if "data" not in place and _needs_photographs(suite):
        find_photographs()
    return place


def _needs_photographs(suite: str) -> bool:
    """Whether a suite that is generated has frost among its corruptions."""
    if suite in CUSTOM_SUITES:
        return CUSTOM_SUITES[suite] == "corruption"
    spec = suite_spec(suite)
    return spec.kind == "corruption" and any(CORRUPTIONS[name].needs_photographs for name in spec.test)


def is_own(suite: str) -> bool:
    """Whether a suite is made from the test images of the run: `CUSTOM_SUITES`, and a user's own records."""
    return suite in CUSTOM_SUITES or (suite in SUITES and SUITES[suite].own)


def _official(suite: str, opened: Dataset, data: Path | None) -> dict[str, Any]:
    """The official files, or the clean images below the same folder."""
    spec = suite_spec(suite)
    if spec.classes != opened.classes:
        raise InvalidInput(
            f"{suite} has {spec.classes} classes and {opened.name} {opened.classes}; choose another suite, "
            "or custom-c and custom-p for the run's own test images"
        )
    try:
        load_suite(suite, data)
    except MissingData:
        if spec.clean is None or data is None:
            raise
        load_suite(suite, clean_data=data)
        return {"clean_data": data}
    return {"data": data}


def _own_images(dataset: str, opened: Dataset, folder: Path) -> dict[str, Any]:
    """The test images of the run: their folder, or the archive that `keep_test_images` will write."""
    classes = opened.class_names or tuple(map(str, range(opened.classes)))
    if isinstance(opened.test, InMemory):
        return {"clean_data": folder / TEST_IMAGES, "classes": classes}
    place = test_part(Path(dataset))
    if place is None:
        raise InvalidInput(
            f"{dataset} has no val/ or test/ folder to make a suite from; add one, or name an official suite"
        )
    return {"clean_data": place, "classes": classes, "image_size": opened.test.size[0]}


def keep_test_images(opened: Dataset, folder: Path) -> None:
    """Write test images that are held in memory as an archive; all processes of a run call it together."""
    with processes() as team:
        if team.first and isinstance(opened.test, InMemory):
            images = opened.test.images.permute(0, 2, 3, 1).contiguous().numpy()
            buffer = io.BytesIO()
            np.savez(buffer, images=images, labels=opened.test.labels.numpy())
            write_atomically(folder / TEST_IMAGES, buffer.getvalue())
        # The other processes wait for the file here.
        team.from_first(None)
