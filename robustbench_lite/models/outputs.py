"""Find the logits in what a network returns: a tensor, a tuple, a dictionary, an object of transformers."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from robustbench_lite.errors import ModelError

LOGITS = "logits"
# The name of the output of a network that returns one tensor.
LONE = "0"


def select_logits(returned: object, output: str | None, classes: int | None) -> Tensor:
    """Return the logits among a network's outputs.

    A lone tensor is the logits, and so is an output of that name. Otherwise they are the one output (N, K)
    whose width K is the number of classes.

    Args:
        returned: what the network returned.
        output: the name of the output, or its number in a tuple; None finds it.
        classes: number of classes of the suite, None where it is unknown.

    Raises:
        ModelError: no tensor, no output of that name, or several outputs that may be the logits.
    """
    if isinstance(returned, Tensor) and output is None:
        return returned
    parts = named_outputs(returned)
    if not parts:
        raise ModelError(
            f"the model returned {type(returned).__name__}, expected a tensor of logits (N, classes); "
            "wrap it in a function that returns just that tensor"
        )
    listed = ", ".join(f"{name} {tuple(value.shape)}" for name, value in parts.items())
    if output is not None:
        if output not in parts:
            raise ModelError(f"the model has no output {output!r}; it returns {listed}")
        return parts[output]
    if LOGITS in parts:
        return parts[LOGITS]
    flat = {name: value for name, value in parts.items() if value.ndim == 2}
    fitting = {name: value for name, value in flat.items() if classes in (None, value.shape[1])} or flat
    if len(fitting) == 1:
        return next(iter(fitting.values()))
    names = " or ".join(f"`output='{name}'`" for name in fitting or parts)
    raise ModelError(f"the model returns several outputs ({listed}); say which ones are the logits: {names}")


def named_outputs(returned: object) -> dict[str, Tensor]:
    """The tensors by name: keys of a dictionary, fields of a named tuple, numbers of a tuple."""
    if isinstance(returned, Tensor):
        return {LONE: returned}
    if isinstance(returned, Mapping):
        items = {str(key): value for key, value in returned.items()}
    elif isinstance(returned, tuple) and hasattr(returned, "_asdict"):
        items = returned._asdict()
    elif isinstance(returned, tuple | list):
        items = {str(number): value for number, value in enumerate(returned)}
    else:
        items = {LOGITS: getattr(returned, LOGITS, None)}
    return {name: value for name, value in items.items() if isinstance(value, Tensor)}
