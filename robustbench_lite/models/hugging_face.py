"""Image classifiers of Hugging Face's transformers: a folder as save_pretrained writes it, or hf:NAME."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import nn

from robustbench_lite.errors import CheckpointError, require
from robustbench_lite.models.normalize import Normalization, custom_normalization, named_normalization

WEIGHTS = ("model.safetensors", "pytorch_model.bin")
PREPROCESSING = "preprocessor_config.json"


@dataclass(frozen=True)
class Pretrained:
    """A network of transformers, and what its files state.

    Attributes:
        network: a function from normalised images to an output with logits.
        architecture: the class of the network.
        normalization: what the preprocessing states.
        stated: whether there is a preprocessing; without one the normalisation is a guess.
        class_names: names of the outputs in order, None where the configuration has numbers only.
        input_size: side in pixels, None where it is not stated.
        notes: what a reader of the numbers should know.
    """

    network: nn.Module
    architecture: str
    normalization: Normalization
    stated: bool
    class_names: tuple[str, ...] | None
    input_size: int | None
    notes: tuple[str, ...]


def weights_in(folder: Path) -> Path | None:
    """Return the file of weights in a folder of transformers or of timm on the hub, else None."""
    if not (folder / "config.json").is_file():
        return None
    return next((folder / name for name in WEIGHTS if (folder / name).is_file()), None)


def is_transformers_folder(folder: Path) -> bool:
    """Return whether a folder holds a model of transformers, whose configuration names its type."""
    return weights_in(folder) is not None and "model_type" in _json(folder / "config.json")


def load_pretrained(source: str) -> Pretrained:
    """Load an image classifier from a folder, or from the hub and its cache.

    Args:
        source: the folder, or a name such as "google/vit-base-patch16-224".

    Raises:
        MissingExtra: transformers is not installed.
        CheckpointError: there is no such model, it is no image classifier, or its weights are incomplete.
    """
    transformers = require("transformers", "hf", f"the model {source}")
    local = Path(source).is_dir()
    options: dict[str, Any] = {"local_files_only": True} if local else {}
    try:
        network, report = transformers.AutoModelForImageClassification.from_pretrained(
            source, output_loading_info=True, **options
        )
        preprocessing = _preprocessing(transformers, source, local)
    except Exception as error:
        first = " ".join(str(error).split())[:200] or type(error).__name__
        way = "" if local else f"; download it elsewhere (hf download {source}) and name that folder"
        raise CheckpointError(f"{source} can't be loaded as an image classifier: {first}{way}") from error
    missing = sorted(map(str, report.get("missing_keys") or ()))
    if missing:
        raise CheckpointError(
            f"the weights in {source} lack {len(missing)} tensors of the classifier "
            f"({', '.join(missing[:3])}): it is a backbone that was not trained as an image classifier"
        )
    normalization, notes = _normalization(preprocessing)
    return Pretrained(
        network.float(),
        type(network).__name__,
        normalization,
        bool(preprocessing),
        _names(getattr(network.config, "id2label", None)),
        _side(preprocessing),
        notes,
    )


def _preprocessing(transformers: Any, source: str, local: bool) -> dict[str, Any]:
    if local:
        return _json(Path(source) / PREPROCESSING)
    stated, _ = transformers.ImageProcessingMixin.get_image_processor_dict(source)
    return dict(stated)


def _json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def _normalization(stated: Mapping[str, Any]) -> tuple[Normalization, tuple[str, ...]]:
    """The normalisation of images in [0, 1], and notes."""
    if not stated:
        usual = "no preprocessor_config.json: the usual statistics of transformers' models"
        return named_normalization("half", usual), ()
    mean, std = stated.get("image_mean"), stated.get("image_std")
    # Pixels of 0..255 are first multiplied by the factor.
    scale = 255 * (float(stated.get("rescale_factor", 1 / 255)) if stated.get("do_rescale", True) else 1.0)
    if not stated.get("do_normalize", True) or mean is None or std is None:
        mean, std = (0.0,) * 3, (1.0,) * 3
    means = tuple(float(m) / scale for m in _three(mean))
    deviations = tuple(float(s) / scale for s in _three(std))
    reason = f"stated by {PREPROCESSING}"
    size, how = _side(stated), stated.get("resample")
    note = f"{PREPROCESSING} states {size} pixels, resampling filter {how}; a suite's images keep their size"
    chosen = custom_normalization(
        (means[0], means[1], means[2]), (deviations[0], deviations[1], deviations[2]), reason
    )
    return chosen, (note,) if size else ()


def _three(values: object) -> tuple[Any, ...]:
    many = list(values) if isinstance(values, list | tuple) else [values]
    return tuple(many * 3) if len(many) == 1 else tuple(many)


def _side(stated: Mapping[str, Any]) -> int | None:
    """The side of the images that the network sees: of the crop where there is one."""
    cropped = stated.get("do_center_crop") and stated.get("crop_size")
    size = cropped or stated.get("size")
    if isinstance(size, Mapping):
        size = size.get("height") or size.get("shortest_edge")
    return int(size) if isinstance(size, int | float) else None


def _names(labels: object) -> tuple[str, ...] | None:
    if not isinstance(labels, Mapping) or not labels:
        return None
    names = tuple(str(name) for _, name in sorted((int(key), name) for key, name in labels.items()))
    return None if all(name == f"LABEL_{number}" for number, name in enumerate(names)) else names
