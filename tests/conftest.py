"""Fixtures that every part of the tests shares."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from hypothesis import settings

from robustbench_lite.plugins.loading import _LOADED
from robustbench_lite.plugins.tables import STATE, tables

settings.register_profile("repeatable", derandomize=True, deadline=None, max_examples=50, database=None)
settings.load_profile("repeatable")
torch.set_num_threads(min(2, torch.get_num_threads()))


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of reference vectors and published numbers that lies beside the project."""
    folder = Path(__file__).resolve().parents[2] / "shared"
    if not folder.is_dir():
        pytest.skip("the folder shared/ with the official outputs is not beside this checkout")
    return folder


@pytest.fixture
def tables_as_before() -> Iterator[None]:
    """Take a test's own corruptions, suites and so on out of the tables of the process again."""
    every = tables()
    entries = [dict(table.entries) for table in every]
    loaded, own = dict(_LOADED), dict(STATE.own)
    yield
    for table, before in zip(every, entries, strict=True):
        table.entries.clear()
        table.entries.update(before)
    for state, before in ((_LOADED, loaded), (STATE.own, own)):
        state.clear()
        state.update(before)
