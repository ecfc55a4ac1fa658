"""What a suite takes from the records of corruptions and perturbations, a user's own among them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from robustbench_lite.corruptions import CORRUPTIONS, PERTURBATIONS, Corruption, Perturbation
from robustbench_lite.suites import SuiteSpec


def with_own(spec: SuiteSpec, names: Iterable[str] | None) -> SuiteSpec:
    """The suite with those of the names that it does not list, outside its mean.

    Any corruption can be named for any suite. It counts as a validation corruption, so that it never enters
    the mean. Names that no table has are left for `select_cells` to refuse.

    Args:
        spec: a -C or -P suite.
        names: the names that the user gave; None for the suite's own.
    """
    own = (name for name in dict.fromkeys(names or ()) if name not in spec.names)
    return with_records(
        replace(spec, validation=(*spec.validation, *(name for name in own if name in _records(spec))))
    )


def with_records(spec: SuiteSpec) -> SuiteSpec:
    """The suite with those facts of its corruptions' records that it does not state itself.

    These are the headings of columns, the groups of test names, and which perturbations are compared with
    their first frame.
    """
    if spec.kind == "clean":
        return spec
    records = {name: record for name, record in _records(spec).items() if name in spec.names}
    groups = dict(spec.groups)
    grouped = {name for names in groups.values() for name in names}
    for name in spec.test:
        if name in records and name not in grouped and records[name].group:
            groups[records[name].group] = (*groups.get(records[name].group, ()), name)
    first_frame = [
        name
        for name, record in records.items()
        if isinstance(record, Perturbation) and record.against_first and name not in spec.against_first
    ]
    return replace(
        spec,
        short_names={name: record.short_name for name, record in records.items()} | dict(spec.short_names),
        groups=groups,
        against_first=(*spec.against_first, *first_frame),
    )


def _records(spec: SuiteSpec) -> Mapping[str, Corruption | Perturbation]:
    return PERTURBATIONS if spec.kind == "perturbation" else CORRUPTIONS
