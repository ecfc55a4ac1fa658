"""A model fitted to a suite: images at the size that it takes, outputs in the order of the classes."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import torch

from robustbench_lite.errors import InvalidInput, ModelError
from robustbench_lite.evaluation.class_order import OutputOrder, as_asked, by_names
from robustbench_lite.evaluation.settings import EvaluationSettings
from robustbench_lite.models import Classifier, Ensemble, ensemble, renamed
from robustbench_lite.models.adapt import FlipChannels, ResizeInput, SelectOutputs, SigmoidOutput, adapted
from robustbench_lite.suites import Suite

SIDES: Final = (
    28,
    32,
    64,
    96,
    128,
    160,
    192,
    224,
    240,
    256,
    288,
    299,
    320,
    331,
    336,
    380,
    384,
    448,
    512,
    518,
)
"""Input sizes of usual networks, which are tried where a model does not take the suite's."""

Warn = Callable[[str], None]


@dataclass(frozen=True)
class Fit:
    """A model that takes the suite's images and returns one logit for each of its classes.

    Attributes:
        model: the fitted model.
        record: what was done, for the record of the run; empty where nothing was.
    """

    model: Classifier | Ensemble
    record: dict[str, object]


def fit_to_suite(
    model: Classifier | Ensemble,
    suite: Suite,
    images: torch.Tensor,
    settings: EvaluationSettings,
    device: torch.device,
    warn: Warn,
) -> Fit:
    """Bring the images to the size of a model, and its outputs into the order of the suite's classes.

    Args:
        model: moved to the device, where it stays. The members of an ensemble are fitted each.
        suite: what it will be evaluated on.
        images: a few uint8 images (n, H, W, 3) of the suite on the device.
        settings: input size, channels and class order, where they are given.
        device: where to run.
        warn: is told what a reader of the numbers must know.

    Raises:
        ModelError: the model does not take such images, or its outputs are not the suite's classes.
        InvalidInput: an option that does not apply.
        DataError: a class list that can't be read, or lacks a class.
    """
    if isinstance(model, Ensemble):
        fits = [fit_to_suite(one, suite, images, settings, device, warn) for one in _members(model)]
        record = {key: value for fit in fits for key, value in fit.record.items()}
        if not record:
            return Fit(model, {})
        joined = ensemble([fit.model for fit in fits if isinstance(fit.model, Classifier)])
        return Fit(renamed(joined, model.info.name), record)
    side = suite.spec.image_size
    record = {}
    model.eval().to(device)
    if settings.channels == "bgr":
        model = adapted(model, before=FlipChannels(), note="images are fed as BGR, as asked")
        record["channels"] = "bgr"
    if settings.input_size is not None and settings.input_size != side:
        stage = ResizeInput(settings.input_size)
        how = f"{side} px images resized to {settings.input_size} px ({stage.interpolation}, antialiased)"
        model = adapted(model, before=stage, note=how)
        record["input"] = how
    elif settings.input_size is None and model.info.input_size not in (None, side):
        wanted = model.info.input_size
        warn(
            f"the weights of {model.info.name} were made for {wanted} px images and get the {side} px images "
            f"of the suite; `input_size={wanted}` resizes them"
        )
    outputs = _outputs(model, images[:2])
    if outputs.ndim == 2 and outputs.shape[1] == 1:
        outputs = _outputs(model, images[:64])
    return _with_outputs(model, suite, outputs, settings, record, warn)


def _members(model: Ensemble) -> list[Classifier]:
    return [member for member in model.members if isinstance(member, Classifier)]


