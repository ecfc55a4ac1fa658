"""The command `robust`: finds a subcommand, runs it, turns the toolkit's own errors into one line."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Final

import click
import cloup

from robustbench_lite import __version__
from robustbench_lite.errors import RobustBenchError

COMMANDS: Final[dict[str, tuple[str, str, str]]] = {
    "demo": (
        "robustbench_lite.commands.demo",
        "demo_command",
        "Train and evaluate two small networks on real digits, from beginning to end.",
    ),
    "eval": (
        "robustbench_lite.commands.eval",
        "evaluate_command",
        "Evaluate checkpoints on a suite: mCE, mFR, calibration and the rest.",
    ),
    "table": (
        "robustbench_lite.commands.table",
        "table_command",
        "Print runs again as a table; several trainings as mean and deviation.",
    ),
    "compare": (
        "robustbench_lite.commands.compare",
        "compare_command",
        "Compare two runs: differences with paired intervals, and what they are evidence for.",
    ),
    "report": (
        "robustbench_lite.commands.report",
        "report_command",
        "Write runs as one HTML page with figures, tables and comparisons.",
    ),
    "fourier": (
        "robustbench_lite.commands.fourier",
        "fourier_command",
        "Map a model's sensitivity to each spatial frequency; spectra of corruptions.",
    ),
    "corrupt": (
        "robustbench_lite.commands.corrupt",
        "corrupt_command",
        "Write a -C or -P suite from clean images, or corrupt one picture.",
    ),
    "augment": (
        "robustbench_lite.commands.augment",
        "augment_command",
        "Draw AugMix's operations, chains and mixtures on one picture.",
    ),
    "train-augmix": (
        "robustbench_lite.commands.train_augmix",
        "train_command",
        "Train with AugMix, or with a method that its paper compares.",
    ),
    "data": (
        "robustbench_lite.commands.data",
        "data",
        "Download, verify or list the official files of the suites.",
    ),
}
"""Subcommand -> module, attribute in it, and the line that `robust --help` shows without importing it."""

RESUMED: Final = frozenset(("demo", "eval", "fourier", "corrupt", "train-augmix", "data"))
"""Those that keep what they have done."""

INTERRUPTED: Final = 130


class CommandFailed(click.ClickException):
    """An error of the toolkit, shown as one line with exit code 1."""

    exit_code = 1


class LazyGroup(click.Group):
    """A group that imports a subcommand only when it is called for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names of the subcommands, in the table's order."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The subcommand of that name, imported now; None if there is none."""
        if cmd_name not in COMMANDS:
            return None
        module, attribute, _ = COMMANDS[cmd_name]
        command: click.Command = getattr(importlib.import_module(module), attribute)
        _add_plugin_option(command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of subcommands from the table, importing none of them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, help_line) for name, (_, _, help_line) in COMMANDS.items()])

    def invoke(self, ctx: click.Context) -> object:
        """Run the subcommand; the toolkit's errors and Ctrl-C end it with one line."""
        try:
            return super().invoke(ctx)
        except RobustBenchError as error:
            from robustbench_lite.commands._wording import in_options

            command = self.get_command(ctx, str(ctx.invoked_subcommand))
            raise CommandFailed(in_options(str(error), command)) from error
        except (KeyboardInterrupt, click.Abort):
            hint = " Finished work is stored: the same command continues."
            click.echo("Interrupted." + hint * (ctx.invoked_subcommand in RESUMED), err=True)
            ctx.exit(INTERRUPTED)


def _load_plugins(context: click.Context, parameter: click.Parameter, files: tuple[Path, ...]) -> None:
    """Load the installed plugins, then the files, before any other option is read."""
    if context.resilient_parsing or not (files or context.parent):
        return
    from robustbench_lite.plugins import load_installed_plugins, load_plugin

    try:
        load_installed_plugins()
        for file in files:
            load_plugin(file)
    except RobustBenchError as error:
        raise CommandFailed(str(error)) from error


PLUGIN_OPTION: Final = click.Option(
    ["--plugin"],
    multiple=True,
    type=click.Path(path_type=Path),
    metavar="FILE.py",
    is_eager=True,
    expose_value=False,
    callback=_load_plugins,
    help="Python file that registers your own corruption, suite, architecture or score; repeatable.",
)


def _add_plugin_option(command: click.Command) -> None:
    """Give a command, and the commands of a group, the option --plugin."""
    if PLUGIN_OPTION not in command.params:
        command.params.append(PLUGIN_OPTION)
        if isinstance(command, cloup.Command):
            command.ungrouped_options.append(PLUGIN_OPTION)
    for inner in getattr(command, "commands", {}).values():
        _add_plugin_option(inner)


@click.group(
    cls=LazyGroup,
    params=[PLUGIN_OPTION],
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.version_option(__version__, "--version", prog_name="robust")
def main() -> None:
    """Corruption and perturbation robustness of image classifiers, by the papers' own protocols."""
