"""Random draws by key. A draw depends only on the seed of the run and on a key such as ("views", step).

A run therefore has no hidden random state to save. A run that continues at a step makes the same draws there.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterator

import torch


def generator(seed: int, *key: int | str) -> torch.Generator:
    """Return a CPU generator for one purpose. Equal keys give equal draws on every device."""
    return torch.Generator().manual_seed(_word(seed, *key))


@contextlib.contextmanager
def seeded_modules(device: torch.device, seed: int, *key: int | str) -> Iterator[None]:
    """Let modules with their own random draws (initialisation, dropout) draw by a key, too.

    Such modules use torch's global generators. This context seeds these generators and restores them
    afterwards.
    """
    word = _word(seed, *key)
    gpu = [device] if device.type == "cuda" else []
    with torch.random.fork_rng(devices=gpu):
        torch.default_generator.manual_seed(word)
        if device.type == "cuda":
            torch.cuda.default_generators[device.index].manual_seed(word)
        yield


def _word(seed: int, *key: int | str) -> int:
    digest = hashlib.blake2b(repr((seed, *key)).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little") >> 1
