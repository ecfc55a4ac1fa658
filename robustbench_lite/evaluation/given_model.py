"""From what a caller names as a model to a classifier, or to an ensemble of several."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path

import torch

from robustbench_lite.errors import InvalidInput
from robustbench_lite.evaluation.settings import ModelSettings
from robustbench_lite.models import Classifier, Ensemble, as_classifier, ensemble, load_model, renamed

AnyModel = str | Path | torch.nn.Module | Callable[[torch.Tensor], torch.Tensor]


def open_models(
    model: AnyModel | Sequence[AnyModel],
    suite: str | None,
    settings: ModelSettings,
    classes: int | None = None,
) -> Classifier | Ensemble:
    """A model in any of its forms; a sequence of them becomes an ensemble.

    Args:
        model: a file, a name such as "torchvision:resnet50", a module, a callable, or a sequence of these.
        suite: name of the suite that the model will meet, for the default normalisation.
        settings: how files are read, and the name in tables.
        classes: number of classes of that suite, where it is known.

    Raises:
        InvalidInput: a setting that can't apply to such a model.
    """
    if isinstance(model, Sequence) and not isinstance(model, str):
        opened: Classifier | Ensemble = ensemble([open_model(one, suite, settings, classes) for one in model])
    else:
        opened = open_model(model, suite, settings, classes)
    return opened if settings.name is None else renamed(opened, settings.name)


def open_model(
    model: AnyModel, suite: str | None, settings: ModelSettings, classes: int | None = None
) -> Classifier:
    """One model, from a file, from a name, or in memory, under its own name.

    Raises:
        InvalidInput: a setting that can't apply to such a model.
    """
    if isinstance(model, str | Path):
        return load_model(
            model,
            settings.arch,
            normalize=settings.normalize,
            suite=suite,
            trust_checkpoint=settings.trust_checkpoint,
            entry=settings.entry,
            output=settings.output,
            suite_classes=classes,
        )
    if settings.arch is not None or settings.entry is not None:
        raise InvalidInput("arch and entry are about checkpoint files; this model is in memory already")
    if isinstance(model, Classifier):
        if settings.normalize is not None:
            raise InvalidInput(
                f"this classifier already normalises inside ({model.info.normalization}); leave normalize out"
            )
        return model
    return as_classifier(model, normalize=settings.normalize, output=settings.output, suite_classes=classes)


def weights_sha256(module: torch.nn.Module) -> str:
    """SHA-256 over the names and bytes of a module's tensors, for models that come from no file."""
    digest = hashlib.sha256()
    for name, tensor in sorted(module.state_dict().items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()
