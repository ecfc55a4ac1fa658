"""Plugins: files and installed packages whose code registers a user's own records."""

from __future__ import annotations

import contextlib
import hashlib
import importlib.metadata
import inspect
import marshal
import re
import sys
import traceback
import types
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Final

from robustbench_lite.errors import PluginError, RobustBenchError
from robustbench_lite.plugins.tables import STATE, additions, tables

ENTRY_POINTS: Final = "robustbench_lite.plugins"
"""The entry-point group of installed plugins."""


@dataclass(frozen=True)
class Plugin:
    """One plugin of this process.

    Attributes:
        name: the name of the file, or the module of an installed distribution.
        sha256: digest (hex) of the file; of all Python files where the module is a package.
        adds: what it registered, for example ("corruption dropout",).
        path: the file; None for an installed distribution.
        distribution: name and version of the distribution, "my-package 1.0"; None for a file.
    """

    name: str
    sha256: str
    adds: tuple[str, ...]
    path: Path | None = None
    distribution: str | None = None


_ADDRESS: Final = re.compile(r" at 0x[0-9a-fA-F]+")
_LOADED: Final[dict[str, Plugin]] = {}


def load_plugin(path: str | Path) -> Plugin:
    """Execute a Python file that registers a user's own records.

    A file is executed once, however often it is named. A file that fails leaves the tables as they were.

    Args:
        path: the file.

    Returns:
        What it added, and the SHA-256 of the file.

    Raises:
        PluginError: the file is missing, has a syntax error, fails, registers nothing or something that can't
            work, or has changed since it was loaded; the message names the file and the line.
    """
    place = Path(path).expanduser().resolve()
    try:
        source = place.read_bytes()
    except OSError as error:
        raise PluginError(f"the plugin {path} can't be read: {error.strerror}") from error
    sha256 = hashlib.sha256(source).hexdigest()
    known = _LOADED.get(str(place))
    if known is not None:
        if known.sha256 != sha256:
            raise PluginError(f"the plugin {path} has changed since it was loaded; start Python again")
        return known
    module = types.ModuleType(
        f"robustbench_lite_plugin_{re.sub('[^0-9a-zA-Z]', '_', place.stem)}_{sha256[:12]}"
    )
    module.__file__ = str(place)

    def execute() -> None:
        # pickle and inspect find the classes and functions of the file by the name of their module.
        sys.modules[module.__name__] = module
        exec(compile(source, str(place), "exec"), module.__dict__)

    try:
        adds = _run(execute, str(path), str(place))
        if not adds:
            raise PluginError(
                f"the plugin {path} registers nothing; call robustbench_lite.register(name, record) in it"
            )
    except BaseException:
        sys.modules.pop(module.__name__, None)
        raise
    _LOADED[str(place)] = Plugin(place.name, sha256, adds, path=place)
    return _LOADED[str(place)]


def load_installed_plugins() -> tuple[Plugin, ...]:
    """Import the modules that installed distributions name in the entry-point group of plugins.

    The command line does so by itself. In Python, call it to have their records and their provenance.

    Raises:
        PluginError: a module fails, or registers something that can't work.
    """
    installed = []
    for entry in importlib.metadata.entry_points(group=ENTRY_POINTS):
        key = f"{entry.name} = {entry.value}"
        if key not in _LOADED:
            title = f"{entry.dist.name} {entry.dist.version}" if entry.dist is not None else entry.value
            adds = _run(entry.load, f"{entry.value} (installed with {title})", None)
            digest = _module_digest(sys.modules[entry.module])
            _LOADED[key] = Plugin(entry.module, digest, adds, distribution=title)
        installed.append(_LOADED[key])
    return tuple(installed)


def loaded_plugins() -> tuple[Plugin, ...]:
    """The plugins of this process, in the order in which they were loaded."""
    return tuple(_LOADED.values())


