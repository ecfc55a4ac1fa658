"""Two runs against each other: differences with intervals, and what they are evidence for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from robustbench_lite.report.tables.layout import suite_title
from robustbench_lite.report.tables.results_table import Report
from robustbench_lite.report.tables.table import Column, Row, Table

LEVEL: Final = 0.05

_TITLES: Final = {
    "error": "error",
    "flip_probability": "flip probability",
    "mce": "mCE",
    "relative_mce": "Relative mCE",
    "mfr": "mFR",
    "mfp": "mFP",
    "mt5d": "Top-5 distance",
    "mean_error": "Mean error",
    "selected_mean_error": "Error of the selection",
    "clean_error": "Clean error",
    "top5_error": "Top-5 error",
    "rms_calibration_error": "RMS calibration error",
    "expected_calibration_error": "ECE",
    "brier_score": "Brier (0 to 2)",
    "top_label_brier_score": "Brier, top label",
    "nll": "NLL",
}
_PLAIN: Final = ("brier_score", "top_label_brier_score", "nll", "mt5d")


@dataclass(frozen=True)
class ScoreDifference:
    """A score of two models on the same images; all scores are better when lower.

    Attributes:
        name: corruption or perturbation, or the headline score's name in `Results.summary`.
        first: value of run A.
        second: value of run B.
        low: lower end of the 95 % interval of second - first.
        high: upper end.
        p: two-sided p-value of no difference; Holm-adjusted where several rows are judged together.
    """

    name: str
    first: float
    second: float
    low: float
    high: float
    p: float

    @property
    def difference(self) -> float:
        """B minus A: negative where B is better."""
        return self.second - self.first

    @property
    def verdict(self) -> str:
        """What the difference is evidence for, at 5 %: B is "better", "worse", or "no evidence"."""
        if self.p >= LEVEL or self.difference == 0:
            return "no evidence"
        return "better" if self.difference < 0 else "worse"


@dataclass(frozen=True)
class Comparison:
    """Run B against run A.

    Attributes:
        suite: name.
        first: name of run A's model.
        second: name of run B's.
        score: what the rows by name show: "error", "flip_probability", or with a baseline "CE" or "FR".
        by_name: corruptions or perturbations, whose p-values are Holm-adjusted together.
        headlines: scores of the whole suite, each judged alone.
        notes: how intervals come about, and what to beware of.
    """

    suite: str
    first: str
    second: str
    score: str
    by_name: tuple[ScoreDifference, ...]
    headlines: tuple[ScoreDifference, ...]
    notes: tuple[str, ...]

    def report(self) -> Report:
        """As tables; the names of CSV columns are those of `ScoreDifference`."""
        title = f"{suite_title(self.suite)}: B ({self.second}) against A ({self.first})"
        many = (
            f"{len(self.by_name)} rows are judged together: p-values are Holm-adjusted, so that with no "
            "difference anywhere the chance of any verdict is 5 %; intervals are of each row alone."
        )
        # The suite's own scores before those of the clean images, which have nothing to do with robustness.
        ordered = sorted(self.headlines, key=lambda one: one.name.startswith("clean_"))
        shares = [one for one in ordered if not _is_plain(one.name)]
        others = [one for one in ordered if _is_plain(one.name)]
        tables = [
            _table(f"{title}, {_TITLES.get(self.score, self.score)} %", "Name", self.by_name, (many,)),
            _table("Headline scores, %", "Score", shares),
            _table("Headline scores", "Score", others),
        ]
        *before, last = [table for table in tables if table.rows]
        return Report((*before, replace(last, notes=(*last.notes, *self.notes))))


def _is_plain(name: str) -> bool:
    """Whether a score is printed as it is, not as a percentage."""
    bare = name.removeprefix("clean_").removeprefix("selected_")
    return bare.partition("_difficulty")[0] in _PLAIN


def score_title(name: str) -> str:
    """A headline score in words."""
    if name in _TITLES:
        return _TITLES[name]
    bare = name.removeprefix("clean_").removeprefix("selected_")
    title = _TITLES.get(bare, bare.replace("_", " "))
    if name.startswith("clean_"):
        return f"Clean {title}"
    return f"{title}, selection" if name.startswith("selected_") else title


def _table(
    title: str, label: str, differences: Sequence[ScoreDifference], notes: Sequence[str] = ()
) -> Table:
    plain = any(_is_plain(one.name) for one in differences)
    digits, percent = (3, False) if plain else (1, True)
    columns = [
        Column("name", label),
        Column("key", "", hidden=True),
        Column("first", "A", digits=digits, percent=percent),
        Column("second", "B", digits=digits, percent=percent),
        Column("difference", "B - A [95 %]", "", digits, percent, interval=True, signed=True),
        Column("p", "p", digits=3, percent=False, least=0.001),
        Column("verdict", "B is"),
    ]
    rows = [
        Row(
            {
                "name": score_title(one.name) if label == "Score" else one.name,
                "key": one.name,
                "first": one.first,
                "second": one.second,
                "difference": one.difference,
                "p": one.p,
                "verdict": one.verdict,
            },
            {"difference": (one.low, one.high)},
        )
        for one in differences
    ]
    return Table(title, columns, rows, notes, ranked=False)
