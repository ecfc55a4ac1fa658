"""Options that several commands have, and how lists are written."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

Command = Callable[..., Any]


def forward_options(command: Command) -> Command:
    """Where, in which precision and in what batches the model runs."""
    for option in reversed(
        (
            click.option(
                "--device", default="auto", show_default=True, help="auto, cpu, cuda, cuda:N or mps."
            ),
            click.option("--amp", type=click.Choice(["bf16", "fp16"]), help="Autocast to this type."),
            click.option("--tf32", is_flag=True, help="Let CUDA round float32 products to TF32."),
            click.option("--compile", "compiled", is_flag=True, help="Run the model through torch.compile."),
            click.option("--no-fuse", is_flag=True, help="Don't fold batch norm into convolutions."),
            click.option(
                "--batch-size",
                type=click.IntRange(min=1),
                help="Images a forward pass; measured where not given.",
            ),
        )
    ):
        command = option(command)
    return command


format_option = click.option(
    "--format",
    "style",
    type=click.Choice(["text", "json", "csv", "markdown", "latex"]),
    default="text",
    show_default=True,
    help="How the table is printed.",
)


def titled(model: str) -> tuple[str | None, str]:
    """Turn TITLE=FILE into the two; there is no title where a file has such a name, or nothing before "="."""
    title, equals, source = model.partition("=")
    return (title, source) if equals and title and not Path(model).exists() else (None, model)


def names(context: click.Context, parameter: click.Parameter, value: str | None) -> tuple[str, ...] | None:
    """Turn "fog,snow" into ("fog", "snow")."""
    return tuple(name.strip() for name in value.split(",") if name.strip()) if value else None


def numbers(context: click.Context, parameter: click.Parameter, value: str | None) -> tuple[int, ...] | None:
    """Turn "1,3-5" into (1, 3, 4, 5)."""
    if value is None:
        return None
    found: list[int] = []
    for part in value.split(","):
        first, _, last = part.strip().partition("-")
        if not first.isdigit() or (last and not last.isdigit()):
            raise click.BadParameter(f"expected numbers such as 1,3-5, got {value!r}")
        found += range(int(first), int(last or first) + 1)
    return tuple(dict.fromkeys(found))
