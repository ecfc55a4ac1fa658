"""Random draws from an explicit generator. They are float64 on the CPU, whatever the generator's device.

A CPU generator gives the same augmentation on every device and does not make a GPU wait. A GPU generator also
works, but each kind of draw then waits for the GPU once.
"""

from __future__ import annotations

import torch
from torch import Generator, Tensor


def generator_or_fresh(generator: Generator | None) -> Generator:
    """Return `generator`, or a new one that the operating system seeds; never torch's global generator."""
    if generator is not None:
        return generator
    fresh = Generator()
    fresh.seed()
    return fresh


def uniform(shape: tuple[int, ...], generator: Generator, low: float = 0.0, high: float = 1.0) -> Tensor:
    """Draw uniformly from [low, high)."""
    drawn = torch.rand(shape, generator=generator, device=generator.device, dtype=torch.float64)
    return drawn.cpu() * (high - low) + low


def integers(low: int, high: int, shape: tuple[int, ...], generator: Generator) -> Tensor:
    """Draw integers uniformly from low to high - 1, int64."""
    return torch.randint(low, high, shape, generator=generator, device=generator.device).cpu()


def signs(shape: tuple[int, ...], generator: Generator) -> Tensor:
    """Draw +1 or -1 with equal probability, int64."""
    return 1 - 2 * integers(0, 2, shape, generator)


def dirichlet(alpha: float, shape: tuple[int, ...], generator: Generator) -> Tensor:
    """Draw rows (the last dimension) from Dirichlet(alpha, ..., alpha).

    A row is Gamma(alpha) draws divided by their sum.

    torch's own sampler (Marsaglia and Tsang 2000) makes the gamma draws. torch.distributions uses the same
    sampler but takes no generator, so this function calls the sampler directly.
    """
    concentration = torch.full(shape, alpha, device=generator.device, dtype=torch.float64)
    drawn = torch._standard_gamma(concentration, generator=generator).cpu()
    return drawn / drawn.sum(-1, keepdim=True)


def beta(alpha: float, shape: tuple[int, ...], generator: Generator) -> Tensor:
    """Draw from Beta(alpha, alpha): the first of two Dirichlet weights."""
    return dirichlet(alpha, (*shape, 2), generator)[..., 0]


def permutation(count: int, generator: Generator) -> Tensor:
    """Return a random order of 0 .. count - 1."""
    return torch.randperm(count, generator=generator, device=generator.device).cpu()
