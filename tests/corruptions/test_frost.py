"""Where frost photographs are looked for, and what is said when they are missing, damaged or too small."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from PIL import Image

from robustbench_lite.corruptions import corrupt, frost
from robustbench_lite.errors import DataError, InvalidInput


@pytest.fixture
def no_photographs(monkeypatch, tmp_path):
    """A machine on which nothing is set or installed."""
    monkeypatch.delenv(frost.DATA_VARIABLE, raising=False)
    monkeypatch.setitem(sys.modules, "imagecorruptions", None)
    monkeypatch.setattr(frost.importlib.util, "find_spec", lambda name: None)


def save_photographs(folder, side=80):
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    for name in frost.PHOTOGRAPHS:
        Image.fromarray(rng.integers(0, 256, (side, side, 3), np.uint8)).save(folder / name)
    return folder


def test_the_given_folder_is_taken(tmp_path):
    folder = save_photographs(tmp_path / "mine")
    assert frost.find_photographs(folder) == folder


def test_a_given_folder_without_photographs_is_an_error_even_where_others_exist(tmp_path, monkeypatch):
    save_photographs(tmp_path / "data" / "frost")
    monkeypatch.setenv(frost.DATA_VARIABLE, str(tmp_path / "data"))
    with pytest.raises(DataError, match=r"looked in .*empty"):
        frost.find_photographs(tmp_path / "empty")


def test_the_data_folder_is_looked_into(tmp_path, monkeypatch, no_photographs):
    folder = save_photographs(tmp_path / "data" / "frost")
    monkeypatch.setenv(frost.DATA_VARIABLE, str(tmp_path / "data"))
    assert frost.find_photographs() == folder


def test_an_installed_package_is_found_without_being_imported(tmp_path, monkeypatch):
    monkeypatch.delenv(frost.DATA_VARIABLE, raising=False)
    monkeypatch.delitem(sys.modules, "imagecorruptions", raising=False)
    package = tmp_path / "imagecorruptions"
    folder = save_photographs(package / "frost")
    (package / "__init__.py").write_text("raise RuntimeError('imported')")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert frost.find_photographs() == folder
    assert "imagecorruptions" not in sys.modules


def test_the_error_names_the_three_ways_to_get_them(no_photographs):
    with pytest.raises(
        DataError, match=r"name the folder.*robust data download frost.*imagecorruptions-imaug"
    ):
        corrupt(np.zeros((1, 32, 32, 3), np.uint8), "frost", 1, profile="cifar")


def test_other_photographs_work_and_give_a_warning(tmp_path):
    folder = save_photographs(tmp_path / "mine")
    with pytest.warns(UserWarning, match="is not the published frost photograph"):
        photographs = frost.load_photographs(folder)
    assert [photograph.shape for photograph in photographs] == [(80, 80, 3)] * 5


@pytest.mark.filterwarnings("ignore:.*not the published frost photograph")
def test_a_damaged_photograph_is_named(tmp_path):
    folder = save_photographs(tmp_path / "mine")
    (folder / "frost4.jpg").write_bytes(b"<html>")
    with pytest.raises(DataError, match=r"frost4\.jpg: not a readable frost photograph"):
        corrupt(np.zeros((1, 32, 32, 3), np.uint8), "frost", 1, profile="cifar", frost=folder)


@pytest.mark.filterwarnings("ignore:.*not the published frost photograph")
def test_an_image_as_large_as_a_photograph_is_refused(tmp_path):
    folder = save_photographs(tmp_path / "mine")
    images = np.zeros((1, 80, 60, 3), np.uint8)
    with pytest.raises(InvalidInput, match=r"less than 80 x 80 pixels .* got 80 x 60"):
        corrupt(images, "frost", 1, profile="imagenet", frost=folder)


@pytest.mark.filterwarnings("ignore:.*not the published frost photograph")
def test_the_crop_is_a_window_of_the_photograph_at_full_size(tmp_path):
    folder = save_photographs(tmp_path / "mine")
    images = np.zeros((1, 79, 60, 3), np.uint8)
    frosted = corrupt(images, "frost", 1, profile="imagenet", frost=folder)[0]
    photographs = frost.load_photographs(folder)
    windows = [(p[:79, c : c + 60] * 0.4).astype(np.uint8) for p in photographs for c in range(20)]
    assert any(np.array_equal(frosted, window) for window in windows)
