"""From the name of a suite and the places of its images to a checked suite."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import torch

from robustbench_lite.errors import DataError, InvalidInput, MissingData, UnknownName
from robustbench_lite.evaluation.generated import GenerationRecipe, generated_suite
from robustbench_lite.evaluation.own_corruptions import with_own
from robustbench_lite.evaluation.progress import EvaluationProgress, SilentEvaluation
from robustbench_lite.evaluation.settings import SuiteSettings
from robustbench_lite.keywords import pick
from robustbench_lite.suite_spec import Baseline
from robustbench_lite.suites import (
    CLEAN,
    CUSTOM,
    SUITES,
    Suite,
    SuiteSpec,
    custom_spec,
    load_custom,
    load_official,
)
from robustbench_lite.suites.baselines import with_baseline
from robustbench_lite.suites.custom import MEMORY, memory_source
from robustbench_lite.suites.memory import in_memory, read_images
from robustbench_lite.suites.spec import Kind

DATA_VARIABLE: Final = "ROBUSTBENCH_LITE_DATA"

CUSTOM_SUITES: Final[Mapping[str, Kind]] = {
    CUSTOM: "clean",
    f"{CUSTOM}-c": "corruption",
    f"{CUSTOM}-p": "perturbation",
}
"""Suites made of a user's own images."""

_CIFAR_LIKE: Final = 64

_CPU: Final = torch.device("cpu")


def load_suite(
    suite: str,
    data: str | Path | None = None,
    *,
    clean_data: object = None,
    generate: bool | None = None,
    protocol: str = "official",
    corruptions: Sequence[str] | None = None,
    severities: Sequence[int] | None = None,
    allow_partial: bool = False,
    profile: str | None = None,
    as_stored: bool | None = None,
    frost: str | Path | None = None,
    seed: int = 0,
    classes: str | Path | Sequence[str] | None = None,
    image_size: int | None = None,
    labels: str | Path | None = None,
    baseline: str | Path | Baseline | None = None,
    progress: EvaluationProgress | None = None,
) -> Suite:
    """Find the images of a suite, with the matching clean images, and check them.

    Presence, sizes, shapes, types, counts and labels of all cells are checked now; pixels are read, or
    generated, when a model is evaluated on them.

    Args:
        suite: a name of `SUITES`, or "custom", "custom-c" or "custom-p" for your own images.
        data: folder (or .tar) of the official files: the folder of the suite, a folder that holds it, or an
            official tar, which is read in place. By default the folder in $ROBUSTBENCH_LITE_DATA.
        clean_data: the clean test set, or your own images: a folder with one subfolder per class, an .npz,
            or images in memory: `(images, labels)`, a torch `Dataset`, a `DataLoader` or a Hugging Face data
            set. Arrays are uint8 (N, H, W, 3) or float in [0, 1], (N, 3, H, W); floats x become
            round(255 x).
        generate: make the suite from the clean images (True) or read the official files (False). By default
            it is made where only clean images are given.
        protocol: how official files become model inputs: "official", "augmix" or "robustbench".
        corruptions: only these corruptions or perturbations. By default the test set of the suite.
        severities: only these severities, or difficulties of -P. By default all five, for -P the first.
        allow_partial: go on although files are missing; `Suite.missing` lists their cells.
        profile: parameter table of generated images: "imagenet", "tiny-imagenet" or "cifar". By default that
            of the suite.
        as_stored: whether generated images pass through the JPEG compression of the release. By default as
            the files of the suite were stored.
        frost: folder of the frost photographs, for generated images.
        seed: seed of generated images.
        classes: class names of your own images in the order of the model's outputs, or a file with one per
            line.
        image_size: side in pixels to which your own photographs are resized and cropped.
        labels: table with a file name and a label in each line, for your own images in one folder.
        baseline: another model, by whose errors the scores are divided: its finished run on the suite, a CSV
            file, or a `Baseline`. The papers' suites have AlexNet's where they are normalised.
        progress: receives a note on each tar that is indexed, and where there is no clean set.

    Returns:
        The suite, with its clean images in `Suite.clean`.

    Raises:
        DataError: files are missing, damaged, mislabelled or at odds with each other.
        UnknownName: no such suite, protocol, corruption or profile.
        InvalidInput: no such severity, an empty selection, or images in memory that are not in [0, 1].
    """
    settings = SuiteSettings(**pick(SuiteSettings, locals()))
    return open_suite(suite, settings, progress or SilentEvaluation())


def open_suite(name: str, settings: SuiteSettings, progress: EvaluationProgress) -> Suite:
    """The suite, official or generated, with its clean images where there are any.

    Raises:
        DataError: files are missing or damaged, or their place is not given.
        UnknownName: no such suite, protocol, corruption or profile.
        InvalidInput: a baseline that does not fit the suite.
    """
    suite = _open_suite(name, settings, progress)
    if settings.baseline is None:
        return suite
    return suite.with_spec(with_baseline(suite.spec, settings.baseline))


def _open_suite(name: str, settings: SuiteSettings, progress: EvaluationProgress) -> Suite:
    if name in CUSTOM_SUITES or (name in SUITES and SUITES[name].own):
        return _custom(name, settings)
    if name not in SUITES:
        raise UnknownName("suite", name, [*SUITES, *CUSTOM_SUITES])
    if settings.labels is not None:
        raise InvalidInput(f"`labels=FILE` is for your own images, and {name} has labels of its own")
    spec = SUITES[name]
    if spec.kind == "clean":
        return _clean_alone(spec, settings, progress)
    only_clean = settings.clean_data is not None and settings.data is None
    if only_clean if settings.generate is None else settings.generate:
        if settings.protocol != "official":
            raise InvalidInput(
                f"`protocol={settings.protocol!r}` is for official files, and these images are generated"
            )
        clean = _clean(spec, _given(settings.clean_data, settings.data, "clean_data"), settings, progress)
        return _generate(spec, clean, settings)
    place = _given(settings.data, os.environ.get(DATA_VARIABLE), "data")
    suite = load_official(
        with_own(spec, settings.corruptions),
        place,
        protocol=settings.protocol,
        corruptions=settings.corruptions,
        severities=settings.severities,
        allow_partial=settings.allow_partial,
        progress=_announced(progress),
    )
    return suite.with_clean(_clean_beside(suite, place, settings, progress))


