"""Fourier sensitivity of a model: its error under perturbations of one spatial frequency at a time."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import torch

from robustbench_lite import plugins
from robustbench_lite.corruptions.fourier import Layout, check_norm
from robustbench_lite.errors import InvalidInput, ModelError, UnknownName
from robustbench_lite.evaluation.fourier.images import ImageSet, check_classes, open_images
from robustbench_lite.evaluation.fourier.profile import examples, radial_profile
from robustbench_lite.evaluation.fourier.store import Outcomes, Store
from robustbench_lite.evaluation.fourier.sweep import Sweep, SweepProgress, chunk_length, map_layout
from robustbench_lite.evaluation.given_model import AnyModel, open_models, weights_sha256
from robustbench_lite.evaluation.prepared_model import (
    Forward,
    describe_outputs,
    fastest_batch_size,
    ready,
)
from robustbench_lite.evaluation.settings import EvaluationSettings, ModelSettings
from robustbench_lite.keywords import pick
from robustbench_lite.models import Classifier, Ensemble
from robustbench_lite.report.fourier.fourier_map import METRICS, FourierMap
from robustbench_lite.runtime import (
    Amp,
    Processes,
    check_amp,
    environment,
    fixed_precision,
    processes,
    resolve_device,
)

NORMS: Final[Mapping[int, float]] = {32: 4.0, 224: 15.7}
"""Side in pixels -> the papers' norm."""

WHOLE_MAP_UP_TO: Final = 64
WINDOW: Final = 63

_SAMPLE = 64


def fourier_heatmap(
    model: AnyModel | Sequence[AnyModel],
    dataset: object,
    labels: npt.ArrayLike | torch.Tensor | None = None,
    *,
    # The images.
    data: str | Path | None = None,
    classes: str | Path | Sequence[str] | None = None,
    image_size: int | None = None,
    limit: int | None = None,
    # The perturbation and what is measured.
    norm: float | None = None,
    size: int | None = None,
    metric: str = "error",
    # The model, as in load_model.
    arch: str | None = None,
    normalize: str | None = None,
    entry: str | None = None,
    output: str | None = None,
    trust_checkpoint: bool = False,
    name: str | None = None,
    # The run.
    device: str = "auto",
    amp: Amp | None = None,
    tf32: bool = False,
    compile: bool = False,
    fuse: bool = True,
    batch_size: int | None = None,
    bootstrap: int = 1000,
    seed: int = 0,
    # The output.
    out: str | Path | None = None,
    overwrite: bool = False,
    progress: SweepProgress | None = None,
) -> FourierMap:
    """Perturb every image at each frequency and measure how the model's predictions change.

    Mirrored frequencies are measured once: 514 times the images for the 32 x 32 map.

    Args:
        model: A checkpoint file, a name such as "torchvision:resnet50", a module or any callable from
            images (N, 3, H, W) in [0, 1] to logits. A sequence of models is an ensemble.
        dataset: The name of a clean suite ("cifar10", "cifar100", "imagenet", "tiny-imagenet"), with its
            official files in `data`; a folder of images or an .npz; or images in memory: `(images, labels)`,
            a torch `Dataset`, a `DataLoader` or a Hugging Face data set. Arrays are uint8 (N, H, W, 3), or
            float (N, 3, H, W) in [0, 1], which are used as they are.
        labels: Class indices (N,) of images that are given as one array; the metric "error" needs them.
        data: Folder (or archive) of the official files of a named data set.
        classes: Class names in the order of the model's outputs, for class folders, or a file with one per
            line.
        image_size: Side in pixels to which the images in class folders are resized and cropped.
        limit: The number of images to use, drawn at random by `seed`. By default all.
        norm: l2 norm of each channel's perturbation; by default the papers' 4 for 32 pixels, 15.7 for 224.
        size: The rows and columns of the map; by default all up to 64 pixels, else the 63 lowest.
        metric: "error" against the labels; "flip", the share of predictions that change; or "confidence",
            the mean fall of the probability of the class predicted before.
        arch: The architecture of a checkpoint, where its tensors do not show it.
        normalize: Input normalisation by name or as "MEAN,STD"; by default the checkpoint's own, else that of
            its architecture.
        entry: Which of several sets of weights in a checkpoint to use.
        output: Which of several outputs of the model are the logits, by name or number in a tuple.
        trust_checkpoint: Allow a file to run code while it loads (a pickled module).
        name: The name of the model in records; by default that of the file, class or function.
        device: "auto" (CUDA, then MPS, then CPU), "cpu", "cuda", "cuda:1" or "mps".
        amp: Autocast to "bf16" or "fp16"; None computes in float32.
        tf32: Let CUDA round float32 products to TF32.
        compile: Run the model through `torch.compile`.
        fuse: Fold batch norm into convolutions where the logits agree to 1e-5.
        batch_size: Images per forward pass; None measures the fastest size.
        bootstrap: Replicates for the bands of the radial profile; 0 leaves them out.
        seed: The seed of the signs of the perturbations, of the sample and of the bootstrap.
        out: The run folder, which stores the outcomes. The same call continues a sweep that was killed. None
            stores nothing.
        overwrite: Start afresh in a folder that holds another sweep.
        progress: Called with images evaluated and images in all.

    Raises:
        InvalidInput: Arguments that don't fit the images or each other.
        DataError: Files that can't be read or written.
        ModelError: A model whose outputs can't be scored.

    Source: Yin et al. 2019, section 2 and figure 3; AugMix (Hendrycks et al. 2020), appendix B, figure 9.
    """
    given = locals()
    settings = EvaluationSettings(**pick(EvaluationSettings, given))
    if metric not in METRICS:
        raise UnknownName("metric", metric, METRICS)
    images = open_images(
        dataset if labels is None else (dataset, labels),
        data,
        classes=classes,
        image_size=image_size,
        limit=limit,
        seed=seed,
    )
    if metric == "error" and images.labels is None:
        raise InvalidInput("the error needs labels, and these images have none; use `metric='flip'`")
    norm = default_norm(images.size) if norm is None else norm
    check_norm(norm)
    plan = map_layout(images.size, default_size(images.size) if size is None else size)
    with processes() as team, fixed_precision(tf32=settings.tf32):
        device_here = resolve_device(settings.device)
        check_amp(device_here, settings.amp)
        wanted = ModelSettings(**pick(ModelSettings, given))
        classifier = open_models(model, images.source.get("suite"), wanted)
        run = _Sweeping(classifier, images, plan, metric, norm, settings, device_here, team)
        folder = Path(out) if out is not None else None
        return run.go(folder, overwrite, progress or (lambda done, total: None))


