"""The findings of a section: what its numbers mean, in a few sentences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from robustbench_lite.report.content import Section
from robustbench_lite.report.tables.comparison import Comparison
from robustbench_lite.results import Results
from robustbench_lite.scores import ESTIMATED, SELECTED, presentation
from robustbench_lite.suite_spec import SuiteSpec

_SHOWN: Final = 3
_MEAN_ERRORS: Final = ("mean_error", f"{SELECTED}mean_error")
_MEAN_FLIPS: Final = ("mfp", "mean_flip_probability", f"{SELECTED}mean_flip_probability", f"{SELECTED}mfp")
"""The plain means of a run: of the suite, or of a selection of its cells."""


def findings(section: Section) -> list[tuple[str, str]]:
    """Return (model or pair of models, sentences): what hurts, how much, and which differences are real."""
    sentences = [(run.title, _of_one_run(run.results, section.spec)) for run in section.runs]
    comparison = section.comparison
    if comparison is not None:
        pair = f"{comparison.second} against {comparison.first}"
        sentences.append((pair, _of_two_runs(comparison, section.spec)))
    return [(lead, " ".join(texts)) for lead, texts in sentences if texts]


def _of_one_run(results: Results, spec: SuiteSpec) -> list[str]:
    if spec.kind == "perturbation":
        return _flips(results, spec)
    clean = _score(results, "clean_error")
    if spec.kind == "clean":
        return [f"Wrong on {clean} of the images."] if clean else []
    sentences = []
    if mean := _score(results, *_MEAN_ERRORS):
        whole = any(name in results.summary for name in ("mean_error", f"{ESTIMATED}mean_error"))
        images = "the corrupted images" if whole else "the images of the cells that were evaluated"
        and_clean = f", on {clean} of the clean ones" if clean else ""
        sentences.append(f"Wrong on {mean} of {images}{and_clean}.")
    errors = {name: sum(values) / len(values) for name, values in results.by_name().items()}
    return [
        *sentences,
        *_normalised(results, spec),
        *_extremes("Hardest", "easiest", errors),
        *_calibration(results, spec),
    ]


def _flips(results: Results, spec: SuiteSpec) -> list[str]:
    sentences = []
    if mean := _score(results, *_MEAN_FLIPS):
        sentences.append(f"The prediction changes in {mean} of the compared frame pairs.")
    flips = {cell.name: cell.scores["flip_probability"] for cell in results.cells if cell.severity == 1}
    return [*sentences, *_normalised(results, spec), *_extremes("Least stable", "most", flips)]


def _normalised(results: Results, spec: SuiteSpec) -> list[str]:
    """Return the mean that is divided by a baseline."""
    mean = _score(results, spec.mean.key)
    if spec.baseline is None or not mean:
        return []
    return [f"{spec.mean.heading}, with {spec.baseline.name} at 100 %: {mean}."]


def _extremes(most: str, least: str, values: Mapping[str, float]) -> list[str]:
    """Return the names with the largest and the smallest values; nothing where there are only a few."""
    if len(values) <= _SHOWN:
        return []
    ordered = sorted(values, key=lambda name: values[name], reverse=True)
    return [f"{most}: {_listed(ordered[:_SHOWN], values)}; {least}: {_listed(ordered[:-3:-1], values)}."]


def _calibration(results: Results, spec: SuiteSpec) -> list[str]:
    clean = results.summary.get("clean_rms_calibration_error")
    mean = results.summary.get("rms_calibration_error")
    cells = [cell for cell in results.cells if cell.name in spec.test]
    if clean is None or mean is None or not cells:
        return []
    confidence = sum(cell.scores["mean_confidence"] for cell in cells) / len(cells)
    accuracy = 1 - sum(cell.scores["error"] for cell in cells) / len(cells)
    direction = "over-confident" if confidence > accuracy else "under-confident"
    return [
        f"Under corruption {direction}: {_percent(confidence)} sure on average, right {_percent(accuracy)} "
        f"of the time; RMS calibration error {_percent(clean)} clean, {_percent(mean)} corrupted."
    ]


def _of_two_runs(comparison: Comparison, spec: SuiteSpec) -> list[str]:
    verdicts = []
    for verdict in ("better", "worse"):
        names = [row.name for row in comparison.by_name if row.verdict == verdict]
        if names:
            verdicts.append(f"{verdict} on {len(names)} ({_names(names)})")
    unclear = sum(row.verdict == "no evidence" for row in comparison.by_name)
    if unclear:
        verdicts.append(f"no evidence of a difference on {unclear}")
    sentences = [f"Of {len(comparison.by_name)} {spec.kind}s {'; '.join(verdicts)}."]
    means = {spec.mean.key, *_MEAN_ERRORS, *_MEAN_FLIPS}
    for row in comparison.headlines:
        if row.name in means:
            interval = f"95 % interval {100 * row.low:+z.1f} to {100 * row.high:+z.1f}"
            difference = f"Difference in {_in_a_sentence(row.name)}: {100 * row.difference:+z.1f} points"
            sentences.append(f"{difference} ({interval}): {row.verdict}.")
    return sentences


def _in_a_sentence(key: str) -> str:
    """Return a headline score as a sentence calls it: "mean error", "mCE", "the error of the selection"."""
    title = presentation(key).title
    lowered = title[0].lower() + title[1:] if title[1].islower() else title
    return f"the {lowered}" if key.startswith(SELECTED) else lowered


def _score(results: Results, *names: str) -> str:
    """Return the first of these scores that the run has, in percent with its interval; else nothing."""
    for key in (prefix + name for name in names for prefix in ("", ESTIMATED)):
        if key in results.summary:
            about = "about " if key.startswith(ESTIMATED) else ""
            text = about + _percent(results.summary[key])
            if key in results.intervals:
                low, high = results.intervals[key]
                text += f" [{100 * low:.1f}, {100 * high:.1f}]"
            return text
    return ""


def _percent(value: float) -> str:
    return f"{100 * value:.1f} %"


def _listed(names: Sequence[str], values: Mapping[str, float]) -> str:
    return ", ".join(f"{name.replace('_', ' ')} ({_percent(values[name])})" for name in names)


def _names(names: Sequence[str]) -> str:
    shown = [name.replace("_", " ") for name in names[:5]]
    return ", ".join(shown) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
