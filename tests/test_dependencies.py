"""What the package imports is what it declares."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
OTHER_NAMES = {"pillow": "PIL"}


def imported() -> Iterator[tuple[str, str]]:
    """Top-level names that modules import by a statement, each with the module's path."""
    for path in sorted((ROOT / "robustbench_lite").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                yield from ((alias.name.partition(".")[0], path.name) for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and node.module is not None:
                yield node.module.partition(".")[0], path.name


def test_every_import_is_declared_and_every_dependency_is_imported() -> None:
    # Extras are imported by `errors.require`, which names the extra, not by a statement.
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    names = [re.split(r"[>=\[ ]", line)[0] for line in project["dependencies"]]
    declared = {OTHER_NAMES.get(name, name) for name in names}
    others = set(imported())
    others = {
        (name, file) for name, file in others if name not in {"robustbench_lite", *sys.stdlib_module_names}
    }
    assert {name for name, _ in others} == declared, others
