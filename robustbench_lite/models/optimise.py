"""Make a model faster without changing what it computes."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import TypeVar

import torch
from torch import Tensor, fx, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from robustbench_lite.models.classifier import Classifier
from robustbench_lite.models.ensemble import Ensemble

# Largest change of a logit, relative to the largest logit, that counts as rounding.
TOLERANCE = 1e-5

Model = TypeVar("Model", Classifier, Ensemble, Classifier | Ensemble)


class _Tracer(fx.Tracer):
    """Keeps subclasses of convolutions whole: their padding may depend on the input's size."""

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        return isinstance(m, nn.Conv2d) or super().is_leaf_module(m, module_qualified_name)


def optimise_for_inference(model: Model, images: Tensor) -> tuple[Model, str]:
    """Fold batch norm into the convolutions before it, and lay weights out with channels last.

    The model itself is left as it was. What is returned agrees with it on the given images to TOLERANCE of
    the largest logit; where folding doesn't, it is left out.

    Args:
        model: a model in evaluation mode.
        images: a real batch on the model's device, as it will be fed.

    Returns:
        The faster model, and a note that says what was done, for the record.
    """
    with torch.inference_mode():
        expected = model(images).float()
    try:
        faster = copy.deepcopy(model)
    except Exception:
        # A runtime's session or a callable with a handle of its own.
        return model, "as loaded"
    count = sum(_fold(network) for network in _networks(faster))
    if count and _agrees(_channels_last(faster), images, expected):
        return faster, f"{count} batch norms folded into convolutions, channels last"
    refused = ", batch norm not folded: the outputs would change" if count else ""
    faster = copy.deepcopy(model) if count else faster
    if _agrees(_channels_last(faster), images, expected):
        return faster, "channels last" + refused
    return model, "as loaded" + refused


def _networks(model: Classifier | Ensemble) -> Iterator[nn.Module]:
    for module in model.modules():
        if isinstance(module, Classifier):
            yield module.network


def _channels_last(model: Model) -> Model:
    return model.to(memory_format=torch.channels_last)


def _agrees(model: nn.Module, images: Tensor, expected: Tensor) -> bool:
    with torch.inference_mode():
        actual = model(images).float()
    scale = expected.abs().max()
    return bool(torch.isfinite(actual).all()) and bool((actual - expected).abs().max() <= TOLERANCE * scale)


def _fold(network: nn.Module) -> int:
    """Fold in place, and return how many batch norms are gone; none where the network can't be traced."""
    try:
        graph = _Tracer().trace(network)
    except Exception:
        # Data-dependent control flow, opaque functions, compiled archives: left as they are.
        return 0
    if any(module.training for module in network.modules()):
        # Its forward pass calls train(): the outputs are looked at elsewhere.
        return 0
    pairs = list(_foldable(network, graph))
    for convolution, norm in pairs:
        before, after = network.get_submodule(convolution), network.get_submodule(norm)
        if isinstance(before, nn.Conv2d) and isinstance(after, nn.BatchNorm2d):
            network.set_submodule(convolution, fuse_conv_bn_eval(before, after))
            network.set_submodule(norm, nn.Identity().eval())
    return len(pairs)


def _foldable(network: nn.Module, graph: fx.Graph) -> Iterator[tuple[str, str]]:
    """Names of a convolution and of the batch norm that alone reads its output, both used once."""
    calls = [str(node.target) for node in graph.nodes if node.op == "call_module"]
    once = {name for name in calls if calls.count(name) == 1}
    shared = _names_of_shared_modules(network)
    for node in graph.nodes:
        if node.op != "call_module" or not isinstance(
            network.get_submodule(str(node.target)), nn.BatchNorm2d
        ):
            continue
        norm, before = str(node.target), node.args[0]
        if not isinstance(before, fx.Node) or before.op != "call_module" or len(before.users) != 1:
            continue
        convolution = str(before.target)
        if not isinstance(network.get_submodule(convolution), nn.Conv2d) or {norm, convolution} & shared:
            continue
        tracked = network.get_submodule(norm).running_mean is not None
        if {norm, convolution} <= once and tracked:
            yield convolution, norm


def _names_of_shared_modules(network: nn.Module) -> set[str]:
    """Modules that the network holds under several names; folding one would change the others."""
    names: dict[int, list[str]] = {}
    for name, module in network.named_modules(remove_duplicate=False):
        names.setdefault(id(module), []).append(name)
    return {name for group in names.values() if len(group) > 1 for name in group}
