"""A message of the library names keywords in Python and options on the command line."""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Iterator
from pathlib import Path

import click
import numpy as np
import pytest
from click.testing import CliRunner

import robustbench_lite as rb
from robustbench_lite.cli import COMMANDS, LazyGroup, main
from robustbench_lite.commands._wording import KEYWORD, in_options
from robustbench_lite.suites.download import download

PACKAGE = Path(rb.__file__).parent
FUNCTIONS = (
    *(rb.evaluate, rb.load_model, rb.load_suite, rb.train, rb.fourier_heatmap),
    *(rb.compare, rb.write_suite, rb.write_report, download),
)
KEYWORDS = {name for function in FUNCTIONS for name in inspect.signature(function).parameters}
FLAG = re.compile(r"(?<![\w-])--[a-z][a-z-]+")

# Keywords of `load_custom` that `evaluate` is about to take.
COMING = {"class_order", "labels"} - set(inspect.signature(rb.evaluate).parameters)

# Commands to type, and style sheets.
OTHERS = {"suites/official.py", "report/page.py"}


def literals() -> Iterator[tuple[str, str]]:
    """Each text of the library that is no docstring, f-strings with {} for their values."""
    for path in sorted(PACKAGE.rglob("*.py")):
        file = path.relative_to(PACKAGE).as_posix()
        if file.startswith("commands/") or file in ("cli.py", "__main__.py"):
            continue
        tree = ast.parse(path.read_text())
        nodes = list(ast.walk(tree))
        skipped = {id(part) for node in nodes if isinstance(node, ast.JoinedStr) for part in node.values}
        skipped |= {id(node.value) for node in nodes if isinstance(node, ast.Expr)}  # docstrings
        for node in nodes:
            if isinstance(node, ast.JoinedStr):
                parts = [part.value if isinstance(part, ast.Constant) else "{}" for part in node.values]
                yield file, "".join(map(str, parts))
            elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in skipped:
                yield file, node.value


TEXTS = list(literals())
TOKENS = sorted({(file, *match) for file, text in TEXTS for match in KEYWORD.findall(text)})


def commands() -> dict[str, click.Command]:
    group = LazyGroup()
    found = {name: group.get_command(click.Context(group), name) for name in COMMANDS}
    return {name: command for name, command in found.items() if command is not None}


def options(command: click.Command) -> set[str]:
    inner = getattr(command, "commands", {}).values()
    own = {str(one.name) for one in command.params if isinstance(one, click.Option)}
    return own.union(*(options(one) for one in inner))


def test_no_message_of_the_library_names_an_option_of_the_command_line() -> None:
    flags = {(file, text) for file, text in TEXTS if FLAG.search(text) and file not in OTHERS}
    assert flags == set()


def test_messages_name_keywords() -> None:
    assert len(TOKENS) >= 40


@pytest.mark.parametrize(("file", "name", "value"), TOKENS)
def test_a_keyword_in_a_message_is_one_of_python_and_becomes_an_option(
    file: str, name: str, value: str
) -> None:
    if name in COMING:
        pytest.skip("the option is not there yet")
    if name != "{}":
        assert name in KEYWORDS, file
    mine = {key: one for key, one in commands().items() if name in options(one)}
    # Keywords that only Python has are named in messages that only Python can meet.
    assert mine or name in {"{}", "test_data", "model", "name"}, file
    for command in mine.values():
        written = in_options(f"give `{name}={value}`", command)
        assert "`" not in written
        assert FLAG.search(written), written


@pytest.mark.parametrize(
    ("message", "command", "expected"),
    [
        ("give `data=DIR` or `clean_data=DIR`", "eval", "give --data DIR or --clean-data DIR"),
        ("leave `amp=...` out", "eval", "leave --amp out"),
        ("use `device='cpu'`", "eval", "use --device cpu"),
        ("`overwrite=True` starts afresh", "fourier", "--overwrite starts afresh"),
        ("leave it out with `nesterov=False`", "train-augmix", "leave it out with --no-nesterov"),
        ("`generate=False` reads files", "eval", "--released reads files"),
        ("`download=False`", "train-augmix", "without --download"),
        ("name a mirror with `mirror=URL`", "data", "name a mirror with --mirror URL"),
        ("give `classes=FILE`", "compare", "give `classes=FILE`"),
        ("the arrays `images` and `labels`", "report", "the arrays `images` and `labels`"),
    ],
)
def test_keywords_are_written_as_the_options_of_the_command(
    message: str, command: str, expected: str
) -> None:
    assert in_options(message, commands()[command]) == expected


@pytest.mark.parametrize(
    ("call", "arguments", "python", "terminal"),
    [
        (
            lambda: rb.evaluate(lambda images: images, "cifar10-c"),
            ("eval", "--model", "MODEL", "--suite", "cifar10-c"),
            "give `data=DIR`",
            "give --data DIR",
        ),
        (
            lambda: rb.evaluate(lambda images: images, "cifar10-c", budget=2.0),
            ("eval", "--model", "MODEL", "--suite", "cifar10-c", "--budget", "200%"),
            "`budget=2` must be a share",
            "--budget 2 must be a share",
        ),
        (
            lambda: rb.train("cifar10"),
            ("train-augmix", "--dataset", "cifar10"),
            "give `data=DIR`",
            "give --data DIR",
        ),
        (
            lambda: rb.fourier_heatmap(lambda images: images, np.zeros((2, 16, 16, 3), np.uint8)),
            ("fourier", "--model", "MODEL", "--dataset", "BARE"),
            "use `metric='flip'`",
            "use --metric flip",
        ),
        (
            lambda: rb.compare("a", "b", bootstrap=10),
            ("compare", "a", "b", "--bootstrap", "10"),
            "`bootstrap=10` is too small",
            "--bootstrap 10 is too small",
        ),
        (
            lambda: rb.write_report("a", images=21),
            ("report", "a", "--images", "21"),
            "`images=21` must lie between",
            "--images 21 must lie between",
        ),
    ],
)
def test_one_error_names_the_keyword_in_python_and_the_option_on_the_command_line(
    call: object,
    arguments: tuple[str, ...],
    python: str,
    terminal: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("ROBUSTBENCH_LITE_DATA", raising=False)
    monkeypatch.chdir(tmp_path)
    np.savez(tmp_path / "bare.npz", images=np.zeros((2, 16, 16, 3), np.uint8))
    with pytest.raises(rb.errors.RobustBenchError) as caught:
        call()
    assert python in str(caught.value)
    assert FLAG.search(str(caught.value)) is None
    given = [{"MODEL": "x.pt", "BARE": "bare.npz"}.get(argument, argument) for argument in arguments]
    done = CliRunner().invoke(main, given)
    assert done.exit_code == 1, done.output
    assert terminal in done.stderr
    assert "`" not in done.stderr.partition("get it with")[0]
