"""`robust fourier` from files to files."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from robustbench_lite import cli
from robustbench_lite.models import build, save_checkpoint


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    generator = np.random.default_rng(0)
    images = generator.integers(0, 256, (6, 16, 16, 3), dtype=np.uint8)
    np.savez(tmp_path / "set.npz", images=images, labels=np.arange(6))
    np.savez(tmp_path / "bare.npz", images=images)
    half = (0.5, 0.5, 0.5)
    network = build("resnet-20", num_classes=10)
    save_checkpoint(
        tmp_path / "small.pt", network, architecture="resnet-20", num_classes=10, mean=half, std=half
    )
    return tmp_path


def robust(folder: Path, *arguments: str) -> Result:
    given = ["fourier", "--dataset", str(folder / "set.npz"), "--norm", "2", "--out", str(folder / "out")]
    options = ["--device", "cpu", "--bootstrap", "100", "--batch-size", "64"]
    return CliRunner().invoke(cli.main, [*given, *options, *arguments])


def test_a_sweep_writes_map_figures_and_record(folder: Path) -> None:
    done = robust(folder, "--model", str(folder / "small.pt"))
    assert done.exit_code == 0, done.output
    written = {path.name for path in (folder / "out").iterdir()}
    assert written == {
        *(f"heatmap.{ending}" for ending in ("png", "pdf", "npy", "csv", "json")),
        "profile.png",
        "profile.pdf",
        "examples.npz",
        "outcomes.npz",
    }
    values = np.load(folder / "out" / "heatmap.npy")
    record = json.loads((folder / "out" / "heatmap.json").read_text())
    assert values.shape == (16, 16)
    assert record["mean"] == pytest.approx(values.mean())
    assert done.stdout.startswith(f"small: mean error {100 * values.mean():.2f} % (clean ")


def test_several_models_share_a_figure_and_have_their_own_files(folder: Path) -> None:
    model = str(folder / "small.pt")
    done = robust(folder, "--model", f"Standard={model}", "--model", f"Other one={model}", "--metric", "flip")
    assert done.exit_code == 0, done.output
    for name in ("Standard", "Other_one"):
        assert (folder / "out" / name / "heatmap.csv").is_file()
    assert (folder / "out" / "heatmap.png").is_file()
    assert not (folder / "out" / "heatmap.npy").exists()


def test_spectra_need_no_model_and_no_labels(folder: Path) -> None:
    done = robust(folder, "--dataset", str(folder / "bare.npz"), "--spectrum", "gaussian_noise, contrast")
    assert done.exit_code == 0, done.output
    written = {path.name for path in (folder / "out").iterdir()}
    assert written == {f"spectrum.{ending}" for ending in ("png", "pdf", "npy", "csv", "json")}
    rows = list(csv.DictReader((folder / "out" / "spectrum.csv").read_text().splitlines()))
    assert {row["corruption"] for row in rows} == {"gaussian_noise", "contrast"}
    assert {row["severity"] for row in rows} == {"3"}
    power = np.load(folder / "out" / "spectrum.npy")
    assert power.shape == (2, 16, 16)
    assert [float(row["power"]) for row in rows] == power.ravel().tolist()


def test_the_spectras_record_says_what_decided_the_numbers(folder: Path) -> None:
    done = robust(
        folder, "--spectrum", "gaussian_noise,contrast", "--severity", "4", "--seed", "5", "--size", "7"
    )
    assert done.exit_code == 0, done.output
    record = json.loads((folder / "out" / "spectrum.json").read_text())
    assert [(one["corruption"], one["severity"]) for one in record["spectra"]] == [
        ("gaussian_noise", 4),
        ("contrast", 4),
    ]
    assert (record["seed"], record["n"], record["map_size"]) == (5, 6, [7, 7])
    assert len(record["data"]["fingerprint"]) == 64
    assert record["run"]["versions"]["torch"]
    seen = np.load(folder / "out" / "spectrum.npy").sum(axis=(1, 2))
    assert (seen < [one["total_power"] for one in record["spectra"]]).all()


def test_a_limit_takes_a_sample(folder: Path) -> None:
    done = robust(folder, "--model", str(folder / "small.pt"), "--limit", "3", "--size", "5")
    assert "n = 3" in done.stdout
    assert np.load(folder / "out" / "heatmap.npy").shape == (5, 5)


@pytest.mark.parametrize(
    ("arguments", "code", "text"),
    [
        ((), 2, "Give --model, --spectrum, or both"),
        (("--model", "MODEL", "--model", "MODEL"), 2, "Two models are called 'small'"),
        (("--model", "a b=MODEL", "--model", "a_b=MODEL"), 2, "'a b' and 'a_b' would share the folder 'a_b'"),
        (("--model", "Mix=MODEL", "--model", "mix=MODEL"), 2, "'Mix' and 'mix' would share the folder"),
        (("--model", "..=MODEL", "--model", "a=MODEL"), 2, "No folder can be named after '..'"),
        (("--model", "MODEL", "--norm", "0"), 1, "Error: the norm must be a positive number"),
        (("--model", "MODEL", "--size", "4"), 1, "Error: the map's size must be odd"),
        (("--model", "MODEL", "--size", "17"), 1, "Error: the map's size must lie between 1 and"),
        (("--model", "MODEL", "--dataset", "BARE"), 1, "Error: the error needs labels"),
        (("--model", "MODEL", "--dataset", "cifar11"), 1, "Error: unknown data set 'cifar11'"),
        (("--spectrum", "fgo"), 1, "did you mean fog"),
        (("--spectrum", ","), 1, "name at least one corruption"),
    ],
)
def test_an_error_is_one_line(folder: Path, arguments: tuple[str, ...], code: int, text: str) -> None:
    places = {"MODEL": str(folder / "small.pt"), "BARE": str(folder / "bare.npz")}
    given = [
        places.get(argument, argument).replace("=MODEL", f"={places['MODEL']}") for argument in arguments
    ]
    done = robust(folder, *given)
    assert done.exit_code == code
    assert text in " ".join(done.stderr.replace("│", " ").split())


def test_a_sweep_of_another_norm_does_not_land_in_the_same_folder(folder: Path) -> None:
    model = ("--model", str(folder / "small.pt"), "--size", "3")
    assert robust(folder, *model).exit_code == 0
    refused = robust(folder, *model, "--norm", "3")
    assert "holds another sweep (norm: 2.0 there, 3.0 now)" in refused.stderr
    assert robust(folder, *model, "--norm", "3", "--overwrite").exit_code == 0
