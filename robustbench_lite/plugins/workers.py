"""A user's own records in worker processes, which start with the package's tables."""

from __future__ import annotations

import pickle
from collections.abc import Collection
from dataclasses import dataclass

from robustbench_lite.errors import InvalidInput, PluginError
from robustbench_lite.plugins.loading import Plugin, load_installed_plugins, load_plugin, loaded_plugins
from robustbench_lite.plugins.tables import STATE, tables


@dataclass(frozen=True)
class WorkerAdditions:
    """What a worker process must add to its tables.

    Attributes:
        plugins: the plugins of the parent process.
        names: the names of the records that the parent registered outside a plugin.
        own: the user's own records, pickled, by (kind, name).
    """

    plugins: tuple[Plugin, ...]
    names: tuple[str, ...]
    own: bytes


def additions_for_workers(used: Collection[str]) -> WorkerAdditions:
    """The plugins of this process, and those of its other records that the workers use.

    Args:
        used: names of corruptions and suites.

    Raises:
        InvalidInput: such a record can't be sent to another process.
    """
    own = {key: record for key, record in STATE.own.items() if key[1] in used}
    names = tuple(name for _, name in own)
    try:
        return WorkerAdditions(loaded_plugins(), names, pickle.dumps(own))
    except (pickle.PicklingError, AttributeError, TypeError) as error:
        raise _one_process_only(names, error) from error


def add_in_worker(additions: WorkerAdditions) -> None:
    """Add the records of the parent process to the tables of this process.

    Raises:
        PluginError: a plugin has changed since the parent process loaded it.
        InvalidInput: a record is defined in the parent process only.
    """
    for plugin in additions.plugins:
        if plugin.path is None:
            load_installed_plugins()
        elif load_plugin(plugin.path).sha256 != plugin.sha256:
            raise PluginError(f"the plugin {plugin.path} has changed since it was loaded; start again")
    try:
        own = pickle.loads(additions.own)
    except (pickle.UnpicklingError, AttributeError, ImportError) as error:
        raise _one_process_only(additions.names, error) from error
    entries = {table.kind: table.entries for table in tables()}
    for (kind, name), record in own.items():
        entries[kind].setdefault(name, record)


def _one_process_only(names: tuple[str, ...], error: Exception) -> InvalidInput:
    return InvalidInput(
        f"worker processes can't use {', '.join(names)}, which one process alone defines ({error}); put the "
        "definition into a file and load it with load_plugin, or use one process"
    )
