from __future__ import annotations

import csv
import subprocess
import sys

import numpy as np
import pytest

from robustbench_lite import reference
from robustbench_lite.errors import InvalidInput, UnknownName
from robustbench_lite.reference import names
from robustbench_lite.reference.files import read_rows

DATA_FILES = (
    "alexnet_clean.csv",
    "alexnet_imagenet_c.csv",
    "alexnet_imagenet_c_validation.csv",
    "alexnet_imagenet_p.csv",
    "published_corruptions.csv",
    "published_perturbations.csv",
)


def read_csv(path):
    return list(csv.DictReader(path.read_text().splitlines()))


def test_there_are_fifteen_test_corruptions_and_ten_test_perturbations():
    assert len(set(names.TEST_CORRUPTIONS)) == 15
    assert len(set(names.ALL_CORRUPTIONS)) == 19
    assert len(set(names.TEST_PERTURBATIONS)) == 10
    assert len(set(names.ALL_PERTURBATIONS)) == 14


def test_the_two_lists_of_ten_differ_in_one_name():
    snow, spatter = names.PERTURBATION_LISTS["snow"], names.PERTURBATION_LISTS["spatter"]
    assert [pair for pair in zip(snow, spatter, strict=True) if len(set(pair)) == 2] == [("snow", "spatter")]


def test_the_noises_are_compared_with_the_first_frame():
    assert (
        tuple(n for n in ("gaussian_noise", "shot_noise", "speckle_noise")) == names.FIRST_FRAME_PERTURBATIONS
    )


def test_alexnet_has_five_errors_of_50000_images_for_each_test_corruption():
    baseline = reference.baseline("imagenet-c")
    assert tuple(baseline) == names.TEST_CORRUPTIONS
    errors = np.array(list(baseline.values()))
    assert errors.shape == (15, 5)
    np.testing.assert_allclose(errors * 50000, np.round(errors * 50000), atol=1e-6)


def test_alexnet_is_the_one_that_the_published_constants_are_means_of(shared):
    means = {row["corruption"]: row for row in read_csv(shared / "reference/alexnet_imagenet_c_means.csv")}
    ours = reference.baseline_means()
    assert tuple(ours) == names.ALL_CORRUPTIONS
    for name, mean in ours.items():
        assert mean == pytest.approx(float(means[name]["mean_error"]), abs=1e-12)


def test_alexnet_does_not_get_worse_with_every_severity():
    """As published; a check that demands it would reject the official numbers."""
    baseline = reference.baseline("imagenet-c")
    assert baseline["snow"][1] > baseline["snow"][2]
    assert baseline["elastic_transform"][1] > baseline["elastic_transform"][2]


def test_alexnet_flips_on_all_fourteen_perturbations(shared):
    theirs = read_csv(shared / "reference/alexnet_imagenet_p.csv")
    expected = {row["perturbation"]: float(row["flip_probability"]) for row in theirs}
    assert reference.baseline("imagenet-p") == expected
    assert set(expected) == set(names.ALL_PERTURBATIONS)


def test_baselines_are_copies():
    reference.baseline("imagenet-p")["tilt"] = 0.0
    assert reference.baseline("imagenet-p")["tilt"] > 0


def test_cifar_has_no_baseline():
    with pytest.raises(InvalidInput, match="cifar10-c is not normalised by a baseline"):
        reference.baseline("cifar10-c")
    with pytest.raises(
        UnknownName, match="unknown suite with a baseline 'imagenet_c'; did you mean imagenet-c"
    ):
        reference.baseline("imagenet_c")


def test_the_clean_error_is_the_printed_one_unless_asked_otherwise():
    assert reference.baseline_clean_error() == 0.435
    assert reference.baseline_clean_error("torchvision") == 0.43478
    with pytest.raises(UnknownName, match="unknown measurement of AlexNet's clean error 'ours'"):
        reference.baseline_clean_error("ours")


@pytest.mark.parametrize("file", DATA_FILES)
def test_every_number_says_where_it_was_read(file):
    rows = read_rows(file)
    assert rows
    assert all(row["source"] for row in rows)


