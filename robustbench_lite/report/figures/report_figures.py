"""Which figures a report has: those of a suite by its kind, and those of the Fourier maps."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final, TypeAlias

from robustbench_lite.errors import InvalidInput
from robustbench_lite.report.content import Section
from robustbench_lite.report.figures.calibration import calibration_figures, reliability_figures
from robustbench_lite.report.figures.differences import difference_figures
from robustbench_lite.report.figures.error_heatmap import heatmap_figures
from robustbench_lite.report.figures.examples import example_figures
from robustbench_lite.report.figures.flips import flip_figures
from robustbench_lite.report.figures.severity import severity_figures
from robustbench_lite.report.figures.style import Look, ReportFigure
from robustbench_lite.report.fourier.fourier_map import FourierMap
from robustbench_lite.report.fourier.heatmap import plot_fourier_heatmap
from robustbench_lite.report.fourier.profile import plot_radial_profile

_Maker: TypeAlias = Callable[[Section, Mapping[str, Look]], list[ReportFigure]]

_FIGURES: Final[Mapping[str, Sequence[_Maker]]] = {
    "corruption": (
        severity_figures,
        heatmap_figures,
        reliability_figures,
        calibration_figures,
        example_figures,
        difference_figures,
    ),
    "perturbation": (flip_figures, difference_figures),
    "clean": (reliability_figures,),
}
"""Kind of suite -> the functions that make its figures, in the order of the page."""

_FOURIER_CAPTION: Final = "Sensitivity to single spatial frequencies (Yin et al. 2019)."


def section_figures(section: Section, looks: Mapping[str, Look]) -> list[ReportFigure]:
    """Return the figures of one suite."""
    return [figure for make in _FIGURES[section.kind] for figure in make(section, looks)]


def fourier_figures(maps: Mapping[str, FourierMap]) -> list[ReportFigure]:
    """Return the Fourier heatmaps and their profiles; maps that can't share a scale have a figure each."""
    if not maps:
        return []
    try:
        return [
            ReportFigure("fourier", "Fourier heatmaps", plot_fourier_heatmap(maps), _FOURIER_CAPTION),
            ReportFigure("fourier-profile", "Radial profile", plot_radial_profile(maps), ""),
        ]
    except InvalidInput:
        return [
            ReportFigure(f"fourier-{place}", title, plot_fourier_heatmap({title: one}), _FOURIER_CAPTION)
            for place, (title, one) in enumerate(maps.items(), 1)
        ]
