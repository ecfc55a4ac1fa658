"""Headline scores of a run and their intervals, from the per-example columns of its cells."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from robustbench_lite.evaluation.influence import Headline, clean_is_paired, own_group, weighted_mean
from robustbench_lite.evaluation.intervals import FEW_EVENTS, bootstrap_intervals, sampling_interval
from robustbench_lite.evaluation.settings import EvaluationSettings
from robustbench_lite.evaluation.store import Columns
from robustbench_lite.results import CellResult
from robustbench_lite.scores import CLEAN_PREFIX, DIFFICULTY, ESTIMATED, SCORES, SELECTED
from robustbench_lite.suite_spec import Baseline, SuiteSpec
from robustbench_lite.suites import CLEAN, Cell

_BIASED = "a calibration error contains its bins' sampling noise, about 4 % for a perfectly calibrated model"

RELATIVE_KEYS = {"mce": "relative_mce", "baseline_mce": "baseline_relative_mce"}
"""The normalised mean -> its relative form."""

FLIP_MEAN = "mean_flip_probability"


@dataclass(frozen=True)
class Summary:
    """Headline scores, their 95 % intervals, and the definitions chosen for them."""

    scores: dict[str, float]
    intervals: dict[str, tuple[float, float]]
    choices: dict[str, str]


@dataclass(frozen=True)
class Scores:
    """Cells that were scored.

    Attributes:
        spec: the spec of the suite.
        columns: per-example columns of every cell, the clean one under `CLEAN` where it was run.
        results: the scores of the same cells.
        sampled: each cell has a sample of images of its own, so that only means over images are scores.
    """

    spec: SuiteSpec
    columns: Mapping[Cell, Columns]
    results: Mapping[Cell, CellResult]
    sampled: bool = False

    @property
    def cells(self) -> list[Cell]:
        """All but the clean one."""
        return [cell for cell in self.columns if cell != CLEAN]

    def mean(self, weights: Mapping[Cell, float], score: str) -> Headline:
        """A weighted sum of one score over cells."""
        return weighted_mean(weights, self.columns, self.results, score, apart=self.sampled)

    def means(self, cells: Iterable[Cell]) -> dict[str, str]:
        """Scores whose mean over these cells is a headline -> that headline's name."""
        of_cells = [self.results[cell].scores for cell in cells]
        return {
            name: score.headline
            for name, score in SCORES.items()
            if score.headline is not None
            and (score.is_estimable or not self.sampled)
            and all(name in scores for scores in of_cells)
        }


def summarise(
    spec: SuiteSpec,
    columns: Mapping[Cell, Columns],
    results: Mapping[Cell, CellResult],
    settings: EvaluationSettings,
    *,
    means: bool = True,
    populations: Mapping[Cell, int] | None = None,
) -> Summary:
    """Work out what the suite's papers report.

    Args:
        spec: the suite.
        columns: per-example columns of every cell, the clean one under `CLEAN` where it was run.
        results: the scores of the same cells.
        settings: the perturbation list, and the bootstrap's replicates and seed.
        means: False leaves out every mean over cells (files are missing).
        populations: images that each cell has, where only a sample of them was evaluated.
    """
    scores = Scores(spec, columns, results, sampled=populations is not None)
    by_name, choices = headlines(scores, means=means)
    if populations is not None:
        return _estimated(by_name, choices, populations)
    choices["calibration"] = (
        "adaptive bins of 100 by confidence, every bin counted, the last takes the remainder; per cell, then "
        f"the mean over cells; {_BIASED}; its interval covers the mean of the estimator, not the true value"
    )
    choices["debiased_calibration"] = (
        "the bins' sampling noise subtracted (Kumar et al. 2019); RMS: the root of the mean square over "
        "cells; the interval covers the true value"
    )
    if any("_released" in name for name in by_name):
        choices["rms_calibration_error_released"] = (
            "the most confident bin left out, as in the loop that the authors released"
        )
    intervals = bootstrap_intervals(by_name, settings.bootstrap, settings.seed)
    if intervals:
        choices["intervals"] = (
            f"95 % bootstrap over images, an image's copies together: {settings.bootstrap} replicates, seed "
            f"{settings.seed}; exact binomial for scores that rest on fewer than {FEW_EVENTS} mistakes; "
            "calibration errors linearised"
        )
    return Summary({name: headline.value for name, headline in by_name.items()}, intervals, choices)


def headlines(scores: Scores, *, means: bool = True) -> tuple[dict[str, Headline], dict[str, str]]:
    """The headline scores by name, and the definitions chosen for them."""
    choices = {"mean": "severities and corruptions weigh the same; validation corruptions never enter"}
    by_name: dict[str, Headline] = {}
    if CLEAN in scores.columns:
        means_of_clean = scores.means([CLEAN])
        by_name = {CLEAN_PREFIX + name: scores.mean({CLEAN: 1.0}, name) for name in means_of_clean}
    if means and scores.cells:
        of_suite = _perturbations if scores.spec.kind == "perturbation" else _corruptions
        suite_headlines, suite_choices = of_suite(scores)
        by_name |= suite_headlines
        choices |= suite_choices
    choices["brier"] = (
        "brier_score sums over classes (0 to 2); top_label_brier_score is the paper's binary score"
    )
    return by_name, choices


