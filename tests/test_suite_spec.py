"""The record of a suite says what its mean is, and refuses what can't be true."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace

import pytest

from robustbench_lite.errors import InvalidInput, UnknownName
from robustbench_lite.reference.suites import SUITES, custom_spec
from robustbench_lite.suite_spec import Baseline, SuiteSpec

TWO = replace(SUITES["cifar10-c"], name="two", title="Two", test=("dropout", "fog"), validation=())
ALEXNET = SUITES["imagenet-c"].baseline
MINE = Baseline("Mine", {"dropout": (0.2, 0.3, 0.4, 0.5, 0.6), "fog": (0.5,)}, clean_error=0.1)


@pytest.mark.parametrize("name", SUITES)
def test_a_record_survives_json(name: str) -> None:
    spec = SUITES[name]
    assert SuiteSpec.from_dict(json.loads(json.dumps(spec.to_dict()))) == spec


def test_records_are_the_same_text_in_every_process() -> None:
    code = (
        "import json; from robustbench_lite.reference.suites import SUITES; "
        "print(json.dumps(SUITES['imagenet-p'].to_dict()))"
    )
    texts = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            check=True,
        ).stdout
        for seed in ("1", "2", "3")
    }
    assert len(texts) == 1


@pytest.mark.parametrize(
    ("spec", "key", "heading"),
    [
        (SUITES["imagenet-c"], "mce", "mCE"),
        (SUITES["cifar10-c"], "mean_error", "Mean"),
        (SUITES["imagenet-p"], "mfr", "mFR"),
        (SUITES["imagenet-p"].with_test_list("spatter"), "mfr", "mFR"),
        (SUITES["cifar10-p"], "mfp", "mFP"),
        (TWO, "mean_error", "Mean"),
        (replace(TWO, baseline=MINE), "baseline_mce", "Mean CE (Mine)"),
        # AlexNet's ImageNet-C errors beside other images, fewer corruptions, or fewer severities.
        (
            replace(SUITES["cifar10-c"], baseline=SUITES["imagenet-c"].baseline),
            "baseline_mce",
            "Mean CE (AlexNet)",
        ),
        (replace(SUITES["imagenet-c"], test=("fog", "frost")), "baseline_mce", "Mean CE (AlexNet)"),
        (replace(SUITES["imagenet-p"], test=("tilt", "scale")), "mean_flip_rate", "Mean FR (AlexNet)"),
        (replace(SUITES["cifar10-p"], test=("tilt", "scale")), "mean_flip_probability", "Mean FP"),
    ],
)
def test_a_mean_has_the_papers_name_only_where_it_is_theirs(spec: SuiteSpec, key: str, heading: str) -> None:
    assert (spec.mean.key, spec.mean.heading) == (key, heading)


def test_the_definition_counts_what_enters_the_mean() -> None:
    assert SUITES["cifar10-c"].mean.definition == "unnormalised mean over 15 test corruptions x 5 severities"
    assert TWO.mean.definition == "unnormalised mean over 2 test corruptions x 5 severities"
    pair = replace(SUITES["cifar10-p"], test=("tilt", "scale"))
    assert pair.mean.definition == "mean flip probability over 2 perturbations"


def test_headings_and_groups_hold_names_that_nobody_listed() -> None:
    assert (TWO.heading("fog"), TWO.heading("dropout")) == ("Fog", "Dropout")
    assert TWO.test_groups() == {"weather": ("fog",), "": ("dropout",)}


def test_the_official_script_s_list_swaps_snow_and_spatter_in_their_group() -> None:
    spec = SUITES["cifar10-p"].with_test_list("spatter")
    assert "snow" not in spec.test
    assert spec.groups["weather"] == ("spatter", "brightness")
    assert set(spec.names) == set(SUITES["cifar10-p"].names)
    assert spec.with_test_list("snow").test == SUITES["cifar10-p"].test


def test_a_list_can_be_chosen_only_where_there_are_lists() -> None:
    with pytest.raises(UnknownName, match="list of test names of cifar10-p 'snows'; did you mean snow"):
        SUITES["cifar10-p"].with_test_list("snows")
    with pytest.raises(InvalidInput, match="test names of its own, so it has no list 'spatter'"):
        replace(SUITES["cifar10-p"], test=("tilt", "snow")).with_test_list("spatter")


@pytest.mark.parametrize(
    ("values", "clean_error", "message"),
    [
        ({}, None, "has no values"),
        ({"fog": (68.0,)}, None, "fractions above 0 and up to 1 for fog"),
        ({"fog": (0.0, 0.5)}, None, "fractions above 0 and up to 1 for fog"),
        ({"fog": (float("inf"),)}, None, "fractions above 0"),
        ({"fog": ()}, None, "fractions above 0"),
        ({"fog": 0.5}, -3, "the clean error of the baseline 'Mine' must be a fraction"),
    ],
)
def test_a_baseline_is_made_of_fractions(values: dict, clean_error: float | None, message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        Baseline("Mine", values, clean_error)


def test_a_baseline_takes_numbers_and_lists() -> None:
    assert Baseline("Mine", {"fog": 0.5, "snow": [0.1, 0.2]}).values == {"fog": (0.5,), "snow": (0.1, 0.2)}


@pytest.mark.parametrize(
    ("baseline", "message"),
    [
        (Baseline("Mine", {"fog": 0.5}), "lacks dropout"),
        (Baseline("Mine", {"fog": 0.5, "dropout": (0.5, 0.6)}), "2 errors for dropout, but 'two' has 5 sev"),
        (
            Baseline("Mine", {"fog": 0.5, "dropout": 0.1}, 0.1),
            r"errs no more on dropout \(0.1\) than on clean",
        ),
    ],
)
def test_a_baseline_fits_its_suite(baseline: Baseline, message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        replace(TWO, baseline=baseline)


def test_the_suites_of_one_s_own_images_are_never_normalised_by_alexnet() -> None:
    assert custom_spec("corruption", 7, 64, 20).baseline is None
    assert custom_spec("perturbation", 7, 64, 20).mean.key == "mfp"
    assert custom_spec("corruption", 7, 64, 20).own
