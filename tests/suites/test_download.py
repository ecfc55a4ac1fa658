"""Downloads against a server of our own: resumed, refused, checked."""

from __future__ import annotations

import hashlib
import http.server
import shutil
import threading
from collections import namedtuple
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from robustbench_lite.errors import DataError, InvalidInput
from robustbench_lite.suites.download import ATTEMPTS, download
from robustbench_lite.suites.official import OfficialFile

CONTENT = np.random.default_rng(0).bytes(300_000)
Usage = namedtuple("Usage", "total used free")


@dataclass
class Server:
    """What the server does and what it was asked."""

    url: str = ""
    content: bytes = CONTENT
    content_type: str = "application/octet-stream"
    ranges: bool = True
    breaks_after: list[int] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)
    wrong_range: list[bool] = field(default_factory=list)
    length: bool = True
    asked: list[str | None] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)


@pytest.fixture
def server() -> Iterator[Server]:
    state = Server()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked = self.headers.get("Range")
            state.asked.append(asked)
            state.paths.append(self.path)
            if state.statuses and (status := state.statuses.pop(0)) != 200:
                self.send_error(status)
                return
            start = int(asked.removeprefix("bytes=").rstrip("-")) if asked and state.ranges else 0
            if start >= len(state.content):
                self.send_response(416)
                self.send_header("Content-Range", f"bytes */{len(state.content)}")
                self.end_headers()
                return
            self.send_response(206 if asked and state.ranges else 200)
            if asked and state.ranges:
                shown = 0 if state.wrong_range and state.wrong_range.pop() else start
                self.send_header(
                    "Content-Range", f"bytes {shown}-{len(state.content) - 1}/{len(state.content)}"
                )
            if state.length:
                self.send_header("Content-Length", str(len(state.content) - start))
            self.send_header("Content-Type", state.content_type)
            self.end_headers()
            body = state.content[start:]
            self.wfile.write(body[: state.breaks_after.pop(0)] if state.breaks_after else body)

        def log_message(self, *arguments: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        state.url = f"http://127.0.0.1:{running.server_port}"
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield state
        running.shutdown()
        thread.join()


def official(server: Server, folder: str = "") -> OfficialFile:
    md5 = hashlib.md5(CONTENT).hexdigest()
    return OfficialFile("a.tar", folder, f"{server.url}/record/a.tar", md5, len(CONTENT), "a test")


def fetch(server: Server, data: Path, **options: object) -> Path:
    return download(official(server), data, **({"wait": 0.001} | options))


def test_a_file_arrives_whole_under_its_own_name(server: Server, tmp_path: Path) -> None:
    path = fetch(server, tmp_path / "new")
    assert path == tmp_path / "new/a.tar"
    assert path.read_bytes() == CONTENT
    assert [child.name for child in path.parent.iterdir()] == ["a.tar"]


def test_a_partial_file_is_gone_on_with(server: Server, tmp_path: Path) -> None:
    (tmp_path / "a.tar.part").write_bytes(CONTENT[:1000])
    assert fetch(server, tmp_path).read_bytes() == CONTENT
    assert server.asked == ["bytes=1000-"]


def test_a_broken_transfer_goes_on_by_itself(server: Server, tmp_path: Path) -> None:
    server.breaks_after = [100_000, 50_000]
    assert fetch(server, tmp_path).read_bytes() == CONTENT
    assert server.asked == [None, "bytes=100000-", "bytes=150000-"]


def test_a_transfer_that_grows_may_break_any_number_of_times(server: Server, tmp_path: Path) -> None:
    server.breaks_after = [1000] * (2 * ATTEMPTS)
    assert fetch(server, tmp_path).read_bytes() == CONTENT


def test_a_server_without_ranges_sends_the_whole_file_again(server: Server, tmp_path: Path) -> None:
    server.ranges = False
    (tmp_path / "a.tar.part").write_bytes(b"something else")
    assert fetch(server, tmp_path).read_bytes() == CONTENT


def test_a_server_that_continues_at_another_byte_is_asked_for_the_whole_file(
    server: Server, tmp_path: Path
) -> None:
    server.wrong_range = [True]
    (tmp_path / "a.tar.part").write_bytes(CONTENT[:1000])
    assert fetch(server, tmp_path).read_bytes() == CONTENT
    assert server.asked == ["bytes=1000-", None]


def test_a_complete_partial_file_only_needs_its_checksum(server: Server, tmp_path: Path) -> None:
    (tmp_path / "a.tar.part").write_bytes(CONTENT)
    assert fetch(server, tmp_path).read_bytes() == CONTENT


def test_a_partial_file_that_is_too_long_is_downloaded_again(server: Server, tmp_path: Path) -> None:
    (tmp_path / "a.tar.part").write_bytes(CONTENT + b"more")
    assert fetch(server, tmp_path).read_bytes() == CONTENT


def test_a_file_of_unknown_length_arrives(server: Server, tmp_path: Path) -> None:
    server.length = False
    assert fetch(server, tmp_path).read_bytes() == CONTENT


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_busy_server_is_asked_again(status: int, server: Server, tmp_path: Path) -> None:
    server.statuses = [status, status]
    assert fetch(server, tmp_path).read_bytes() == CONTENT
    assert len(server.asked) == 3


def test_a_transfer_without_progress_ends_and_says_how_to_continue(server: Server, tmp_path: Path) -> None:
    server.breaks_after = [1000] + [0] * ATTEMPTS
    with pytest.raises(
        DataError,
        match=r"connection ended after 1000 of 300000 bytes.*run the same command again to continue",
    ):
        fetch(server, tmp_path)
    assert (tmp_path / "a.tar.part").read_bytes() == CONTENT[:1000]


def test_the_error_for_an_unreachable_server_has_its_address(server: Server, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"http://127\.0\.0\.1:1/a\.tar could not be downloaded .*refused"):
        fetch(server, tmp_path, mirror="http://127.0.0.1:1")


@pytest.mark.parametrize("status", [403, 404])
def test_a_refusal_is_not_repeated(status: int, server: Server, tmp_path: Path) -> None:
    server.statuses = [status]
    with pytest.raises(DataError, match=rf"answers HTTP {status} .*`mirror=URL`"):
        fetch(server, tmp_path)
    assert len(server.asked) == 1


@pytest.mark.parametrize(
    ("content_type", "content"),
    [
        ("text/html; charset=utf-8", b"please sign in"),
        ("application/octet-stream", b"\n<!DOCTYPE html><html>Too many downloads</html>"),
    ],
)
def test_an_html_page_is_never_taken_for_the_file(
    content_type: str, content: bytes, server: Server, tmp_path: Path
) -> None:
    server.content, server.content_type = content, content_type
    with pytest.raises(DataError, match="an HTML page"):
        fetch(server, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_wrong_checksum_leaves_nothing_behind(server: Server, tmp_path: Path) -> None:
    server.content = CONTENT[:-1] + b"?"
    with pytest.raises(DataError, match=r"not the published file: its MD5 is \w+, .*it was removed"):
        fetch(server, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_right_file_is_not_fetched_again(server: Server, tmp_path: Path) -> None:
    fetch(server, tmp_path)
    fetch(server, tmp_path)
    assert len(server.asked) == 1


def test_another_file_in_the_place_is_kept(server: Server, tmp_path: Path) -> None:
    (tmp_path / "a.tar").write_bytes(b"mine")
    with pytest.raises(DataError, match=r"a\.tar is not the published file.*remove or rename it"):
        fetch(server, tmp_path)
    assert (tmp_path / "a.tar").read_bytes() == b"mine"


def test_a_full_disk_is_found_before_the_transfer(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage(1, 1, 299_999))
    with pytest.raises(DataError, match=r"has 0\.0 GB free, a\.tar needs 0\.0 GB more"):
        fetch(server, tmp_path)


def test_a_folder_that_cannot_be_made_is_named(server: Server, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(DataError, match=r"file/below can't be made"):
        fetch(server, tmp_path / "file/below")


def test_a_mirror_is_laid_out_like_a_data_folder(server: Server, tmp_path: Path) -> None:
    path = download(official(server, "ImageNet-C"), tmp_path, mirror=f"{server.url}/mirror/", wait=0.001)
    assert path == tmp_path / "ImageNet-C/a.tar"
    assert server.paths == ["/mirror/ImageNet-C/a.tar"]


def test_a_mirror_must_be_an_address(server: Server, tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="mirror 'file:///etc' is not an address"):
        fetch(server, tmp_path, mirror="file:///etc")


def test_progress_tells_bytes_of_transfer_and_check(server: Server, tmp_path: Path) -> None:
    calls: list[tuple[str, int, int | None]] = []
    fetch(server, tmp_path, report=lambda *call: calls.append(call))
    assert ("download", 300_000, 300_000) in calls
    assert calls[-1] == ("check", 300_000, 300_000)
