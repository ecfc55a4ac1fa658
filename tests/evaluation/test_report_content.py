"""From run folders to a page: what is gathered, what is left out and why, and what a browser makes of it."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from PIL import Image
from torch import nn

import robustbench_lite as rb
from robustbench_lite import metrics
from robustbench_lite.cli import main
from robustbench_lite.errors import DataError, InvalidInput
from robustbench_lite.evaluation.example_images import Places
from robustbench_lite.evaluation.report_content import gather
from robustbench_lite.report.content import Content
from robustbench_lite.report.fourier.fourier_map import FourierMap, RadialProfile

QUICK = {"device": "cpu", "batch_size": 40, "bootstrap": 0}
CHOSEN = ("gaussian_noise", "glass_blur", "fog", "pixelate")
BROWSERS = ("chromium", "chromium-browser", "google-chrome")


class Brightness(nn.Module):
    """Tells the class by the brightness of the first pixels."""

    def __init__(self, side: int) -> None:
        super().__init__()
        self.side = side
        self.register_buffer("levels", (25 * torch.arange(10.0) + 12.07) / 255)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        seen = images[:, :, : self.side, : self.side].mean(dim=(1, 2, 3))
        return -500 * (seen[:, None] - self.levels) ** 2


@pytest.fixture(scope="module")
def folders(cifar_data: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Run folders: a and b on CIFAR-10-C, p on CIFAR-10-P, and a Fourier map; not to be changed."""
    root = tmp_path_factory.mktemp("runs")
    for name, side in (("a", 4), ("b", 1)):
        settings = {**QUICK, "data": cifar_data, "corruptions": CHOSEN, "out": root / name}
        rb.evaluate(Brightness(side), "cifar10-c", **settings)
    rb.evaluate(Brightness(4), "cifar10-p", data=cifar_data, out=root / "p", **QUICK)
    profile = RadialProfile((0.0, 1.0), (0.1, 0.2), (0.0, 0.1), (0.2, 0.3))
    for name in ("one", "two"):
        FourierMap(np.full((5, 5), 0.25), 0.1, "error", 4.0, 20, (32, 32), profile, {}).save(
            root / "f" / name
        )
    return {name: root / name for name in ("a", "b", "p", "f")}


@pytest.fixture(scope="module")
def content(folders: dict[str, Path]) -> Content:
    return gather(list(folders.values()))


def test_runs_are_grouped_by_suite_and_have_distinct_names(content: Content) -> None:
    assert [section.suite for section in content.sections] == ["cifar10-c", "cifar10-p"]
    assert content.models == ["Brightness", "Brightness (2)"]
    assert set(content.fourier) == {"one", "two"}


def test_reliability_curves_are_the_metric_s_over_all_corruptions_of_a_severity(
    folders: dict[str, Path], content: Content
) -> None:
    curve = content.sections[0].runs[1].reliability[5]
    cells = [np.load(folders["b"] / "predictions" / f"{name}-5.npz") for name in CHOSEN]
    confidence = np.concatenate([cell["confidence"] for cell in cells])
    correct = np.concatenate([cell["prediction"] == cell["label"] for cell in cells])
    expected = metrics.reliability_curve(confidence, correct)
    assert curve.accuracy == pytest.approx(expected.accuracy)
    assert curve.confidence == pytest.approx(expected.confidence)
    assert sum(curve.size) == 4 * 40


def test_standard_errors_of_flips_are_over_sequences(folders: dict[str, Path], content: Content) -> None:
    flips = np.load(folders["p"] / "predictions" / "tilt-1.npz")["flips"]
    standard_error = content.sections[1].runs[0].flip_errors["tilt", 1]
    assert standard_error == pytest.approx(flips.std() / np.sqrt(40), rel=1e-5)


def test_two_runs_on_a_suite_are_compared(content: Content) -> None:
    comparison = content.sections[0].comparison
    assert comparison is not None
    assert (comparison.first, comparison.second) == ("Brightness", "Brightness (2)")
    assert [one.name for one in comparison.by_name] == list(CHOSEN)
    assert content.sections[1].comparison is None


