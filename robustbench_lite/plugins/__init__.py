"""A user's own corruptions, perturbations, suites, architectures and scores.

`register` adds one record to the table of its kind. A plugin is a Python file that calls `register`;
`load_plugin` and `robust --plugin FILE.py` execute it. An installed package is a plugin too, where it names a
module in the entry-point group `robustbench_lite.plugins`. `provenance` lists what was added, with digests,
as a part of the identity of every run.
"""

from robustbench_lite.plugins.loading import (
    ENTRY_POINTS,
    Plugin,
    corruption_digests,
    identity,
    load_installed_plugins,
    load_plugin,
    loaded_plugins,
    provenance,
)
from robustbench_lite.plugins.tables import register

__all__ = [
    "ENTRY_POINTS",
    "Plugin",
    "corruption_digests",
    "identity",
    "load_installed_plugins",
    "load_plugin",
    "loaded_plugins",
    "provenance",
    "register",
]
