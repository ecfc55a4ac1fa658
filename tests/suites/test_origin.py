"""The record says where a suite's images come from, and never claims more than the files show."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from robustbench_lite.reference.suites import SUITES, custom_spec
from robustbench_lite.results import Results
from robustbench_lite.suites.origin import origin


def test_files_are_called_released_only_with_the_release_s_number_of_images(tmp_path: Path) -> None:
    assert origin(SUITES["cifar10-c"], [tmp_path], 10_000) == {"mode": "released"}
    assert origin(SUITES["cifar10-c"], [tmp_path], 9_999) == {"mode": "unverified"}


def test_a_user_s_own_images_are_own(tmp_path: Path) -> None:
    assert origin(custom_spec("clean", 3, 32, 9), [tmp_path], 9) == {"mode": "own"}


@pytest.mark.parametrize("place", [".", "fog.npy", "fog/1", "CIFAR-10-C/fog.npy"])
def test_files_beside_a_manifest_are_generated(tmp_path: Path, place: str) -> None:
    recipe = {"profile": "cifar", "seed": 3, "as_stored": False, "version": "0.2.0"}
    (tmp_path / "manifest.json").write_text(json.dumps({**recipe, "from": {"fingerprint": "x"}}))
    found = origin(SUITES["cifar10-c"], [tmp_path / place], 10_000)
    assert found == {"mode": "generated", "manifest": str(tmp_path / "manifest.json"), **recipe}


@pytest.mark.parametrize("text", ["{", "[]", ""])
def test_a_damaged_manifest_still_means_generated(tmp_path: Path, text: str) -> None:
    (tmp_path / "manifest.json").write_text(text)
    assert origin(SUITES["cifar10-c"], [tmp_path], 10_000)["mode"] == "generated"


@pytest.mark.parametrize(
    ("data", "coverage"),
    [
        (
            {"images": 20, "official_images": 50_000, "classes_present": 20},
            "20 of 50,000 images, 20 of 1,000 classes",
        ),
        ({"images": 5_000, "official_images": 50_000, "classes_present": 1_000}, "5,000 of 50,000 images"),
        ({"images": 50_000, "official_images": 50_000, "classes_present": 1_000}, ""),
        ({}, ""),
    ],
)
def test_the_part_of_the_official_images_is_printed_in_words(data: dict[str, object], coverage: str) -> None:
    results = Results(SUITES["imagenet-c"], "official", (), provenance={"data": data})
    assert results.coverage == coverage


def test_own_images_have_no_official_number() -> None:
    spec = replace(custom_spec("corruption", 3, 32, 9), name="custom-c")
    assert (
        Results(spec, "official", (), provenance={"data": {"images": 9, "official_images": 8}}).coverage == ""
    )