def test_examples_are_the_suite_s_images_with_the_kept_answers(
    cifar_data: Path, folders: dict[str, Path], content: Content
) -> None:
    examples = content.sections[0].examples
    assert examples is not None
    assert examples.columns[0] == "Clean"
    assert examples.columns[1:-1] == ("Gauss. 3", "Glass 3", "Fog 3", "Pixel 3")
    assert len(examples.rows) == 4
    fog = np.load(cifar_data / "CIFAR-10-C" / "fog.npy")[80:120]
    predictions = np.load(folders["b"] / "predictions" / "fog-3.npz")
    names = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]
    for row in examples.rows:
        (image,) = np.flatnonzero((fog == row.pixels[3]).all(axis=(1, 2, 3)))
        answer = row.answers["Brightness (2)"][3]
        assert row.truth == names[predictions["label"][image]]
        assert answer.label == names[predictions["prediction"][image]]
        assert answer.confidence == pytest.approx(predictions["confidence"][image])
        assert answer.right == (answer.label == row.truth)


def test_generated_examples_are_generated_again(cifar_data: Path, tmp_path: Path) -> None:
    clean = tmp_path / "clean.npz"
    shutil.copy(cifar_data / "cifar10.npz", clean)
    settings = {**QUICK, "clean_data": clean, "corruptions": ["gaussian_noise"], "severities": [3, 5]}
    rb.evaluate(Brightness(4), "cifar10-c", out=tmp_path / "run", **settings)
    examples = gather([tmp_path / "run"]).sections[0].examples
    assert examples is not None
    assert examples.columns == ("Clean", "Gauss. 3", "Gauss. 5")
    moved = clean.rename(tmp_path / "moved.npz")
    section = gather([tmp_path / "run"]).sections[0]
    assert section.examples is None
    assert any(note.startswith("No example images: ") and "clean.npz" in note for note in section.notes)
    assert gather([tmp_path / "run"], Places(data=moved)).sections[0].examples is not None


def test_examples_of_files_that_robust_corrupt_made_are_read_from_these_files(
    cifar_data: Path, tmp_path: Path
) -> None:
    clean = tmp_path / "clean.npz"
    shutil.copy(cifar_data / "cifar10.npz", clean)
    made = rb.write_suite("cifar10-c", clean, tmp_path / "made", corruptions=["fog"])
    settings = {**QUICK, "data": made, "clean_data": clean, "corruptions": ["fog"], "severities": [3]}
    rb.evaluate(Brightness(4), "cifar10-c", out=tmp_path / "run", **settings)
    section = gather([tmp_path / "run"]).sections[0]
    assert section.results[0].provenance["data"]["mode"] == "generated"
    assert section.examples is not None, section.notes
    fog = np.load(next(made.rglob("fog.npy")))
    assert (fog == section.examples.rows[0].pixels[1]).all(axis=(1, 2, 3)).any()


def test_other_images_than_those_of_the_run_are_not_shown(
    cifar_data: Path, tmp_path: Path, folders: dict[str, Path]
) -> None:
    other = tmp_path / "CIFAR-10-C"
    shutil.copytree(cifar_data / "CIFAR-10-C", other)
    np.save(other / "fog.npy", 255 - np.load(other / "fog.npy"))
    section = gather([folders["a"]], Places(data=tmp_path, clean_data=cifar_data)).sections[0]
    assert section.examples is None
    assert any("not those that were evaluated" in note for note in section.notes)


def test_examples_can_be_left_out(folders: dict[str, Path]) -> None:
    section = gather([folders["a"]], Places(images=0)).sections[0]
    assert section.examples is None
    assert not any("example" in note for note in section.notes)


def test_runs_that_can_t_be_compared_stand_side_by_side_with_a_warning(
    folders: dict[str, Path], tmp_path: Path
) -> None:
    other = tmp_path / "other"
    shutil.copytree(folders["b"], other)
    record = json.loads((other / "results.json").read_text())
    (other / "results.json").write_text(json.dumps(record | {"protocol": "augmix"}))
    section = gather([folders["a"], other], Places(images=0)).sections[0]
    assert section.comparison is None
    assert any("can't be compared: input protocols 'official' and 'augmix'" in note for note in section.notes)


