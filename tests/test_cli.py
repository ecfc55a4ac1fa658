"""The shell around the subcommands: what it imports, and how a run ends."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from robustbench_lite import cli
from robustbench_lite.errors import DataError


def run_python(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)


def command_that_raises(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    @click.command()
    def boom() -> None:
        raise error

    monkeypatch.setattr(cli.LazyGroup, "get_command", lambda self, ctx, name: boom)


@pytest.mark.parametrize("arguments", [["--help"], *([name, "--help"] for name in cli.COMMANDS)])
def test_help_imports_neither_torch_nor_numpy(arguments: list[str]) -> None:
    code = (
        "import sys\nfrom robustbench_lite.cli import main\n"
        f"main({arguments!r}, standalone_mode=False)\n"
        "sys.exit(' '.join(sorted({'torch', 'numpy', 'pandas'} & set(sys.modules))) or 0)"
    )
    done = run_python(code)
    assert done.returncode == 0, done.stderr
    assert "Usage:" in done.stdout


def test_the_help_lists_every_subcommand_with_its_line() -> None:
    shown = CliRunner().invoke(cli.main, ["--help"]).output
    for name, (_, _, line) in cli.COMMANDS.items():
        assert name in shown
        assert line.split()[0] in shown


@pytest.mark.parametrize("name", cli.COMMANDS)
def test_every_subcommand_of_the_table_can_be_loaded(name: str) -> None:
    command = cli.LazyGroup().get_command(click.Context(cli.main), name)
    assert isinstance(command, click.Command)


def test_an_error_of_the_toolkit_is_one_line_and_exit_code_1(monkeypatch: pytest.MonkeyPatch) -> None:
    command_that_raises(monkeypatch, DataError("frost.npy is cut short"))
    result = CliRunner().invoke(cli.main, ["data"])
    assert result.exit_code == 1
    assert result.stderr == "Error: frost.npy is cut short\n"


def test_ctrl_c_is_one_line_and_exit_code_130(monkeypatch: pytest.MonkeyPatch) -> None:
    command_that_raises(monkeypatch, KeyboardInterrupt())
    result = CliRunner().invoke(cli.main, ["data"])
    assert result.exit_code == 130
    assert result.stderr.strip() == "Interrupted. Finished work is stored: the same command continues."


def test_ctrl_c_promises_nothing_for_commands_that_keep_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    command_that_raises(monkeypatch, KeyboardInterrupt())
    assert CliRunner().invoke(cli.main, ["compare"]).stderr.strip() == "Interrupted."


def test_an_unexpected_exception_keeps_its_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    command_that_raises(monkeypatch, ZeroDivisionError("a defect"))
    result = CliRunner().invoke(cli.main, ["data"])
    assert isinstance(result.exception, ZeroDivisionError)


def test_a_mistyped_subcommand_is_a_usage_error() -> None:
    result = CliRunner().invoke(cli.main, ["dta"])
    assert result.exit_code == 2
    assert "No such command" in result.stderr


def test_the_module_runs_as_the_command() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "robustbench_lite", "--version"], capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith("robust, version ")


def every_command() -> list[list[str]]:
    """The words of every command, also of those inside a group."""
    words = []
    for name in cli.COMMANDS:
        command = cli.main.get_command(click.Context(cli.main), name)
        inner = [[name, one] for one in command.commands] if isinstance(command, click.Group) else [[name]]
        words += inner
    return words


@pytest.mark.parametrize("words", every_command(), ids=" ".join)
def test_every_command_takes_plugins_before_and_after_its_name(words: list[str]) -> None:
    for arguments in (["--plugin", "none.py", *words], [*words, "--plugin", "none.py"]):
        result = CliRunner().invoke(cli.main, arguments)
        assert result.exit_code == 1
        assert result.stderr == "Error: the plugin none.py can't be read: No such file or directory\n"


def test_the_help_of_a_command_names_the_option_for_plugins() -> None:
    for arguments in (["--help"], ["eval", "--help"], ["data", "verify", "--help"]):
        assert "--plugin FILE.py" in CliRunner().invoke(cli.main, arguments).output


def test_a_plugin_is_loaded_before_the_command_runs(tmp_path: Path) -> None:
    plugin = tmp_path / "own.py"
    plugin.write_text("raise SystemExit('loaded')\n")
    result = CliRunner().invoke(cli.main, ["corrupt", "--suite", "no-such-suite", "--plugin", str(plugin)])
    assert result.stderr == f"Error: the plugin {plugin} fails in line 1: SystemExit: loaded\n"
