"""Class lists: a class's index is its place in the full sorted list of WordNet ids."""

from __future__ import annotations

import functools

from robustbench_lite.reference.files import read_text


@functools.cache
def imagenet_wnids() -> tuple[str, ...]:
    """Return the 1000 WordNet ids of ImageNet-1k in the order of their class indices (sorted).

    Source: ILSVRC 2012; the list is the same in every copy of the data set.
    """
    return tuple(read_text("imagenet_wnids.txt").split())


@functools.cache
def tiny_imagenet_wnids() -> tuple[str, ...]:
    """Return the 200 WordNet ids of Tiny ImageNet, sorted, which is how folder readers number them.

    The data set's own wnids.txt has another order; models trained from it need their outputs permuted.

    Source: wnids.txt of tiny-imagenet-200 as two public copies have it; all are ImageNet-1k classes.
    """
    return tuple(read_text("tiny_imagenet_wnids.txt").split())


@functools.cache
def tiny_imagenet_file_order() -> tuple[str, ...]:
    """Return the 200 WordNet ids of Tiny ImageNet in the order of the data set's own wnids.txt.

    Source: a public loader that carries the list; it is a permutation of the sorted ids.
    """
    return tuple(read_text("tiny_imagenet_wnids_txt.txt").split())


@functools.cache
def cifar_classes(dataset: str) -> tuple[str, ...]:
    """Return the names of the classes of "cifar10" or "cifar100" in the order of their indices.

    Source: label_names in batches.meta and fine_label_names in meta of the data sets' Python version.
    """
    return tuple(read_text(f"{dataset}_classes.txt").split())


def class_names(dataset: str) -> tuple[str, ...]:
    """Return the names of a data set's classes in the order of their indices; WordNet ids for ImageNet's.

    Raises:
        KeyError: a data set without official classes.
    """
    if dataset == "imagenet":
        return imagenet_wnids()
    if dataset == "tiny-imagenet":
        return tiny_imagenet_wnids()
    return cifar_classes(dataset)
