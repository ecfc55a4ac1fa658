"""Whether the difference between two runs, or two methods, is real, from the predictions that were kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, TypeAlias, cast

from robustbench_lite.errors import InvalidInput
from robustbench_lite.evaluation.compare_methods import compare_methods
from robustbench_lite.evaluation.influence import Headline
from robustbench_lite.evaluation.paired_tests import Pair, holm, judged
from robustbench_lite.evaluation.run_scores import obstacles, read_run
from robustbench_lite.report.tables.comparison import Comparison
from robustbench_lite.results import Results

AnyRun: TypeAlias = str | Path | Results

FEW_IMAGES: Final = 200


def compare(
    first: AnyRun | Sequence[AnyRun],
    second: AnyRun | Sequence[AnyRun],
    *,
    bootstrap: int = 4000,
    seed: int = 0,
) -> Comparison:
    """Compare two models, or two training methods, on one suite.

    Two models are compared image by image on the same images. Two methods are compared over several trainings
    of each: their variance counts as well, because other seeds would give other models.

    Args:
        first: run folder of A, or its results, as `evaluate` returns them or `Results.load` reads them; a
            sequence of them are trainings of method A.
        second: the same of B.
        bootstrap: replicates of the bootstrap over images, and of the swaps that p-values come from.
        seed: seed of both.

    Raises:
        InvalidInput: results that no folder keeps; runs that can't be compared, because their suites,
            protocols, data, cells or images differ; one training for a claim about methods.
        DataError: a folder holds no finished run with its predictions.
    """
    if bootstrap < 1000:
        raise InvalidInput(
            f"`bootstrap={bootstrap}` is too small: p-values near 5 % need at least 1000 replicates"
        )
    if _several(first) or _several(second):
        return compare_methods(_trainings(first), _trainings(second))
    runs = [one if isinstance(one, Results) else Results.load(cast(str, one)) for one in (first, second)]
    reasons = obstacles(*runs)
    if reasons:
        raise InvalidInput("these runs can't be compared: " + "; ".join(reasons))
    a, b = (read_run(run, means=not runs[0].missing) for run in runs)
    rows = _pairs(a.rows, b.rows)
    differences = judged([*rows, *_pairs(a.headlines, b.headlines)], a.populations, bootstrap, seed)
    return Comparison(
        suite=runs[0].suite,
        first=runs[0].model,
        second=runs[1].model,
        score=a.row_score,
        by_name=holm(differences[: len(rows)]),
        headlines=holm(differences[len(rows) :]),
        notes=_notes(runs[0], bootstrap, seed),
        title=runs[0].spec.title,
        shown=runs[0].shown,
    )


def _several(runs: AnyRun | Sequence[AnyRun]) -> bool:
    return isinstance(runs, Sequence) and not isinstance(runs, str)


def _trainings(runs: AnyRun | Sequence[AnyRun]) -> Sequence[AnyRun]:
    return cast("Sequence[AnyRun]", runs) if _several(runs) else [cast("AnyRun", runs)]


def _pairs(first: Mapping[str, Headline], second: Mapping[str, Headline]) -> list[Pair]:
    """The scores that both have."""
    both = [name for name in first if name in second]
    return [Pair(name, first[name], second[name]) for name in both]


def _notes(run: Results, replicates: int, seed: int) -> tuple[str, ...]:
    notes = ["B - A: negative where B is better. All scores are better when lower."]
    if run.estimate is not None:
        notes.append(
            f"Both runs are estimates from the same {run.estimate['images']} of {run.estimate['of']} images "
            "of each cell; intervals and p-values are for the difference over all images of these files, and "
            "leave out how other images would differ, which a comparison of full runs counts."
        )
    else:
        notes.append(
            f"Intervals: paired bootstrap over images, an image's copies together; {replicates} replicates, "
            f"seed {seed}. p: the models' outcomes swapped image by image, exact for a single cell's errors; "
            "where it is 0.05 or more before adjustment the interval reaches to 0. Calibration errors "
            "linearised. The p-values of the headline scores are Holm-adjusted together."
        )
    fewest = min(cell.n for cell in run.cells)
    if fewest < FEW_IMAGES:
        notes.append(f"With {fewest} images the intervals are rough.")
    return tuple(notes)
