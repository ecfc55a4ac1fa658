"""The record of a suite: every fact that a score, a table or a report needs of it. No torch."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Final, Literal

from robustbench_lite.errors import InvalidInput, UnknownName

Kind = Literal["clean", "corruption", "perturbation"]
Dataset = Literal["cifar10", "cifar100", "imagenet", "tiny-imagenet", "custom"]

_PAPER_SEVERITIES: Final = (1, 2, 3, 4, 5)

OWN: Final = "custom"
"""The data set of a user's own images."""


@dataclass(frozen=True)
class Baseline:
    """The model by whose errors, or flip probabilities, a suite's scores are divided.

    Attributes:
        name: The model's name, for example "AlexNet".
        values: Corruption -> its errors at severities 1, 2, ..., or their mean alone; perturbation -> its
            flip probability at difficulty 1. Fractions above 0.
        clean_error: The model's error on the clean set, for the relative mCE; None where it is not known.
        source: Where the values come from.
        published_for: The data set whose mCE or mFR the papers divide by these values; "" for a model of your
            own.

    Raises:
        InvalidInput: no values, or one that is no fraction above 0.
    """

    name: str
    values: Mapping[str, tuple[float, ...]]
    clean_error: float | None = None
    source: str = ""
    published_for: str = ""

    def __post_init__(self) -> None:
        if not self.values:
            raise InvalidInput(f"the baseline {self.name!r} has no values")
        values = {name: _numbers(given) for name, given in self.values.items()}
        for name, numbers in values.items():
            if not numbers or not all(0 < number <= 1 for number in numbers):
                raise InvalidInput(
                    f"the baseline {self.name!r} needs fractions above 0 and up to 1 for {name}, got "
                    f"{self.values[name]}: scores are divided by them"
                )
        if self.clean_error is not None and not 0 <= self.clean_error < 1:
            raise InvalidInput(
                f"the clean error of the baseline {self.name!r} must be a fraction from 0 to below 1, got "
                f"{self.clean_error}"
            )
        object.__setattr__(self, "values", values)

    def mean(self, name: str) -> float | None:
        """The mean value of a corruption or perturbation; None where the baseline lacks it."""
        values = self.values.get(name)
        return None if values is None else sum(values) / len(values)

    def total(self, name: str, severities: int) -> float:
        """The sum of a corruption's errors over the severities."""
        values = self.values[name]
        return sum(values) if len(values) == severities else sum(values) / len(values) * severities


@dataclass(frozen=True)
class SuiteMean:
    """The mean that heads a suite's table.

    Attributes:
        key: Its name in `Results.summary`.
        heading: Its name in tables.
        definition: What it is, in words.
    """

    key: str
    heading: str
    definition: str


