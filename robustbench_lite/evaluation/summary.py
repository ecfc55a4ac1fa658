"""Headline scores of a run and their intervals, from the per-example columns of its cells."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from robustbench_lite import metrics, reference
from robustbench_lite.evaluation.influence import (
    LARGEST,
    Headline,
    clean_is_paired,
    deviations,
    own_group,
    sampling_interval,
    unseen,
    weighted_mean,
)
from robustbench_lite.evaluation.settings import Settings
from robustbench_lite.evaluation.store import Columns
from robustbench_lite.reference.names import PERTURBATION_LISTS, SEVERITIES
from robustbench_lite.results import ESTIMATED, CellResult
from robustbench_lite.suites import CLEAN, Cell, SuiteSpec

_MEANS = {
    "error": "mean_error",
    "top5_error": "top5_error",
    "rms_calibration_error": "rms_calibration_error",
    "rms_calibration_error_released": "rms_calibration_error_released",
    "expected_calibration_error": "expected_calibration_error",
    "brier_score": "brier_score",
    "top_label_brier_score": "top_label_brier_score",
    "nll": "nll",
}


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
        spec: of the suite.
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
        held = [self.results[cell].scores for cell in cells]
        return {
            name: title
            for name, title in _MEANS.items()
            if (not self.sampled or name in LARGEST) and all(name in scores for scores in held)
        }


def summarise(
    spec: SuiteSpec,
    columns: Mapping[Cell, Columns],
    results: Mapping[Cell, CellResult],
    settings: Settings,
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
    found, choices = headlines(scores, settings.perturbation_list, means=means)
    if populations is not None:
        return _estimated(found, choices, populations)
    choices["calibration"] = (
        "adaptive bins of 100 by confidence, every bin counted, the last takes the remainder; per cell, then "
        "the mean over cells"
    )
    if any("_released" in name for name in found):
        choices["rms_calibration_error_released"] = (
            "the most confident bin left out, as in the loop that the authors released"
        )
    intervals = _intervals(found, settings)
    if intervals:
        choices["intervals"] = (
            f"95 % bootstrap over images, an image's copies together: {settings.bootstrap} replicates, seed "
            f"{settings.seed}; calibration errors linearised"
        )
    return Summary({name: headline.value for name, headline in found.items()}, intervals, choices)


def headlines(
    scores: Scores, perturbation_list: str, *, means: bool = True
) -> tuple[dict[str, Headline], dict[str, str]]:
    """The headline scores by name, and the definitions chosen for them."""
    choices = {"mean": "severities and corruptions weigh the same; validation corruptions never enter"}
    found: dict[str, Headline] = {}
    if CLEAN in scores.columns:
        found = {f"clean_{name}": scores.mean({CLEAN: 1.0}, name) for name in scores.means([CLEAN])}
    if means and scores.cells:
        more, said = (
            _perturbations(scores, perturbation_list)
            if scores.spec.kind == "perturbation"
            else _corruptions(scores)
        )
        found |= more
        choices |= said
    choices["brier"] = (
        "brier_score sums over classes (0 to 2); top_label_brier_score is the paper's binary score"
    )
    return found, choices


def _estimated(
    found: Mapping[str, Headline], choices: dict[str, str], populations: Mapping[Cell, int]
) -> Summary:
    """Scores under names of their own, with intervals for the value over all images."""
    choices["calibration"] = (
        "not estimated: over few images a calibration error is larger than over all of them"
    )
    choices["intervals"] = (
        "95 % for the score over all images: independent stratified samples of the cells, their variances "
        "added up and corrected for the finite number of images"
    )
    groups = {own_group(cell): images for cell, images in populations.items()}
    return Summary(
        {ESTIMATED + name: headline.value for name, headline in found.items()},
        {ESTIMATED + name: sampling_interval(headline, groups) for name, headline in found.items()},
        choices,
    )


def _corruptions(scores: Scores) -> tuple[dict[str, Headline], dict[str, str]]:
    spec, cells = scores.spec, scores.cells
    wanted = [Cell(name, severity) for name in spec.test for severity in spec.severities]
    whole = set(wanted) <= set(cells)
    chosen = wanted if whole else cells
    equal = dict.fromkeys(chosen, 1 / len(chosen))
    prefix = "" if whole else "selected_"
    found = {prefix + title: scores.mean(equal, name) for name, title in scores.means(chosen).items()}
    choices = {"mean_error": "unnormalised mean over 15 test corruptions x 5 severities"}
    if not whole:
        names = list(dict.fromkeys(cell.name for cell in cells))
        severities = sorted({cell.severity for cell in cells})
        return found, {"selected_mean_error": f"mean over {', '.join(names)} at severities {severities} only"}
    if spec.name != "imagenet-c":
        return found, choices
    baseline = reference.baseline("imagenet-c")
    weights = {
        Cell(name, severity): 1 / (len(spec.test) * sum(baseline[name]))
        for name in spec.test
        for severity in SEVERITIES
    }
    found["mce"] = scores.mean(weights, "error")
    choices["mce"] = (
        "AlexNet-normalised: ratio of sums over severities, mean of 15; the authors' AlexNet errors"
    )
    if CLEAN in scores.columns and not (scores.sampled or clean_is_paired(scores.columns)):
        choices["relative_mce"] = "left out: the clean images are not those of the corrupted cells"
    elif CLEAN in scores.columns:
        clean_error = reference.baseline_clean_error()
        relative = {
            Cell(name, severity): 1 / (len(spec.test) * (sum(baseline[name]) - len(SEVERITIES) * clean_error))
            for name in spec.test
            for severity in SEVERITIES
        }
        relative[CLEAN] = -sum(relative.values())
        found["relative_mce"] = scores.mean(relative, "error")
        choices["relative_mce"] = f"degradation over clean, divided by AlexNet's (clean error {clean_error})"
    return found, choices


def _perturbations(scores: Scores, perturbation_list: str) -> tuple[dict[str, Headline], dict[str, str]]:
    cells = scores.cells
    names = PERTURBATION_LISTS[perturbation_list]
    found: dict[str, Headline] = {}
    choices = {"perturbation_list": perturbation_list}
    whole = False
    for difficulty in sorted({cell.severity for cell in cells}):
        wanted = [Cell(name, difficulty) for name in names]
        if not set(wanted) <= set(cells):
            continue
        whole = True
        suffix = "" if difficulty == 1 else f"_difficulty_{difficulty}"
        equal = dict.fromkeys(wanted, 1 / len(wanted))
        found["mfp" + suffix] = scores.mean(equal, "flip_probability")
        choices["mfp" + suffix] = f"mean flip probability over the ten perturbations with {perturbation_list}"
        if all("top5_distance" in scores.columns[cell] for cell in wanted):
            found["mt5d" + suffix] = scores.mean(equal, "top5_distance")
            choices["mt5d" + suffix] = "unnormalised mean of the top-5 distance: AlexNet's are not published"
        if scores.spec.name == "imagenet-p" and difficulty == 1:
            baseline = reference.baseline("imagenet-p")
            weights = {Cell(name, 1): 1 / (len(names) * baseline[name]) for name in names}
            found["mfr"] = scores.mean(weights, "flip_probability")
            choices["mfr"] = f"flip probability over AlexNet's, mean of the ten with {perturbation_list}"
    if not whole:
        equal = dict.fromkeys(cells, 1 / len(cells))
        found["selected_mfp"] = scores.mean(equal, "flip_probability")
        choices["selected_mfp"] = f"mean over {', '.join(map(str, cells))} only"
    return found, choices


def _intervals(found: Mapping[str, Headline], settings: Settings) -> dict[str, tuple[float, float]]:
    if settings.bootstrap == 0 or not found:
        return {}
    moved = deviations(list(found.values()), settings.bootstrap, settings.seed)
    intervals = {}
    for column, (name, headline) in enumerate(found.items()):
        low, high = metrics.percentile_interval(moved[:, column])
        floor = -np.inf if name.startswith("relative") else 0.0
        found_low, found_high = max(floor, headline.value + low), headline.value + high
        room = unseen(headline) if found_low == found_high else 0.0
        intervals[name] = (max(floor, found_low - room), min(headline.largest, found_high + room))
    return intervals
