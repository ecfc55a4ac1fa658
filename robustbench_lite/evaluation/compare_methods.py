"""Is one method better than another? Judged over several trainings of each, on the same images."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from scipy.stats import t as student

from robustbench_lite.errors import InvalidInput
from robustbench_lite.evaluation.influence import Headline
from robustbench_lite.evaluation.paired_tests import holm
from robustbench_lite.evaluation.run_scores import RunScores, obstacles, read_run
from robustbench_lite.report.tables.comparison import Comparison, ScoreDifference
from robustbench_lite.results import Results

_Array = np.ndarray[Any, Any]

FEWEST_TRAININGS: Final = 2


def compare_methods(
    first: Sequence[str | Path | Results],
    second: Sequence[str | Path | Results],
    *,
    names: tuple[str | None, str | None] = (None, None),
) -> Comparison:
    """Compare two training methods on one suite, from several trained models of each.

    A training's result varies with its seed, and every result varies with the test images. The variance of a
    difference is the sum of both: the variance between the trainings of each method over their number, and
    the variance over images of the methods' mean difference. Intervals and p-values are those of Student's t
    with the degrees of freedom of Welch and Satterthwaite.

    Args:
        first: run folders, or results, of two trainings or more by method A.
        second: the same of method B.
        names: what the methods are called; by default the names of their first models.

    Raises:
        InvalidInput: fewer than two trainings of a method, one model that stands for two trainings, or runs
            that can't be compared.
        DataError: a folder that holds no finished run with its predictions.

    Source: Welch 1947; Satterthwaite 1946; models and images as crossed random factors as in Bouthillier et
        al. 2021, "Accounting for variance in machine learning benchmarks".
    """
    for letter, runs in (("A", first), ("B", second)):
        if len(runs) < FEWEST_TRAININGS:
            raise InvalidInput(
                f"method {letter} has {len(runs)} training, which does not show how much trainings differ; "
                "give two or more of each method, or compare two models"
            )
    groups = [[read_run(run) for run in runs] for runs in (first, second)]
    everyone = [run for group in groups for run in group]
    _check_alike(everyone)
    rows = _judged_together([[run.rows for run in group] for group in groups])
    headlines = _judged_together([[run.headlines for run in group] for group in groups])
    lead = everyone[0].results
    return Comparison(
        suite=lead.suite,
        first=names[0] or groups[0][0].results.model,
        second=names[1] or groups[1][0].results.model,
        score=everyone[0].row_score,
        by_name=rows,
        headlines=headlines,
        notes=_notes([len(group) for group in groups]),
        title=lead.spec.title,
        shown=lead.shown,
    )


def _check_alike(runs: Sequence[RunScores]) -> None:
    for run in runs[1:]:
        if reasons := obstacles(runs[0].results, run.results):
            names = f"{runs[0].results.model} and {run.results.model}"
            raise InvalidInput(f"the runs of {names} can't be compared: {'; '.join(reasons)}")
    models = [run.results.provenance.get("model", {}).get("sha256") for run in runs]
    known = [model for model in models if model is not None]
    if len(set(known)) < len(known):
        raise InvalidInput("two of the runs are of the same model file, so they are not two trainings")


def _judged_together(methods: Sequence[Sequence[Mapping[str, Headline]]]) -> tuple[ScoreDifference, ...]:
    """The differences of the scores that every run of the two methods has, in their order."""
    everyone = [scores for method in methods for scores in method]
    shared = [name for name in everyone[0] if all(name in scores for scores in everyone)]
    return holm(
        [judged_methods(name, *([one[name] for one in method] for method in methods)) for name in shared]
    )


def judged_methods(name: str, first: Sequence[Headline], second: Sequence[Headline]) -> ScoreDifference:
    """The difference of a score between two methods, with a 95 % interval and a p-value that is not adjusted.

    Args:
        name: The score.
        first: The score of each training of method A.
        second: The same of method B.
    """
    mean_first, mean_second = (float(np.mean([one.value for one in group])) for group in (first, second))
    difference = mean_second - mean_first
    parts = [(_between(group) / len(group), len(group) - 1.0) for group in (first, second)]
    parts.append(_over_images(first, second))
    variance = sum(part for part, _ in parts)
    if variance == 0:
        equal = difference == 0
        p = 1.0 if equal else 0.0
        return ScoreDifference(name, mean_first, mean_second, difference, difference, p)
    freedom = variance**2 / sum(part**2 / degrees for part, degrees in parts if part > 0)
    error = math.sqrt(variance)
    half = float(student.ppf(0.975, freedom)) * error
    p = float(2 * student.sf(abs(difference) / error, freedom))
    return ScoreDifference(name, mean_first, mean_second, difference - half, difference + half, p)


def _between(group: Sequence[Headline]) -> float:
    return float(np.var([one.value for one in group], ddof=1))


def _over_images(first: Sequence[Headline], second: Sequence[Headline]) -> tuple[float, float]:
    """The variance of the difference over images, and its degrees of freedom."""
    if any(one.interval is not None for one in (*first, *second)):
        halves = [(one.interval[1] - one.interval[0]) / 3.92 for one in (*first, *second) if one.interval]
        images = min(len(values) for one in first for values in one.influence.values())
        return float(np.mean(np.square(halves))), images - 1.0
    variance, fewest = 0.0, math.inf
    for group in first[0].influence:
        of_first, of_second = (
            np.mean([one.influence[group] for one in runs], axis=0) for runs in (first, second)
        )
        values: _Array = of_second - of_first
        variance += float(values @ values) / len(values) ** 2
        fewest = min(fewest, len(values))
    return variance, fewest - 1.0


def _notes(trainings: Sequence[int]) -> tuple[str, ...]:
    return (
        "B - A: negative where B is better. All scores are better when lower.",
        f"Means over {trainings[0]} trainings of A and {trainings[1]} of B. Intervals and p-values count the "
        "variance between trainings and the variance over images (Welch's t). The p-values of the rows, and "
        "those of the headline scores, are Holm-adjusted.",
    )