def test_images_that_are_not_found_from_here_are_asked_for(
    folders: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = tmp_path / "other"
    shutil.copytree(folders["a"], other)
    record = json.loads((other / "results.json").read_text())
    for key in ("clean_data", "data"):
        record["provenance"][key]["root"] = "typed/from/elsewhere"
        (other / "results.json").write_text(json.dumps(record))
        monkeypatch.chdir(tmp_path)
        notes = gather([other]).sections[0].notes
        assert notes == (
            f"No example images: typed/from/elsewhere is not found from here; give `{key}=DIR`.",
        )


def test_what_several_models_lack_is_said_once(folders: dict[str, Path], tmp_path: Path) -> None:
    bare = [tmp_path / name for name in "ab"]
    for folder in bare:
        shutil.copytree(folders["a"], folder)
        shutil.rmtree(folder / "predictions")
    notes = gather(bare, Places(images=0)).sections[0].notes
    assert sum("have no kept predictions" in note for note in notes) == 1
    assert notes[0].startswith("Brightness, Brightness (2): 21 of 21 cells")


def test_predictions_that_are_gone_are_told(folders: dict[str, Path], tmp_path: Path) -> None:
    other = tmp_path / "other"
    shutil.copytree(folders["b"], other)
    shutil.rmtree(other / "predictions")
    section = gather([folders["a"], other]).sections[0]
    assert any("21 of 21 cells have no kept predictions" in note for note in section.notes)
    assert any("The two models are not compared" in note for note in section.notes)
    assert section.runs[1].reliability == {}


def test_a_folder_that_is_no_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no results at"):
        gather([tmp_path])
    with pytest.raises(InvalidInput, match="at least one run folder"):
        gather([])


@pytest.fixture(scope="module")
def page(folders: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A report written by the command."""
    out = tmp_path_factory.mktemp("report")
    arguments = [
        "report",
        *map(str, folders.values()),
        "--out",
        str(out),
        "--title",
        "Two models",
        "--reference",
    ]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 0, result.output
    assert result.stdout.strip() == str(out / "report.html")
    return out / "report.html"


def test_the_command_writes_a_page_figures_and_tables(page: Path) -> None:
    text = page.read_text()
    assert "<h1>Two models</h1>" in text
    assert "published: AugMix" in text
    assert "cifar10-c-examples.pdf" in {path.name for path in (page.parent / "figures").iterdir()}
    assert (page.parent / "tables" / "cifar10-p.csv").exists()


def test_the_command_refuses_in_one_line(tmp_path: Path) -> None:
    result = CliRunner().invoke(main, ["report", str(tmp_path)])
    assert result.exit_code == 1
    assert result.stderr.startswith("Error: no results at")


def test_a_browser_draws_it_without_a_complaint_in_light_and_in_dark(page: Path, tmp_path: Path) -> None:
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None:
        pytest.skip("no Chromium on this machine to look at the page with")
    corners = []
    for scheme in ("1", "0"):
        picture = tmp_path / f"{scheme}.png"
        options = (
            "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --enable-logging=stderr "
        )
        options += "--disable-background-networking --disable-component-update --disable-sync"
        arguments = [
            f"--user-data-dir={tmp_path / scheme}",
            f"--blink-settings=preferredColorScheme={scheme}",
        ]
        arguments += ["--window-size=1280,2000", f"--screenshot={picture}", page.as_uri()]
        done = subprocess.run(
            [browser, *options.split(), *arguments], capture_output=True, text=True, check=False, timeout=120
        )
        assert picture.exists(), done.stderr
        assert "CONSOLE" not in done.stderr
        corners.append(np.asarray(Image.open(picture).convert("L"))[5, 5])
    assert corners[0] > 240
    assert corners[1] < 40
