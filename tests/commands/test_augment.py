"""`robust augment` as a user runs it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image, ImageOps

from robustbench_lite.cli import main

SIDE = 100


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    path = tmp_path / "picture.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)).save(path)
    return path


def pages(*arguments: object) -> list[Path]:
    result = CliRunner().invoke(main, ["augment", *map(str, arguments)])
    assert result.exit_code == 0, result.output
    return [Path(line) for line in result.stdout.splitlines()]


def test_three_pages_are_written_and_a_seed_repeats_them(picture: Path, tmp_path: Path) -> None:
    written = pages(picture, "--out", tmp_path / "first")
    names = [f"picture-augmix-{page}.png" for page in ("operations", "realisation", "mixtures")]
    assert [path.name for path in written] == names
    again = pages(picture, "--out", tmp_path / "second", "--seed", 0)
    other = pages(picture, "--out", tmp_path / "third", "--seed", 1)
    assert [a.read_bytes() == b.read_bytes() for a, b in zip(written, again, strict=True)] == [True] * 3
    assert [a.read_bytes() == b.read_bytes() for a, b in zip(written, other, strict=True)] == [
        True,  # the levels of the operations are not random
        False,
        False,
    ]


def test_the_operations_are_those_of_pillow(picture: Path) -> None:
    page = np.asarray(Image.open(pages(picture)[0]))
    solarized = np.asarray(ImageOps.solarize(Image.open(picture), 256 - 256))
    # The last column, level 10, of the fifth row: nine rows of equal height below the titles.
    top = 12 + 12
    height = (page.shape[0] - top) // 9
    tile = page[top + 4 * height :, -SIDE - 4 : -4][:SIDE]
    assert np.array_equal(tile, solarized)


def test_all_operations_are_thirteen_and_a_severity_out_of_range_is_one_line(picture: Path) -> None:
    nine, thirteen = (
        np.asarray(Image.open(pages(picture, *more)[0])).shape[0] for more in ((), ("--all-ops",))
    )
    assert (thirteen - 24) / 13 == (nine - 24) / 9
    result = CliRunner().invoke(main, ["augment", str(picture), "--severity", "11"])
    assert (result.exit_code, result.stderr.count("\n")) == (1, 1)
    assert "severity must lie in [0.1, 10]; got 11" in result.stderr
