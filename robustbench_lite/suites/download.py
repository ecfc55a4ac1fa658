"""Download official files over HTTP, continue interrupted transfers, and check every file."""

from __future__ import annotations

import hashlib
import http.client
import shutil
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import IO, Final

from robustbench_lite.errors import DataError, InvalidInput
from robustbench_lite.suites.files import explain_impostor
from robustbench_lite.suites.official import OfficialFile

Report = Callable[[str, int, int | None], None]
"""Called with the action ("download" or "check"), the bytes so far, and the total bytes where known."""

CHUNK: Final = 1 << 20
TIMEOUT: Final = 60
ATTEMPTS: Final = 6
LONGEST_WAIT: Final = 60.0
BROKEN: Final = (
    urllib.error.URLError,
    http.client.HTTPException,
    ConnectionError,
    TimeoutError,
    ssl.SSLError,
)
RETRIED: Final = frozenset({408, 425, 429, 500, 502, 503, 504})


class _Interrupted(Exception):
    """The transfer stopped early and can be tried again."""


def file_md5(path: Path, report: Report | None = None) -> str:
    """Return the MD5 of a whole file in hexadecimal digits."""
    digest = hashlib.md5(usedforsecurity=False)
    size, done = path.stat().st_size, 0
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            digest.update(chunk)
            done += len(chunk)
            if report is not None:
                report("check", done, size)
    return digest.hexdigest()


def download(
    file: OfficialFile,
    data: Path,
    *,
    mirror: str | None = None,
    report: Report | None = None,
    wait: float = 1.0,
) -> Path:
    """Download one official file to its place below `data`, unless the right file is there already.

    The bytes go to "<name>.part", and a later call continues that file. After a broken connection the
    transfer is tried again; it gives up after six attempts in a row without a new byte.

    Args:
        file: One of `RESOURCES`.
        data: The data folder.
        mirror: The address of a mirror, which has the files in the layout of a data folder.
        report: The function to call on progress.
        wait: The seconds before the second attempt. Each further attempt waits twice as long.

    Raises:
        InvalidInput: The mirror is not an http or https address.
        DataError: The server refuses or sends another file, the checksum is not the published one, another
            file has the name, or the disk is full.
    """
    if mirror is not None and not mirror.startswith(("http://", "https://")):
        raise InvalidInput(f"mirror {mirror!r} is not an address that begins with http:// or https://")
    target = data / file.path
    if target.exists():
        _require_published(file, target, report, "remove or rename it, then download again")
        return target
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataError(f"{target.parent} can't be made: {error.strerror}") from error
    part = target.with_name(f"{target.name}.part")
    url = f"{mirror.rstrip('/')}/{file.path}" if mirror else file.url
    _fetch(url, file, part, report, wait)
    try:
        _require_published(file, part, report, "it was removed; download it again")
    except DataError:
        part.unlink()
        raise
    part.replace(target)
    return target


def _require_published(file: OfficialFile, path: Path, report: Report | None, advice: str) -> None:
    digest = file_md5(path, report)
    if digest != file.md5:
        raise DataError(
            f"{path} is not the published file: its MD5 is {digest}, the published one {file.md5}; {advice}"
        )


def _fetch(url: str, file: OfficialFile, part: Path, report: Report | None, wait: float) -> None:
    failures = 0
    while True:
        before = part.stat().st_size if part.exists() else 0
        try:
            _transfer(url, file, part, before, report)
            return
        except _Interrupted as error:
            grown = part.exists() and part.stat().st_size > before
            failures = 1 if grown else failures + 1
            if failures >= ATTEMPTS:
                raise DataError(
                    f"{url} could not be downloaded ({error}); {part} keeps the bytes so far: "
                    "run the same command again to continue"
                ) from error
            time.sleep(min(wait * 2 ** (failures - 1), LONGEST_WAIT))


def _transfer(url: str, file: OfficialFile, part: Path, have: int, report: Report | None) -> None:
    headers = {"User-Agent": "robustbench-lite"} | ({"Range": f"bytes={have}-"} if have else {})
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=TIMEOUT) as answer:
            start = _start(answer, part, have)
            total = _total(url, file, answer, start)
            _require_space(part, have, total)
            _store(url, answer, part, start, total, report)
    except urllib.error.HTTPError as error:
        _explain_refusal(url, error, part, have)
    except BROKEN as error:
        raise _Interrupted(str(error) or type(error).__name__) from error


def _start(answer: http.client.HTTPResponse, part: Path, have: int) -> int:
    if answer.status != http.HTTPStatus.PARTIAL_CONTENT:
        # The server does not support ranges and sends the whole file: start again.
        return 0
    if not answer.headers.get("Content-Range", "").startswith(f"bytes {have}-"):
        part.unlink()
        raise _Interrupted(f"the server did not continue from byte {have}")
    return have


def _explain_refusal(url: str, error: urllib.error.HTTPError, part: Path, have: int) -> None:
    with error:
        if error.code in RETRIED:
            raise _Interrupted(f"HTTP {error.code} {error.reason}")
        if error.code == http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE and have:
            if error.headers.get("Content-Range") == f"bytes */{have}":
                return
            part.unlink()
            raise _Interrupted("the partial file was longer than the whole file")
        raise DataError(
            f"{url} answers HTTP {error.code} {error.reason}: check the address in a browser, or name a "
            "mirror with `mirror=URL`"
        )


def _total(url: str, file: OfficialFile, answer: http.client.HTTPResponse, start: int) -> int | None:
    length = answer.headers.get("Content-Length")
    total = start + int(length) if length is not None else None
    if answer.headers.get_content_type() == "text/html":
        raise DataError(
            f"{url} answers with an HTML page in place of {file.name}: open it in a browser to see why"
        )
    return total if total is not None else file.size


def _require_space(part: Path, have: int, total: int | None) -> None:
    free = shutil.disk_usage(part.parent).free
    if total is not None and total - have > free:
        raise DataError(
            f"{part.parent} has {free / 1e9:.1f} GB free, {part.name.removesuffix('.part')} needs "
            f"{(total - have) / 1e9:.1f} GB more"
        )


def _store(
    url: str, answer: IO[bytes], part: Path, start: int, total: int | None, report: Report | None
) -> None:
    done = start
    with part.open("r+b" if start else "wb") as file:
        file.seek(start)
        while chunk := answer.read(CHUNK):
            if done == 0 and (reason := explain_impostor(chunk)):
                part.unlink()
                raise DataError(f"{url} is {reason}")
            file.write(chunk)
            done += len(chunk)
            if report is not None:
                report("download", done, total)
    if total is not None and done < total:
        raise _Interrupted(f"the connection ended after {done} of {total} bytes")
