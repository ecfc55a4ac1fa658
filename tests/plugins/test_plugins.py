"""Registration of a user's own records, plugin files, and the installed packages of the entry-point group."""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import pickle
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import robustbench_lite as rb
from robustbench_lite.corruptions import (
    CORRUPTIONS,
    PERTURBATIONS,
    Corruption,
    Perturbation,
    corrupt,
    levels,
)
from robustbench_lite.errors import DataError, InvalidInput, PluginError, UnknownName
from robustbench_lite.evaluation.own_corruptions import with_own, with_records
from robustbench_lite.plugins import (
    load_installed_plugins,
    load_plugin,
    loaded_plugins,
    provenance,
    register,
)
from robustbench_lite.plugins.loading import _LOADED
from robustbench_lite.suites import SUITES, custom_spec

pytestmark = pytest.mark.usefixtures("tables_as_before")

FIVE = levels(share=(0.05, 0.1, 0.2, 0.3, 0.4))
DROPOUT = """\
import torch
from robustbench_lite.corruptions import Corruption, levels
from robustbench_lite.plugins import register

def dropout(images, parameters, draws):
    u = draws.uniform(0, 1, (1, *images.shape[2:]))
    return torch.where(u < parameters.share, torch.zeros_like(images), images)

register("dropout", Corruption(dropout, levels(share=(0.05, 0.1, 0.2, 0.3, 0.4))))
"""


def dropout(images: torch.Tensor, parameters: Any, draws: Any) -> torch.Tensor:
    u = draws.uniform(0, 1, (1, *images.shape[2:]))
    return torch.where(u < parameters.share, torch.zeros_like(images), images)


def still(images: torch.Tensor, window: Any, parameters: Any, draws: Any) -> Iterator[torch.Tensor]:
    for _ in range(parameters.frames):
        yield images


def written(folder: Path, text: str, name: str = "own.py") -> Path:
    (folder / name).write_text(text)
    return folder / name


def test_a_registered_corruption_is_drawn_like_a_published_one() -> None:
    register("dropout", Corruption(dropout, FIVE))
    images = np.full((3, 32, 32, 3), 200, np.uint8)
    corrupted = corrupt(images, "dropout", 5)
    assert (corrupted == 0).all(axis=3).mean() == pytest.approx(0.4, abs=0.03)
    assert np.array_equal(corrupt(images[2:], "dropout", 5, index=[2])[0], corrupted[2])


def test_a_heading_is_made_from_the_name_where_the_record_has_none() -> None:
    register("salt_and_pepper", Corruption(dropout, FIVE))
    register("dropout", Corruption(dropout, FIVE, short_name="Drop."))
    assert CORRUPTIONS["salt_and_pepper"].short_name == "Salt and pepper"
    assert CORRUPTIONS["dropout"].short_name == "Drop."


def test_a_perturbation_and_a_suite_go_into_their_tables() -> None:
    register("still", Perturbation(still, levels(frames=(3,))))
    register("blobs-c", replace(SUITES["cifar10-c"], name="blobs-c", title="Blobs-C"))
    assert PERTURBATIONS["still"].frames("cifar") == 3
    assert SUITES["blobs-c"].title == "Blobs-C"


def test_a_name_of_the_package_is_never_replaced() -> None:
    record = Corruption(dropout, FIVE)
    for replaced in (False, True):
        with pytest.raises(InvalidInput, match="already a corruption named 'fog'; choose another name"):
            register("fog", record, replace=replaced)


def test_a_name_of_one_s_own_is_replaced_where_that_is_asked_for() -> None:
    register("dropout", Corruption(dropout, FIVE))
    with pytest.raises(InvalidInput, match=r"'dropout' is registered already.*replace=True"):
        register("dropout", Corruption(dropout, FIVE, short_name="Drop."))
    register("dropout", Corruption(dropout, FIVE, short_name="Drop."), replace=True)
    assert CORRUPTIONS["dropout"].short_name == "Drop."


@pytest.mark.parametrize("name", ["Dropout", "drop out", "a,b", "", "clean", "../x", 3])
def test_names_that_a_command_line_can_t_carry_are_refused(name: Any) -> None:
    with pytest.raises(InvalidInput, match="can't be the name of a corruption"):
        register(name, Corruption(dropout, FIVE))


