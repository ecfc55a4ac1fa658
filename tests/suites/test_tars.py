"""Tars in place: what the index says, when it is cached, and what is said of broken archives."""

from __future__ import annotations

import io
import shutil
import subprocess
import tarfile
from pathlib import Path

import numpy as np
import pytest

from robustbench_lite.errors import DataError
from robustbench_lite.suites import tars
from robustbench_lite.suites.files import Blob, OpenFile
from robustbench_lite.suites.tars import peek, tar_index


def write_tar(path: Path, contents: dict[str, bytes], **options: object) -> Path:
    with tarfile.open(path, "w", **options) as tar:
        for name, data in contents.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return path


def contents(count: int) -> dict[str, bytes]:
    return {f"{i % 3}/n{i // 10:08d}/{i}.JPEG": b"x" * (i % 700) for i in range(count)}


@pytest.mark.parametrize("kind", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_every_member_is_found_at_its_bytes(tmp_path: Path, kind: int) -> None:
    long = f"d/{'long' * 15}/{'name' * 15}/x.JPEG"
    expected = contents(20) | {long: b"long", "./e/y.JPEG": b"dot", "top": b"t", "\u00e9/z": b"accent"}
    expected |= {f"after/{name}": data for name, data in contents(20).items()}
    path = write_tar(tmp_path / "a.tar", expected, format=kind)
    found = {blob.name: blob.read() for blob in tar_index(path).blobs()}
    assert found == {name.removeprefix("./"): data for name, data in expected.items()}


@pytest.mark.skipif(shutil.which("tar") is None, reason="needs the program tar")
@pytest.mark.parametrize("kind", ["gnu", "ustar", "posix"])
def test_tars_of_the_program_tar_are_read_too(tmp_path: Path, kind: str) -> None:
    expected = {name: data for name, data in contents(30).items() if data}
    for name, data in expected.items():
        (tmp_path / "files" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "files" / name).write_bytes(data)
    path = tmp_path / "a.tar"
    subprocess.run(["tar", f"--format={kind}", "-cf", path, "-C", tmp_path / "files", "."], check=True)
    assert {blob.name: blob.read() for blob in tar_index(path).blobs()} == expected


def test_rows_of_a_folder_are_its_members_in_order(tmp_path: Path) -> None:
    index = tar_index(write_tar(tmp_path / "a.tar", {"b/2": b"", "a/9": b"", "b/1": b""}))
    names = [[index.names[index.name_ids[row]] for row in index.rows(number)] for number in range(2)]
    assert dict(zip(index.directories, names, strict=True)) == {"b": ["2", "1"], "a": ["9"]}


def test_hidden_files_and_folders_are_no_members(tmp_path: Path) -> None:
    path = tmp_path / "a.tar"
    with tarfile.open(path, "w") as tar:
        folder = tarfile.TarInfo("a")
        folder.type = tarfile.DIRTYPE
        tar.addfile(folder)
        tar.addfile(tarfile.TarInfo("a/._x.JPEG"), io.BytesIO())
        tar.addfile(tarfile.TarInfo("a/x.JPEG"), io.BytesIO())
    assert [blob.name for blob in tar_index(path).blobs()] == ["a/x.JPEG"]


def test_a_large_index_is_cached_and_equal_when_read_again(
    tmp_path: Path, own_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_tar(tmp_path / "a.tar", contents(tars.CACHED_FROM))
    built = tar_index(path)
    assert len(list(own_cache.glob("tar-*.npz"))) == 1
    assert not list(own_cache.glob("*.part"))
    monkeypatch.setattr(tars, "members", None)
    cached = tar_index(path)
    assert (cached.directories, cached.names) == (built.directories, built.names)
    for field in ("directory_ids", "name_ids", "offsets", "sizes"):
        np.testing.assert_array_equal(getattr(cached, field), getattr(built, field))


def test_a_changed_tar_is_indexed_again(tmp_path: Path) -> None:
    path = tmp_path / "a.tar"
    assert len(tar_index(write_tar(path, contents(tars.CACHED_FROM)))) == tars.CACHED_FROM
    assert len(tar_index(write_tar(path, contents(tars.CACHED_FROM + 1)))) == tars.CACHED_FROM + 1


def test_a_damaged_cache_is_built_again(tmp_path: Path, own_cache: Path) -> None:
    path = write_tar(tmp_path / "a.tar", contents(tars.CACHED_FROM))
    tar_index(path)
    (cached,) = own_cache.glob("tar-*.npz")
    cached.write_bytes(cached.read_bytes()[:1000])
    assert len(tar_index(path)) == tars.CACHED_FROM


def test_a_cache_folder_that_cannot_be_written_stops_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_bytes(b"")
    monkeypatch.setenv("ROBUSTBENCH_LITE_CACHE", str(tmp_path / "file/below"))
    path = write_tar(tmp_path / "a.tar", contents(tars.CACHED_FROM))
    assert len(tar_index(path)) == tars.CACHED_FROM


def test_the_cache_lies_in_the_users_cache_folder_by_default(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ROBUSTBENCH_LITE_CACHE")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", "/xdg")
    assert tars.cache_folder() == Path("/xdg/robustbench_lite")
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert tars.cache_folder() == tmp_path / ".cache/robustbench_lite"


def test_the_variable_decides_on_the_cache_folder_before_anything_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".cache/robustbench_lite").mkdir(parents=True)
    monkeypatch.setenv("ROBUSTBENCH_LITE_CACHE", "~/indexes")
    assert tars.cache_folder() == tmp_path / "indexes"


def test_a_cache_of_the_first_version_is_used_where_the_system_has_another_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ROBUSTBENCH_LITE_CACHE")
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(tars.platformdirs, "user_cache_path", lambda *_, **__: tmp_path / "Library/Caches/rb")
    assert tars.cache_folder() == tmp_path / "Library/Caches/rb"
    (tmp_path / ".cache/robustbench_lite").mkdir(parents=True)
    assert tars.cache_folder() == tmp_path / ".cache/robustbench_lite"


def test_progress_ends_at_the_size_of_the_tar(tmp_path: Path) -> None:
    path = write_tar(tmp_path / "a.tar", contents(10))
    calls: list[tuple[int, int]] = []
    tar_index(path, lambda tar, done, size: calls.append((done, size)))
    assert calls[-1] == (path.stat().st_size, path.stat().st_size)


@pytest.mark.parametrize("where", ["inside a member", "between members", "in the first header"])
def test_a_tar_that_breaks_off_is_named(where: str, tmp_path: Path) -> None:
    path = write_tar(tmp_path / "a.tar", {"a/1": b"x" * 600, "a/2": b"y" * 600})
    size = {
        "inside a member": 512 + 1024 + 512 + 100,
        "between members": 512 + 1024,
        "in the first header": 100,
    }
    path.write_bytes(path.read_bytes()[: size[where]])
    with pytest.raises(DataError, match=r"a\.tar is (cut short or damaged|not a readable tar)"):
        tar_index(path)


@pytest.mark.parametrize("field", [0, 124], ids=["name", "size"])
def test_a_damaged_header_in_the_middle_is_not_taken_for_the_end(tmp_path: Path, field: int) -> None:
    path = write_tar(tmp_path / "a.tar", {"a/1": b"x" * 600, "a/2": b"y" * 600, "a/3": b"z"})
    data = bytearray(path.read_bytes())
    data[1536 + field : 1546 + field] = b"\x7f" * 10
    path.write_bytes(data)
    with pytest.raises(DataError, match=r"a\.tar is (cut short or damaged: at byte 1536|not a readable tar)"):
        tar_index(path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"<!DOCTYPE html><html>", "is an HTML page"),
        (b"version https://git-lfs.github.com/spec/v1\n", "is a Git LFS pointer"),
        (b"\x1f\x8b\x08\x00", r"is compressed \(gzip\)"),
        (b"BZh91AY", r"is compressed \(bzip2\)"),
        (b"something else " * 100, "is not a readable tar"),
        (b"", "is not a readable tar"),
    ],
)
def test_what_is_no_tar_is_named_for_what_it_is(content: bytes, message: str, tmp_path: Path) -> None:
    path = tmp_path / "a.tar"
    path.write_bytes(content)
    with pytest.raises(DataError, match=rf"a\.tar {message}"):
        peek(path)


def test_reading_past_the_end_of_a_file_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"12345")
    with OpenFile(tmp_path / "f") as file:
        assert file.read(1, 3) == b"234"
        with pytest.raises(DataError, match="f ends after 5 bytes; 7 were expected"):
            file.read(3, 4)
    with pytest.raises(DataError, match="f was closed"):
        file.read(0, 1)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="gone can't be opened: No such file"):
        OpenFile(tmp_path / "gone")


def test_a_blob_never_reads_past_its_range(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"0123456789")
    blob = Blob(tmp_path / "f", 2, 4)
    assert (blob.read(), blob.read(1, 100), blob.read(9)) == (b"2345", b"345", b"")
