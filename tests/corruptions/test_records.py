"""The records of corruptions and perturbations: what they accept, and what a call checks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch

from robustbench_lite.corruptions import (
    CORRUPTIONS,
    PERTURBATIONS,
    Corruption,
    Perturbation,
    corrupt,
    levels,
    perturb,
)
from robustbench_lite.corruptions.records import PROFILES
from robustbench_lite.errors import InvalidInput, UnknownName

FIVE = levels(share=(0.1, 0.2, 0.3, 0.4, 0.5))
TWO_FRAMES = levels(frames=(2,), step=(1,))
IMAGES = np.random.default_rng(0).integers(0, 256, (4, 32, 32, 3), np.uint8)


def identity(images: torch.Tensor, parameters: Any, draws: Any) -> torch.Tensor:
    return images.clone()


def still(images: torch.Tensor, window: Any, parameters: Any, draws: Any) -> Iterator[torch.Tensor]:
    for _ in range(int(parameters.frames)):
        yield images.clone()


def test_levels_name_the_fields_of_every_severity() -> None:
    rows = levels(radius=(1, 2), sigma=(0.5, 0.25))
    assert [(row.radius, row.sigma) for row in rows] == [(1, 0.5), (2, 0.25)]  # type: ignore[attr-defined]
    radius, sigma = rows[1]
    assert (radius, sigma) == (2, 0.25)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({}, "got no field"),
        ({"a": ()}, "the same count of numbers in each"),
        ({"a": (1, 2), "b": (1,)}, r"\{'a': 2, 'b': 1\}"),
        ({"a": 0.5}, "the field a to be a sequence of numbers, got 0.5"),
        ({"a": "12345"}, "the field a to be a sequence of numbers, got '12345'"),
    ],
)
def test_levels_refuse_other_than_equally_long_sequences(fields: Any, message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        levels(**fields)


def test_published_parameters_carry_the_names_of_their_fields() -> None:
    assert CORRUPTIONS["glass_blur"].levels("imagenet")[4]._asdict() == {  # type: ignore[attr-defined]
        "sigma": 1.5,
        "reach": 4,
        "iterations": 2,
    }
    assert PERTURBATIONS["spatter"].levels("cifar")[0].flow == (0.2, 0.8)  # type: ignore[attr-defined]
    for record in (*CORRUPTIONS.values(), *PERTURBATIONS.values()):
        assert all(hasattr(row, "_fields") for profile in record.profiles for row in record.levels(profile))


def test_parameters_without_a_profile_hold_for_every_profile() -> None:
    assert Corruption(identity, FIVE).profiles == PROFILES
    assert Perturbation(still, TWO_FRAMES).frames("tiny-imagenet") == 2
    only = Corruption(identity, {"cifar": FIVE})
    with pytest.raises(UnknownName, match="unknown profile 'imagenet'"):
        only.levels("imagenet")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((3, FIVE), "expected a function as kernel, got int"),
        (
            (lambda images: images, FIVE),
            r"called as kernel\(images, parameters, draws\).*too many positional",
        ),
        ((identity, FIVE[:3]), "expected parameters of 5 severities, got 3"),
        ((identity, {"cifar": FIVE[:3]}), r"got 3 \(profile cifar\)"),
        ((identity, {}), "mapping from profiles"),
        ((identity, 0.5), "mapping from profiles to them, got float"),
        ((identity, {"share": (0.1, 0.2, 0.3, 0.4, 0.5)}), "as parameters of 'share'"),
    ],
)
def test_a_corruption_is_refused_where_it_is_defined(arguments: Any, message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        Corruption(*arguments)


def test_a_kernel_must_take_the_keywords_of_its_record() -> None:
    with pytest.raises(InvalidInput, match=r"identity \(.*test_records.py, line \d+\).*textures"):
        Corruption(identity, FIVE, keywords=("textures",))


@pytest.mark.parametrize(
    ("arguments", "keywords", "message"),
    [
        ((identity, TWO_FRAMES), {}, r"called as generator\(images, window, parameters, draws\)"),
        ((still, levels(step=(1,))), {}, r"expected `frames` as the first field.*'step'"),
        ((still, levels(frames=(1,))), {}, "at least 2, got 1"),
        ((still, levels(frames=(2, 2))), {}, "of 1 to 1 difficulties, got 2"),
        ((still, levels(frames=(2,) * 4)), {"against_first": True}, "of 1 to 3 difficulties, got 4"),
    ],
)
def test_a_perturbation_is_refused_where_it_is_defined(arguments: Any, keywords: Any, message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        Perturbation(*arguments, **keywords)


def as_floats(images: torch.Tensor, parameters: Any, draws: Any) -> torch.Tensor:
    return images / 255


def one_row(images: torch.Tensor, parameters: Any, draws: Any) -> torch.Tensor:
    return images[:, :, :1]


def nothing(images: torch.Tensor, parameters: Any, draws: Any) -> None:
    return None


def failing(images: torch.Tensor, parameters: Any, draws: Any) -> torch.Tensor:
    return images * (1 // int(parameters.share))


@pytest.mark.parametrize(
    ("kernel", "message"),
    [
        (as_floats, r"dropout, as_floats \(.*line \d+\), returned float32.*expected uint8 of shape"),
        (one_row, r"returned uint8 of shape \(4, 3, 1, 32\)"),
        (nothing, "returned NoneType"),
        (failing, r"the kernel of dropout failed at .*test_records.py, line \d+: ZeroDivisionError"),
    ],
)
def test_what_a_kernel_returns_is_checked(kernel: Any, message: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(CORRUPTIONS, "dropout", Corruption(kernel, FIVE, chunk_factor=64))
    with pytest.raises(InvalidInput, match=message):
        corrupt(IMAGES, "dropout", 3)


def short(images: torch.Tensor, window: Any, parameters: Any, draws: Any) -> Iterator[torch.Tensor]:
    yield images


def long(images: torch.Tensor, window: Any, parameters: Any, draws: Any) -> Iterator[torch.Tensor]:
    while True:
        yield images


def floats(images: torch.Tensor, window: Any, parameters: Any, draws: Any) -> Iterator[torch.Tensor]:
    yield images / 255


def broken(images: torch.Tensor, window: Any, parameters: Any, draws: Any) -> Iterator[torch.Tensor]:
    yield images
    raise KeyError("angle")


@pytest.mark.parametrize(
    ("generator", "message"),
    [
        (short, r"of drift, short \(.*\), yields 1 frames; its parameters say 2"),
        (long, "yields more frames; its parameters say 2"),
        (floats, "returned float32"),
        (broken, r"the generator of drift failed at .*line \d+: KeyError: 'angle'"),
    ],
)
def test_what_a_generator_yields_is_checked(
    generator: Any, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(PERTURBATIONS, "drift", Perturbation(generator, TWO_FRAMES, chunk_factor=64))
    with pytest.raises(InvalidInput, match=message):
        perturb(IMAGES, "drift", profile="cifar")


def test_the_smallest_side_of_a_record_is_enforced(monkeypatch: pytest.MonkeyPatch) -> None:
    record = Corruption(identity, FIVE, smallest_side=lambda parameters: int(100 * parameters.share))  # type: ignore[attr-defined]
    monkeypatch.setitem(CORRUPTIONS, "dropout", record)
    assert np.array_equal(corrupt(IMAGES, "dropout", 3), IMAGES)
    with pytest.raises(InvalidInput, match="dropout with this severity needs images of at least 40 px"):
        corrupt(IMAGES, "dropout", 4)
