"""What the evaluation runs: a network with its normalisation inside, and a record of where it came from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from robustbench_lite.errors import InvalidInput, ModelError
from robustbench_lite.models.normalize import Normalization, named_normalization, parse_normalization
from robustbench_lite.models.outputs import select_logits


@dataclass(frozen=True)
class ModelInfo:
    """Where a model came from and what it expects, for the record of a run.

    Attributes:
        source: path or name it was loaded from.
        sha256: hash of the file, None where there is none.
        format: how it was stored, for example "state dict" or "onnx".
        num_classes: outputs, None where they can't be known before a forward pass.
        normalization: name in NORMALIZATIONS, or "custom".
        normalization_guessed: whether it is a convention only, neither asked for nor stated by the model.
        mean: per channel, for images in [0, 1]; empty for an ensemble, whose members have their own.
        parameters: number of trainable values; 0 where the format hides them.
        notes: what was decided while loading and a reader of the numbers should know.
        code_sha256: hash of the user's own Python file that builds the network, None where there is none.
        class_names: the names of the outputs in their order, where the file or the weights carry them.
        input_size: side in pixels of the images that the model's own configuration asks for, where known.
        stored_accuracy: a fraction that the file states beside the weights, None where it states none.
        stored_as: name and number as the file has them, for example "acc 92.12".
    """

    name: str
    architecture: str
    source: str
    sha256: str | None
    format: str
    num_classes: int | None
    normalization: str
    normalization_reason: str
    mean: tuple[float, ...]
    std: tuple[float, ...]
    parameters: int
    notes: tuple[str, ...] = ()
    normalization_guessed: bool = False
    code_sha256: str | None = None
    class_names: tuple[str, ...] | None = None
    input_size: int | None = None
    stored_accuracy: float | None = None
    stored_as: str = ""


class Classifier(nn.Module):
    """A network behind its normalisation, in evaluation mode.

    Shape: (N, 3, H, W) float in [0, 1], or uint8 in 0..255, to logits (N, num_classes). The arithmetic and
    its order are those of torchvision's ToTensor and Normalize, to the bit.

    Args:
        network: takes normalised images.
        info: its record.
        output: which of several outputs of the network are the logits; None finds them.
        classes: number of classes of the suite, where it is known; it shows which output they are.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self, network: nn.Module, info: ModelInfo, output: str | None = None, classes: int | None = None
    ) -> None:
        super().__init__()
        self.network = network
        self.output, self.classes = output, classes
        self.info = info
        self.register_buffer("mean", torch.tensor(info.mean).reshape(1, 3, 1, 1))
        self.register_buffer("std", torch.tensor(info.std).reshape(1, 3, 1, 1))
        self.identity = info.normalization == "none"
        self.before = nn.Sequential()
        self.after = nn.Sequential()
        self.eval()

    def forward(self, images: Tensor) -> Tensor:
        """Normalise the images and return the network's logits."""
        images = self.before(images)
        if images.dtype == torch.uint8:
            images = images.to(self.mean.dtype).div_(255)
        if not self.identity:
            images = images.sub(self.mean).div(self.std)
        logits: Tensor = self.after(select_logits(self.network(images), self.output, self.classes))
        return logits


class Function(nn.Module):
    """A plain callable in the place of a network."""

    def __init__(self, function: Callable[[Tensor], object]) -> None:
        super().__init__()
        self.function = function

    def forward(self, images: Tensor) -> object:
        """Call the function on a batch."""
        return self.function(images)


def as_classifier(
    model: nn.Module | Callable[[Tensor], object],
    *,
    name: str | None = None,
    normalize: str | None = None,
    num_classes: int | None = None,
    output: str | None = None,
    suite_classes: int | None = None,
) -> Classifier:
    """Wrap a module, or any callable from images in [0, 1] to logits, so that it can be evaluated.

    A module is put into evaluation mode, where it stays. Nothing is normalised unless `normalize` says so.

    Args:
        model: module or callable; a Classifier comes back as it is.
        name: shown in tables; by default the name of the class or function.
        normalize: the same as for `load_model`.
        num_classes: outputs, where known.
        output: the same as for `load_model`.
        suite_classes: the same as for `load_model`.

    Raises:
        InvalidInput: the model can't be called.
    """
    if isinstance(model, Classifier):
        return model
    if not callable(model):
        raise InvalidInput(
            f"a model is a module or a callable from images in [0, 1] to logits, got {type(model).__name__}; "
            "load a file with load_model"
        )
    network = model if isinstance(model, nn.Module) else Function(model)
    kind = type(model).__name__ if isinstance(model, nn.Module) else getattr(model, "__name__", "function")
    chosen = parse_normalization(normalize) if normalize else _taken_as_it_is()
    info = describe(
        network,
        chosen,
        name=name or kind,
        architecture=kind,
        source="memory",
        sha256=None,
        format="module" if isinstance(model, nn.Module) else "callable",
        num_classes=num_classes,
        guessed=normalize is None,
    )
    return Classifier(network, info, output, suite_classes)


def _taken_as_it_is() -> Normalization:
    return named_normalization("none", "a model in memory takes images in [0, 1]")


def describe(
    network: nn.Module,
    normalization: Normalization,
    *,
    name: str,
    architecture: str,
    source: str,
    sha256: str | None,
    format: str,
    num_classes: int | None,
    notes: tuple[str, ...] = (),
    guessed: bool = False,
    code_sha256: str | None = None,
) -> ModelInfo:
    """Gather the record of a model from its network, its normalisation and where it came from."""
    return ModelInfo(
        name=name,
        architecture=architecture,
        source=source,
        sha256=sha256,
        format=format,
        num_classes=num_classes,
        normalization=normalization.name,
        normalization_reason=normalization.reason,
        mean=normalization.mean,
        std=normalization.std,
        parameters=sum(parameter.numel() for parameter in network.parameters()),
        notes=notes,
        normalization_guessed=guessed,
        code_sha256=code_sha256,
    )


def assert_eval(model: nn.Module) -> None:
    """Check that no part of a model is in training mode.

    Raises:
        ModelError: a module is; the message names it.
    """
    for name, module in model.named_modules():
        if getattr(module, "training", False):
            raise ModelError(
                f"{name or 'the model'} ({type(module).__name__}) is in training mode, so batch norm and "
                "dropout would change the predictions; call .eval() on the model"
            )


def check_logits(logits: Tensor, images: int, num_classes: int, name: str) -> None:
    """Check that a model's output for a batch can be scored against a suite.

    Args:
        logits: what the model returned.
        images: number of images in the batch.
        num_classes: classes of the suite.
        name: the name of the model, for the message.

    Raises:
        ModelError: wrong shape, another number of classes, or values that are not finite.
    """
    if logits.ndim != 2 or logits.shape[0] != images:
        raise ModelError(
            f"{name} returned shape {tuple(logits.shape)} for {images} images, "
            f"expected ({images}, {num_classes})"
        )
    if logits.shape[1] != num_classes:
        raise ModelError(
            f"{name} has {logits.shape[1]} outputs, but the suite has {num_classes} classes; "
            "evaluate it on the suite that it was trained for, or, for your own images, give "
            "`classes=FILE` with "
            "the model's class list"
        )
    if not bool(torch.isfinite(logits).all()):
        raise ModelError(
            f"{name} returned NaN or infinite logits; check the file, the normalisation and the precision"
        )