def test_what_is_no_record_is_refused() -> None:
    with pytest.raises(InvalidInput, match=r"expected a record \(Corruption, Perturbation.*got function"):
        register("dropout", dropout)


def test_a_suite_is_registered_under_its_own_name() -> None:
    with pytest.raises(InvalidInput, match="registered as 'blobs', and its record has the name 'cifar10-c'"):
        register("blobs", SUITES["cifar10-c"])


def in_place(images: torch.Tensor, parameters: Any, draws: Any) -> torch.Tensor:
    return images.mul_(0)


def own_randomness(images: torch.Tensor, parameters: Any, draws: Any) -> torch.Tensor:
    return torch.randint_like(images, 256)


def of_neighbours(images: torch.Tensor, parameters: Any, draws: Any) -> torch.Tensor:
    return torch.where(images > images.float().mean(), images, torch.zeros_like(images))


def draws_for_the_batch(images: torch.Tensor, parameters: Any, draws: Any) -> torch.Tensor:
    noise = draws.uniform(0, 1, (len(images), *images.shape[2:]))[:, :1]
    return torch.where(noise < 0.5, torch.zeros_like(images), images)


def as_floats(images: torch.Tensor, parameters: Any, draws: Any) -> torch.Tensor:
    return images / 255


def failing(images: torch.Tensor, parameters: Any, draws: Any) -> torch.Tensor:
    return images[parameters.sigma]


@pytest.mark.parametrize(
    ("kernel", "message"),
    [
        (in_place, r"dropout, in_place \(.*test_plugins.py, line \d+\), changes the images that it is given"),
        (own_randomness, "own_randomness .*returns other pixels when it is called again"),
        (of_neighbours, "of_neighbours .*depend on the other images of its batch"),
        (as_floats, "as_floats .*returned float32"),
        (failing, r"failed at .*test_plugins.py, line \d+: AttributeError: .*sigma"),
    ],
)
def test_a_kernel_is_tried_before_it_is_registered(kernel: Any, message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        register("dropout", Corruption(kernel, FIVE))
    assert "dropout" not in CORRUPTIONS


def test_a_trial_covers_every_severity_and_profile() -> None:
    def only_at_five(images: torch.Tensor, parameters: Any, draws: Any) -> torch.Tensor:
        return of_neighbours(images, parameters, draws) if parameters.share == 0.4 else images.clone()

    with pytest.raises(InvalidInput, match="depend on the other images"):
        register("dropout", Corruption(only_at_five, {"cifar": levels(share=(0,) * 5), "imagenet": FIVE}))


def test_a_generator_is_tried_before_it_is_registered() -> None:
    def endless(images: torch.Tensor, window: Any, parameters: Any, draws: Any) -> Iterator[torch.Tensor]:
        while True:
            yield images

    def of_the_batch(
        images: torch.Tensor, window: Any, parameters: Any, draws: Any
    ) -> Iterator[torch.Tensor]:
        for _ in range(parameters.frames):
            yield of_neighbours(images, parameters, draws)

    with pytest.raises(InvalidInput, match="yields more frames; its parameters say 3"):
        register("still", Perturbation(endless, levels(frames=(3,))))
    with pytest.raises(InvalidInput, match="depend on the other images"):
        register("still", Perturbation(of_the_batch, levels(frames=(3,))))


def test_a_plugin_file_is_executed_once_and_its_digest_is_kept(tmp_path: Path) -> None:
    path = written(tmp_path, DROPOUT)
    plugin = load_plugin(path)
    assert plugin == load_plugin(str(path)) == loaded_plugins()[-1]
    assert plugin.sha256 == hashlib.sha256(DROPOUT.encode()).hexdigest()
    assert plugin.adds == ("corruption dropout",)
    assert provenance() == [{"plugin": "own.py", "sha256": plugin.sha256, "adds": ["corruption dropout"]}]
    assert pickle.loads(pickle.dumps(CORRUPTIONS["dropout"].kernel)) is CORRUPTIONS["dropout"].kernel


def test_a_plugin_that_writes_into_a_table_counts_and_is_checked(tmp_path: Path) -> None:
    direct = DROPOUT.replace('register("dropout", ', 'CORRUPTIONS["dropout"] = (').replace(
        "import Corruption,", "import CORRUPTIONS, Corruption,"
    )
    assert load_plugin(written(tmp_path, direct)).adds == ("corruption dropout",)
    assert CORRUPTIONS["dropout"].short_name == "Dropout"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x = 1\n", "registers nothing; call robustbench_lite.register"),
        ("x = 1\nif x\n", r"has a syntax error in line 2 of .*own.py: expected ':'"),
        ("x = 1\n1 / 0\n", "fails in line 2: ZeroDivisionError: division by zero"),
        ("import no_such_module\n", "fails in line 1: ModuleNotFoundError: No module named 'no_such_module'"),
        ("raise SystemExit(3)\n", "fails in line 1: SystemExit: 3"),
        (DROPOUT.replace('"dropout"', '"fog"'), "fails in line 9: there is already a corruption named 'fog'"),
        (
            DROPOUT.replace("parameters, draws", "parameters"),
            r"fails in line 9: the kernel dropout \(.*line 5",
        ),
        (DROPOUT.replace("zeros_like(images), images", "zeros_like(images), images / 1"), "returned float32"),
        (DROPOUT.replace("parameters.share", "images.float().mean() / 255"), "depend on the other images"),
        (
            "from robustbench_lite.corruptions import CORRUPTIONS as C\nC['fog'] = C['snow']\n",
            "already a corruption named 'fog'",
        ),
        (
            "from robustbench_lite.corruptions import CORRUPTIONS as C\nC['mist'] = print\n",
            "expected a Corruption as corruption 'mist', got builtin_function_or_method",
        ),
    ],
)
def test_a_plugin_that_fails_is_one_sentence_and_leaves_the_tables_alone(
    tmp_path: Path, text: str, message: str
) -> None:
    before = dict(CORRUPTIONS)
    with pytest.raises(PluginError, match=message) as caught:
        load_plugin(written(tmp_path, text))
    assert "\n" not in str(caught.value)
    assert "own.py" in str(caught.value)
    assert before == CORRUPTIONS
    assert loaded_plugins() == ()


