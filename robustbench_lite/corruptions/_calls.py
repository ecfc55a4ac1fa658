"""Kernels and generators are called here: what they return is checked, and a failure names file and line."""

from __future__ import annotations

import contextlib
import traceback
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor

from robustbench_lite.corruptions._warp import Window
from robustbench_lite.corruptions.difficulty import SequenceParameters
from robustbench_lite.corruptions.parameters import Parameters
from robustbench_lite.corruptions.random import Draws
from robustbench_lite.corruptions.records import Corruption, Perturbation, place_of
from robustbench_lite.errors import InvalidInput, RobustBenchError


def call_kernel(
    name: str,
    record: Corruption,
    images: Tensor,
    parameters: Parameters,
    draws: Draws,
    options: Mapping[str, Any],
) -> Tensor:
    """The corrupted images, uint8 (N, 3, H, W).

    Args:
        name: the corruption.
        record: its record.
        images: uint8 (N, 3, H, W).
        parameters: the parameters of one severity.
        draws: the source of randomness.
        options: the keywords of `corrupt`; the kernel gets those that its record names.

    Raises:
        InvalidInput: the kernel fails, or returns something else.
    """
    with named_failure(f"the kernel of {name}", record.kernel):
        result = record.kernel(images, parameters, draws, **_chosen(options, record.keywords))
    _check(f"the kernel of {name}", record.kernel, result, images.shape, images.device)
    return result


def call_generator(
    name: str,
    record: Perturbation,
    images: Tensor,
    window: Window,
    parameters: SequenceParameters,
    draws: Draws,
    options: Mapping[str, Any],
) -> Iterator[Tensor]:
    """The frames, each uint8 (N, 3, *window).

    Args:
        name: the perturbation.
        record: its record.
        images: uint8 (N, 3, H, W).
        window: the part of the images that a frame shows.
        parameters: the parameters of one difficulty.
        draws: the source of randomness.
        options: the keywords of `perturb`; the generator gets those that its record names.

    Raises:
        InvalidInput: the generator fails, or yields something else or another number of frames.
    """
    what, generator, expected = f"the generator of {name}", record.generator, int(parameters[0])
    shape = torch.Size((len(images), 3, window.height, window.width))
    count = 0
    with named_failure(what, generator):
        frames = iter(generator(images, window, parameters, draws, **_chosen(options, record.keywords)))
    while True:
        with named_failure(what, generator):
            frame = next(frames, None)
        if frame is None:
            break
        count += 1
        if count > expected:
            break
        _check(what, generator, frame, shape, images.device)
        yield frame
    if count != expected:
        more = "more" if count > expected else str(count)
        raise InvalidInput(
            f"{what}, {place_of(generator)}, yields {more} frames; its parameters say {expected}"
        )


def _chosen(options: Mapping[str, Any], keywords: tuple[str, ...]) -> dict[str, Any]:
    return {keyword: options[keyword] for keyword in keywords}


def _check(what: str, function: object, result: object, shape: torch.Size, device: torch.device) -> None:
    if isinstance(result, Tensor):
        if result.dtype == torch.uint8 and result.shape == shape and result.device == device:
            return
        got = f"{str(result.dtype).removeprefix('torch.')} of shape {tuple(result.shape)} on {result.device}"
    else:
        got = type(result).__name__
    raise InvalidInput(
        f"{what}, {place_of(function)}, returned {got}; expected uint8 of shape {tuple(shape)} on {device}"
    )


@contextlib.contextmanager
def named_failure(what: str, function: object) -> Iterator[None]:
    """Turn a failure of a user's function into one error; a failure of the package's own keeps its type."""
    try:
        yield
    except (RobustBenchError, torch.OutOfMemoryError):
        raise
    except Exception as error:
        if str(getattr(function, "__module__", "")).startswith(f"{__name__.partition('.')[0]}."):
            raise
        frame = traceback.extract_tb(error.__traceback__)[-1]
        for one in traceback.extract_tb(error.__traceback__):
            if one.filename == getattr(getattr(function, "__code__", None), "co_filename", None):
                frame = one
        raise InvalidInput(
            f"{what} failed at {frame.filename}, line {frame.lineno}: {type(error).__name__}: {error}"
        ) from error
