"""The pages name every option that a command has and none that it hasn't, and their links lead somewhere."""

from __future__ import annotations

import json
import re
from pathlib import Path

import click
import pytest

import robustbench_lite as rb
from robustbench_lite.cli import COMMANDS, main
from robustbench_lite.reference.suites import SUITES
from robustbench_lite.results import Results

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted((ROOT / "docs").glob("*.md"))
OPTION = re.compile(r"(?<![\w-])--[a-z][a-z0-9-]*")
# Every command has it; the page about additions explains it.
COMMON = {"--plugin"}
# Of other programs, shown in examples.
FOREIGN = {"--nproc-per-node"}
HEADLINES = (
    "clean_error",
    "mean_error",
    "selected_mean_error",
    "mce",
    "relative_mce",
    "mfp",
    "mfr",
    "mt5d",
    "rms_calibration_error",
    "expected_calibration_error",
    "brier_score",
    "top_label_brier_score",
    "nll",
    "top5_error",
    "rms_calibration_error_released",
)


def text_of(name: str) -> str:
    return (ROOT / "docs" / f"{name}.md").read_text()


def options_of(command: click.Command) -> set[str]:
    own = {
        name
        for parameter in command.params
        for name in (*parameter.opts, *parameter.secondary_opts)
        if name.startswith("--")
    }
    below = [options_of(one) for one in command.commands.values()] if isinstance(command, click.Group) else []
    return own.union(*below) - {"--help"}


def command(name: str) -> click.Command:
    found = main.get_command(click.Context(main), name)
    assert found is not None
    return found


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_s_page_names_all_its_options(name: str) -> None:
    assert options_of(command(name)) - COMMON - set(OPTION.findall(text_of(name))) == set()


def test_the_page_about_additions_names_the_option_that_every_command_has() -> None:
    assert set(OPTION.findall(text_of("extending"))) >= COMMON


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_page_names_no_option_that_no_command_has(page: Path) -> None:
    known = set[str]().union(*(options_of(command(name)) for name in COMMANDS))
    assert set(OPTION.findall(page.read_text())) - known - FOREIGN - {"--help"} == set()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_links_lead_to_files_and_headings_that_are_there(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
        path, _, anchor = target.partition("#")
        there = (page.parent / path).resolve() if path else page
        assert there.is_file(), target
        if anchor:
            headings = re.findall(r"^#+ (.*)$", there.read_text(), re.MULTILINE)
            assert anchor in {re.sub(r"[^\w\- ]", "", h).lower().replace(" ", "-") for h in headings}, target


def test_the_index_lists_every_page() -> None:
    listed = set(re.findall(r"\]\((\S+?\.md)\)", text_of("index")))
    assert listed == {page.name for page in PAGES} - {"index.md"}


def test_the_definitions_name_every_headline_score_and_every_key_of_the_record() -> None:
    page = text_of("definitions")
    keys = json.loads(Results(SUITES["cifar10-c"], "official", ()).to_json())
    assert [name for name in (*keys, *HEADLINES) if f"`{name}`" not in page] == []


def test_pages_keep_to_their_width() -> None:
    wide = {
        f"{page.name}:{number}"
        for page in PAGES
        for number, line in enumerate(page.read_text().splitlines(), 1)
        if len(line) > 110 and not line.startswith("|")
    }
    assert wide == set()


@pytest.mark.parametrize("page", [*PAGES, ROOT / "README.md"], ids=lambda page: page.stem)
def test_pages_use_public_names_alone(page: Path) -> None:
    used = set(re.findall(r"\brb\.([A-Za-z_]\w*)", page.read_text()))
    assert used <= set(rb.__all__)