def test_a_missing_file_and_a_folder_are_no_plugins(tmp_path: Path) -> None:
    with pytest.raises(PluginError, match=r"none.py can't be read: No such file"):
        load_plugin(tmp_path / "none.py")
    with pytest.raises(PluginError, match="can't be read: Is a directory"):
        load_plugin(tmp_path)


def test_a_file_that_changes_after_it_was_loaded_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path, DROPOUT)
    load_plugin(path)
    path.write_text(DROPOUT.replace("0.05", "0.06"))
    with pytest.raises(PluginError, match="has changed since it was loaded; start Python again"):
        load_plugin(path)


def test_what_a_script_registers_counts_where_a_run_uses_it() -> None:
    register("dropout", Corruption(dropout, FIVE))
    assert provenance(["fog"]) == []
    (record,) = provenance(["fog", "dropout"])
    assert (record["plugin"], record["adds"]) == (None, ["corruption dropout"])
    assert record == provenance(["dropout"])[0]
    register("dropout", Corruption(dropout, levels(share=(0.1, 0.2, 0.3, 0.4, 0.5))), replace=True)
    assert provenance(["dropout"])[0]["sha256"] != record["sha256"]
    register("dropout", Corruption(lambda i, p, d: dropout(i, p, d), FIVE), replace=True)
    assert provenance(["dropout"])[0]["sha256"] != record["sha256"]


