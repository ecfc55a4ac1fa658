"""What the numbers of a section say, in a few sentences."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from robustbench_lite.reference.names import VALIDATION_CORRUPTIONS
from robustbench_lite.report.content import ModelRun, Section
from robustbench_lite.report.tables.comparison import Comparison
from robustbench_lite.results import ESTIMATED, Results

_SHOWN: Final = 3
_DECISIVE: Final = {
    "mce": "mCE",
    "mean_error": "mean error",
    "selected_mean_error": "the error of the selection",
    "mfp": "mFP",
    "selected_mfp": "the flip probability of the selection",
    "mfr": "mFR",
}


def findings(section: Section) -> list[tuple[str, str]]:
    """What broke, by how much, against whom, and whether the difference is real: lead and sentences."""
    told = [(run.title, " ".join(_of_one(run))) for run in section.runs]
    if section.comparison is not None:
        lead = f"{section.comparison.second} against {section.comparison.first}"
        told.append((lead, " ".join(_of_two(section.comparison, section.kind))))
    return [(lead, text) for lead, text in told if text]


def _of_one(run: ModelRun) -> list[str]:
    results = run.results
    if results.kind == "perturbation":
        return _flips(results)
    clean = _score(results, "clean_error")
    if results.kind == "clean":
        return [f"Wrong on {clean} of the images."] if clean else []
    told = []
    if mean := _score(results, "mean_error") or _score(results, "selected_mean_error"):
        whole = any(name.endswith("mean_error") and "selected" not in name for name in results.summary)
        what = "the corrupted images" if whole else "the images of the cells that were evaluated"
        told.append(f"Wrong on {mean} of {what}{f', on {clean} of the clean ones' if clean else ''}.")
    if mce := _score(results, "mce"):
        told.append(f"mCE, with AlexNet at 100 %: {mce}.")
    errors = {name: sum(values) / len(values) for name, values in results.by_name().items()}
    if len(errors) > _SHOWN:
        worst = sorted(errors, key=lambda name: errors[name], reverse=True)
        told.append(f"Hardest: {_listed(worst[:_SHOWN], errors)}; easiest: {_listed(worst[:-3:-1], errors)}.")
    return told + _calibration(results)


def _calibration(results: Results) -> list[str]:
    clean = results.summary.get("clean_rms_calibration_error")
    mean = results.summary.get("rms_calibration_error")
    if clean is None or mean is None:
        return []
    over = [cell for cell in results.cells if cell.name not in ("clean", *VALIDATION_CORRUPTIONS)]
    confidence = sum(cell.scores["mean_confidence"] for cell in over) / len(over)
    right = 1 - sum(cell.scores["error"] for cell in over) / len(over)
    way = "over-confident" if confidence > right else "under-confident"
    return [
        f"Under corruption {way}: {_percent(confidence)} sure on average, right {_percent(right)} of the "
        f"time; RMS calibration error {_percent(clean)} clean, {_percent(mean)} corrupted."
    ]


def _flips(results: Results) -> list[str]:
    told = []
    if mean := _score(results, "mfp") or _score(results, "selected_mfp"):
        told.append(f"The prediction changes in {mean} of the compared frame pairs.")
    if rate := _score(results, "mfr"):
        told.append(f"mFR, with AlexNet at 100 %: {rate}.")
    values = {cell.name: cell.scores["flip_probability"] for cell in results.cells if cell.severity == 1}
    if len(values) > _SHOWN:
        worst = sorted(values, key=lambda name: values[name], reverse=True)
        told.append(
            f"Least stable: {_listed(worst[:_SHOWN], values)}; most: {_listed(worst[:-3:-1], values)}."
        )
    return told


def _of_two(comparison: Comparison, kind: str) -> list[str]:
    said = []
    for verdict in ("better", "worse"):
        names = [one.name for one in comparison.by_name if one.verdict == verdict]
        if names:
            said.append(f"{verdict} on {len(names)} ({_names(names)})")
    unclear = sum(one.verdict == "no evidence" for one in comparison.by_name)
    if unclear:
        said.append(f"no evidence of a difference on {unclear}")
    told = [f"Of {len(comparison.by_name)} {kind}s {'; '.join(said)}."]
    for one in comparison.headlines:
        if one.name in _DECISIVE:
            ends = f"95 % interval {100 * one.low:+z.1f} to {100 * one.high:+z.1f}"
            what = f"Difference in {_DECISIVE[one.name]}: {100 * one.difference:+z.1f} points"
            told.append(f"{what} ({ends}): {one.verdict}.")
    return told


def _score(results: Results, name: str) -> str:
    """A score in percent with its interval; empty where there is none."""
    for key in (name, ESTIMATED + name):
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


def _listed(names: Sequence[str], values: dict[str, float]) -> str:
    return ", ".join(f"{name.replace('_', ' ')} ({_percent(values[name])})" for name in names)


def _names(names: Sequence[str]) -> str:
    shown = [name.replace("_", " ") for name in names[:5]]
    return ", ".join(shown) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