def _custom(name: str, settings: SuiteSettings) -> Suite:
    """A user's own images, or the -C or -P suite made from them.

    Raises:
        InvalidInput: two places are given.
    """
    if settings.data is not None and settings.clean_data is not None:
        raise InvalidInput(
            f"{name} is made from one set of images: give `clean_data`, and not `data` as well"
        )
    clean = load_custom(
        _given(settings.clean_data, settings.data, "clean_data"),
        classes=settings.classes,
        image_size=settings.image_size,
        labels=settings.labels,
    )
    return clean if name == CUSTOM else _generate(_own_spec(name, clean), clean, settings)


def _own_spec(name: str, clean: Suite) -> SuiteSpec:
    """The record of a suite that is made from a user's own images.

    Raises:
        DataError: the images have more classes than the suite.
    """
    images = clean.spec
    if name in CUSTOM_SUITES:
        return custom_spec(CUSTOM_SUITES[name], images.classes, images.image_size, clean.images)
    spec = SUITES[name]
    if images.classes > spec.classes:
        raise DataError(f"the images have {images.classes} classes, and the suite {name!r} {spec.classes}")
    return replace(spec, image_size=images.image_size, images=clean.images)


def _clean_alone(spec: SuiteSpec, settings: SuiteSettings, progress: EvaluationProgress) -> Suite:
    """A clean set, which may be given as official files or as clean images."""
    if settings.data is not None and settings.clean_data is not None:
        raise InvalidInput(
            f"{spec.name} is a clean set: give its folder once, as `data=DIR` or as `clean_data=DIR`"
        )
    if in_memory(settings.clean_data):
        return _clean(spec, settings.clean_data, settings, progress)
    place = _given(settings.clean_data or settings.data, os.environ.get(DATA_VARIABLE), "data")
    return load_official(
        spec.name,
        place,
        protocol=settings.protocol,
        corruptions=settings.corruptions,
        severities=settings.severities,
        allow_partial=settings.allow_partial,
        progress=_announced(progress),
    )


def _clean(spec: SuiteSpec, place: Any, settings: SuiteSettings, progress: EvaluationProgress) -> Suite:
    """The clean images of a suite, from official files or from memory."""
    name = spec.clean or spec.name
    if not in_memory(place):
        return load_official(name, Path(place), protocol=settings.protocol, progress=_announced(progress))
    clean = SUITES[name]
    names = tuple(map(str, range(clean.classes)))
    source = memory_source(read_images(place), names)
    if source.side != clean.image_size:
        raise DataError(
            f"the images in memory have {source.side} pixels, those of {name} {clean.image_size}; resize "
            "them, "
            "or evaluate them as custom images"
        )
    return Suite(clean, Path(MEMORY), settings.protocol, (CLEAN,), (), source)


def _generate(spec: SuiteSpec, clean: Suite, settings: SuiteSettings) -> Suite:
    usual: str = spec.dataset
    if usual == CUSTOM:
        usual = "imagenet" if spec.image_size > _CIFAR_LIKE else "cifar"
    elif usual.startswith("cifar"):
        usual = "cifar"
    stored = spec.kind == "corruption" and spec.dataset in ("imagenet", "tiny-imagenet")
    recipe = GenerationRecipe(
        profile=settings.profile or usual,
        seed=settings.seed,
        as_stored=stored if settings.as_stored is None else settings.as_stored,
        frost=str(settings.frost) if settings.frost is not None else None,
    )
    return generated_suite(
        spec, clean, recipe, _CPU, corruptions=settings.corruptions, severities=settings.severities
    )


def _announced(progress: EvaluationProgress) -> Callable[[Path, int, int], None]:
    """Announce each tar once: indexing takes a minute for the largest, and later runs reuse the index."""
    announced: set[Path] = set()

    def announce(tar: Path, done: int, size: int) -> None:
        if tar not in announced:
            announced.add(tar)
            progress.note(f"indexing {tar} ({size / 1e9:.1f} GB); later runs find the index ready")

    return announce


def _given(place: Any, otherwise: Any, keyword: str) -> Any:
    """The place of the images: the first one that is given."""
    images = place if place is not None else otherwise
    if in_memory(images):
        if keyword == "data":
            raise InvalidInput("`data` is a folder of official files; give images in memory as `clean_data`")
        return images
    if not place and not otherwise:
        variable = f", or set {DATA_VARIABLE}" if keyword == "data" else ""
        raise DataError(f"the place of the images is not known: give `{keyword}=DIR`{variable}")
    return Path(place or otherwise)


def _clean_beside(
    suite: Suite, place: Path, settings: SuiteSettings, progress: EvaluationProgress
) -> Suite | None:
    """The clean set that was given, or the one beside the suite; None where there is none."""
    if suite.spec.clean is None:
        return None
    if settings.clean_data is not None:
        return _clean(suite.spec, settings.clean_data, settings, progress)
    try:
        return load_official(suite.spec.clean, place, protocol=settings.protocol)
    except MissingData as error:
        progress.note(
            f"There is no clean set ({error}), so there is no clean error and no check of it. "
            "`clean_data=DIR` names one."
        )
        return None
