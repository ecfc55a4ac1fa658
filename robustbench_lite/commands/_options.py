"""Options: made from the settings of the toolkit, grouped for --help, and how lists are written."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from dataclasses import Field, fields
from pathlib import Path
from typing import Any, Final

import click
import cloup

from robustbench_lite.evaluation.settings import SuiteSettings

Command = Callable[..., Any]
Option = Callable[[Command], Command]

HELP_WIDTH: Final = cloup.HelpFormatter.settings(max_width=120)
"""Help is as wide as the terminal, up to 120 letters."""


def descriptions(settings: type) -> dict[str, str]:
    """The text of each field in the "Attributes" section of a settings class, in one line."""
    text = inspect.cleandoc(settings.__doc__ or "")
    section = text.partition("Attributes:\n")[2].partition("\n\n")[0]
    entries = re.findall(r"^    (\w+): (.*(?:\n        .*)*)", section, flags=re.M)
    return {name: " ".join(line.strip() for line in lines.splitlines()) for name, lines in entries}


def setting(settings: type, name: str, *, unset: bool = False, **changes: Any) -> Option:
    """The option of one field of a settings class: its name, type, default and help are the field's.

    Args:
        settings: the class.
        name: the field.
        unset: leave the value None where the option is not given, for the toolkit to choose.
        **changes: what the command line has otherwise: type, metavar, callback, envvar, help, flags.
    """
    field = next(one for one in fields(settings) if one.name == name)
    given = {**_kind(field, unset=unset), **changes}
    given["help"] = given.get("help") or descriptions(settings)[name]
    long = name.replace("_", "-")
    pair = given.pop("pair", False)
    flags = given.pop("flags", (f"--{long}/--no-{long}",) if pair else (f"--{long}",))
    return cloup.option(*flags, name, **given)


def _kind(field: Field[Any], *, unset: bool) -> dict[str, Any]:
    """Type, default and, for booleans, the pair of flags that a field's annotation stands for."""
    annotation, default = str(field.type), None if unset else field.default
    if annotation.startswith("bool"):
        pair = field.default is not False
        return {"default": default, "pair": pair, **({} if pair else {"is_flag": True})}
    number = int if annotation.startswith("int") else float if annotation.startswith("float") else None
    words = {} if number is None else {"type": number, "metavar": "N" if number is int else "X"}
    text = {"metavar": "NAME"} if number is None else {}
    return {"default": default, "show_default": default is not None, **words, **text}


PATH: Final = click.Path(path_type=Path)

FLOAT_TYPES: Final = click.Choice(["bf16", "fp16"])


def model_options(settings: type) -> tuple[Option, ...]:
    """How a checkpoint is read."""
    return (
        setting(settings, "arch"),
        setting(settings, "normalize", metavar="NAME|MEAN,STD"),
        setting(settings, "entry"),
        setting(settings, "output"),
        setting(settings, "trust_checkpoint"),
    )


def run_options(settings: type, **helps: str) -> tuple[Option, ...]:
    """Where, in which precision and in what batches a model runs; some fields with a help of their own."""
    return (
        setting(settings, "device"),
        setting(settings, "amp", type=FLOAT_TYPES, metavar=None),
        setting(settings, "tf32"),
        setting(settings, "compile"),
        setting(settings, "fuse"),
        setting(settings, "batch_size"),
        *(
            setting(settings, name, help=helps.get(name) or descriptions(settings)[name])
            for name in ("bootstrap", "seed")
        ),
    )


data_option = setting(SuiteSettings, "data", type=PATH, metavar="PATH")

overwrite_option = cloup.option(
    "--overwrite", is_flag=True, help="Start afresh in a folder that holds another run."
)

format_option = cloup.option(
    "--format",
    "style",
    type=click.Choice(["text", "json", "csv", "markdown", "latex"]),
    default="text",
    show_default=True,
    help="How the table is printed.",
)


def titled(model: str) -> tuple[str | None, str]:
    """Turn TITLE=FILE into the two; there is no title where a file has such a name, or nothing before "=".

    The arguments of a builder (nets.py:WRN(depth=16)) are no title. Neither is the beginning of a mistyped
    path (best-epoch=14-val=.33.ckpt): where none of the parts behind a "=" is a file, the text stays whole.
    """
    title, equals, source = model.partition("=")
    if not (equals and title) or _BUILDER.match(model) or Path(model).expanduser().exists():
        return None, model
    parts = source.split("=")
    splits = [("=".join((title, *parts[:i])), "=".join(parts[i:])) for i in range(len(parts))]
    for longer, rest in splits:
        if _BUILDER.match(rest) or any(Path(one).expanduser().exists() for one in (rest, *rest.split(","))):
            return longer, rest
    return (title, source) if len(parts) == 1 and not title.count("/") else (None, model)


_BUILDER: Final = re.compile(r"((torchvision|timm|hf):\S+|[^=]+:[A-Za-z_][\w.]*(\(.*\))?)$", re.DOTALL)
"""A network that code or a library names: FILE.py:BUILDER(depth=16), torchvision:resnet50."""


def names(context: click.Context, parameter: click.Parameter, value: str | None) -> tuple[str, ...] | None:
    """Turn "fog,snow" into ("fog", "snow")."""
    return tuple(name.strip() for name in value.split(",") if name.strip()) if value else None


def numbers(context: click.Context, parameter: click.Parameter, value: str | None) -> tuple[int, ...] | None:
    """Turn "1,3-5" into (1, 3, 4, 5)."""
    if value is None:
        return None
    levels: list[int] = []
    for part in value.split(","):
        first, _, last = part.strip().partition("-")
        if not first.isdigit() or (last and not last.isdigit()):
            raise click.BadParameter(f"expected numbers such as 1,3-5, got {value!r}")
        levels += range(int(first), int(last or first) + 1)
    return tuple(dict.fromkeys(levels))


def share(context: click.Context, parameter: click.Parameter, value: str | None) -> float | None:
    """Turn "5%" or "0.05" into 0.05."""
    if value is None:
        return None
    try:
        number = float(value.strip().removesuffix("%"))
    except ValueError:
        raise click.BadParameter(f"expected a share such as 5% or 0.05, got {value!r}") from None
    return number / 100 if value.strip().endswith("%") else number
