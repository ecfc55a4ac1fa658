"""The papers' table layouts: which columns, under which headings, rounded how."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from robustbench_lite.reference.names import (
    CORRUPTION_GROUPS,
    PERTURBATION_GROUPS,
    PERTURBATION_LISTS,
    VALIDATION_CORRUPTIONS,
    VALIDATION_PERTURBATIONS,
)
from robustbench_lite.reference.names import SHORT_NAMES as SHORT_NAMES

SUITE_TITLES: Final[Mapping[str, str]] = {
    "cifar10": "CIFAR-10",
    "cifar100": "CIFAR-100",
    "imagenet": "ImageNet",
    "tiny-imagenet": "Tiny-ImageNet",
}


@dataclass(frozen=True)
class TableLayout:
    """How the scores of a suite are laid out.

    Attributes:
        title: line above the table.
        groups: heading -> corruptions or perturbations in the mean, in order.
        extra: names that never enter the mean.
        mean: heading of the mean.
        mean_key: its name in `Results.summary`.
        digits: decimals of the columns (the mean and the clean error have one).
        note: the definition, in a sentence.
    """

    title: str
    groups: Mapping[str, tuple[str, ...]]
    extra: tuple[str, ...]
    mean: str
    mean_key: str
    digits: int
    note: str

    @property
    def names(self) -> tuple[str, ...]:
        """What enters the mean, in order."""
        return tuple(name for group in self.groups.values() for name in group)


def suite_title(suite: str) -> str:
    """The papers' name of a suite: "CIFAR-10-C" for "cifar10-c"."""
    if suite in SUITE_TITLES:
        return SUITE_TITLES[suite]
    dataset, _, kind = suite.rpartition("-")
    return f"{SUITE_TITLES.get(dataset, dataset)}-{kind.upper()}" if dataset else suite


def suite_layout(suite: str, perturbation_list: str = "snow") -> TableLayout:
    """Return the layout of a -C or -P suite: AugMix's Table 2 for ImageNet-C, its Table 3 for ImageNet-P.

    Args:
        suite: name, for example "cifar10-c".
        perturbation_list: "snow" or "spatter", the ten perturbations in the mean.
    """
    title = suite_title(suite)
    if suite.endswith("-p"):
        return _perturbations(suite, title, perturbation_list)
    groups = {heading.capitalize(): names for heading, names in CORRUPTION_GROUPS.items()}
    if suite == "imagenet-c":
        return TableLayout(
            title=f"{title}: corruption error (CE), %",
            groups=groups,
            extra=VALIDATION_CORRUPTIONS,
            mean="mCE",
            mean_key="mce",
            digits=0,
            note="CE: sum of the errors over five severities, divided by AlexNet's (Hendrycks & Dietterich "
            "2019; AlexNet = 100); mCE: mean of the 15. Rounded as in AugMix, Table 2.",
        )
    return TableLayout(
        title=f"{title}: error, %",
        groups=groups,
        extra=VALIDATION_CORRUPTIONS,
        mean="Mean",
        mean_key="mean_error",
        digits=1,
        note="Error: mean over five severities, not normalised by a baseline; mean of the 15 as in AugMix, "
        "Table 1.",
    )


def _perturbations(suite: str, title: str, chosen: str) -> TableLayout:
    ten = PERTURBATION_LISTS[chosen]
    swapped = {"snow": "spatter"} if chosen == "spatter" else {}
    groups = {
        heading.capitalize(): tuple(swapped.get(name, name) for name in names)
        for heading, names in PERTURBATION_GROUPS.items()
    }
    every = dict.fromkeys((*PERTURBATION_LISTS["snow"], *VALIDATION_PERTURBATIONS))
    extra = tuple(name for name in every if name not in ten)
    which = f"mean of the ten with {chosen}" + (
        " (the papers' list)." if chosen == "snow" else " (the official CIFAR-P script's list)."
    )
    if suite == "imagenet-p":
        return TableLayout(
            title=f"{title}: flip rate (FR), %",
            groups=groups,
            extra=extra,
            mean="mFR",
            mean_key="mfr",
            digits=0,
            note=f"FR: flip probability divided by AlexNet's (AlexNet = 100); mFR: {which} Rounded as in "
            "AugMix, Table 3.",
        )
    return TableLayout(
        title=f"{title}: flip probability (FP), %",
        groups=groups,
        extra=extra,
        mean="mFP",
        mean_key="mfp",
        digits=1,
        note=f"FP: frame pairs whose predictions differ, not normalised; mFP: {which}",
    )
