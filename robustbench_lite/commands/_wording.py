"""Messages of the toolkit name keywords of Python; here alone they become options of the command line."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

import click

KEYWORD: Final = re.compile(r"`(\w+)=([^`]*)`")
"""A keyword of Python in a message, with its value: `amp='bf16'`, `overwrite=True`, `data=DIR`, `amp=...`."""


def in_options(text: str, command: click.Command | None = None) -> str:
    """Write the keywords of a message as options: `data=DIR` as --data DIR, `fuse=False` as --no-fuse.

    Args:
        text: a message; keywords that the command has no option for stay as they are.
        command: the command that the user gave; by default the one that is running.
    """
    if command is None:
        context = click.get_current_context(silent=True)
        command = None if context is None else context.command
    options = {} if command is None else {option.name: option for option in _options(command)}

    def written(match: re.Match[str]) -> str:
        name, value = match.groups()
        return _written(options[name], value) if name in options else match.group()

    return KEYWORD.sub(written, text)


def _options(command: click.Command) -> Iterator[click.Option]:
    """Options of a command, and of the commands of a group."""
    yield from (parameter for parameter in command.params if isinstance(parameter, click.Option))
    if isinstance(command, click.Group):
        for one in command.commands.values():
            yield from _options(one)


def _written(option: click.Option, value: str) -> str:
    on = max(option.opts, key=len)
    if option.is_flag:
        off = max(option.secondary_opts, key=len) if option.secondary_opts else f"without {on}"
        return off if value == "False" else on
    return on if value == "..." else f"{on} {value.strip(chr(39) + chr(34))}"
