"""What stands behind the numbers of a report: the definitions, and the record of each run."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from robustbench_lite.report.content import ModelRun, Section


@dataclass(frozen=True)
class RunRecord:
    """The record of one run.

    Attributes:
        title: model and suite.
        facts: name -> value of what most readers look for.
        record: the whole record as JSON.
    """

    title: str
    facts: Mapping[str, str]
    record: str


def definitions(sections: Sequence[Section]) -> dict[str, list[str]]:
    """Return name of a choice -> its definitions; where they differ, each names the suites that it is of."""
    suites: dict[str, dict[str, list[str]]] = {}
    for section in sections:
        for results in section.results:
            for name, text in results.choices.items():
                titles = suites.setdefault(name.replace("_", " "), {}).setdefault(text, [])
                titles += [section.title] if section.title not in titles else []
    return {
        name: [f"{', '.join(titles)}: {text}" if len(texts) > 1 else text for text, titles in texts.items()]
        for name, texts in suites.items()
    }


def run_records(sections: Sequence[Section]) -> list[RunRecord]:
    """Return the record of every run."""
    return [_run_record(run, section.title) for section in sections for run in section.runs]


def _run_record(run: ModelRun, suite: str) -> RunRecord:
    provenance = run.results.provenance
    model: Mapping[str, Any] = provenance.get("model", {})
    settings: Mapping[str, Any] = provenance.get("run", {})
    facts = {
        "architecture": model.get("architecture"),
        "parameters": f"{model['parameters']:,}" if "parameters" in model else None,
        "SHA-256": model.get("sha256"),
        "normalisation": _normalisation(model),
        "input protocol": run.results.protocol,
        "fitted to the suite": "; ".join(map(str, (provenance.get("fit") or {}).values())),
        "images": _images(provenance.get("data") or {}),
        "precision": settings.get("precision"),
        "device": settings.get("device_name"),
        "seed": provenance.get("seed"),
    }
    return RunRecord(
        title=f"{run.title} on {suite}",
        facts={name: str(value) for name, value in facts.items() if value not in (None, "")},
        record=json.dumps(dict(provenance), indent=1, ensure_ascii=False),
    )


def _normalisation(model: Mapping[str, Any]) -> str:
    reason = model.get("normalization_reason")
    parts = [model.get("normalization"), f"({reason})" if reason else None]
    return " ".join(str(part) for part in parts if part)


def _images(data: Mapping[str, Any]) -> str:
    count = data.get("images")
    parts = [f"{count:,} per cell" if isinstance(count, int) else "", str(data.get("mode", ""))]
    parts += [f"fingerprint {str(data['fingerprint'])[:16]}"] if "fingerprint" in data else []
    return ", ".join(filter(None, parts))
