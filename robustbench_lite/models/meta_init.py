"""Build networks without filling their weights: fast, and no random number is drawn."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

_UNFILLED = (torch.empty, torch.rand, torch.randn)


class _Unfilled(TorchFunctionMode):
    """Puts freshly allocated weights on the meta device; what a constructor computes stays where it is."""

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        options = dict(kwargs or {})
        if func in _UNFILLED and options.get("device") is None:
            options["device"] = "meta"
        return func(*args, **options)


@contextmanager
def without_weights() -> Iterator[None]:
    """Build modules whose weights take no memory and no time, to compare shapes or to load a file into.

    The whole-device form, `torch.device("meta")`, breaks constructors that compute with tensors (RegNet's)
    and loses the buffers that others fill there (Swin's).
    """
    with torch.random.fork_rng(devices=[]), _Unfilled():
        yield
