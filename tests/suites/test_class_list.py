"""Class lists in every form that people keep, and the matching of names."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from torchvision.models import ResNet50_Weights

from robustbench_lite.errors import DataError
from robustbench_lite.reference import imagenet_wnids
from robustbench_lite.suites.class_list import ClassList, class_list, sorted_classes

FORMS = {
    "plain": b"cat\nhot dog\nant\n",
    "byte order mark": b"\xef\xbb\xbfcat\nhot dog\nant\n",
    "Windows' line ends": b"cat\r\nhot dog\r\nant\r\n",
    "utf-16": "\ufeffcat\nhot dog\nant\n".encode("utf-16-le"),
    "index first": b"0 cat\n1 hot dog\n2 ant\n",
    "index first, unordered": b"2: ant\n0: cat\n1: hot dog\n",
    "index first, from 1": b"1,cat\n2,hot dog\n3,ant\n",
    "index last": b"ant,2\ncat,0\nhot dog,1\n",
    "json list": b'["cat", "hot dog", "ant"]',
    "json name to index": b'{"ant": 2, "cat": 0, "hot dog": 1}',
    "json index to name": b'{"2": "ant", "0": "cat", "1": "hot dog"}',
    "json of a model": b'{"id2label": {"0": "cat", "1": "hot dog", "2": "ant"}, "label2id": {"cat": 0}}',
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_is_read(tmp_path: Path, form: str) -> None:
    (tmp_path / "classes").write_bytes(FORMS[form])
    assert class_list(tmp_path / "classes").names == ("cat", "hot dog", "ant")


def test_lines_that_begin_with_wordnet_ids_are_named_by_them(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("n01440764 tench, Tinca tinca\nn01443537 goldfish\n")
    listed = class_list(tmp_path / "a.txt")
    assert listed.names == ("n01440764", "n01443537")
    assert [listed.place(name) for name in ("tench", "Tinca Tinca", "Goldfish", "n01443537")] == [0, 0, 1, 1]
    (tmp_path / "b.json").write_text(
        json.dumps({"0": ["n01440764", "tench"], "1": ["n01443537", "goldfish"]})
    )
    assert class_list(tmp_path / "b.json").places(["goldfish", "n01440764"], "x") == [1, 0]


def test_names_that_end_in_numbers_stay_names() -> None:
    assert class_list(["class 0", "class 1"]).names == ("class 0", "class 1")


def test_names_like_class_0_in_a_file_stay_names(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("class 0\nclass 1\n")
    assert class_list(tmp_path / "a.txt").names == ("class 0", "class 1")


def test_the_categories_of_torchvision_are_found_by_wordnet_id(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("\n".join(f"{i} {n}" for i, n in enumerate(categories())))
    wnids = imagenet_wnids()
    assert class_list(tmp_path / "a.txt").places([wnids[7], wnids[999], "goldfish"], "x") == [7, 999, 1]


def categories() -> list[str]:
    names = list(ResNet50_Weights.DEFAULT.meta["categories"])
    # Two pairs of classes have one name each; class lists number them.
    return [f"{name} ({number})" if names.count(name) > 1 else name for number, name in enumerate(names)]


def test_names_are_matched_exactly_first_then_without_capitals_and_hyphens() -> None:
    listed = ClassList(("Cat", "cat", "hot_dog"))
    assert [listed.place(name) for name in ("Cat", "cat", "Hot-Dog", "hot dog")] == [0, 1, 2, 2]
    assert listed.place("CAT") is None


def test_cars_and_planes_of_cifar_are_automobiles_and_airplanes() -> None:
    assert ClassList(("airplane", "automobile")).places(["car", "plane"], "x") == [1, 0]
    assert ClassList(("plane", "car")).places(["automobile", "airplane"], "x") == [1, 0]


@pytest.mark.parametrize(("names", "places"), [(["0", "2", "1"], [0, 2, 1]), (["1", "2", "3"], [0, 1, 2])])
def test_folders_named_by_index_are_indices_into_a_list_of_words(names: list[str], places: list[int]) -> None:
    assert ClassList(("a", "b", "c")).places(names, "x") == places


def test_names_that_differ_are_listed_with_the_nearest() -> None:
    listed = ClassList(("black cat", "dog", "ant"))
    with pytest.raises(
        DataError,
        match=r"^the folders: bee, blak cat \(nearest: black cat\) are not in the class list of 3 names; "
        r"without a counterpart in the list: black cat, dog\. Rename them, or give a class list",
    ):
        listed.places(["ant", "bee", "blak cat"], "the folders")
    with pytest.raises(DataError, match="x: Dog, dog are one class of the class list"):
        ClassList(("DOG", "ant")).places(["Dog", "dog"], "x")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"a\na\n", "2 names, 1 of them different"),
        (b"", "0 names"),
        (b"\xff\xfe\x00", "can't be read"),
        (b"\x80abc", "can't be read"),
        (b'{"a": 3, "b": 4}', "JSON, but neither a list of names nor names with the indices 0 to K - 1"),
        (b"[1, 2]", "JSON, but neither"),
        (b"[broken", "is no valid JSON"),
    ],
)
def test_what_is_no_class_list_is_told(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "classes.json").write_bytes(content)
    with pytest.raises(DataError, match=message):
        class_list(tmp_path / "classes.json")


def test_whole_numbers_sort_by_value_and_other_names_as_text() -> None:
    assert sorted_classes(["10", "9", "2"]) == (["2", "9", "10"], "numeric")
    assert sorted_classes(["10", "9", "b"]) == (["10", "9", "b"], "text")
    # "01" and "1" are one number, so that their values give no order.
    assert sorted_classes(["01", "1"]) == (["01", "1"], "text")
