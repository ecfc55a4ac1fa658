"""The width of tables on the terminal."""

from __future__ import annotations

import shutil

_NO_TERMINAL = 120
_NARROWEST = 60


def terminal_width() -> int:
    """Return the width of the terminal in letters, or $COLUMNS; 120 where the output is a file or a pipe."""
    return max(_NARROWEST, shutil.get_terminal_size((_NO_TERMINAL, 24)).columns)