def default_norm(image_size: tuple[int, int]) -> float:
    """Return the papers' norm for an image size.

    Raises:
        InvalidInput: The papers have none for this size.
    """
    height, width = image_size
    if height != width or height not in NORMS:
        known = ", ".join(f"{norm:g} for {side} x {side}" for side, norm in NORMS.items())
        raise InvalidInput(
            f"the papers' norms are {known} pixels; for {height} x {width} give one with `norm=NUMBER`"
        )
    return NORMS[height]


def default_size(image_size: tuple[int, int]) -> int | None:
    """Return None (the whole map) up to 64 pixels, else 63, or fewer where the image has fewer."""
    if max(image_size) <= WHOLE_MAP_UP_TO:
        return None
    short = min(image_size)
    return min(WINDOW, short if short % 2 else short - 1)


@dataclass
class _Sweeping:
    """One sweep that runs."""

    classifier: Classifier | Ensemble
    images: ImageSet
    plan: Layout
    metric: str
    norm: float
    settings: EvaluationSettings
    device: torch.device
    team: Processes

    def go(self, folder: Path | None, overwrite: bool, progress: SweepProgress) -> FourierMap:
        """Check the model, measure the missing outcomes, and sum up."""
        sample = self.images.read(0, min(_SAMPLE, len(self.images)), self.device).permute(0, 2, 3, 1)
        forward, made_ready, width = ready(self.classifier, sample, self.settings, self.device, None)
        if self.metric == "error":
            check_classes(self.images, width, self.classifier.info.name)
        outputs = describe_outputs(forward, sample, lambda text: None)
        store = Store(folder, self.identity(), outputs, self.team.rank)
        stored = store.begin(overwrite=overwrite) if self.team.first else None
        size = store.batch_size = self.batch_size(forward, sample, store)
        sweep = Sweep(forward, self.images, self.plan, self.metric, self.norm, self.settings.seed, size)
        outcomes = stored or sweep.empty()
        group, done = self.team.from_first((outcomes.group, outcomes.done))
        if not self.team.first:
            pairs, images = outcomes.values.shape
            outcomes = Outcomes.empty(pairs, images, group, outcomes.chunk, outcomes.values.dtype)
        units = [(int(chunk), int(unit)) for chunk, unit in np.argwhere(~done)]
        before, total = outcomes.evaluated, outcomes.values.size

        def tell(evaluated: int) -> None:
            if self.team.first:
                progress(min(total, before + evaluated * self.team.world), total)

        tell(0)
        sweep.run(units[self.team.rank :: self.team.world], outcomes, store, tell)
        facts = {"batch_size": size, "optimisation": made_ready, "processes": self.team.world}
        fourier_map: FourierMap | None = None
        parts = self.team.gather(outcomes)
        if self.team.first:
            for part in parts[1:]:
                outcomes.merge(part)
            store.finish(outcomes)
            fourier_map = self.summed_up(sweep, outcomes, facts)
        result = self.team.from_first(fourier_map)
        if result is None:
            raise ModelError("the first process of the sweep sent no map")
        return result

    def batch_size(self, forward: Forward, sample: torch.Tensor, store: Store) -> int:
        """Return the batch size of the user, else that of an earlier start, else the fastest one."""
        size = self.settings.batch_size or self.team.from_first(store.batch_size)
        if size is not None:
            return size
        total = len(self.plan.pairs) * len(self.images)
        return self.team.from_first(fastest_batch_size(forward, sample, total) if self.team.first else 0)

    def identity(self) -> dict[str, Any]:
        """Return the facts that all starts of one sweep have in common."""
        info, settings = self.classifier.info, self.settings
        return {
            "model": info.sha256 or weights_sha256(self.classifier),
            "architecture": info.architecture,
            **({} if info.code_sha256 is None else {"code": info.code_sha256}),
            "mean": list(info.mean),
            "std": list(info.std),
            "data": self.images.source["fingerprint"],
            "images": len(self.images),
            "sample": self.images.source.get("sample"),
            "norm": self.norm,
            "map": list(self.plan.cells.shape),
            "metric": self.metric,
            "seed": settings.seed,
            "chunk": chunk_length(self.images.size),
            "device": self.device.type,
            "precision": settings.amp or ("tf32" if settings.tf32 else "fp32"),
            "fuse": settings.fuse,
            "compile": settings.compile,
            **plugins.identity((info.architecture,)),
            "torch": torch.__version__,
        }

    def summed_up(self, sweep: Sweep, outcomes: Outcomes, facts: Mapping[str, Any]) -> FourierMap:
        """The map, its profile and the record of how they came about."""
        info, settings = self.classifier.info, self.settings
        record = {
            "seed": settings.seed,
            "signs": "one for each pair of frequencies, image and channel",
            "evaluations": len(self.plan.pairs),
            "clipped_to": [0, 1],
            "model": {**asdict(info), "weights": info.sha256 or weights_sha256(self.classifier)},
            "data": self.images.source,
            "run": {**environment(self.device, settings.amp, tf32=settings.tf32), **facts},
        }
        return FourierMap(
            values=outcomes.values.mean(axis=1, dtype=np.float64)[self.plan.cells],
            baseline=self.baseline(sweep),
            metric=self.metric,
            norm=self.norm,
            n=len(self.images),
            image_size=self.images.size,
            profile=radial_profile(
                outcomes.values, self.plan, replicates=settings.bootstrap, seed=settings.seed
            ),
            settings=json.loads(json.dumps(record)),
            examples=examples(self.images, self.plan, self.norm, settings.seed),
        )

    def baseline(self, sweep: Sweep) -> float:
        """The error on the unperturbed images; what changes is nothing without a perturbation."""
        labels = self.images.labels
        if self.metric != "error" or labels is None:
            return 0.0
        step = chunk_length(self.images.size)
        wrong = 0
        for start in range(0, len(labels), step):
            predicted = sweep.clean(self.images.read(start, start + step, self.device)).cpu().numpy()
            wrong += int((predicted != labels[start : start + step]).sum())
        return wrong / len(labels)
