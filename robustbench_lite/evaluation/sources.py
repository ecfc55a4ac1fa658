"""From what a caller names to what a run needs: files that were checked, and a model."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import torch

from robustbench_lite.errors import DataError, InvalidInput, MissingData, UnknownName
from robustbench_lite.evaluation.generated import Recipe, generated_suite
from robustbench_lite.evaluation.progress import Progress, Silent
from robustbench_lite.models import Classifier, Ensemble, as_classifier, ensemble, load_model
from robustbench_lite.suites import (
    CUSTOM,
    SUITES,
    Suite,
    SuiteSpec,
    custom_spec,
    load_custom,
    load_suite,
)
from robustbench_lite.suites.spec import Kind

DATA_VARIABLE: Final = "ROBUSTBENCH_LITE_DATA"

CUSTOM_SUITES: Final[Mapping[str, Kind]] = {
    CUSTOM: "clean",
    f"{CUSTOM}-c": "corruption",
    f"{CUSTOM}-p": "perturbation",
}
"""Suites made of a user's own images."""

_CIFAR_LIKE: Final = 64

AnyModel = str | Path | torch.nn.Module | Callable[[torch.Tensor], torch.Tensor]


@dataclass(frozen=True)
class Sources:
    """Where a suite's images come from.

    Attributes:
        data: folder (or .tar) of the official files; $ROBUSTBENCH_LITE_DATA where None.
        clean_data: the matching clean test set, or a user's own images (folder of class folders, or .npz).
        generate: make the suite from the clean images; by default where only these are given.
        protocol: input protocol of the official files.
        corruptions: which ones; the suite's test set where None.
        severities: which ones (difficulties); all (the first) where None.
        allow_partial: go on although official files are missing.
        profile: parameter table of generated images; the suite's own where None.
        as_stored: JPEG storage of generated images; as the release of the suite where None.
        textures: folder of the frost photographs.
        seed: of generated images.
        classes: class names of a user's own images, or a file with one a line.
        image_size: side to which a user's own photographs are resized and cropped.
    """

    data: str | Path | None = None
    clean_data: str | Path | None = None
    generate: bool | None = None
    protocol: str = "official"
    corruptions: Sequence[str] | None = None
    severities: Sequence[int] | None = None
    allow_partial: bool = False
    profile: str | None = None
    as_stored: bool | None = None
    textures: str | Path | None = None
    seed: int = 0
    classes: str | Path | Sequence[str] | None = None
    image_size: int | None = None

    def __post_init__(self) -> None:
        if isinstance(self.corruptions, str):
            raise InvalidInput(f"corruptions is a sequence of names, got the text {self.corruptions!r}")
        if isinstance(self.severities, int | str):
            raise InvalidInput(f"severities is a sequence of whole numbers, got {self.severities!r}")
        for name in ("corruptions", "severities", "classes"):
            value = getattr(self, name)
            if isinstance(value, list):
                object.__setattr__(self, name, tuple(value))


def open_suites(
    name: str, sources: Sources, device: torch.device, progress: Progress
) -> tuple[Suite, Suite | None]:
    """The suite, official or generated, and its clean set where there is one.

    Raises:
        DataError: files are missing, damaged, or not told.
        UnknownName: no such suite, protocol, corruption or profile.
    """
    if name in CUSTOM_SUITES:
        clean = load_custom(
            _told(sources.clean_data or sources.data, "--clean-data"),
            classes=sources.classes,
            image_size=sources.image_size,
        )
        spec = custom_spec(CUSTOM_SUITES[name], clean.spec.classes, clean.spec.image_size, clean.images)
        return (clean, None) if name == CUSTOM else (_generate(spec, clean, sources, device), clean)
    if name not in SUITES:
        raise UnknownName("suite", name, [*SUITES, *CUSTOM_SUITES])
    spec = SUITES[name]
    if spec.kind == "clean" and sources.data is not None and sources.clean_data is not None:
        raise InvalidInput(f"{name} is a clean set: give its folder once, as --data or as --clean-data")
    only_clean = sources.clean_data is not None and sources.data is None
    generate = spec.clean is not None and (only_clean if sources.generate is None else sources.generate)
    if generate and spec.clean is not None:
        place = _told(sources.clean_data or sources.data, "--clean-data")
        if sources.protocol != "official":
            raise InvalidInput(
                f"--protocol {sources.protocol} is about the official files, not about generated images"
            )
        clean = load_suite(spec.clean, place, protocol=sources.protocol, progress=_announced(progress))
        return _generate(spec, clean, sources, device), clean
    root = sources.clean_data if spec.kind == "clean" and only_clean else sources.data
    place = _told(root or os.environ.get(DATA_VARIABLE), f"--data DIR (or {DATA_VARIABLE})")
    suite = load_suite(
        name,
        place,
        protocol=sources.protocol,
        corruptions=sources.corruptions,
        severities=sources.severities,
        allow_partial=sources.allow_partial,
        progress=_announced(progress),
    )
    return suite, _clean_beside(suite, place, sources, progress)


