"""The layout of a suite's table: its columns, their headings and decimals, and the definition below it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from robustbench_lite.report.tables.rows import ReportRow
from robustbench_lite.suite_spec import SuiteSpec

_IN_WORDS: Final = {5: "five", 10: "ten"}
_LISTS: Final = {"snow": "the papers' list", "spatter": "the official CIFAR-P script's list"}
"""List of ten perturbations -> who uses it."""


@dataclass(frozen=True)
class TableLayout:
    """How the scores of a suite are laid out.

    Attributes:
        spec: the suite, which has the headings of the columns and of the mean.
        title: the line above the table.
        groups: heading -> names in the mean, in order.
        extra: names outside the mean.
        digits: decimals of the columns; the mean and the clean error have one.
        note: the definition of the columns, in a sentence.
        mean_note: the definition of the mean, in a sentence.
    """

    spec: SuiteSpec
    title: str
    groups: Mapping[str, tuple[str, ...]]
    extra: tuple[str, ...]
    digits: int
    note: str
    mean_note: str

    @property
    def names(self) -> tuple[str, ...]:
        """The names in the mean, in order."""
        return tuple(name for group in self.groups.values() for name in group)


def suite_layout(spec: SuiteSpec, rows: Sequence[ReportRow] = ()) -> TableLayout:
    """Return the layout of a suite: AugMix's Table 2 for ImageNet-C, its Table 3 for ImageNet-P.

    Args:
        spec: the suite.
        rows: the rows of the table; values on names that the suite does not list stand outside the mean.
    """
    values = dict.fromkeys(name for row in rows for name in row.values)
    others = [name for name in values if name not in spec.names]
    title, note, mean_note = _TEXTS[spec.kind](spec)
    digits = 1 if spec.baseline is None else 0
    extra = (*spec.validation, *others)
    return TableLayout(spec, title, name_groups(spec), extra, digits, note, mean_note)


def name_groups(spec: SuiteSpec) -> dict[str, tuple[str, ...]]:
    """Return heading -> names in the mean, in the suite's groups; names without a group come last."""
    groups = spec.test_groups()
    rest = "Other" if len(groups) > 1 else f"{spec.kind.capitalize()}s"
    return {group.capitalize() or rest: names for group, names in groups.items()}


def _corruption_texts(spec: SuiteSpec) -> tuple[str, str, str]:
    """Return the line above the table, the definition of its columns, and that of its mean."""
    severities = _count(len(spec.severities), "severities", "severity")
    corruptions = _count(len(spec.test), "corruptions", "corruption")
    mean = f"{spec.mean.heading}: mean of {f'the {len(spec.test)}' if spec.published else corruptions}"
    if spec.baseline is None:
        source = " as in AugMix, Table 1" if spec.published else ""
        note = f"Error: mean over {severities}, not normalised by a baseline."
        return f"{spec.title}: error, %", note, f"{mean}{source}."
    name, source = spec.baseline.name, spec.baseline.source
    cited = f"{source}; {name} = 100" if source else f"{name} = 100"
    note = f"CE: sum of the errors over {severities}, divided by {name}'s ({cited})."
    rounded = " Rounded as in AugMix, Table 2." if spec.published_baseline else ""
    return f"{spec.title}: corruption error (CE), %", note, f"{mean}.{rounded}"


def _perturbation_texts(spec: SuiteSpec) -> tuple[str, str, str]:
    """Return the line above the table, the definition of its columns, and that of its mean."""
    names = _count(len(spec.test), "perturbations", "perturbation")
    if spec.published and spec.test_list in _LISTS:
        names = f"the ten with {spec.test_list} ({_LISTS[spec.test_list]})"
    mean = f"{spec.mean.heading}: mean of {names}."
    if spec.baseline is None:
        note = "FP: frame pairs whose predictions differ, not normalised."
        return f"{spec.title}: flip probability (FP), %", note, mean
    name = spec.baseline.name
    rounded = " Rounded as in AugMix, Table 3." if spec.published_baseline else ""
    note = f"FR: flip probability divided by {name}'s ({name} = 100)."
    return f"{spec.title}: flip rate (FR), %", note, mean + rounded


def _clean_texts(spec: SuiteSpec) -> tuple[str, str, str]:
    return spec.title, "", ""


_TEXTS: Final = {
    "corruption": _corruption_texts,
    "perturbation": _perturbation_texts,
    "clean": _clean_texts,
}


def _count(count: int, plural: str, singular: str) -> str:
    return f"{_IN_WORDS.get(count, count)} {singular if count == 1 else plural}"
