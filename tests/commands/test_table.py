"""`robust table`: finished runs again, without a model or torch."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from robustbench_lite.cli import main
from tests.report.test_trainings import run


def robust_table(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["table", *map(str, arguments)])


@pytest.fixture
def folders(tmp_path: Path) -> list[Path]:
    for number, error in enumerate((0.1, 0.12, 0.17)):
        run(error).save(tmp_path / f"run-{number}")
    return sorted(tmp_path.iterdir())


def test_a_row_is_named_and_another_is_the_mean_of_its_trainings(folders: list[Path]) -> None:
    done = robust_table(f"plain={folders[0]}", f"ours={folders[1]},{folders[2]}", folders[2])
    assert done.exit_code == 0, done.output
    assert "plain" in done.stdout
    assert "ours" in done.stdout
    assert "net 0.17" in done.stdout
    assert "14.5 ± 3.5" in done.stdout


def test_formats_and_the_papers_rows(folders: list[Path]) -> None:
    done = robust_table(folders[0], "--format", "latex", "--reference")
    assert done.exit_code == 0, done.output
    assert r"\toprule" in done.stdout
    assert "AugMix" in done.stdout


def test_mistakes_are_one_line(folders: list[Path], tmp_path: Path) -> None:
    missing = robust_table(tmp_path / "nothing")
    assert (missing.exit_code, missing.stderr.count("\n")) == (1, 1)
    assert "no results at" in missing.stderr
    twice = robust_table(f"ours={folders[0]},{folders[0]}")
    assert "ours: two of its runs are of the same model file" in twice.stderr


def test_it_does_not_import_torch(folders: list[Path]) -> None:
    code = (
        "import sys; from robustbench_lite.cli import main; "
        f"main(['table', {str(folders[0])!r}], standalone_mode=False); assert 'torch' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
