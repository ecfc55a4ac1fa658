"""`robust train-augmix`: from files to a model that `robust eval` takes without options."""

from __future__ import annotations

import json
import re
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result

from robustbench_lite.cli import main
from robustbench_lite.commands import train_augmix
from robustbench_lite.commands._own_suites import suite_options
from robustbench_lite.commands.train_augmix import train_command
from robustbench_lite.models import load_model
from robustbench_lite.plugins import register
from robustbench_lite.results import Results
from robustbench_lite.suites import custom_spec
from robustbench_lite.training.methods import METHODS
from robustbench_lite.training.recipes import TrainingRecipe
from robustbench_lite.training.settings import TrainingSettings
from robustbench_lite.training.sources import NAMED, open_dataset

QUICK = ("--arch", "resnet-8", "--epochs", "2", "--batch-size", "20", "--device", "cpu")


def robust(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["train-augmix", *map(str, arguments)])


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """An .npz of 80 images of 32 x 32 pixels in 10 classes, which are levels of brightness."""
    rng = np.random.default_rng(0)
    labels = np.arange(80) % 10
    pixels = 25 * labels[:, None, None, None] + 12 + 5 * rng.standard_normal((80, 32, 32, 3))
    np.savez(tmp_path / "levels.npz", images=np.clip(pixels, 0, 255).astype(np.uint8), labels=labels)
    return tmp_path / "levels.npz"


def test_an_archive_becomes_a_model_and_its_evaluation(images: Path, tmp_path: Path) -> None:
    clean = tmp_path / "data"
    clean.mkdir()
    (clean / "cifar10.npz").write_bytes(images.read_bytes())
    options = ("--out", tmp_path / "run", "--data", clean, "--eval-suite", "cifar10")
    more = ("--epochs", 6, "--method", "standard", "--lr", 0.05, "--no-flip")
    done = robust("--dataset", images, *QUICK, *options, *more)
    assert done.exit_code == 0, done.output
    assert f"{tmp_path / 'run' / 'last.pt'}: test error" in done.stdout
    assert "epoch 6/6: train loss" in done.stderr
    assert "CIFAR-10" in done.stdout
    assert (tmp_path / "run/eval-cifar10/results.json").is_file()
    info = load_model(tmp_path / "run/last.pt").info
    assert (info.architecture, info.num_classes, info.normalization) == ("resnet-8", 10, "half")


