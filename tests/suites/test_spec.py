"""The tables of suites and official files agree with the papers and the recorded facts."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from robustbench_lite import suites
from robustbench_lite.errors import UnknownName
from robustbench_lite.suites import SUITES, Cell
from robustbench_lite.suites.checksums import NPY_MD5
from robustbench_lite.suites.official import ELSEWHERE, RESOURCES
from robustbench_lite.suites.spec import perturbation_file, suite_spec
from robustbench_lite.suites.suite import list_cells, select_cells


@pytest.mark.parametrize("spec", SUITES.values(), ids=str)
def test_every_suite_is_consistent(spec: suites.SuiteSpec) -> None:
    assert SUITES[spec.name] is spec
    assert not set(spec.test) & set(spec.validation)
    if spec.kind == "clean":
        assert spec.clean is None
        return
    assert [name for group in spec.groups.values() for name in group] == list(spec.test)
    assert SUITES[spec.clean].dataset == spec.dataset
    counts = {"corruption": (15, 4, 5), "perturbation": (10, 4, 3)}[spec.kind]
    assert (len(spec.test), len(spec.validation), len(spec.severities)) == counts


@pytest.mark.parametrize(
    ("name", "classes", "side", "images"),
    [
        ("cifar10-c", 10, 32, 10_000),
        ("cifar100-p", 100, 32, 10_000),
        ("imagenet-c", 1000, 224, 50_000),
        ("tiny-imagenet-c", 200, 64, 10_000),
    ],
)
def test_sizes_are_those_of_the_releases(name: str, classes: int, side: int, images: int) -> None:
    spec = SUITES[name]
    assert (spec.classes, spec.image_size, spec.images) == (classes, side, images)


def test_the_error_for_an_unknown_suite_names_similar_suites() -> None:
    with pytest.raises(UnknownName, match="unknown suite 'imagenetc'; did you mean imagenet-c"):
        suite_spec("imagenetc")


def test_the_package_offers_what_it_lists() -> None:
    assert all(hasattr(suites, name) for name in suites.__all__)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = suites.nothing


def test_files_and_checksums_are_those_recorded(shared: Path) -> None:
    ours = {(file.name, file.md5): file for files in RESOURCES.values() for file in files}
    with (shared / "reference/dataset_files.csv").open() as table:
        rows = [row for row in csv.DictReader(table) if row["md5"] and "re-upload" not in row["dataset"]]
    assert len(rows) == 13
    for row in rows:
        file = ours[row["file"], row["md5"]]
        assert f"/records/{row['zenodo_record']}/" in file.url
        assert str(file.size or "") == row["bytes"]


def test_array_checksums_are_those_recorded(shared: Path) -> None:
    with (shared / "reference/cifar_c_npy_md5.csv").open() as table:
        rows = {
            (row["dataset"].lower().replace("cifar-", "cifar"), row["file"]): row["md5"]
            for row in csv.DictReader(table)
        }
    assert rows == {(suite, name): md5 for suite, files in NPY_MD5.items() for name, md5 in files.items()}


def test_every_suite_can_be_downloaded_or_says_where_it_is() -> None:
    assert set(RESOURCES) | set(ELSEWHERE) == {*SUITES, "frost"}
    assert not set(RESOURCES) & set(ELSEWHERE)


def test_tars_of_equal_name_go_to_different_folders() -> None:
    paths = [file.path for files in RESOURCES.values() for file in files]
    assert len(set(paths)) == len(paths)


@pytest.mark.parametrize(
    ("cell", "name"),
    [
        (Cell("shot_noise", 1), "shot_noise"),
        (Cell("shot_noise", 3), "shot_noise_3"),
        (Cell("speckle_noise", 2), "speckle_noise_2"),
        (Cell("rotate", 3), "rotate"),
    ],
)
def test_only_noises_have_files_for_their_difficulties(cell: Cell, name: str) -> None:
    assert perturbation_file(SUITES["cifar10-p"], cell) == name


def test_cells_are_listed_in_few_words() -> None:
    cells = [Cell("fog", s) for s in (1, 2, 3, 4, 5)] + [Cell("frost", 2), Cell("snow", 1), Cell("snow", 4)]
    assert list_cells(cells) == "fog 1-5, frost 2, snow 1+4"
    assert list_cells([suites.CLEAN]) == "clean"


def test_the_name_of_a_group_selects_its_members_in_canonical_order() -> None:
    cells = select_cells(SUITES["cifar10-c"], ["blur", "fog", "gaussian_noise"], [2])
    names = ["gaussian_noise", "defocus_blur", "glass_blur", "motion_blur", "zoom_blur", "fog"]
    assert [cell.name for cell in cells] == names
    cells = select_cells(SUITES["imagenet-p"], ["digital", "tilt"], None)
    assert [cell.name for cell in cells] == ["translate", "rotate", "tilt", "scale"]


def test_an_unknown_name_is_compared_with_groups_too() -> None:
    with pytest.raises(UnknownName, match="unknown corruption of cifar10-c 'noises'; did you mean noise"):
        select_cells(SUITES["cifar10-c"], ["noises"], None)
