"""Corruptions and perturbations that a suite does not list, and that a user names for one run."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from robustbench_lite.corruptions import CORRUPTIONS, PERTURBATIONS
from robustbench_lite.suites import SuiteSpec


def with_own(spec: SuiteSpec, names: Iterable[str] | None) -> SuiteSpec:
    """The suite with those of the names that it does not list, outside its mean.

    Any corruption can be generated, whichever suite it is named for. It counts as a validation corruption, so
    that it never enters a mean. Names that no table has are left for `select_cells` to refuse.

    Args:
        spec: a -C or -P suite whose images are generated.
        names: the names that the user gave; None for the suite's own.
    """
    table = PERTURBATIONS if spec.kind == "perturbation" else CORRUPTIONS
    own = tuple(name for name in dict.fromkeys(names or ()) if name in table and name not in spec.names)
    return replace(spec, validation=(*spec.validation, *own)) if own else spec
