"""Every error that the toolkit raises on purpose.

RobustBenchError                 caught by the command line: one line, exit code 1
├── InvalidInput (ValueError)    an argument or a tensor is not what the function takes
│   └── UnknownName              a name that is in none of the tables, with the nearest ones
├── DataError                    data set files that are missing, incomplete, damaged or mislabelled
│   └── MissingData              there are none of the files at all
├── CheckpointError              a model file that can't be read, or whose architecture is unknown
├── ModelError                   a model whose outputs can't be scored (width, NaN, layout)
├── PluginError                  a user's plugin that can't be loaded, with file and line
├── IncompleteResults            an aggregate asked over cells that were not evaluated
└── MissingExtra (ImportError)   an optional dependency, with the extra to install
"""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Iterable
from types import ModuleType


class RobustBenchError(Exception):
    """Base of all errors raised on purpose; its text says what was wrong and what to do."""


class InvalidInput(RobustBenchError, ValueError):
    """An argument or a tensor is not what the function takes."""


class UnknownName(InvalidInput):
    """A name that is in none of the tables.

    Args:
        kind: what the name should be, for example "corruption".
        name: the name that was given.
        known: the names there are.
    """

    def __init__(self, kind: str, name: object, known: Iterable[str]) -> None:
        names = sorted(known)
        lowered = {known.lower(): known for known in names}
        near = [lowered[one] for one in difflib.get_close_matches(str(name).lower(), lowered, n=3)]
        hint = f"did you mean {' or '.join(near)}?" if near else f"known: {', '.join(names)}"
        super().__init__(f"unknown {kind} {name!r}; {hint}")


class DataError(RobustBenchError):
    """Data set files are missing, incomplete, damaged or mislabelled."""


class MissingData(DataError):
    """None of a data set's files are where they were looked for."""


class CheckpointError(RobustBenchError):
    """A model file can't be read, or its architecture is unknown."""


class ModelError(RobustBenchError):
    """A model's outputs can't be scored."""


class PluginError(RobustBenchError):
    """A user's plugin can't be loaded, or registers something that can't work."""


class IncompleteResults(RobustBenchError):
    """An aggregate was asked over cells that were not evaluated."""


class MissingExtra(RobustBenchError, ImportError):
    """An optional dependency is not installed."""


class RobustBenchWarning(UserWarning):
    """Numbers that are right but need a word: told in Python where nothing listens to the progress."""


def require(module: str, extra: str, purpose: str) -> ModuleType:
    """Import an optional dependency.

    Raises:
        MissingExtra: the module is not installed; the message names the extra that brings it.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise MissingExtra(
            f"{purpose} needs {module}, which is not installed: pip install 'robustbench-lite[{extra}]'"
        ) from error
