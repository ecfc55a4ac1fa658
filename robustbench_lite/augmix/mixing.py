"""AugMix: chains of random operations on every image, mixed with the image itself.

All chains of all views of a batch form one larger batch. Each step groups the chains by their operation and
calls the kernel of each operation once for its group.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Generator, Tensor

from robustbench_lite.augmix import draws
from robustbench_lite.augmix.arrays import send
from robustbench_lite.augmix.operations import (
    ALL_OPERATIONS,
    MAX_LEVEL,
    check_images,
    magnitude,
    operation_names,
)
from robustbench_lite.errors import InvalidInput

MIN_LEVEL = 0.1
"""Levels are drawn from U(MIN_LEVEL, severity)."""

MAX_DEPTH = 3
"""The longest chain when the depth is drawn: 1, 2 or 3 operations, each as likely."""

# The number of values (not bytes) in one kernel call on a CPU; its float temporaries then fit into the
# caches.
_CPU_CHUNK = 2**19


@dataclass(frozen=True)
class Chains:
    """The random draws of M chains.

    Attributes:
        names: The operations to draw from.
        operation: int64 (M,D), indices into `names`.
        level: float64 (M,D), each from U(0.1, severity).
        sign: int64 (M,D), +1 or -1.
        depth: int64 (M,), the number of steps of each chain, at most D.
    """

    names: tuple[str, ...]
    operation: NDArray[np.int64]
    level: NDArray[np.float64]
    sign: NDArray[np.int64]
    depth: NDArray[np.int64]


def draw_chains(
    count: int, *, severity: float, depth: int | None, all_ops: bool, generator: Generator
) -> Chains:
    """Draw `count` chains; depth None draws each chain's length from {1, 2, 3}."""
    names = operation_names(all_ops)
    steps = MAX_DEPTH if depth is None else depth
    return Chains(
        names=names,
        operation=draws.integers(0, len(names), (count, steps), generator).numpy(),
        level=draws.uniform((count, steps), generator, MIN_LEVEL, severity).numpy(),
        sign=draws.signs((count, steps), generator).numpy(),
        depth=(
            draws.integers(1, MAX_DEPTH + 1, (count,), generator).numpy()
            if depth is None
            else np.full(count, depth)
        ),
    )


def draw_mixtures(
    views: int,
    count: int,
    severity: float,
    width: int,
    depth: int | None,
    alpha: float,
    all_ops: bool,
    generator: Generator | None,
) -> tuple[Tensor, Tensor, Chains]:
    """Make all random draws for the views of `count` images. The order of the draws is fixed.

    Returns:
        The chains' weights, float64 (views, count, width); the share m of the chains in each mixture, float64
        (views, count); and the views * count * width chains, those of one mixture next to each other.
    """
    generator = draws.generator_or_fresh(generator)
    weights = draws.dirichlet(alpha, (views, count, width), generator)
    share = draws.beta(alpha, (views, count), generator)
    chains = draw_chains(
        views * count * width, severity=severity, depth=depth, all_ops=all_ops, generator=generator
    )
    return weights, share, chains


def run_chains(images: Tensor, source: NDArray[np.int64], chains: Chains) -> tuple[Tensor, NDArray[np.int64]]:
    """Run every chain on the image it starts from.

    Args:
        images: uint8 (N,3,H,W).
        source: (M,), the image each chain starts from.
        chains: The draws of the M chains.

    Returns:
        The result of every step of every chain, uint8 (S,3,H,W), in the order they were made, and the row of
        each chain's last, (M,). Between two operations images are whole levels, as Pillow's are.
    """
    size = (images.shape[2], images.shape[3])
    results = images.new_empty((int(chains.depth.sum()), *images.shape[1:]))
    row, made, chunk = source.copy(), 0, _chunk(images)
    for step in range(chains.operation.shape[1]):
        before = images if step == 0 else results
        for name, members in _by_operation(chains, step, chunk):
            scale = magnitude(name, chains.level[members, step], chains.sign[members, step], size)
            inputs = before.index_select(0, send(row[members], images.device))
            after = made + len(members)
            # Appending is a plain copy; writing into the chain's old rows would be a slow scatter.
            results[made:after] = ALL_OPERATIONS[name].kernel(inputs, scale)
            row[members] = np.arange(made, after)
            made = after
    return results, row


def _by_operation(chains: Chains, step: int, chunk: int) -> Iterator[tuple[str, NDArray[np.int64]]]:
    """Yield the chains of this step by operation, in groups of at most `chunk`."""
    operation = np.where(chains.depth > step, chains.operation[:, step], -1)
    for index in sorted(set(operation.tolist()) - {-1}):
        (members,) = (operation == index).nonzero()
        for start in range(0, len(members), chunk):
            yield chains.names[index], members[start : start + chunk]