def check_sources(name: str, *, data: str | Path | None = None, clean_data: str | Path | None = None) -> None:
    """Find a suite's images and check them, as `evaluate` would before its first forward pass.

    Raises:
        DataError: files are missing, damaged, or not told.
        UnknownName: no such suite.
    """
    open_suites(name, Sources(data, clean_data), torch.device("cpu"), Silent())


def _generate(spec: SuiteSpec, clean: Suite, sources: Sources, device: torch.device) -> Suite:
    side = spec.image_size
    usual: str = spec.dataset
    if usual == CUSTOM:
        usual = "imagenet" if side > _CIFAR_LIKE else "cifar"
    elif usual.startswith("cifar"):
        usual = "cifar"
    stored = spec.kind == "corruption" and spec.dataset in ("imagenet", "tiny-imagenet")
    recipe = Recipe(
        profile=sources.profile or usual,
        seed=sources.seed,
        as_stored=stored if sources.as_stored is None else sources.as_stored,
        textures=str(sources.textures) if sources.textures is not None else None,
    )
    return generated_suite(
        spec, clean, recipe, device, corruptions=sources.corruptions, severities=sources.severities
    )


def _announced(progress: Progress) -> Callable[[Path, int, int], None]:
    """Say once that a tar is indexed, which takes a minute for the largest and is kept for later runs."""
    told: set[Path] = set()

    def tell(tar: Path, done: int, size: int) -> None:
        if tar not in told:
            told.add(tar)
            progress.note(f"indexing {tar} ({size / 1e9:.1f} GB); later runs find the index ready")

    return tell


def _told(place: str | Path | None, option: str) -> Path:
    if not place:
        raise DataError(f"where are the images? give {option}")
    return Path(place)


def _clean_beside(suite: Suite, place: Path, sources: Sources, progress: Progress) -> Suite | None:
    """The clean set: where it is said to be, or beside the suite; None where there is none."""
    name = suite.spec.clean
    if name is None:
        return None
    if sources.clean_data is not None:
        return load_suite(
            name, Path(sources.clean_data), protocol=sources.protocol, progress=_announced(progress)
        )
    try:
        return load_suite(name, place, protocol=sources.protocol)
    except MissingData as error:
        progress.note(f"no clean set, so no clean error and no check of it ({error}); --clean-data names one")
        return None


def open_models(
    model: AnyModel | Sequence[AnyModel],
    suite: Suite,
    arch: str | None,
    normalize: str | None,
    trust_checkpoint: bool,
    entry: str | None = None,
) -> Classifier | Ensemble:
    """A model in any of its forms; a sequence of them becomes an ensemble."""
    name = suite.spec.name
    if isinstance(model, Sequence) and not isinstance(model, str):
        return ensemble([open_model(one, name, arch, normalize, trust_checkpoint, entry) for one in model])
    return open_model(model, name, arch, normalize, trust_checkpoint, entry)


def open_model(
    model: AnyModel,
    suite: str | None,
    arch: str | None,
    normalize: str | None,
    trust_checkpoint: bool,
    entry: str | None = None,
) -> Classifier:
    """A model from a file, from a name, or in memory; the suite's name decides a default normalisation.

    Raises:
        InvalidInput: an option that can't apply to such a model.
    """
    if isinstance(model, str | Path):
        return load_model(
            model, arch, normalize=normalize, suite=suite, trust_checkpoint=trust_checkpoint, entry=entry
        )
    if arch is not None or entry is not None:
        raise InvalidInput("arch and entry are about checkpoint files; this model is in memory already")
    if isinstance(model, Classifier):
        if normalize is not None:
            raise InvalidInput(
                f"this classifier already normalises inside ({model.info.normalization}); leave normalize out"
            )
        return model
    return as_classifier(model, normalize=normalize)


def weights_sha256(module: torch.nn.Module) -> str:
    """SHA-256 over the names and bytes of a module's tensors, for models that come from no file."""
    digest = hashlib.sha256()
    for name, tensor in sorted(module.state_dict().items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()