@pytest.mark.parametrize("suite", ["imagenet-c", "imagenet-p"])
def test_printed_means_follow_from_their_rows(suite):
    rows = [row for row in reference.published_rows(suite, paper=None) if row.values and row.mean is not None]
    assert len(rows) >= 8
    for row in rows:
        # The columns are rounded to whole percent, which moves the mean of AugMix's tables by up to 0.15.
        tolerance = 0.0015 if row.paper == "augmix" else 0.0001
        assert np.mean(list(row.values.values())) == pytest.approx(row.mean, abs=tolerance), row.method


def test_robustbench_rows_average_to_their_published_mean():
    rows = reference.published_rows("cifar10-c", paper="robustbench")
    assert len(rows) == 23
    for row in rows:
        assert np.mean(list(row.values.values())) == pytest.approx(row.mean, abs=1.1e-4), row.method


@pytest.mark.parametrize("suite", ["cifar10-c", "cifar100-c", "cifar10-p"])
def test_means_of_four_architectures_follow_from_their_rows(suite):
    rows = reference.published_rows(suite)
    means = {
        row.method: row.mean for row in rows if row.architecture == "mean of four" and row.mean is not None
    }
    assert len(means) >= 6
    for method, mean in means.items():
        four = [
            row.mean
            for row in rows
            if row.method == method and row.architecture != "mean of four" and row.mean is not None
        ]
        if len(four) == 4:
            assert np.mean(four) == pytest.approx(mean, abs=0.00101), method


def test_published_tables_are_those_of_the_paper(shared):
    table = read_csv(shared / "reference/augmix_paper_table2.csv")
    rows = {row.method: row for row in reference.published_rows("imagenet-c")}
    assert len(rows) == 8
    for cell in table:
        if cell["method"] == "AUGMIX":
            row = rows["AugMix"]
            values = {"clean_error": row.clean_error, "mCE": row.mean}
            values |= {f"CE_{name}": value for name, value in row.values.items()}
            assert 100 * values[cell["metric"]] == pytest.approx(float(cell["value"]))


def test_the_papers_headlines_are_there():
    def mean(suite, method, architecture):
        (row,) = [
            row
            for row in reference.published_rows(suite)
            if (row.method, row.architecture) == (method, architecture)
        ]
        return row.mean

    assert mean("cifar10-c", "AugMix", "WideResNet") == pytest.approx(0.112)
    assert mean("cifar100-c", "AugMix", "WideResNet") == pytest.approx(0.359)
    assert mean("imagenet-c", "AugMix", "ResNet-50") == pytest.approx(0.684)
    assert mean("imagenet-p", "AugMix", "ResNet-50") == pytest.approx(0.374)
    assert mean("cifar10-p", "AugMix", "mean of four") == pytest.approx(0.016)


def test_what_no_text_copy_has_is_none():
    (row,) = [
        row
        for row in reference.published_rows("cifar10-c")
        if (row.method, row.architecture) == ("AugMix", "DenseNet")
    ]
    assert row.clean_error is None
    assert "rms_calibration_error" not in row.other


def test_suites_without_published_rows_have_none():
    assert reference.published_rows("tiny-imagenet-c") == ()
    with pytest.raises(UnknownName, match="unknown paper 'augmax'; did you mean augmix"):
        reference.published_rows("imagenet-c", paper="augmax")


@pytest.mark.parametrize(
    ("wnids", "count"), [(reference.imagenet_wnids(), 1000), (reference.tiny_imagenet_wnids(), 200)]
)
def test_classes_are_sorted_and_unique(wnids, count):
    assert len(set(wnids)) == count
    assert list(wnids) == sorted(wnids)


def test_imagenet_indices_are_the_usual_ones(shared):
    wnids = reference.imagenet_wnids()
    assert wnids == tuple((shared / "reference/imagenet_wnids.txt").read_text().split())
    # tench, Egyptian cat, toilet tissue: indices 0, 285, 999 in every ImageNet class list
    assert [wnids.index(wnid) for wnid in ("n01440764", "n02124075", "n15075141")] == [0, 285, 999]


def test_tiny_imagenet_s_classes_are_imagenet_classes():
    assert set(reference.tiny_imagenet_wnids()) < set(reference.imagenet_wnids())


def test_reference_and_report_load_without_torch():
    code = "import sys, robustbench_lite.reference, robustbench_lite.report; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