def _chunk(images: Tensor) -> int:
    """Return the number of images in one kernel call."""
    if images.device.type != "cpu":
        return 2**31
    return max(1, _CPU_CHUNK // images[0].numel())


def augment_and_mix(
    images: Tensor,
    *,
    severity: float = 3,
    width: int = 3,
    depth: int | None = None,
    alpha: float = 1.0,
    all_ops: bool = False,
    generator: Generator | None = None,
) -> Tensor:
    """Mix every image with chains of random operations on it. Each image has its own random draws.

    The result is (1 - m) * x + m * sum_i w_i * chain_i(x), with m from Beta(alpha, alpha) and w from
    Dirichlet(alpha, ..., alpha). The weights sum to 1, so mixing commutes with any affine normalisation:
    normalising the result equals mixing normalised images, as the published code does.

    Args:
        images: uint8 (N,3,H,W).
        severity: The strongest level, in [0.1, 10]; the paper takes 3 for CIFAR and 1 for ImageNet.
        width: The number of chains per image.
        depth: The number of operations per chain; None draws 1, 2 or 3 for every chain.
        alpha: The concentration of the mixing weights.
        all_ops: Add color, contrast, brightness and sharpness, which overlap the -C suites.
        generator: The source of all draws; None takes a new one seeded by the operating system.

    Returns:
        float32 (N,3,H,W) in [0, 1] on the images' device.

    Raises:
        InvalidInput: Images that are not uint8 (N,3,H,W), or a setting out of range.

    Source: Hendrycks, Mu et al. 2020, "AugMix", Algorithm 1.
    """
    check_images(images)
    check_settings(severity, width, depth, alpha)
    return _mixed_views(images, 1, severity, width, depth, alpha, all_ops, generator)[0]


def augmix_views(
    images: Tensor,
    *,
    views: int = 2,
    severity: float = 3,
    width: int = 3,
    depth: int | None = None,
    alpha: float = 1.0,
    all_ops: bool = False,
    generator: Generator | None = None,
) -> Tensor:
    """Return the clean image and `views` independent AugMix images of it, for the Jensen-Shannon loss.

    Crop and flip first (`random_crop_flip`): the views share them, as in the published code. Normalise
    afterwards.

    Args:
        images: uint8 (N,3,H,W).
        views: The number of AugMix images of each image.
        severity: The strongest level; `augment_and_mix` describes it and all further settings.
        width: The number of chains per view.
        depth: The number of operations per chain.
        alpha: The concentration of the mixing weights.
        all_ops: Add the four operations that overlap the -C suites.
        generator: The source of all draws.

    Returns:
        float32 (1 + views, N,3,H,W) in [0, 1]: unpack it as ``clean, first, second``, or ``flatten(0, 1)`` it
        into the one batch that the network takes.

    Raises:
        InvalidInput: Images that are not uint8 (N,3,H,W), or a setting out of range.

    Source: Hendrycks, Mu et al. 2020, "AugMix", section 3.
    """
    check_images(images)
    check_settings(severity, width, depth, alpha)
    if views < 1:
        raise InvalidInput(f"views must be at least 1; got {views}")
    return _mixed_views(images, views, severity, width, depth, alpha, all_ops, generator, clean=True)


def _mixed_views(
    images: Tensor,
    views: int,
    severity: float,
    width: int,
    depth: int | None,
    alpha: float,
    all_ops: bool,
    generator: Generator | None,
    clean: bool = False,
) -> Tensor:
    """Return float images (views, N,3,H,W), after the clean images where `clean` asks for them."""
    count = len(images)
    mixed = images.new_empty((views + clean, *images.shape), dtype=torch.float32)
    if not images.numel():
        return mixed
    weights, skip, chains = draw_mixtures(views, count, severity, width, depth, alpha, all_ops, generator)
    source = np.repeat(np.tile(np.arange(count), views), width)
    results, last = run_chains(images, source, chains)
    rows = send(last, images.device).view(views, count, width)
    # One weight for the image and one per chain. The weights also scale the pixel levels to [0, 1].
    share = torch.cat([1 - skip[..., None], skip[..., None] * weights], dim=-1) / 255
    share = share.float().to(images.device, non_blocking=True)[..., None, None, None]
    chunk = _chunk(images)
    for start in range(0, count, chunk):
        part = slice(start, start + chunk)
        floats = images[part].float()
        if clean:
            torch.div(floats, 255, out=mixed[0, part])
        for view in range(views):
            total = mixed[view + clean, part]
            torch.mul(floats, share[view, part, 0], out=total)
            for chain in range(width):
                end = results.index_select(0, rows[view, part, chain])
                total.addcmul_(end.float(), share[view, part, chain + 1])
            total.clamp_(0, 1)
    return mixed


def check_settings(severity: float, width: int, depth: int | None, alpha: float) -> None:
    """Raise InvalidInput unless AugMix can run with these settings."""
    if not MIN_LEVEL <= severity <= MAX_LEVEL:
        raise InvalidInput(f"severity must lie in [{MIN_LEVEL}, {MAX_LEVEL:g}]; got {severity}")
    if width < 1:
        raise InvalidInput(f"width must be at least 1; got {width}")
    if depth is not None and depth < 1:
        raise InvalidInput(f"depth must be at least 1, or None for 1 to {MAX_DEPTH} at random; got {depth}")
    if not 0 < alpha < float("inf"):
        raise InvalidInput(f"alpha must be positive and finite; got {alpha}")
