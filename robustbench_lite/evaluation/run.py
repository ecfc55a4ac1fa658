"""One evaluation under way: the model made ready and tried, the cells run, the record written."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Final, cast

import numpy as np
import torch

from robustbench_lite import plugins
from robustbench_lite.errors import DataError, ModelError
from robustbench_lite.evaluation.class_order import better_order, renumber
from robustbench_lite.evaluation.fit import fit_to_suite
from robustbench_lite.evaluation.given_model import weights_sha256
from robustbench_lite.evaluation.inference import Scored, frames_of, run_cells
from robustbench_lite.evaluation.normalization_check import check_normalization, spread_batches
from robustbench_lite.evaluation.prepared_model import (
    Forward,
    describe_outputs,
    fastest_batch_size,
    ready,
    same_outputs,
)
from robustbench_lite.evaluation.progress import EvaluationProgress
from robustbench_lite.evaluation.reader_checks import check_sequences, clean_difference
from robustbench_lite.evaluation.sanity import UNEXPLAINED, near_chance, plausible, remedy
from robustbench_lite.evaluation.settings import EvaluationSettings
from robustbench_lite.evaluation.store import Columns, RunFolder
from robustbench_lite.evaluation.subset import describe_sample, populations
from robustbench_lite.evaluation.summary import Summary, summarise
from robustbench_lite.models import Classifier, Ensemble
from robustbench_lite.results import CellResult, Results
from robustbench_lite.runtime import Processes, environment, versions
from robustbench_lite.scores import own_presentations
from robustbench_lite.suite_spec import SuiteSpec
from robustbench_lite.suites import CLEAN, Cell, Reader, Suite

_SAMPLE: Final = 64
_DOUBT_IMAGES: Final = 200
"""Over fewer clean images a high error is no reason to doubt the model."""
_GUARD_IMAGES: Final = 512
_CHECK_BATCH: Final = 128


def _doubtful(clean: CellResult, classes: int) -> str:
    """What to say of a clean error that no check explains."""
    return (
        f"the clean error is {100 * clean.scores['error']:.1f} % over {clean.n} images, more than a network "
        f"trained for these {classes} classes usually has: the architecture, the weights or the images may "
        "be others than they seem"
    )


@dataclass
class EvaluationRun:
    """One evaluation under way."""

    suite: Suite
    classifier: Classifier | Ensemble
    readers: Mapping[Cell, Reader]
    settings: EvaluationSettings
    device: torch.device
    team: Processes
    progress: EvaluationProgress
    warnings: list[str] = field(default_factory=list)
    unheard: list[str] = field(default_factory=list)
    fit: dict[str, object] = field(default_factory=dict)
    normalization_check: dict[str, Any] = field(default_factory=dict)

    @cached_property
    def spec(self) -> SuiteSpec:
        """The suite's record with the test names in use."""
        spec = self.suite.spec
        return spec.with_test_list(self.settings.perturbation_list) if spec.test_lists else spec

    @cached_property
    def data(self) -> dict[str, object]:
        """What is known of the suite's files, and how many of its classes have images."""
        labels = next(iter(self.readers.values())).labels
        present = {} if labels is None else {"classes_present": len(np.unique(labels))}
        return {**self.suite.provenance(), **present}

    @cached_property
    def clean_data(self) -> dict[str, object] | None:
        """What is known of the clean set's files."""
        return self.suite.clean.provenance() if self.suite.clean is not None else None

    @cached_property
    def total(self) -> int:
        """Images of all cells; a video is its frames."""
        return sum(reader.count * frames_of(reader) for reader in self.readers.values())

    @cached_property
    def estimate(self) -> dict[str, object]:
        """How the images were sampled, under "estimate"; nothing where all are evaluated."""
        sample = describe_sample(self.readers, self.settings.budget, self.settings.seed)
        return {} if sample is None else {"estimate": sample}

    @cached_property
    def additions(self) -> dict[str, object]:
        """A user's own records and their digests, under "plugins"; nothing where there are none."""
        names = {self.suite.spec.name, self.classifier.info.architecture}
        records = plugins.provenance(names | {cell.name for cell in self.suite.cells})
        return {"plugins": records} if records else {}

    def go(self, out: str | Path | None, overwrite: bool) -> Results:
        """Check the model, run the cells that are not kept yet, and sum up."""
        folder = RunFolder(out) if out is not None else None
        self._announce_model()
        sample = self._first_images()
        check_sequences(self.readers, self.suite.spec)
        difference = None if self.estimate else clean_difference(self.readers, self.suite.spec)
        if difference is not None:
            self.warn(difference)
        classes = self.suite.spec.classes
        fit = fit_to_suite(self.classifier, self.suite, sample, self.settings, self.device, self.warn)
        self.classifier, self.fit = fit.model, fit.record
        if self.team.first:
            clean_notes = self.suite.clean.notes if self.suite.clean is not None else ()
            for text in dict.fromkeys((*self.suite.notes, *clean_notes, *map(str, fit.record.values()))):
                self.progress.note(text)
        forward, made_ready, _ = ready(self.classifier, sample, self.settings, self.device, classes)
        outputs = describe_outputs(forward, sample, self.warn)
        record: dict[str, Any] = {}
        if folder is not None and self.team.first:
            record = folder.begin(self.identity(), self.fingerprints(), overwrite=overwrite)
        if "outputs" in record and not same_outputs(record["outputs"], outputs):
            raise DataError(
                f"{out} holds another run (the model's outputs differ); choose another folder, or start "
                "afresh "
                "with `overwrite=True`"
            )
        size = self.settings.batch_size or self.team.from_first(record.get("batch_size"))
        if size is None:
            fastest = fastest_batch_size(forward, sample, self.total) if self.team.first else 0
            size = self.team.from_first(fastest)
        if folder is not None and self.team.first:
            folder.update({**record, "batch_size": size, "outputs": outputs})
        facts = {"batch_size": size, "optimisation": made_ready}
        scored = Scored({}, {})

        def publish() -> None:
            if folder is not None:
                self.results(scored, facts, complete=False).save(folder.path)

        if self.team.first:
            self.progress.begin(self.total)
        for clean in (True, False):
            stage = {cell: reader for cell, reader in self.readers.items() if (cell == CLEAN) == clean}
            run_cells(
                forward, stage, self.suite.spec, size, self.team, folder, self.progress, scored, publish
            )
            if clean and stage:
                self.guard(forward, self.team.from_first(self._clean_scored(scored)), folder)
        results = self.results(scored, facts, complete=True) if self.team.first else None
        if results is not None and folder is not None:
            results.save(folder.path)
            results = replace(results, folder=str(folder.path))
        return cast(Results, self.team.from_first(results))

    def _announce_model(self) -> None:
        """Tell the listener the architecture, the normalisation and the notes of the model."""
        info = self.classifier.info
        reason = info.normalization_reason
        shown = f"{info.name}: {info.architecture}, normalisation {info.normalization} ({reason})"
        for text in (shown, *info.notes) if self.team.first else ():
            self.progress.note(text)

    def _first_images(self) -> torch.Tensor:
        """The first images, or frames, of the first cell, on the device: uint8 (n, H, W, 3)."""
        reader = next(iter(self.readers.values()))
        images = reader.read(0, min(_SAMPLE, reader.count)).to(self.device)
        return images.flatten(0, 1)[:_SAMPLE] if images.ndim == 5 else images

    def _clean_scored(self, scored: Scored) -> tuple[CellResult, Columns] | None:
        """The scores and the columns of the clean set; None where there is none."""
        result = scored.results.get(CLEAN)
        return None if result is None else (result, scored.columns[CLEAN])

    def guard(
        self,
        forward: Forward,
        clean: tuple[CellResult, Columns] | None,
        folder: RunFolder | None,
    ) -> None:
        """Stop when the clean error is near chance, or a class order or guessed normalisation is wrong.

        Args:
            forward: the model on its device.
            clean: scores and columns of the clean set.
            folder: the run folder, which is left free where the run stops.

        Raises:
            ModelError: says the error and the likely cause.
        """
        classes, info = self.suite.spec.classes, self.classifier.info
        if clean is None:
            return
        result, columns = clean
        order, certain = self._other_order(columns)
        chance = near_chance(1 - result.scores["error"], result.n, classes)
        trained = plausible(1 - result.scores["error"], result.n, classes)
        if chance or (order is not None and (certain or not trained)):
            cause = order if certain and order is not None else self._cause(forward, order)
            what = f"near chance for {classes} classes" if chance else f"with {classes} classes"
            text = (
                f"the clean error is {100 * result.scores['error']:.1f} % over {result.n} images, {what} "
                f"(normalisation in use: {info.normalization}); {cause}"
            )
            grave = True
        elif order is not None:
            text, grave = order, False
        else:
            objection = self._check_normalization(forward, columns)
            if objection is None:
                if not trained and result.n >= _DOUBT_IMAGES:
                    self.warn(_doubtful(result, classes), waived=self.settings.force)
                return
            text = (
                f"{objection}; the normalisation in use, {info.normalization}, is a guess "
                f"({info.normalization_reason}): give the right one as `normalize=NAME`"
            )
            grave = True
        if grave and not self.settings.force:
            if folder is not None and self.team.first:
                folder.forget_clean()
            raise ModelError(f"{text}. `force=True` evaluates it all the same")
        self.warn(text, waived=grave)

    def _cause(self, forward: Forward, order: str | None) -> str:
        """Why an error is near chance: a change of the input that mends it, else the order of the classes."""
        info = self.classifier.info
        change = remedy(forward, *self.clean_sample(_GUARD_IMAGES), info.mean, info.std)
        return change or order or UNEXPLAINED

    def _check_normalization(self, forward: Forward, columns: Columns) -> str | None:
        """Compare a guessed normalisation with the usual ones; why another is right, None where none is."""
        reader, info = self.readers[CLEAN], self.classifier.info
        if reader.labels is None or not (info.normalization_guessed or info.stored_accuracy is not None):
            return None
        batches = spread_batches(reader.read, reader.labels, self.device, _CHECK_BATCH)
        right = columns["prediction"] == columns["label"]
        finding = check_normalization(
            forward, info, batches, right, dataset=self.suite.spec.dataset, whole=not self.estimate
        )
        self.normalization_check = finding.record
        if finding.note is not None and self.team.first:
            self.progress.note(finding.note)
        return finding.objection

    def _other_order(self, columns: Columns) -> tuple[str | None, bool]:
        """Whether another order of the classes explains the clean errors, in words.

        Returns:
            A sentence, and whether it names an option that mends it.
        """
        classes = self.suite.spec.classes
        known, labels = (columns[name].astype(np.int64) for name in ("prediction", "label"))

        def possible(accuracy: float, n: int) -> bool:
            return plausible(accuracy, n, classes)

        remedy = better_order(known, labels, self.suite.class_names, classes, possible)
        if remedy is not None:
            error = 100 * (1 - remedy.accuracy)
            return f"on the same images {remedy.option} brings the error to {error:.1f} %", True
        order = renumber(known, labels, classes, possible)
        if not order.certain:
            return None, False
        text = (
            f"one renumbering of the classes, chosen on every other image, brings the error on the other "
            f"{order.n} from {100 * (1 - order.before):.1f} to {100 * (1 - order.after):.1f} %: the model's "
            "class order is not the suite's; give the model's class names in order as `class_order=FILE`"
        )
        return text, False

    def clean_sample(self, count: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Evenly spread clean images, uint8 (n, H, W, 3), and their labels, on the device."""
        reader = self.readers[CLEAN]
        labels = reader.labels
        if labels is None:
            raise DataError("the clean set carries no labels")
        spread = np.unique(np.linspace(0, reader.count - 1, count).astype(np.int64))
        images = torch.cat([reader.read(number, number + 1) for number in spread.tolist()])
        return images.to(self.device), torch.from_numpy(labels[spread]).to(self.device)

    def warn(self, text: str, *, waived: bool = False) -> None:
        """Say, and keep with the results, what a reader of the numbers must know.

        Args:
            text: a sentence without its end.
            waived: the user has said that it is known.
        """
        if text not in self.warnings:
            self.warnings.append(text)
            self.unheard += [] if waived else [text]
            if self.team.first:
                self.progress.note(f"Warning: {text}")

    def identity(self) -> dict[str, Any]:
        """What must be the same for two starts to be one run."""
        info, settings = self.classifier.info, self.settings
        return {
            **self.estimate,
            **({"fit": self.fit} if self.fit else {}),
            "suite": self.suite.spec.name,
            "protocol": self.suite.protocol,
            "model": info.sha256 or weights_sha256(self.classifier),
            "architecture": info.architecture,
            **({} if info.code_sha256 is None else {"code": info.code_sha256}),
            "mean": list(info.mean),
            "std": list(info.std),
            "device": self.device.type,
            "precision": settings.amp or ("tf32" if settings.tf32 else "fp32"),
            "fuse": settings.fuse,
            "compile": settings.compile,
            **plugins.identity((self.suite.spec.name, info.architecture)),
            "versions": {name: version for name, version in versions().items() if name != "python"},
        }

    def fingerprints(self) -> dict[Cell, str]:
        """Digest of each cell's files."""
        digests = {cell: self.suite.cell_fingerprint(cell) for cell in self.suite.cells}
        clean = self.suite.clean
        return digests if clean is None else {CLEAN: clean.cell_fingerprint(CLEAN), **digests}

    def results(self, scored: Scored, facts: Mapping[str, Any], *, complete: bool) -> Results:
        """The record of what has been scored; only a complete one carries headline scores."""
        settings = self.settings
        missing = tuple(f"{cell.name}/{cell.severity}" for cell in self.suite.missing)
        speed = {"images": scored.images, "seconds": round(scored.seconds, 3)}
        provenance = {
            # A list of 1000 names is the same in all records: what it was used for is in "fit".
            "model": {
                name: value for name, value in asdict(self.classifier.info).items() if name != "class_names"
            },
            **({"fit": self.fit} if self.fit else {}),
            "data": self.data,
            "clean_data": self.clean_data,
            "run": {
                **environment(self.device, settings.amp, tf32=settings.tf32),
                **facts,
                **speed,
                "processes": self.team.world,
            },
            "seed": settings.seed,
            "warnings": self.warnings,
            "selection": {
                "names": list(dict.fromkeys(cell.name for cell in self.suite.cells)),
                "severities": sorted({cell.severity for cell in self.suite.cells}),
            },
            **self.estimate,
            **({"normalization_check": self.normalization_check} if self.normalization_check else {}),
            **self.additions,
        }
        summary = Summary({}, {}, {})
        if complete:
            summary = summarise(
                self.spec,
                scored.columns,
                scored.results,
                settings,
                means=not missing,
                populations=populations(self.readers),
            )
        return Results(
            spec=self.spec,
            protocol=self.suite.protocol,
            cells=tuple(scored.results[cell] for cell in self.readers if cell in scored.results),
            summary=summary.scores,
            intervals=summary.intervals,
            choices=summary.choices,
            provenance=json.loads(json.dumps(provenance)),
            missing=missing,
            complete=complete,
            shown=own_presentations({name for cell in scored.results.values() for name in cell.scores}),
        )