def provenance(used: Collection[str] = ()) -> list[dict[str, Any]]:
    """What was added to the toolkit, as JSON-able records with digests.

    A plugin always counts, because the code of a file may do anything. What a script or a notebook registered
    counts where the run uses it; its digest covers the source text of its functions.

    Args:
        used: names of the corruptions, the suite and the architecture of a run. Scores always count.
    """
    records: list[dict[str, Any]] = [
        {"plugin": plugin.name, "sha256": plugin.sha256, "adds": list(plugin.adds)}
        | ({} if plugin.distribution is None else {"distribution": plugin.distribution})
        for plugin in _LOADED.values()
    ]
    records += [
        {"plugin": None, "sha256": _record_digest(record), "adds": [f"{kind} {name}"]}
        for (kind, name), record in STATE.own.items()
        if _is_used(kind, name, record, used)
    ]
    return sorted(records, key=lambda record: (str(record["plugin"]), record["sha256"]))


def _is_used(kind: str, name: str, record: Any, used: Collection[str]) -> bool:
    if kind == "architecture":  # of a family, the names of its networks are used
        return any(record.builder(name, one) is not None for one in used)
    return kind == "score" or name in used


def identity(used: Collection[str] = ()) -> dict[str, dict[str, str]]:
    """What was added, as a part of a run's identity: {"plugins": {name: digest}}; empty where nothing was.

    Args:
        used: the same as for `provenance`.
    """
    digests = {
        str(record["plugin"] or record["adds"][0]): str(record["sha256"]) for record in provenance(used)
    }
    return {"plugins": digests} if digests else {}


def corruption_digests(names: Iterable[str]) -> dict[str, str]:
    """SHA-256 of the records of those corruptions and perturbations that are not the package's own."""
    every = {table.kind: table for table in tables()}
    return {
        name: _record_digest(every[kind].entries[name])
        for kind in ("corruption", "perturbation")
        for name in names
        if name in every[kind].entries and name not in STATE.builtin[kind]
    }


def _run(execute: Callable[[], object], what: str, file: str | None) -> tuple[str, ...]:
    """Execute a plugin, and list what it added to the tables.

    Raises:
        PluginError: it fails; the tables are then as they were.
    """
    every = tables()
    before = {table.kind: dict(table.entries) for table in every}
    outer, STATE.in_plugin = STATE.in_plugin, True
    try:
        with _one_error(what, file):
            execute()
            return tuple(f"{kind} {name}" for kind, name in additions(before))
    except BaseException:
        for table in every:
            table.entries.clear()
            table.entries.update(before[table.kind])
        raise
    finally:
        STATE.in_plugin = outer


@contextlib.contextmanager
def _one_error(what: str, file: str | None) -> Iterator[None]:
    """Turn whatever a plugin raises into one sentence with file and line."""
    try:
        yield
    except SyntaxError as error:
        raise PluginError(
            f"the plugin {what} has a syntax error in line {error.lineno} of {error.filename}: {error.msg}"
        ) from error
    except (Exception, SystemExit) as error:
        frames = traceback.extract_tb(error.__traceback__)
        lines = [frame.lineno for frame in frames if frame.filename == file]
        if lines:
            place = f" in line {lines[-1]}"
        else:
            place = "" if file else f" at {frames[-1].filename}, line {frames[-1].lineno}"
        text = str(error) if isinstance(error, RobustBenchError) else f"{type(error).__name__}: {error}"
        raise PluginError(f"the plugin {what} fails{place}: {text}") from error


def _module_digest(module: types.ModuleType) -> str:
    """SHA-256 of the file of a module, or of all Python files of a package."""
    files = {
        file.relative_to(root).as_posix(): file
        for root in map(Path, getattr(module, "__path__", ()))
        for file in root.rglob("*.py")
    }
    if not files and module.__file__ is not None:
        files = {"": Path(module.__file__)}
    digest = hashlib.sha256()
    for name, file in sorted(files.items()):
        digest.update(f"{name}\n".encode() if name else b"")
        digest.update(file.read_bytes())
    return digest.hexdigest()


def _record_digest(record: Any) -> str:
    """SHA-256 of the source text of a record's functions, and of its other fields."""
    digest = hashlib.sha256()
    for field in fields(record):
        value = getattr(record, field.name)
        digest.update(f"\n{field.name}=".encode())
        if not inspect.isroutine(value) and not inspect.isclass(value):
            digest.update(_ADDRESS.sub("", repr(value)).encode())
            continue
        try:
            digest.update(inspect.getsource(value).encode())
        except (OSError, TypeError):  # no source text: typed at a prompt, or compiled
            code = getattr(value, "__code__", None)
            digest.update(value.__qualname__.encode() if code is None else marshal.dumps(code))
    return digest.hexdigest()