def test_the_run_folder_is_named_after_what_is_trained(
    images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done = robust("--dataset", images, *QUICK, "--method", "cutout", "--seed", 4)
    assert done.exit_code == 0, done.output
    assert (tmp_path / "runs/levels-resnet-8-cutout-4/log.csv").is_file()


def test_the_same_command_continues_and_other_settings_are_an_error(images: Path, tmp_path: Path) -> None:
    command = ("--dataset", images, *QUICK, "--method", "standard", "--out", tmp_path / "run")
    assert robust(*command).exit_code == 0
    again = robust(*command)
    assert "continues after" in again.stderr
    assert "epoch 1/2" not in again.stderr
    other = robust(*command, "--lr", 0.3)
    assert other.exit_code == 1
    assert "Error: " in other.stderr
    assert "lr was 0.1 and is 0.3" in other.stderr
    assert robust(*command, "--lr", 0.3, "--overwrite").exit_code == 0


def parsed(*arguments: str) -> dict[str, Any]:
    """The values of the command's options."""
    with train_command.make_context("train-augmix", ["--dataset", "cifar10", *arguments]) as context:
        return context.params


def test_options_that_are_not_given_are_left_to_the_recipe() -> None:
    given = parsed()
    assert {given[field.name] for field in fields(TrainingRecipe)} == {None}
    assert {name: given[name] for name in asdict(TrainingSettings())} == asdict(TrainingSettings())


def test_switches_become_keywords() -> None:
    given = parsed("--no-nesterov", "--no-flip", "--no-channels-last", "--all-ops", "--arch", "allconv")
    assert (given["nesterov"], given["flip"], given["channels_last"]) == (False, False, False)
    assert (given["all_ops"], given["arch"]) == (True, "allconv")


@pytest.mark.parametrize(
    ("method", "without"),
    [
        ("augmix", "augmix-no-jsd"),
        ("random-autoaugment-jsd", "random-autoaugment"),
        ("augmix-no-jsd", "augmix-no-jsd"),
    ],
)
def test_no_jsd_leaves_the_loss_out_of_the_method(method: str, without: str) -> None:
    assert train_augmix.without_jsd(method) == without


def test_no_jsd_goes_with_methods_that_have_that_loss(images: Path, tmp_path: Path) -> None:
    done = robust("--dataset", images, *QUICK, "--method", "mixup", "--no-jsd", "--out", tmp_path / "run")
    assert done.exit_code == 2
    assert "--no-jsd leaves out the loss of augmix and random-autoaugment-jsd; mixup has none." in done.stderr


def test_the_command_offers_every_method_and_every_field_of_the_recipe() -> None:
    assert tuple(METHODS) == train_augmix.METHODS
    assert train_augmix.NAMED == NAMED
    offered = {option.name for option in train_command.params}
    assert offered >= {
        field.name for settings in (TrainingRecipe, TrainingSettings) for field in fields(settings)
    }


def test_an_unknown_method_is_one_line(images: Path, tmp_path: Path) -> None:
    done = robust("--dataset", images, *QUICK, "--method", "augmx", "--out", tmp_path / "run")
    assert done.exit_code == 1
    assert done.stderr == "Error: unknown training method 'augmx'; did you mean augmix?\n"
    assert not (tmp_path / "run").exists()


def test_a_data_set_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    done = robust("--dataset", "cifar10", *QUICK, "--data", tmp_path)
    assert done.exit_code == 1
    assert "no training images of CIFAR-10 were found" in done.stderr
    assert "--download fetches them" in done.stderr


def test_max_blur_pooling_is_a_switch_of_the_architecture(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (24, 64, 64, 3), dtype=np.uint8)
    np.savez(tmp_path / "noise.npz", images=pixels, labels=np.arange(24) % 2)
    options = (
        "--arch",
        "resnet18",
        "--max-blur-pool",
        "--epochs",
        "1",
        "--batch-size",
        "10",
        "--device",
        "cpu",
    )
    done = robust(
        "--dataset", tmp_path / "noise.npz", *options, "--method", "standard", "--out", tmp_path / "run"
    )
    assert done.exit_code == 0, done.output
    assert load_model(tmp_path / "run/last.pt").info.architecture == "resnet18-maxblur"


def test_the_runs_own_test_images_make_a_suite(images: Path, tmp_path: Path) -> None:
    command = ("--dataset", images, *QUICK, "--method", "standard", "--no-flip", "--out", tmp_path / "run")
    suite = ("--epochs", 6, "--lr", 0.05, "--eval-suite", "custom")
    done = robust(*command, *suite)
    assert done.exit_code == 0, done.output
    record = json.loads((tmp_path / "run/eval-custom/results.json").read_text())
    logged = float((tmp_path / "run/log.csv").read_text().splitlines()[-1].split(",")[6])
    assert record["summary"]["clean_error"] == pytest.approx(logged)
    untrained = robust(*command, *suite, "--epochs", 1, "--lr", 1e-6, "--overwrite")
    assert untrained.exit_code == 0, untrained.output
    assert "near chance" in untrained.stderr
    again = robust(*command, *suite, "--seed", 1, "--overwrite")
    assert again.exit_code == 0, again.output


@pytest.mark.parametrize(
    ("suite", "message"),
    [
        ("cifar10c", "unknown suite 'cifar10c'; did you mean cifar10-c"),
        ("cifar100", "cifar100 has 100 classes and levels 10; choose another suite, or custom-c"),
        ("cifar10", "the place of the images is not known: give --data DIR"),
    ],
)
def test_a_suite_that_can_not_be_evaluated_is_an_error_before_the_training(
    images: Path, tmp_path: Path, suite: str, message: str
) -> None:
    done = robust("--dataset", images, *QUICK, "--out", tmp_path / "run", "--eval-suite", suite)
    assert done.exit_code == 1
    assert message in done.stderr
    assert not (tmp_path / "run").exists()


def test_frost_without_its_photographs_is_an_error_before_the_training(
    images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    monkeypatch.delenv("ROBUSTBENCH_LITE_DATA", raising=False)
    done = robust("--dataset", images, *QUICK, "--out", tmp_path / "run", "--eval-suite", "custom-c")
    assert done.exit_code == 1
    assert "frost needs the five published photographs" in done.stderr
    assert not (tmp_path / "run").exists()


def test_a_suite_without_its_official_files_is_made_from_the_clean_images(
    images: Path, tmp_path: Path
) -> None:
    (tmp_path / "cifar10.npz").write_bytes(images.read_bytes())
    opened = open_dataset(images)
    place = suite_options("cifar10-p", str(images), opened, tmp_path, tmp_path / "run")
    assert place == {"clean_data": tmp_path}


@pytest.mark.usefixtures("tables_as_before")
def test_a_users_own_suite_is_made_from_the_test_images_of_the_run(images: Path, tmp_path: Path) -> None:
    spec = custom_spec("corruption", classes=10, image_size=32, images=10)
    register("mine-c", replace(spec, name="mine-c", test=("fog", "contrast"), validation=()))
    done = robust("--dataset", images, *QUICK, "--out", tmp_path / "run", "--eval-suite", "mine-c")
    assert done.exit_code == 0, done.output
    results = Results.load(tmp_path / "run" / "eval-mine-c")
    assert {cell.name for cell in results.cells} == {"clean", "fog", "contrast"}


def test_standard_error_that_is_a_file_gets_a_line_an_epoch_with_the_time_left(
    images: Path, tmp_path: Path
) -> None:
    done = robust("--dataset", images, *QUICK, "--method", "standard", "--out", tmp_path / "run")
    first, last = (line for line in done.stderr.splitlines() if line.startswith("epoch"))
    assert re.search(r" images/s, \d+ s, about \d+ s left$", first)
    assert last.endswith(" s")
