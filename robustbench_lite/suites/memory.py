"""Images that a caller holds in memory: arrays, torch data sets, data loaders, Hugging Face data sets."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from os import PathLike
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from torch.utils.data import DataLoader, IterableDataset, RandomSampler, SequentialSampler

from robustbench_lite.errors import InvalidInput, RobustBenchWarning
from robustbench_lite.suites.arrays import (
    LabelledImages,
    check_range,
    check_sizes,
    class_indices,
    labelled_images,
    one_image,
)

IMAGE_KEYS: Final = ("image", "img", "images", "pixel_values")
LABEL_KEYS: Final = ("label", "labels", "target", "fine_label")

_BATCH: Final = 256


def in_memory(source: object) -> bool:
    """Whether images are given as objects, and not as the name or path of files."""
    return not isinstance(source, str | PathLike) and source is not None


def read_images(source: object) -> LabelledImages:
    """Read images that a caller holds in memory.

    Args:
        source: one of

            - `(images, labels)`, or images alone: arrays or tensors, uint8 or float in [0, 1], with the
              channels last (N, H, W, 3), as in files, or first (N, 3, H, W), as for a model;
            - a torch `Dataset` of (image, label) pairs or of mappings with such keys, for example a
              torchvision data set; its images are PIL images, arrays or tensors (as above, without N);
            - a `DataLoader`, which is read in the order of its data set;
            - a Hugging Face data set (one split).

    Raises:
        InvalidInput: another object, images of several sizes, floats outside [0, 1], or labels that are
            not one class index per image.
    """
    if isinstance(source, LabelledImages):
        return source
    if isinstance(source, DataLoader):
        return _from_loader(source)
    if isinstance(source, tuple | list) and len(source) == 2 and not _is_image(source[0]):
        return labelled_images(source[0], source[1], None)
    if isinstance(source, torch.Tensor | np.ndarray):
        return labelled_images(source, None, None)
    if isinstance(source, Mapping):
        raise InvalidInput(
            f"a mapping with the keys {', '.join(map(str, list(source)[:5]))} is no set of images; "
            'of a data set with several splits give one, for example dataset["test"]'
        )
    if isinstance(source, IterableDataset) or not hasattr(source, "__getitem__"):
        raise InvalidInput(
            f"images are a path, (images, labels), a torch Dataset, a DataLoader or a Hugging Face data set; "
            f"got {type(source).__name__}"
        )
    if not hasattr(source, "__len__"):
        raise InvalidInput(f"{type(source).__name__} has no length; give a data set with a known length")
    if len(source) == 0:
        raise InvalidInput(f"{type(source).__name__} holds no images")
    return _from_items(_items(source), source)


def _is_image(value: object) -> bool:
    """Whether a value is one image, or one with its label, and not an array of several."""
    pair = isinstance(value, tuple | list) and len(value) == 2 and not isinstance(value[1], Image.Image)
    return isinstance(value, Image.Image) or (pair and np.ndim(value[1]) == 0)  # type: ignore[index]


def _items(dataset: Any) -> Iterator[object]:
    for number in range(len(dataset)):
        try:
            yield dataset[number]
        except Exception as error:
            raise InvalidInput(
                f"item {number} of {type(dataset).__name__} can't be read: {type(error).__name__}: {error}"
            ) from error


def _from_loader(loader: DataLoader[Any]) -> LabelledImages:
    """Images of a loader in the order of its data set, whatever order the loader draws."""
    dataset, sampler = loader.dataset, loader.sampler
    if isinstance(dataset, IterableDataset):
        raise InvalidInput("a DataLoader over an IterableDataset has no fixed order; give (images, labels)")
    whole = isinstance(sampler, SequentialSampler) or (
        isinstance(sampler, RandomSampler) and not sampler.replacement and len(sampler) == len(dataset)  # type: ignore[arg-type]
    )
    if not whole:
        raise InvalidInput(
            f"the DataLoader draws its images with {type(sampler).__name__}, which may repeat or leave out "
            "images; give its data set, or a torch.utils.data.Subset of it"
        )
    if isinstance(sampler, RandomSampler):
        warnings.warn(
            "the DataLoader shuffles; its images are read in the order of its data set",
            RobustBenchWarning,
            stacklevel=2,
        )
    ordered = DataLoader(
        dataset,
        batch_size=loader.batch_size or _BATCH,
        num_workers=loader.num_workers,
        collate_fn=loader.collate_fn,
    )
    images: list[npt.NDArray[Any]] = []
    labels: list[npt.NDArray[np.int64]] = []
    try:
        for batch in ordered:
            part = labelled_images(*_pair(batch, dataset), None)
            images.append(part.images)
            labels += [] if part.labels is None else [part.labels]
    except InvalidInput:
        raise
    except Exception as error:
        raise InvalidInput(f"the DataLoader can't be read: {type(error).__name__}: {error}") from error
    check_sizes(images, "batch")
    return LabelledImages(
        np.concatenate(images), np.concatenate(labels) if labels else None, _class_names(dataset)
    )


def _from_items(items: Iterable[object], dataset: object) -> LabelledImages:
    images: list[npt.NDArray[Any]] = []
    labels: list[object] = []
    for item in items:
        image, label = _pair(item, dataset)
        images.append(one_image(image, len(images)))
        labels.append(label)
    check_sizes(images, "image")
    kinds = {image.dtype for image in images}
    if len(kinds) > 1:
        raise InvalidInput(f"the images have several types: {', '.join(sorted(map(str, kinds)))}")
    known = [label is not None for label in labels]
    if any(known) and not all(known):
        raise InvalidInput(f"image {known.index(False)} has no label, others have one")
    numbers = [
        int(label) if isinstance(label, torch.Tensor) and label.ndim == 0 else label for label in labels
    ]
    values = class_indices(np.array(numbers), len(images)) if all(known) else None
    stacked = np.stack(images)
    check_range(stacked)
    return LabelledImages(stacked, values, _class_names(dataset))


def _pair(item: Any, dataset: object) -> tuple[Any, Any]:
    """Image and label of one item, or images and labels of one batch; the label None where there is none."""
    if isinstance(item, Mapping):
        return item[_image_key(item, dataset)], _label_of(item, dataset)
    if isinstance(item, tuple | list):
        if len(item) != 2:
            raise InvalidInput(
                f"the items of {type(dataset).__name__} have {len(item)} parts; expected (image, label)"
            )
        return item[0], item[1]
    return item, None


def _image_key(item: Mapping[str, Any], dataset: object) -> str:
    features = getattr(dataset, "features", None) or {}
    columns = [name for name, kind in features.items() if type(kind).__name__ == "Image"]
    keys = [name for name in IMAGE_KEYS if name in item] or [name for name in columns if name in item]
    if not keys:
        raise InvalidInput(
            f"no images among the columns {', '.join(map(str, item))}; expected one of "
            f"{', '.join(IMAGE_KEYS)}"
        )
    return keys[0]


def _label_of(item: Mapping[str, Any], dataset: object) -> Any:
    key = _label_key(item, dataset)
    return None if key is None else item[key]


def _label_key(item: Mapping[str, Any], dataset: object) -> str | None:
    features = getattr(dataset, "features", None) or {}
    columns = [name for name, kind in features.items() if type(kind).__name__ == "ClassLabel"]
    keys = [name for name in LABEL_KEYS if name in item] or [name for name in columns if name in item]
    if len(keys) > 1:
        raise InvalidInput(
            f"several columns could be the labels: {', '.join(keys)}; keep one of them (remove_columns)"
        )
    return keys[0] if keys else None


def _class_names(dataset: object) -> tuple[str, ...] | None:
    """The names of the classes, where a data set states them as torchvision's or Hugging Face's do."""
    features = getattr(dataset, "features", None)
    if isinstance(features, Mapping):
        key = _label_key(features, dataset)
        names = getattr(features[key], "names", None) if key is not None else None
    else:
        names = getattr(dataset, "classes", None)
    if isinstance(names, Sequence) and not isinstance(names, str) and len(set(map(str, names))) == len(names):
        return tuple(map(str, names)) or None
    return None
