"""The keywords of a call as the fields of a settings class, or as the keywords of another function."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any


def pick(target: Callable[..., Any], arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Those arguments of a call that a class or function takes as keywords.

    Args:
        target: a settings class, or a function.
        arguments: the arguments of the calling function by name, as `locals()` gives them.
    """
    parameters = inspect.signature(target).parameters
    return {name: arguments[name] for name in parameters if name in arguments}
