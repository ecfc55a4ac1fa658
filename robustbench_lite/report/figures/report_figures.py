"""Which figures a report has."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from robustbench_lite.errors import InvalidInput
from robustbench_lite.report.content import Content, Section
from robustbench_lite.report.figures.differences import plot_differences
from robustbench_lite.report.figures.error_heatmap import plot_error_heatmap
from robustbench_lite.report.figures.examples import plot_examples
from robustbench_lite.report.figures.flips import plot_flips
from robustbench_lite.report.figures.reliability import plot_reliability
from robustbench_lite.report.figures.severity import plot_calibration_by_severity, plot_errors_by_severity
from robustbench_lite.report.figures.style import Drawing, Look
from robustbench_lite.report.fourier.heatmap import plot_fourier_heatmap
from robustbench_lite.report.fourier.profile import plot_radial_profile
from robustbench_lite.report.tables.layout import TableLayout, suite_layout

_SEVERITY: Final = (
    "Error against severity, one panel a corruption. Bands are 95 % intervals of each cell for the "
    "number of images it has. A line that stays flat is a corruption the model does not mind."
)
_HEATMAP: Final = "The error of every cell in percent; yellow is a model that fails."
_DIFFERENCE: Final = (
    " The last panel is the second model minus the first, in points: purple where the second is better,"
    " orange where it is worse. Single cells are noisy; the table below says which differences are "
    "evidence."
)
_RELIABILITY: Final = (
    "Accuracy against confidence in 15 bins of equal width, all corruptions of a severity together; the"
    " area of a mark is the share of predictions in its bin, bins of fewer than 10 are left out. On the"
    " dashed line a model is right as often as it says; below it is over-confident. RMS: calibration "
    "error in adaptive bins of 100, a cell at a time, then the mean over the corruptions."
)
_CALIBRATION: Final = (
    "Each the mean over the corruptions of that severity. RMS calibration error: adaptive bins of 100 "
    "predictions; ECE: 15 bins of equal width; Brier score: summed over classes; lower is better in "
    "all."
)
_DIFFERENCES: Final = (
    "A: {first}, B: {second}. Bars are 95 % intervals of each row alone, paired image by image. Green "
    "and orange are verdicts that hold for all rows together (Holm, 5 %); grey is no evidence."
)
_FLIPS: Final = (
    "The share of compared frame pairs in which the prediction changes: neighbouring frames, for noise "
    "each frame and the first. Bars are 95 % intervals over sequences. Further left is more stable."
)
_EXAMPLES: Final = (
    "Images drawn at random, not picked; columns are the corruption of each group that hurts {first} "
    "most at severity 3, and the one that hurts it most at severity 5. Below each: predicted class and "
    "its probability."
)
_FOURIER: Final = "Sensitivity to single spatial frequencies (Yin et al. 2019)."


def section_drawings(section: Section, looks: Mapping[str, Look]) -> list[Drawing]:
    """The figures of one suite."""
    if section.kind == "clean":
        return _reliability(section, looks)
    layout = suite_layout(section.suite, section.results[0].choices.get("perturbation_list", "snow"))
    if section.kind == "perturbation":
        return _flips(section, layout, looks) + _differences(section)
    evaluated = {cell.name for results in section.results for cell in results.cells}
    every = {**layout.groups, "Validation": layout.extra}
    found = {heading: tuple(name for name in names if name in evaluated) for heading, names in every.items()}
    groups = {heading: names for heading, names in found.items() if names}
    runs = section.runs
    heatmap = _HEATMAP + (_DIFFERENCE if len(runs) == 2 else "")
    drawings = [
        Drawing(
            f"{section.suite}-severity",
            "Error by severity",
            plot_errors_by_severity(runs, groups, looks),
            _SEVERITY,
        ),
        Drawing(
            f"{section.suite}-heatmap", "Corruption x severity", plot_error_heatmap(runs, groups), heatmap
        ),
        *_reliability(section, looks),
        Drawing(
            f"{section.suite}-calibration",
            "Calibration by severity",
            plot_calibration_by_severity(runs, looks),
            _CALIBRATION,
        ),
    ]
    if section.examples is not None:
        models = list(section.examples.rows[0].answers)
        letters = ", ".join(f"{letter}: {model}" for letter, model in zip("ABCDEFGHIJ", models, strict=False))
        note = _EXAMPLES.format(first=models[0]) + (f" {letters}." if len(models) > 1 else "")
        pictures = plot_examples(section.examples, models)
        drawings.append(Drawing(f"{section.suite}-examples", "Example images", pictures, note))
    return drawings + _differences(section)


def _differences(section: Section) -> list[Drawing]:
    """Two models against each other; nothing where they are not compared."""
    if section.comparison is None or not section.comparison.by_name:
        return []
    note = _DIFFERENCES.format(first=section.comparison.first, second=section.comparison.second)
    figure = plot_differences(section.comparison)
    return [Drawing(f"{section.suite}-differences", "Is the difference real?", figure, note)]


def _reliability(section: Section, looks: Mapping[str, Look]) -> list[Drawing]:
    runs = [run for run in section.runs if run.reliability]
    if not runs:
        return []
    figure = plot_reliability(runs, looks)
    return [Drawing(f"{section.suite}-reliability", "Reliability", figure, _RELIABILITY)]


def _flips(section: Section, layout: TableLayout, looks: Mapping[str, Look]) -> list[Drawing]:
    groups = {**layout.groups, "Not in the mean": layout.extra}
    levels = sorted({cell.severity for results in section.results for cell in results.cells} - {0})
    return [
        Drawing(
            f"{section.suite}-flips" + ("" if level == 1 else f"-{level}"),
            "Flip probability" + ("" if level == 1 else f", difficulty {level}"),
            plot_flips(section.runs, groups, looks, level),
            _FLIPS,
        )
        for level in levels
    ]


def fourier_drawings(content: Content) -> list[Drawing]:
    """The Fourier maps on one scale where they can share it, each alone where not, and their profile."""
    if not content.fourier:
        return []
    try:
        return [
            Drawing("fourier", "Fourier heatmaps", plot_fourier_heatmap(content.fourier), _FOURIER),
            Drawing("fourier-profile", "Radial profile", plot_radial_profile(content.fourier), ""),
        ]
    except InvalidInput:
        return [
            Drawing(f"fourier-{place}", title, plot_fourier_heatmap({title: one}), _FOURIER)
            for place, (title, one) in enumerate(content.fourier.items(), 1)
        ]
