"""The comparison of two runs: differences with intervals, and what they are evidence for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from robustbench_lite.report.tables.results_table import Report
from robustbench_lite.report.tables.table import Column, Row, Table
from robustbench_lite.scores import Presentation, presentation

LEVEL: Final = 0.05


@dataclass(frozen=True)
class ScoreDifference:
    """A score of two models on the same images; all scores are better when lower.

    Attributes:
        name: the corruption or perturbation, or the headline score's name in `Results.summary`.
        first: the value of run A.
        second: the value of run B.
        low: the lower end of the 95 % interval of second - first.
        high: the upper end.
        p: the two-sided p-value of no difference; Holm-adjusted where several rows are judged together.
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
    """The comparison of run B with run A.

    Attributes:
        suite: the suite's name.
        first: the name of run A's model.
        second: the name of run B's model.
        score: what the rows by name show: "error", "flip_probability", or with a baseline "CE" or "FR".
        by_name: corruptions or perturbations, whose p-values are Holm-adjusted together.
        headlines: scores of the whole suite, whose p-values are Holm-adjusted together.
        notes: sentences about the intervals and their limits.
        title: the suite's title; its name where empty.
        shown: how the scores of a plugin are printed, by their names.
    """

    suite: str
    first: str
    second: str
    score: str
    by_name: tuple[ScoreDifference, ...]
    headlines: tuple[ScoreDifference, ...]
    notes: tuple[str, ...]
    title: str = ""
    shown: Mapping[str, Presentation] = field(default_factory=dict)

    def report(self) -> Report:
        """Return the comparison as tables; the names of CSV columns are those of `ScoreDifference`."""
        title = f"{self.title or self.suite}: B ({self.second}) against A ({self.first})"
        score = self.score if self.score in ("CE", "FR") else presentation(self.score).title.lower()
        many = [
            f"{len(self.by_name)} rows are judged together: p-values are Holm-adjusted. Without any "
            "difference, the chance of one verdict or more is 5 %. Each interval is of its row alone."
        ]
        holm = many if len(self.by_name) > 1 else []
        # The scores of the suite come before those of the clean images, which do not measure robustness.
        ordered = sorted(self.headlines, key=lambda row: row.name.startswith("clean_"))
        headings = {row.name: presentation(row.name, self.shown) for row in ordered}
        titles = {name: shown.title for name, shown in headings.items()}
        percentages = [row for row in ordered if headings[row.name].percent]
        others = [row for row in ordered if not headings[row.name].percent]
        tables = [
            _table(f"{title}, {score} %", Column("name", "Name"), self.by_name, {}, holm),
            _table("Headline scores, %", Column("name", "Score"), percentages, titles),
            _table("Headline scores", Column("name", "Score"), others, titles, percent=False),
        ]
        *before, last = [table for table in tables if table.rows]
        return Report((*before, replace(last, notes=(*last.notes, *self.notes))))


def _table(
    title: str,
    label: Column,
    differences: Sequence[ScoreDifference],
    titles: Mapping[str, str],
    notes: Sequence[str] = (),
    *,
    percent: bool = True,
) -> Table:
    digits = 1 if percent else 3
    columns = [
        label,
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
                "name": titles.get(row.name, row.name),
                "key": row.name,
                "first": row.first,
                "second": row.second,
                "difference": row.difference,
                "p": row.p,
                "verdict": row.verdict,
            },
            {"difference": (row.low, row.high)},
        )
        for row in differences
    ]
    return Table(title, columns, rows, notes, ranked=False)
