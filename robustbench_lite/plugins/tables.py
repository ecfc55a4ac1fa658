"""The tables that a user can add to, one for each kind of record, and the checks of a new record."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from robustbench_lite.errors import InvalidInput

_NAME: Final = re.compile(r"[a-z0-9][a-z0-9_.-]*")


@dataclass(frozen=True)
class RecordTable:
    """The table of one kind of record.

    Attributes:
        kind: what a record is called, for example "corruption".
        record: the class of the records.
        entries: name -> record.
        check: a function from (name, record) to the record that the table keeps; raises InvalidInput.
    """

    kind: str
    record: type
    entries: dict[str, Any]
    check: Callable[[str, Any], Any]


@dataclass
class _State:
    """What was added to the tables of this process.

    Attributes:
        builtin: kind -> names that the package itself has.
        own: records that were registered outside a plugin, by (kind, name).
        in_plugin: whether a plugin is executed now.
    """

    builtin: dict[str, frozenset[str]]
    own: dict[tuple[str, str], Any]
    in_plugin: bool = False


STATE: Final = _State({}, {})


def register(name: str, record: Any, *, replace: bool = False) -> None:
    """Add a corruption, perturbation, suite, architecture or score to the toolkit.

        register("dropout", Corruption(dropout, levels(share=(0.05, 0.1, 0.2, 0.3, 0.4))))

    Args:
        name: what the command line and Python call it: lower-case letters, digits, "-", "_" and ".".
        record: a `Corruption`, `Perturbation`, `SuiteSpec`, `Family` or `Score`.
        replace: replace an entry that was registered before, for example when a notebook's cell runs again.
            An entry of the package itself is never replaced.

    Raises:
        InvalidInput: the name is taken or malformed, or the record is of no known kind or can't work: the
            kernel of a corruption is tried on three small images.
    """
    table = _table_of(record)
    check_name(table.kind, name)
    if name in STATE.builtin[table.kind]:
        raise InvalidInput(f"there is already a {table.kind} named {name!r}; choose another name")
    if name in table.entries and not replace:
        raise InvalidInput(
            f"a {table.kind} named {name!r} is registered already; choose another name, or replace it with "
            "replace=True"
        )
    table.entries[name] = record = table.check(name, record)
    if not STATE.in_plugin:
        STATE.own[table.kind, name] = record


def check_name(kind: str, name: object) -> None:
    """Refuse names that the command line or a file can't carry.

    Raises:
        InvalidInput: other characters than lower-case letters, digits, "-", "_" and ".".
    """
    if not isinstance(name, str) or not _NAME.fullmatch(name) or name == "clean":
        raise InvalidInput(
            f"{name!r} can't be the name of a {kind}: use lower-case letters, digits, '-', '_' and '.' "
            "(and not 'clean', which names the clean images)"
        )


def additions(before: Mapping[str, Mapping[str, Any]]) -> Iterator[tuple[str, str]]:
    """The (kind, name) of what was added to the tables; entries written into a table are checked here.

    Args:
        before: kind -> the entries as they were.

    Raises:
        InvalidInput: an entry was replaced, or can't work.
    """
    for table in tables():
        known = before[table.kind]
        for name, record in list(table.entries.items()):
            if name in known and record is not known[name]:
                raise InvalidInput(f"there is already a {table.kind} named {name!r}; choose another name")
            if name not in known:
                if not isinstance(record, table.record):
                    raise InvalidInput(
                        f"expected a {table.record.__name__} as {table.kind} {name!r}, got "
                        f"{type(record).__name__}"
                    )
                check_name(table.kind, name)
                table.entries[name] = table.check(name, record)
                yield table.kind, name


def tables() -> tuple[RecordTable, ...]:
    """Every table, imported when it is first needed."""
    from robustbench_lite.corruptions import CORRUPTIONS, PERTURBATIONS, Corruption, Perturbation
    from robustbench_lite.models import FAMILIES, Family
    from robustbench_lite.scores import SCORES, Score
    from robustbench_lite.suites import SUITES, SuiteSpec

    every = (
        RecordTable("corruption", Corruption, CORRUPTIONS, _checked_corruption),
        RecordTable("perturbation", Perturbation, PERTURBATIONS, _checked_perturbation),
        RecordTable("suite", SuiteSpec, SUITES, _checked_suite),
        RecordTable("architecture", Family, FAMILIES, _checked_architecture),
        RecordTable("score", Score, SCORES, _checked_score),
    )
    for table in every:
        STATE.builtin.setdefault(table.kind, frozenset(table.entries))
    return every


def _table_of(record: object) -> RecordTable:
    every = tables()
    for table in every:
        if isinstance(record, table.record):
            return table
    kinds = ", ".join(table.record.__name__ for table in every)
    raise InvalidInput(f"expected a record ({kinds}), got {type(record).__name__}")


def _checked_corruption(name: str, record: Any) -> Any:
    from robustbench_lite.corruptions.check import check_corruption

    check_corruption(name, record)
    return _with_heading(name, record)


def _checked_perturbation(name: str, record: Any) -> Any:
    from robustbench_lite.corruptions.check import check_perturbation

    check_perturbation(name, record)
    return _with_heading(name, record)


def _with_heading(name: str, record: Any) -> Any:
    """The record with a heading for its column, made from the name where it has none."""
    if record.short_name:
        return record
    return dataclasses.replace(record, short_name=name.replace("_", " ").capitalize())


def _checked_suite(name: str, spec: Any) -> Any:
    if spec.name != name:
        raise InvalidInput(f"the suite is registered as {name!r}, and its record has the name {spec.name!r}")
    return spec


def _checked_architecture(name: str, family: Any) -> Any:
    from robustbench_lite.models.registry import check_registration

    check_registration(name, family)
    return family


def _checked_score(name: str, score: Any) -> Any:
    from robustbench_lite.plugins.score_check import check_score

    check_score(name, score)
    return score
