"""One forward pass: from uint8 images on the device to logits, in parts that fit into memory."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence

import torch

from robustbench_lite.errors import ModelError
from robustbench_lite.evaluation.settings import EvaluationSettings
from robustbench_lite.models import (
    Classifier,
    Ensemble,
    assert_eval,
    check_logits,
    optimise_for_inference,
)
from robustbench_lite.runtime import autocast

_TRIAL_SECONDS = 0.4
_DESCRIBED = 16
_SAME_IMAGE = 0.05
_SAME_MODEL = 1e-3
_WORTHWHILE = 1.03
_WORTH_MEASURING = 20_000
_USUAL = {"cpu": 64, "cuda": 512, "mps": 256}
_LARGEST = {"cpu": 512, "cuda": 8192, "mps": 1024}

Model = Callable[[torch.Tensor], torch.Tensor]


class Forward:
    """A model with its device and precision. The model takes uint8 images or images in [0, 1].

    A call takes uint8 images (N, H, W, 3) on the device and returns logits (N, K). Where the device runs out
    of memory, the batch is halved for the rest of the run. The results keep their order.
    """

    def __init__(self, model: Model, device: torch.device, settings: EvaluationSettings) -> None:
        self.model = model
        self.device = device
        self.settings = settings
        self.largest: int | None = None

    def __call__(self, images: torch.Tensor) -> torch.Tensor:
        """Return the logits of a batch.

        Raises:
            ModelError: The memory of the device is too small for one image.
        """
        while True:
            try:
                parts = images.split(self.largest or len(images))
                logits = [self._once(part) for part in parts]
                return logits[0] if len(logits) == 1 else torch.cat(logits)
            except torch.OutOfMemoryError as error:
                size = self.largest or len(images)
                if size == 1:
                    raise ModelError(
                        f"{self.device} has too little memory for one image of this model"
                    ) from error
                self.largest = (size + 1) // 2
                torch.cuda.empty_cache()

    def _once(self, images: torch.Tensor) -> torch.Tensor:
        with torch.inference_mode(), autocast(self.device, self.settings.amp):
            return self.model(images.permute(0, 3, 1, 2))


def ready(
    classifier: Classifier | Ensemble,
    images: torch.Tensor,
    settings: EvaluationSettings,
    device: torch.device,
    classes: int | None,
) -> tuple[Forward, str, int]:
    """Prepare and try a model: set eval mode, move it to the device, fold and compile it as the settings say.

    Args:
        classifier: The model, which stays on the device.
        images: A few uint8 images (n, H, W, 3) on the device.
        settings: The settings of the run.
        device: The device of the run.
        classes: The number of classes that the model must have; None allows any number.

    Returns:
        The forward pass, the changes of the model in words, and its number of classes.

    Raises:
        ModelError: The model is in training mode, or `check_model` refuses it.
    """
    classifier.eval().to(device)
    assert_eval(classifier)
    plain = Forward(classifier, device, settings)
    width = check_model(plain, images[:2], classes, classifier.info.name)
    model: Model = classifier
    note = "as loaded"
    if settings.fuse:
        model, note = optimise_for_inference(classifier, images.permute(0, 3, 1, 2))
    if settings.compile:
        model, note = torch.compile(model), f"{note}, compiled"
    return Forward(model, device, settings), note, width


def check_model(forward: Forward, images: torch.Tensor, classes: int | None, name: str) -> int:
    """Run a few images, and refuse a model that can't be scored, before the run starts.

    Returns:
        The number of classes: `classes` where it is not None, else the width of the logits.

    Raises:
        ModelError: The model does not take such images, or its output has a wrong shape, width or value.
    """
    try:
        logits = forward(images)
    except ModelError:
        raise
    except Exception as error:  # a user's forward pass may raise anything
        shape = (len(images), 3, *images.shape[1:3])
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise ModelError(
            f"{name} does not take images of shape {shape}, that is (N, 3, H, W) in [0, 1]: {reason}"
        ) from error
    width = int(logits.shape[-1]) if classes is None else classes
    check_logits(logits, len(images), width, name)
    return width


def describe_outputs(forward: Forward, images: torch.Tensor, warn: Callable[[str], None]) -> list[float]:
    """Describe a model by its outputs on a few images: the log-sum-exp and the maximum of the logits.

    Args:
        forward: The model on its device.
        images: A few uint8 images (n, H, W, 3) on the device.
        warn: The function that receives a warning where some scores are meaningless.

    Raises:
        ModelError: The logits of an image depend on the other images of its batch.
    """
    some = images[:_DESCRIBED]
    logits = forward(some).float()
    half = forward(some[: (len(some) + 1) // 2]).float()
    spread = float(logits.abs().max())
    if float((logits[: len(half)] - half).abs().max()) > _SAME_IMAGE * spread:
        raise ModelError(
            "an image's logits depend on the other images of its batch: a batch norm is in training mode? "
            "call .eval() on the network inside"
        )
    if bool((logits >= 0).all()) and bool((logits.sum(dim=1) - 1).abs().max() < 1e-3):
        warn(
            "the model's outputs look like probabilities; errors are right, but calibration, Brier score and "
            "NLL need the logits before the softmax"
        )
    return torch.cat([logits.logsumexp(dim=1), logits.amax(dim=1)]).cpu().tolist()


def same_outputs(one: Sequence[float], other: Sequence[float]) -> bool:
    """Return whether two descriptions belong to one model, except for rounding."""
    return len(one) == len(other) and all(
        math.isclose(a, b, rel_tol=_SAME_MODEL, abs_tol=_SAME_MODEL) for a, b in zip(one, other, strict=True)
    )


def fastest_batch_size(forward: Forward, images: torch.Tensor, total: int | None = None) -> int:
    """Find the batch size with the most images per second on this device.

    Sizes double from 32 until two sizes in a row are not 3 % faster than the best size before, or one does
    not fit into memory. The measurement costs as much as a few thousand images, so a run of fewer than 20,000
    images takes a usual size without a measurement.

    Args:
        forward: The model on its device.
        images: A few uint8 images (n, H, W, 3) on the device, which are repeated to fill a batch.
        total: The number of images of the whole run, where it is known.
    """
    if total is not None and total < _WORTH_MEASURING:
        return _USUAL[forward.device.type]
    best, best_rate, misses, size = 32, 0.0, 0, 32
    while size <= _LARGEST[forward.device.type] and misses < 2:
        batch = images.repeat((size + len(images) - 1) // len(images), 1, 1, 1)[:size]
        rate = _rate(forward, batch)
        if forward.largest is not None:
            forward.largest = None
            break
        if rate > best_rate * _WORTHWHILE:
            best, best_rate, misses = size, rate, 0
        else:
            misses += 1
        size *= 2
    return best


def _rate(forward: Forward, batch: torch.Tensor) -> float:
    forward(batch)
    times: list[float] = []
    while len(times) < 2 or sum(times) < _TRIAL_SECONDS:
        _synchronise(forward.device)
        began = time.perf_counter()
        forward(batch)
        _synchronise(forward.device)
        times.append(time.perf_counter() - began)
    return len(batch) / min(times)


def _synchronise(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()