def _with_outputs(
    model: Classifier,
    suite: Suite,
    outputs: torch.Tensor,
    settings: EvaluationSettings,
    record: dict[str, object],
    warn: Warn,
) -> Fit:
    """The model with one logit for each class of the suite."""
    classes = suite.spec.classes
    width = int(outputs.shape[1]) if outputs.ndim == 2 else 0
    if width == 1 and classes == 2:
        probabilities = bool(((outputs >= 0) & (outputs <= 1)).all())
        what = "a sigmoid's output p is taken as the logits (0, log(p / (1 - p)))"
        text = f"one output for two classes: {what if probabilities else 'z is taken as the logits (0, z)'}"
        record["outputs"] = text
        if probabilities:
            warn(text)
        sigmoid = SigmoidOutput(probabilities=probabilities)
        return Fit(adapted(model, after=sigmoid, note=text, num_classes=2), record)
    names, info = suite.class_names, model.info
    order = as_asked(names, classes, settings.class_order, settings.output_index)
    if order is None:
        order = by_names(info.class_names, names, width, official=not suite.spec.own)
        if order is not None and len(order.index) < width:
            warn(
                f"{classes} of the model's {width} outputs are classes of the suite; the others are left "
                "out, so that predictions are among the suite's classes only"
            )
    if order is None:
        if width and width != classes:
            raise ModelError(_other_width(info.name, width, classes))
        return Fit(model, record)
    if order.outputs not in (None, width):
        listed = f"the class list that is given has {order.outputs} names"
        if order.outputs == classes:
            raise ModelError(f"{_other_width(info.name, width, classes)}; {listed}")
        raise ModelError(f"{info.name} has {width} outputs, but {listed}")
    if max(order.index) >= width:
        raise ModelError(
            f"{info.name} has {width} outputs, but output {max(order.index)} is asked for ({order.reason}); "
            "outputs are counted from 0"
        )
    if order.changes(width):
        record["outputs"] = _described(order, width)
        stage = SelectOutputs(order.index)
        model = adapted(model, after=stage, note=_described(order, width), num_classes=classes)
    return Fit(model, record)


def _described(order: OutputOrder, width: int) -> str:
    count = len(order.index)
    what = "outputs reordered" if count == width else f"{count} of {width} outputs used"
    return f"{what}: {order.reason}"


def _other_width(name: str, width: int, classes: int) -> str:
    """What to do with a model that has another number of outputs than the suite has classes."""
    start = f"{name} has {width} outputs, but the suite has {classes} classes"
    if width == classes + 1:
        return (
            f"{start}. One output more is usually a background class before the others: "
            f"`output_index='1-{classes}'` leaves it out"
        )
    if width > classes:
        return (
            f"{start}. If the suite's classes are among the model's, `class_order=FILE` finds them by a file "
            f"with the model's {width} class names, one per line, and `output_index=FILE` by the output of "
            "each class; for your own images give `classes=FILE` with the model's class list"
        )
    return (
        f"{start}; evaluate it on the suite that it was trained for, or, for your own images, give "
        "`classes=FILE` with the model's class list"
    )


def _outputs(model: Classifier, images: torch.Tensor) -> torch.Tensor:
    """The outputs for a few images.

    Raises:
        ModelError: the model does not take images of this size; the message names a size that it takes.
    """
    try:
        with torch.inference_mode():
            outputs: torch.Tensor = model(images.permute(0, 3, 1, 2)).float()
            return outputs
    except (ModelError, InvalidInput, torch.OutOfMemoryError):
        raise
    except Exception as error:  # whatever a stranger's forward pass may raise
        side = int(images.shape[1])
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        start = f"{model.info.name} does not take images of shape {(len(images), 3, *images.shape[1:3])}"
        sides = sizes_taken(model, images, reason)
        if not sides:
            raise ModelError(f"{start}, that is (N, 3, H, W) in [0, 1]: {reason}") from error
        only = len(sides) == 1
        which = f"`input_size={sides[0]}`" if only else "`input_size=N`, with the side it was made for,"
        taken = f"{sides[0]} x {sides[0]}" if only else ", ".join(map(str, sides[:6]))
        raise ModelError(
            f"{start} ({reason}). It takes {taken} pixels: {which} resizes the {side} px images of the suite "
            "on the device"
        ) from error


def sizes_taken(model: Classifier, images: torch.Tensor, reason: str) -> list[int]:
    """The sides of square images that the model takes: those that its error names, and the usual ones."""
    named = [int(number) for number in re.findall(r"\d+", reason) if 16 <= int(number) <= 1024]
    taken = []
    for side in sorted({*SIDES, *named}):
        if side == images.shape[1]:
            continue
        try:
            with torch.inference_mode():
                adapted(model, before=ResizeInput(side))(images[:2].permute(0, 3, 1, 2))
        except Exception:
            continue
        taken.append(side)
    return taken
