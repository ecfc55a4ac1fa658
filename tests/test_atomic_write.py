"""Files that appear whole or not at all."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from robustbench_lite.atomic_write import atomic_path, write_atomically

PACKAGE = Path(__file__).parents[1] / "robustbench_lite"


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "kept.json"
    write_atomically(path, b"old")
    with pytest.raises(TypeError):
        write_atomically(path, "no bytes")  # type: ignore[arg-type]
    assert path.read_bytes() == b"old"
    assert [file.name for file in tmp_path.iterdir()] == ["kept.json"]


@pytest.mark.parametrize("flush", [True, False])
def test_a_streamed_file_appears_at_the_end_of_the_block_only(tmp_path: Path, flush: bool) -> None:
    path = tmp_path / "array.npy"
    with atomic_path(path, flush=flush) as partial:
        partial.write_bytes(b"new")
        assert not path.exists()
    assert path.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [path]


def test_an_interrupted_block_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "array.npy"
    path.write_bytes(b"old")
    with pytest.raises(KeyboardInterrupt), atomic_path(path) as partial:
        _interrupted_write(partial)
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def _interrupted_write(path: Path) -> None:
    path.write_bytes(b"half")
    raise KeyboardInterrupt


def test_a_file_is_put_in_place_of_another_by_one_helper_only() -> None:
    # A download keeps its partial file on purpose, so that a later call continues it.
    allowed = {"atomic_write.py", "download.py"}
    replacing = re.compile(r"os\.(replace|rename)\(|\b(part|temp)\w*\.(replace|rename)\(|NamedTemporaryFile")
    users = {path.name for path in PACKAGE.rglob("*.py") if replacing.search(path.read_text())}
    assert users == allowed