def _estimated(
    by_name: Mapping[str, Headline], choices: dict[str, str], populations: Mapping[Cell, int]
) -> Summary:
    """Scores under names of their own, with intervals for the value over all images."""
    choices["calibration"] = (
        f"{_BIASED}, and the bias depends on the number of images: not estimated, but for the debiased errors"
    )
    choices["intervals"] = (
        "95 % for the score over all images: independent stratified samples of the cells, their variances "
        "added up and corrected for the finite number of images"
    )
    groups = {own_group(cell): images for cell, images in populations.items()}
    return Summary(
        {ESTIMATED + name: headline.value for name, headline in by_name.items()},
        {ESTIMATED + name: sampling_interval(headline, groups) for name, headline in by_name.items()},
        choices,
    )


def _corruptions(scores: Scores) -> tuple[dict[str, Headline], dict[str, str]]:
    spec, cells = scores.spec, scores.cells
    wanted = [Cell(name, severity) for name in spec.test for severity in spec.severities]
    if not set(wanted) <= set(cells):
        return _selection(scores)
    equal = dict.fromkeys(wanted, 1 / len(wanted))
    by_name = {title: scores.mean(equal, name) for name, title in scores.means(wanted).items()}
    choices = {"mean_error": replace(spec, baseline=None).mean.definition}
    if spec.baseline is None:
        return by_name, choices
    mean = spec.mean
    by_name[mean.key] = scores.mean(_normalised(spec, spec.baseline, 0.0), "error")
    choices[mean.key] = mean.definition
    if CLEAN not in scores.columns or spec.baseline.clean_error is None:
        return by_name, choices
    relative = RELATIVE_KEYS[mean.key]
    if not (scores.sampled or clean_is_paired(scores.columns)):
        choices[relative] = "left out: the clean images are not those of the corrupted cells"
        return by_name, choices
    weights = _normalised(spec, spec.baseline, spec.baseline.clean_error)
    corrupted, clean = scores.mean(weights, "error"), scores.mean({CLEAN: sum(weights.values())}, "error")
    weights[CLEAN] = -sum(weights.values())
    by_name[relative] = replace(scores.mean(weights, "error"), terms=(corrupted, clean))
    choices[relative] = (
        f"degradation over clean, divided by {spec.baseline.name}'s (clean error {spec.baseline.clean_error})"
    )
    return by_name, choices


def _selection(scores: Scores) -> tuple[dict[str, Headline], dict[str, str]]:
    """Plain means over the cells that were asked for, under names that say so.

    Validation corruptions are left out, unless nothing else was asked for.
    """
    cells = [cell for cell in scores.cells if cell.name in scores.spec.test] or scores.cells
    equal = dict.fromkeys(cells, 1 / len(cells))
    by_name = {SELECTED + title: scores.mean(equal, name) for name, title in scores.means(cells).items()}
    names = ", ".join(dict.fromkeys(cell.name for cell in cells))
    severities = sorted({cell.severity for cell in cells})
    return by_name, {"selected_mean_error": f"mean over {names} at severities {severities} only"}


def _normalised(spec: SuiteSpec, baseline: Baseline, clean_error: float) -> dict[Cell, float]:
    """Weights of the cells' errors in the mean of (errors / the baseline's errors above its clean error)."""
    count = len(spec.severities)
    return {
        Cell(name, severity): 1 / (len(spec.test) * (baseline.total(name, count) - count * clean_error))
        for name in spec.test
        for severity in spec.severities
    }


def _perturbations(scores: Scores) -> tuple[dict[str, Headline], dict[str, str]]:
    cells, spec = scores.cells, scores.spec
    plain = replace(spec, baseline=None).mean
    by_name: dict[str, Headline] = {}
    choices = {"perturbation_list": spec.test_list} if spec.test_list and spec.published else {}
    for difficulty in sorted({cell.severity for cell in cells}):
        wanted = [Cell(name, difficulty) for name in spec.test]
        if not set(wanted) <= set(cells):
            continue
        suffix = "" if difficulty == 1 else f"{DIFFICULTY}{difficulty}"
        equal = dict.fromkeys(wanted, 1 / len(wanted))
        by_name[plain.key + suffix] = scores.mean(equal, "flip_probability")
        choices[plain.key + suffix] = plain.definition
        for name, title in scores.means(wanted).items():
            by_name[title + suffix] = scores.mean(equal, name)
            if title == "mt5d":
                choices[title + suffix] = (
                    "unnormalised mean of the top-5 distance: AlexNet's are not published"
                )
        if spec.baseline is not None and difficulty == 1:
            weights = {
                Cell(name, 1): 1 / (len(spec.test) * spec.baseline.total(name, 1)) for name in spec.test
            }
            by_name[spec.mean.key] = scores.mean(weights, "flip_probability")
            choices[spec.mean.key] = spec.mean.definition
    if not by_name:
        equal = dict.fromkeys(cells, 1 / len(cells))
        by_name[SELECTED + FLIP_MEAN] = scores.mean(equal, "flip_probability")
        choices[SELECTED + FLIP_MEAN] = f"mean over {', '.join(map(str, cells))} only"
    return by_name, choices
