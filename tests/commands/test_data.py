"""`robust data`: what it prints and how it ends."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from robustbench_lite.cli import main
from robustbench_lite.suites import SUITES, checksums, download, official
from robustbench_lite.suites.official import OfficialFile


def robust(*arguments: object, env: Mapping[str, str] | None = None) -> Result:
    return CliRunner().invoke(main, ["data", *map(str, arguments)], env=env)


@pytest.fixture
def cifar_c(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of CIFAR-10-C with two images for each severity, and the checksums of its files."""
    folder = tmp_path / "CIFAR-10-C"
    folder.mkdir()
    for name in SUITES["cifar10-c"].names:
        np.save(folder / f"{name}.npy", np.zeros((10, 32, 32, 3), np.uint8))
    np.save(folder / "labels.npy", np.tile(np.arange(2, dtype=np.uint8), 5))
    sums = {path.name: hashlib.md5(path.read_bytes()).hexdigest() for path in folder.glob("*.npy")}
    monkeypatch.setattr("robustbench_lite.suites.verify.NPY_MD5", {"cifar10-c": sums})
    return folder


def test_list_names_every_file_with_size_and_checksum() -> None:
    shown = robust("list").stdout
    for name, files in official.RESOURCES.items():
        assert f"\n{name}\n" in f"\n{shown}"
        assert all(file.md5 in shown and file.url in shown for file in files)
    assert "1Tpssw4Vn6X_4hmIW8KK5LzkKCZpAaae8" in shown


def test_list_tells_what_is_on_disk(tmp_path: Path) -> None:
    (tmp_path / "CIFAR-10-C.tar.part").write_bytes(bytes(2_500_000))
    (tmp_path / "CIFAR-10-P.tar").write_bytes(b"x")
    (tmp_path / "CIFAR-100-C.tar").write_bytes(bytes(1_000_000))
    (tmp_path / "ImageNet-C/frost").mkdir(parents=True)
    shown = robust("list", "--data", tmp_path).stdout
    assert "[2.50 MB downloaded]" in shown
    assert "[on disk]" in shown
    assert "[on disk, but of 1.00 MB]" in shown
    assert "[not on disk]" in shown
    assert f"unpacked: {tmp_path / 'ImageNet-C'}" in shown


def test_list_of_an_unknown_suite_fails_by_name() -> None:
    result = robust("list", "cifar")
    assert result.exit_code == 1
    assert result.stderr.startswith("Error: unknown suite 'cifar'; did you mean cifar10")


def test_download_fetches_the_test_files_and_the_extra_ones_on_request(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[str, str | None]] = []

    def fetch(file: OfficialFile, data: Path, *, mirror: str | None, report: object) -> Path:
        asked.append((file.path, mirror))
        return data / file.path

    monkeypatch.setattr(download, "download", fetch)
    env = {"ROBUSTBENCH_LITE_DATA": str(tmp_path), "ROBUSTBENCH_LITE_MIRROR": "http://mirror"}
    result = robust("download", "imagenet-c", env=env)
    groups = ("noise", "blur", "weather", "digital")
    assert asked == [(f"ImageNet-C/{group}.tar", "http://mirror") for group in groups]
    assert f"{tmp_path / 'ImageNet-C/noise.tar'}: MD5 " in result.stdout
    robust("download", "imagenet-c", "--extra", env=env)
    assert asked[-1][0] == "ImageNet-C/extra.tar"


def test_download_of_a_suite_without_a_record_says_where_it_is(tmp_path: Path) -> None:
    result = robust("download", "--data", tmp_path, "cifar100-p")
    assert result.exit_code == 1
    assert "Google Drive folder 1Tpssw4Vn6X_4hmIW8KK5LzkKCZpAaae8" in result.stderr


def test_download_of_an_unknown_suite_fails_by_name(tmp_path: Path) -> None:
    result = robust("download", "--data", tmp_path, "imagenet-x")
    assert result.exit_code == 1
    assert "unknown suite 'imagenet-x'" in result.stderr


@pytest.mark.parametrize("command", ["download", "verify"])
def test_the_data_folder_must_be_named(command: str) -> None:
    result = robust(command, "cifar10-c", env={"ROBUSTBENCH_LITE_DATA": ""})
    assert result.exit_code == 2
    assert "--data" in result.stderr


def test_verify_finds_a_right_copy_right_but_for_its_count(cifar_c: Path) -> None:
    result = robust("verify", "--data", cifar_c.parent, "cifar10-c")
    assert result.stdout.count("ok     ") == 20
    assert "WRONG  CIFAR-10-C: 95 cells of 2 each, the release has 10000 each" in result.stdout
    assert result.stderr == "Error: 1 of the findings above are not as published\n"


def test_verify_names_a_file_that_changed(cifar_c: Path) -> None:
    np.save(cifar_c / "fog.npy", np.ones((10, 32, 32, 3), np.uint8))
    result = robust("verify", "--data", cifar_c.parent, "cifar10-c")
    assert f"WRONG  {cifar_c / 'fog.npy'}: MD5 " in result.stdout
    assert ", published is " in result.stdout
    assert result.stderr == "Error: 2 of the findings above are not as published\n"


def test_verify_lists_missing_test_cells_as_wrong_and_missing_validation_cells_as_right(
    cifar_c: Path,
) -> None:
    (cifar_c / "fog.npy").unlink()
    (cifar_c / "spatter.npy").unlink()
    result = robust("verify", "--quick", "--data", cifar_c.parent, "cifar10-c")
    assert "WRONG  CIFAR-10-C: missing: fog 1-5\n" in result.stdout
    assert "ok     CIFAR-10-C: without the validation names: spatter 1-5\n" in result.stdout
    assert "MD5" not in result.stdout


def test_verify_of_frost_compares_the_photographs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    photograph = OfficialFile(
        "frost1.png", "frost", "http://x", hashlib.md5(b"frost").hexdigest(), 5, "a photograph"
    )
    monkeypatch.setitem(official.RESOURCES, "frost", (photograph,))  # type: ignore[arg-type]
    (tmp_path / "frost").mkdir()
    (tmp_path / "frost/frost1.png").write_bytes(b"frost")
    assert robust("verify", "--data", tmp_path, "frost").exit_code == 0
    (tmp_path / "frost/frost1.png").write_bytes(b"snow")
    assert robust("verify", "--data", tmp_path, "frost").exit_code == 1


def test_verify_of_nothing_is_an_error(tmp_path: Path) -> None:
    result = robust("verify", "--data", tmp_path, "frost")
    assert result.exit_code == 1
    assert "has no file of frost" in result.stderr
    assert robust("verify", "--data", tmp_path, "cifar10").exit_code == 1


def test_checksums_cover_all_corruptions_and_the_labels() -> None:
    for suite, files in checksums.NPY_MD5.items():
        assert set(files) == {*(f"{name}.npy" for name in SUITES[suite].names), "labels.npy"}