@dataclass(frozen=True)
class SuiteSpec:
    """One suite: what it holds, how its scores are grouped and normalised, what its mean is called.

    Attributes:
        name: The name on the command line, for example "imagenet-c".
        title: The name in the papers, which is also the name of the official folder.
        kind: "clean", "corruption" or "perturbation".
        dataset: The data set whose classes and class order the suite has.
        classes: The number of classes.
        image_size: The side of the images in pixels.
        images: The images (or sequences) per cell in the official release; those at hand for a user's own.
        test: The names in the mean, in the order of the tables.
        validation: The names for tuning; they never enter a mean.
        severities: Severities 1 to 5; for perturbations the difficulties 1 to 3, of which 1 is the default.
        clean: The name of the suite with the matching clean images; None where there is none.
        groups: Heading -> the test names below it.
        short_names: Name -> heading of its column; a name without one is its own heading.
        baseline: What scores are divided by; None where the mean is over plain errors or flip probabilities.
        published_tests: The lists of test names whose mean the papers call mCE, mFR or mFP.
        test_lists: Name -> a list of test names to choose from; empty where there is one list.
        test_list: Which of `test_lists` is in use.
        against_first: The perturbations whose frames are compared with frame 0, not with their neighbours.
    """

    name: str
    title: str
    kind: Kind
    dataset: Dataset
    classes: int
    image_size: int
    images: int
    test: tuple[str, ...]
    validation: tuple[str, ...]
    severities: tuple[int, ...]
    clean: str | None
    groups: Mapping[str, tuple[str, ...]]
    short_names: Mapping[str, str] = field(default_factory=dict)
    baseline: Baseline | None = None
    published_tests: tuple[tuple[str, ...], ...] = ()
    test_lists: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    test_list: str = ""
    against_first: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.baseline is None or self.kind == "clean":
            return
        lacking = [name for name in self.test if name not in self.baseline.values]
        if lacking:
            raise InvalidInput(
                f"the baseline {self.baseline.name!r} of the suite {self.name!r} lacks {', '.join(lacking)}"
            )
        if self.kind == "corruption":
            self._check_errors(self.baseline)

    def _check_errors(self, baseline: Baseline) -> None:
        for name in self.test:
            mean = baseline.mean(name)
            if mean is not None and baseline.clean_error is not None and mean <= baseline.clean_error:
                raise InvalidInput(
                    f"the baseline {baseline.name!r} errs no more on {name} ({mean:g}) than on clean images "
                    f"({baseline.clean_error:g}), so no relative error can be divided by the difference; "
                    "leave its clean error out (in a CSV file, the row clean)"
                )
            given = len(baseline.values[name])
            if given not in (1, len(self.severities)):
                raise InvalidInput(
                    f"the baseline {baseline.name!r} has {given} errors for {name}, but {self.name!r} has "
                    f"{len(self.severities)} severities; give one error for each, or their mean alone"
                )

    @property
    def names(self) -> tuple[str, ...]:
        """Test names, then validation names."""
        return self.test + self.validation

    @property
    def default_severities(self) -> tuple[int, ...]:
        """All severities of corruptions; difficulty 1 of perturbations, as the papers report."""
        return self.severities[:1] if self.kind == "perturbation" else self.severities

    @property
    def own(self) -> bool:
        """Whether the images are a user's own, so that there is no official number of them."""
        return self.dataset == OWN

    @property
    def published(self) -> bool:
        """Whether the papers have a name for the mean over these test names and severities."""
        complete = self.kind != "corruption" or self.severities == _PAPER_SEVERITIES
        return self.test in self.published_tests and complete

    @property
    def published_baseline(self) -> bool:
        """Whether the papers divide the mean over this suite by its baseline."""
        published_for = self.baseline.published_for if self.baseline is not None else ""
        return self.published and published_for == self.dataset

    @property
    def cell_score(self) -> str:
        """The score of a cell that tables show: "error" or "flip_probability"."""
        return "flip_probability" if self.kind == "perturbation" else "error"

    @property
    def mean(self) -> SuiteMean:
        """The mean over the test names.

        It is called mCE, mFR or mFP only where the list, and the baseline, are the papers'.
        """
        if self.kind == "perturbation":
            return self._flip_mean()
        if self.baseline is None:
            count = f"{len(self.test)} test corruptions x {len(self.severities)} severities"
            return SuiteMean("mean_error", "Mean", f"unnormalised mean over {count}")
        name = self.baseline.name
        ratio = f"{name}-normalised: ratio of sums over severities, mean of {len(self.test)}"
        if self.published_baseline:
            return SuiteMean("mce", "mCE", f"{ratio}; the authors' {name} errors")
        return SuiteMean("baseline_mce", f"Mean CE ({name})", f"{ratio} corruptions")

    def _flip_mean(self) -> SuiteMean:
        which = self.list_words
        if self.baseline is None:
            key, heading = ("mfp", "mFP") if self.published else ("mean_flip_probability", "Mean FP")
            return SuiteMean(key, heading, f"mean flip probability over {which}")
        if self.published_baseline:
            key, heading = "mfr", "mFR"
        else:
            key, heading = "mean_flip_rate", f"Mean FR ({self.baseline.name})"
        return SuiteMean(key, heading, f"flip probability over {self.baseline.name}'s, mean of {which}")

    @property
    def list_words(self) -> str:
        """The test list in words: "the ten perturbations with snow", or "3 perturbations"."""
        if self.test_list and self.published:
            return f"the ten perturbations with {self.test_list}"
        return f"{len(self.test)} {self.kind}s"

    def heading(self, name: str) -> str:
        """The heading of a corruption's or perturbation's column."""
        return self.short_names.get(name) or name.replace("_", " ").capitalize()

    def test_groups(self) -> dict[str, tuple[str, ...]]:
        """Group -> its test names, in the order of the groups; names of no group come last, under ""."""
        groups = {
            group: tuple(name for name in names if name in self.test) for group, names in self.groups.items()
        }
        grouped = {name for names in groups.values() for name in names}
        rest = tuple(name for name in self.test if name not in grouped)
        return {group: names for group, names in {**groups, "": rest}.items() if names}

    def with_test_list(self, name: str) -> SuiteSpec:
        """The same suite with one of its `test_lists` as test names; the other names become validation names.

        Raises:
            UnknownName: the suite has no such list.
        InvalidInput: the suite has test names of its own.
        """
        if name == self.test_list:
            return self
        if name not in self.test_lists:
            raise UnknownName(f"list of test names of {self.name}", name, self.test_lists)
        if self.test != self.test_lists.get(self.test_list):
            raise InvalidInput(
                f"the suite {self.name!r} has test names of its own, so it has no list {name!r}"
            )
        test = self.test_lists[name]
        added = [one for one in test if one not in self.test]
        removed = [one for one in self.test if one not in test]
        swaps = dict(zip(removed, added, strict=True))
        groups = {group: tuple(swaps.get(one, one) for one in names) for group, names in self.groups.items()}
        validation = tuple(dict.fromkeys(one for one in (*removed, *self.validation) if one not in test))
        return replace(self, test=test, validation=validation, groups=groups, test_list=name)

    def to_dict(self) -> dict[str, Any]:
        """The record as plain data for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> SuiteSpec:
        """Inverse of `to_dict`, after JSON has turned tuples into lists."""
        fields = {name: _tuples(value) for name, value in record.items()}
        if fields.get("baseline") is not None:
            fields["baseline"] = Baseline(**fields["baseline"])
        return cls(**fields)


def _numbers(values: float | Iterable[float]) -> tuple[float, ...]:
    """One number, or several, as a tuple of floats."""
    return tuple(map(float, values)) if isinstance(values, Iterable) else (float(values),)


def _tuples(value: Any) -> Any:
    """Lists as tuples, also inside mappings and tuples."""
    if isinstance(value, Mapping):
        return {key: _tuples(one) for key, one in value.items()}
    return tuple(map(_tuples, value)) if isinstance(value, list | tuple) else value
