"""One AugMix image with its intermediate results: the operations of each chain, their images, the weights."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Generator, Tensor

from robustbench_lite.augmix.mixing import check_settings, draw_mixtures
from robustbench_lite.augmix.operations import apply_operation, check_images, magnitude


@dataclass(frozen=True)
class Step:
    """One operation of a chain and its result.

    Attributes:
        operation: A name of `ALL_OPERATIONS`.
        level: The drawn level, in [0.1, severity].
        magnitude: The magnitude of the operation at this level, in the unit of its `Operation`.
        image: The result, uint8 (3,H,W).
    """

    operation: str
    level: float
    magnitude: float
    image: Tensor


@dataclass(frozen=True)
class Realisation:
    """An AugMix image and its parts.

    Attributes:
        chains: The steps of each chain, in order.
        weights: The weight of each chain; they sum to 1.
        share: The share m of the chains in the result; the image itself has the share 1 - m.
        mixed: The result, float32 (3,H,W) in [0, 1].
    """

    chains: tuple[tuple[Step, ...], ...]
    weights: tuple[float, ...]
    share: float
    mixed: Tensor


def realise_augmix(
    image: Tensor,
    *,
    severity: float = 3,
    width: int = 3,
    depth: int | None = None,
    alpha: float = 1.0,
    all_ops: bool = False,
    generator: Generator | None = None,
) -> Realisation:
    """Return the image that `augment_and_mix` makes of one image, with its chains and weights.

    Args:
        image: uint8 (3,H,W).
        severity: The strongest level; `augment_and_mix` describes it and all further settings.
        width: The number of chains.
        depth: The number of operations per chain; None draws 1, 2 or 3 for every chain.
        alpha: The concentration of the mixing weights.
        all_ops: Add the four operations that overlap the -C suites.
        generator: The source of all draws; the same seed gives the image of `augment_and_mix`.

    Raises:
        InvalidInput: An image that is not uint8 (3,H,W), or a setting out of range.

    Source: Hendrycks, Mu et al. 2020, "AugMix", Algorithm 1 and figure 4.
    """
    batch = image[None]
    check_images(batch)
    check_settings(severity, width, depth, alpha)
    weights, share, drawn = draw_mixtures(1, 1, severity, width, depth, alpha, all_ops, generator)
    size = (image.shape[1], image.shape[2])
    chains = []
    for chain in range(width):
        steps: list[Step] = []
        for step in range(int(drawn.depth[chain])):
            name = drawn.names[drawn.operation[chain, step]]
            level = drawn.level[chain, step]
            amount = float(magnitude(name, level, drawn.sign[chain, step], size))
            before = steps[-1].image if steps else image
            steps.append(Step(name, float(level), amount, apply_operation(before[None], name, amount)[0]))
        chains.append(tuple(steps))
    m = float(share)
    mixed = (1 - m) * image.double() / 255
    for weight, steps_of_chain in zip(weights.flatten().tolist(), chains, strict=True):
        mixed += m * weight * steps_of_chain[-1].image.double() / 255
    return Realisation(tuple(chains), tuple(weights.flatten().tolist()), m, mixed.clamp(0, 1).float())
