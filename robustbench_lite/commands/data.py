"""`robust data`: download, verify and list the official files."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from robustbench_lite.suites.official import OfficialFile

DATA_VARIABLE = "ROBUSTBENCH_LITE_DATA"
MIRROR_VARIABLE = "ROBUSTBENCH_LITE_MIRROR"


def _data_option(required: bool) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    return click.option(
        "--data",
        "folder",
        type=click.Path(path_type=Path, file_okay=False),
        envvar=DATA_VARIABLE,
        required=required,
        help=f"Data folder (default: ${DATA_VARIABLE}).",
    )


@click.group()
def data() -> None:
    """Download, verify or list the official files of the suites."""


@data.command("list", short_help="List the files of the suites and what is on disk.")
@_data_option(required=False)
@click.argument("suites", nargs=-1)
def list_suites(folder: Path | None, suites: tuple[str, ...]) -> None:
    """List SUITES (all by default): files, sizes, checksums, and what is on disk."""
    from robustbench_lite.suites.official import ELSEWHERE, RESOURCES

    for name in suites or (*RESOURCES, *ELSEWHERE):
        click.echo(name)
        if name not in RESOURCES:
            click.echo(f"  {_elsewhere(name)}")
        for file in RESOURCES.get(name, ()):
            size = _bytes(file.size) if file.size is not None else "size not published"
            state = f"  [{_state(file, folder)}]" if folder is not None else ""
            click.echo(f"  {file.path}  {size}  MD5 {file.md5}{state}")
            click.echo(f"      {file.content}; {file.url}")
        if folder is not None and (unpacked := _unpacked(name, folder)) is not None:
            click.echo(f"  unpacked: {unpacked}")


@data.command(short_help="Download the official files.")
@_data_option(required=True)
@click.option(
    "--mirror",
    envvar=MIRROR_VARIABLE,
    help=f"Address with the files laid out as in a data folder (default: ${MIRROR_VARIABLE}).",
)
@click.option("--extra", is_flag=True, help="Also download files that hold validation corruptions only.")
@click.argument("suites", nargs=-1, required=True)
def download(folder: Path, mirror: str | None, extra: bool, suites: tuple[str, ...]) -> None:
    """Download the official files of SUITES, and continue interrupted downloads.

    "frost" downloads the photographs that the frost corruption needs. Tars are not unpacked, because the
    evaluation reads them in place.
    """
    from robustbench_lite.suites.download import download as fetch
    from robustbench_lite.suites.official import RESOURCES

    files = []
    for name in suites:
        if name not in RESOURCES:
            _refuse(name)
        files += [file for file in RESOURCES[name] if extra or not file.extra]
    for file in files:
        with _progress(file.path) as report:
            path = fetch(file, folder, mirror=mirror, report=report)
        click.echo(f"{path}: MD5 {file.md5}, as published")


@data.command(short_help="Compare files on disk with the published ones.")
@_data_option(required=True)
@click.option("--quick", is_flag=True, help="Check counts and a sample of images only, no checksums.")
@click.argument("suites", nargs=-1, required=True)
def verify(folder: Path, quick: bool, suites: tuple[str, ...]) -> None:
    """Compare SUITES on disk with the published files: checksums, counts, and a sample of images."""
    from robustbench_lite.errors import DataError
    from robustbench_lite.suites.official import RESOURCES
    from robustbench_lite.suites.spec import SUITES, suite_spec
    from robustbench_lite.suites.verify import verify_checksums, verify_suite

    wrong = 0
    for name in suites:
        spec = SUITES.get(name) if name in RESOURCES else suite_spec(name)
        title = spec.title if spec is not None else name
        with _progress(title) as report:
            findings = [] if quick else list(verify_checksums(name, title, folder, report))
            if spec is not None:
                findings += verify_suite(
                    spec, folder, lambda tar, done, size: report(f"index {tar.name}", done, size)
                )
        if not findings:
            raise DataError(
                f"{folder} has no file of {name}; `robust data list {name}` lists the files it needs"
            )
        for finding in findings:
            click.echo(f"{'ok   ' if finding.right else 'WRONG'}  {finding.subject}: {finding.text}")
            wrong += not finding.right
    if wrong:
        raise DataError(f"{wrong} of the findings above are not as published")


def _refuse(name: str) -> None:
    from robustbench_lite.errors import DataError, UnknownName
    from robustbench_lite.suites.official import ELSEWHERE, RESOURCES

    if name in ELSEWHERE:
        raise DataError(f"{name} can't be downloaded: {ELSEWHERE[name]}")
    raise UnknownName("suite", name, (*RESOURCES, *ELSEWHERE))


def _elsewhere(name: str) -> str:
    from robustbench_lite.errors import UnknownName
    from robustbench_lite.suites.official import ELSEWHERE, RESOURCES

    if name not in ELSEWHERE:
        raise UnknownName("suite", name, (*RESOURCES, *ELSEWHERE))
    return f"no download: {ELSEWHERE[name]}"


def _state(file: OfficialFile, folder: Path) -> str:
    from robustbench_lite.suites.official import find_file

    path = find_file(file, folder)
    part = folder / f"{file.path}.part"
    if path is not None:
        size = path.stat().st_size
        return "on disk" if file.size in (None, size) else f"on disk, but of {_bytes(size)}"
    return f"{_bytes(part.stat().st_size)} downloaded" if part.is_file() else "not on disk"


def _unpacked(name: str, folder: Path) -> Path | None:
    from robustbench_lite.suites.spec import SUITES

    place = folder / SUITES[name].title if name in SUITES else folder / name
    return place if place.is_dir() and any(child.suffix != ".tar" for child in place.iterdir()) else None


def _bytes(size: int) -> str:
    return f"{size / 1e9:.2f} GB" if size >= 1e9 else f"{size / 1e6:.2f} MB"


@contextmanager
def _progress(title: str) -> Iterator[Callable[[str, int, int | None], None]]:
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        DownloadColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
        TransferSpeedColumn,
    )

    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    console = Console(stderr=True)
    with Progress(
        *columns, TimeRemainingColumn(), console=console, transient=True, disable=not console.is_terminal
    ) as progress:
        tasks: dict[str, Any] = {}

        def report(action: str, done: int, total: int | None) -> None:
            if action not in tasks:
                tasks[action] = progress.add_task(f"{title}: {action}")
            progress.update(tasks[action], completed=done, total=total)

        yield report