PROJECT = {
    "own_package/__init__.py": "",
    "own_package/kernels.py": DROPOUT,
    "own_package-1.5.dist-info/METADATA": "Metadata-Version: 2.1\nName: own-package\nVersion: 1.5\n",
    "own_package-1.5.dist-info/entry_points.txt": "[robustbench_lite.plugins]\nown = own_package.kernels\n",
}


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder of installed packages with one that is a plugin."""
    for name, text in PROJECT.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    yield tmp_path
    for name in ("own_package.kernels", "own_package"):
        sys.modules.pop(name, None)


def test_an_installed_plugin_is_recorded_with_its_version(installed: Path) -> None:
    (plugin,) = load_installed_plugins()
    assert (plugin.name, plugin.distribution) == ("own_package.kernels", "own-package 1.5")
    assert plugin.adds == ("corruption dropout",)
    assert plugin.sha256 == hashlib.sha256(DROPOUT.encode()).hexdigest()
    assert load_installed_plugins() == (plugin,)
    assert provenance()[0]["distribution"] == "own-package 1.5"


def test_the_digest_of_an_installed_package_covers_all_its_files(installed: Path) -> None:
    info = installed / "own_package-1.5.dist-info"
    (info / "entry_points.txt").write_text("[robustbench_lite.plugins]\nown = own_package\n")
    (installed / "own_package/__init__.py").write_text("from own_package import kernels\n")
    (plugin,) = load_installed_plugins()
    expected = hashlib.sha256(
        f"__init__.py\nfrom own_package import kernels\nkernels.py\n{DROPOUT}".encode()
    ).hexdigest()
    assert plugin.sha256 == expected


def test_an_installed_plugin_that_fails_names_its_distribution(installed: Path) -> None:
    (installed / "own_package/kernels.py").write_text("\n1 / 0\n")
    with pytest.raises(
        PluginError,
        match=r"own_package.kernels \(installed with own-package 1.5\) fails at .*kernels.py, line 2: Zero",
    ):
        load_installed_plugins()


def test_the_command_line_loads_installed_plugins(installed: Path, tmp_path: Path) -> None:
    code = (
        "import sys; sys.path.insert(0, sys.argv.pop(1))\n"
        "from robustbench_lite.cli import main; main(sys.argv[1:])"
    )
    picture = tmp_path / "picture.png"
    from PIL import Image

    Image.fromarray(np.full((32, 32, 3), 200, np.uint8)).save(picture)
    arguments = ["corrupt", str(picture), "--corruption", "dropout", "--severity", "5"]
    done = subprocess.run(
        [sys.executable, "-c", code, str(installed), *arguments], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert (np.asarray(Image.open(tmp_path / "picture-dropout-5.png")) == 0).any()


def test_no_plugin_is_installed_with_the_package_itself() -> None:
    assert not [
        entry
        for entry in importlib.metadata.entry_points(group="robustbench_lite.plugins")
        if entry.module.startswith("robustbench_lite")
    ]


# A plugin is part of the identity of a run.


def brightness_model(images: torch.Tensor) -> torch.Tensor:
    return images.mean((1, 2, 3))[:, None] * torch.arange(10.0) * 30


def evaluated(folder: Path, **options: Any) -> Any:
    return rb.evaluate(
        brightness_model,
        "custom-c",
        clean_data=folder / "own.npz",
        severities=[1],
        force=True,
        out=folder / "run",
        **options,
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    images = np.random.default_rng(0).integers(0, 256, (12, 32, 32, 3), np.uint8)
    np.savez(tmp_path / "own.npz", images=images, labels=np.arange(12) % 10)
    return tmp_path


def test_a_corruption_that_a_suite_does_not_list_can_be_named_and_is_no_part_of_the_suite(
    folder: Path,
) -> None:
    register("dropout", Corruption(dropout, FIVE))
    results = evaluated(folder, corruptions=["dropout", "noise"])
    assert list(results.by_name()) == ["gaussian_noise", "shot_noise", "impulse_noise", "dropout"]
    assert "dropout" not in SUITES["imagenet-c"].names
    assert "mean_error" not in results.summary
    assert results.spec.validation[-1] == "dropout"
    assert results.spec.heading("dropout") == "Dropout"
    noise = [results.cell(name, 1).scores["error"] for name in results.spec.groups["noise"]]
    assert results.summary["selected_mean_error"] == pytest.approx(sum(noise) / 3)
    assert results.choices["selected_mean_error"].startswith("mean over gaussian_noise, shot_noise, impulse")
    with pytest.raises(UnknownName, match="unknown corruption of custom-c 'dropouts'"):
        evaluated(folder, corruptions=["dropouts"])


def test_a_suite_takes_headings_groups_and_order_from_the_records() -> None:
    register("dropout", Corruption(dropout, FIVE, short_name="Drop.", group="occlusion"))
    spec = with_records(replace(SUITES["cifar10-c"], test=("fog", "dropout"), validation=()))
    assert spec.heading("dropout") == "Drop."
    assert spec.test_groups() == {"weather": ("fog",), "occlusion": ("dropout",)}
    register("still", Perturbation(still, levels(frames=(3,)), against_first=True))
    spec = with_own(SUITES["cifar10-p"], ["still", "tilt"])
    assert spec.validation[-1] == "still"
    assert "still" in spec.against_first
    assert with_own(SUITES["cifar10-c"], ["fog"]).validation == SUITES["cifar10-c"].validation


def flicker(images: torch.Tensor, window: Any, parameters: Any, draws: Any) -> Iterator[torch.Tensor]:
    """Light, dark, light, dark, ..."""
    for frame in range(parameters.frames):
        yield images if frame % 2 == 0 else torch.zeros_like(images)


@pytest.mark.parametrize(("against_first", "flips"), [(True, 0.5), (False, 1.0)])
def test_the_record_of_a_perturbation_says_which_frames_are_compared(
    tmp_path: Path, against_first: bool, flips: float
) -> None:
    images = np.full((10, 32, 32, 3), 200, np.uint8)
    np.savez(tmp_path / "own.npz", images=images, labels=np.arange(10))
    register("flicker", Perturbation(flicker, levels(frames=(5,)), against_first=against_first))
    results = rb.evaluate(
        brightness_model,
        "custom-p",
        clean_data=tmp_path / "own.npz",
        corruptions=["flicker"],
        force=True,
    )
    # Frames 0 to 4 show light, dark, light, dark, light: four pairs of neighbours, two of four differ from 0.
    assert results.cell("flicker", 1).scores["flip_probability"] == flips


def test_the_digest_of_a_plugin_is_recorded_and_another_plugin_is_another_run(folder: Path) -> None:
    plugin = load_plugin(written(folder, DROPOUT))
    results = evaluated(folder, corruptions=["dropout"])
    assert results.provenance["plugins"] == [
        {"plugin": "own.py", "sha256": plugin.sha256, "adds": ["corruption dropout"]}
    ]
    _LOADED.clear()
    with pytest.raises(DataError, match=r"holds another run \(plugins: \{'own.py': '[0-9a-f]{64}'\} there"):
        evaluated(folder, corruptions=["fog"])


def test_a_run_without_additions_says_nothing_of_plugins(folder: Path) -> None:
    register("dropout", Corruption(dropout, FIVE))
    assert "plugins" not in evaluated(folder, corruptions=["contrast"]).provenance
    assert "plugins" not in json.loads((folder / "run" / "run.json").read_text())["identity"]


def test_a_changed_kernel_of_a_script_is_refused_in_the_same_run_folder(folder: Path) -> None:
    register("dropout", Corruption(dropout, FIVE))
    evaluated(folder, corruptions=["dropout"])
    evaluated(folder, corruptions=["dropout", "contrast"])
    register("dropout", Corruption(dropout, levels(share=(0.5,) * 5)), replace=True)
    evaluated(folder, corruptions=["contrast"])
    with pytest.raises(DataError, match="holds dropout 1 of other files than now"):
        evaluated(folder, corruptions=["dropout"])


def test_the_package_offers_registration_at_its_top() -> None:
    assert rb.register is register
    assert rb.load_plugin is load_plugin


def test_a_suite_of_a_corruption_that_no_record_makes_names_it() -> None:
    spec = custom_spec("corruption", classes=10, image_size=32, images=6)
    register("mine-c", replace(spec, name="mine-c", test=("fog", "not_loaded"), validation=()))
    images = np.random.default_rng(0).integers(0, 256, (6, 32, 32, 3), np.uint8)
    with pytest.raises(InvalidInput, match=r"'mine-c' lists not_loaded, .* load the plugin that"):
        rb.load_suite("mine-c", clean_data=(images, np.arange(6)))
