"""Run folders as one HTML page with figures, tables and comparisons."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final, TypeAlias

from robustbench_lite.errors import InvalidInput
from robustbench_lite.evaluation.example_images import Places
from robustbench_lite.evaluation.report_content import gather
from robustbench_lite.evaluation.run_scores import run_folder
from robustbench_lite.report.write_report import write_content
from robustbench_lite.results import Results
from robustbench_lite.suites.custom import class_names

MOST_IMAGES: Final = 20

_Run: TypeAlias = str | Path | Results


def write_report(
    runs: Iterable[_Run] | _Run,
    out: str | Path = "report",
    *,
    title: str = "Robustness report",
    reference: bool = False,
    data: str | Path | None = None,
    clean_data: str | Path | None = None,
    frost: str | Path | None = None,
    classes: str | Path | Sequence[str] | None = None,
    images: int = 4,
    seed: int = 0,
) -> Path:
    """Write report.html, its figures as PNG and PDF, and its tables as CSV, Markdown and LaTeX.

    Args:
        runs: run folders of evaluations, on one suite or several, and of Fourier sweeps; or results, as
            `evaluate` returns them.
        out: folder of the report, made where it is not there; files of the last report in it are replaced.
        title: heading of the page.
        reference: whether the tables show the rows of the paper beside the results.
        data: folder of the images, for examples; by default where the runs read them.
        clean_data: folder of the clean images, where it is another one.
        frost: folder of the frost photographs.
        classes: class names of your own images, or a file with one per line.
        images: number of example images, 0 to 20.
        seed: seed that draws the example images.

    Returns:
        The path of report.html.

    Raises:
        DataError: a folder holds no run, or is damaged, or the report can't be written.
        InvalidInput: no run, results that no folder keeps, or a number of images out of its range.
    """
    if not 0 <= images <= MOST_IMAGES:
        raise InvalidInput(f"`images={images}` must lie between 0 and {MOST_IMAGES}")
    given = [runs] if isinstance(runs, str | Path | Results) else list(runs)
    folders = [run_folder(run) if isinstance(run, Results) else run for run in given]
    places = Places(data, clean_data, frost, class_names(classes), images, seed)
    return write_content(gather(folders, places), out, title=title, published=reference)
