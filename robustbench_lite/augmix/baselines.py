"""The augmentations that the AugMix paper compares with, as functions on batches.

Each image has its own random draws unless the function says otherwise. Adversarial training needs the
network, so `training.adversarial` has it.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Generator, Tensor
from torch.nn import functional as F

from robustbench_lite.augmix import draws
from robustbench_lite.augmix.arrays import send
from robustbench_lite.augmix.mixing import check_settings, draw_chains, run_chains
from robustbench_lite.augmix.operations import check_images
from robustbench_lite.errors import InvalidInput


def random_autoaugment(
    images: Tensor,
    *,
    severity: float = 3,
    depth: int | None = None,
    all_ops: bool = False,
    generator: Generator | None = None,
) -> Tensor:
    """Apply one chain of AugMix's operations without mixing the result with the image: "Random AutoAugment*".

    Args:
        images: uint8 (N,3,H,W).
        severity: The strongest level, in [0.1, 10].
        depth: The number of operations per image; None draws 1, 2 or 3.
        all_ops: Add the four operations that overlap the -C suites.
        generator: The source of all draws; None takes a new one seeded by the operating system.

    Returns:
        uint8 (N,3,H,W).

    Raises:
        InvalidInput: Images that are not uint8 (N,3,H,W), or a setting out of range.

    Source: Hendrycks, Mu et al. 2020, "AugMix", section 4.2: random operations and magnitudes, AugMix's set.
    """
    check_images(images)
    check_settings(severity, 1, depth, 1.0)
    if not images.numel():
        return images.clone()
    chains = draw_chains(
        len(images),
        severity=severity,
        depth=depth,
        all_ops=all_ops,
        generator=draws.generator_or_fresh(generator),
    )
    results, last = run_chains(images, np.arange(len(images)), chains)
    return results.index_select(0, send(last, images.device))


def cutout(
    images: Tensor, size: int = 16, fill: float = 0.5, *, generator: Generator | None = None
) -> Tensor:
    """Replace a square of every image by one value.

    The centre is a random pixel, so the square may cross the border.

    Args:
        images: float (N,C,H,W), typically in [0, 1].
        size: The side of the square in pixels, an even number as in the published code.
        fill: The value of the square. 0.5 becomes zero under the paper's CIFAR normalisation, as in the
            published code.
        generator: The source of all draws; None takes a new one seeded by the operating system.

    Returns:
        float (N,C,H,W), a new tensor.

    Raises:
        InvalidInput: Images that are not float (N,C,H,W), or a size below 1.

    Source: DeVries and Taylor 2017, "Improved Regularization of Convolutional Neural Networks with Cutout".
    """
    _check_float(images)
    square = _random_squares(images, size, draws.generator_or_fresh(generator))
    return torch.where(square, fill, images)


def patch_uniform(
    images: Tensor, size: int, strength: float, *, generator: Generator | None = None
) -> Tensor:
    """Add uniform noise to a square of every image: "Patch Uniform".

    `cutout` describes the place of the square. Noise from U(-strength, strength) is added to every value in
    the square, and the sum is clipped to [0, 1]. Size and strength have no defaults, because the paper tuned
    them and does not print them.

    Args:
        images: float (N,C,H,W) in [0, 1].
        size: The side of the square in pixels.
        strength: The largest absolute value of the noise, positive.
        generator: The source of all draws; None takes a new one seeded by the operating system.

    Returns:
        float (N,C,H,W) in [0, 1], a new tensor.

    Raises:
        InvalidInput: Images that are not float (N,C,H,W), a size below 1, or a strength that is not positive.

    Source: Hendrycks, Mu et al. 2020, "AugMix", section 4.2, after Lopes et al. 2019, "Patch Gaussian" (whose
    normal noise is a test corruption of ImageNet-C).
    """
    _check_float(images)
    if not strength > 0:
        raise InvalidInput(f"strength must be positive; got {strength}")
    generator = draws.generator_or_fresh(generator)
    square = _random_squares(images, size, generator)
    noise = torch.empty(images.shape, device=generator.device, dtype=images.dtype)
    noise.uniform_(-strength, strength, generator=generator)
    return torch.where(square, (images + noise.to(images.device)).clamp(0, 1), images)


def mixup(
    images: Tensor, labels: Tensor, classes: int, alpha: float = 1.0, *, generator: Generator | None = None
) -> tuple[Tensor, Tensor]:
    """Blend every image and its target with another image of the batch; the batch shares one weight.

    Args:
        images: float (N,C,H,W).
        labels: int64 (N,).
        classes: The number of classes K.
        alpha: The weight is drawn from Beta(alpha, alpha).
        generator: The source of all draws; None takes a new one seeded by the operating system.

    Returns:
        Images like the input, and targets float32 (N,K) that sum to 1, for a cross-entropy with soft targets.

    Raises:
        InvalidInput: Images that are not float (N,C,H,W), labels that don't fit, or alpha out of range.

    Source: Zhang et al. 2018, "mixup"; one weight per batch is the published code's.
    """
    targets = _targets(images, labels, classes, alpha)
    generator = draws.generator_or_fresh(generator)
    weight = float(draws.beta(alpha, (), generator))
    partner = draws.permutation(len(images), generator).to(images.device)
    return (
        weight * images + (1 - weight) * images[partner],
        weight * targets + (1 - weight) * targets[partner],
    )


def cutmix(
    images: Tensor,
    labels: Tensor,
    classes: int,
    alpha: float = 1.0,
    probability: float = 1.0,
    *,
    generator: Generator | None = None,
) -> tuple[Tensor, Tensor]:
    """Paste one rectangle of another image into every image; targets are blended by area.

    All images of the batch share the rectangle. It has a share sqrt(1 - w) of each side, with w from
    Beta(alpha, alpha). Its centre is a random pixel, and the image border clips it. The targets take the
    share of pixels that were really replaced.

    Args:
        images: float (N,C,H,W).
        labels: int64 (N,).
        classes: The number of classes K.
        alpha: The parameter of the Beta distribution.
        probability: The probability that a batch is mixed: 0.5 for CIFAR and 1 for ImageNet in the published
            code.
        generator: The source of all draws; None takes a new one seeded by the operating system.

    Returns:
        Images like the input (a new tensor), and targets float32 (N,K) that sum to 1.

    Raises:
        InvalidInput: Images that are not float (N,C,H,W), labels that don't fit, or a setting out of range.

    Source: Yun et al. 2019, "CutMix", section 3 and its published code.
    """
    targets = _targets(images, labels, classes, alpha)
    if not 0 <= probability <= 1:
        raise InvalidInput(f"probability must lie in [0, 1]; got {probability}")
    generator = draws.generator_or_fresh(generator)
    mixed = images.clone()
    if float(draws.uniform((), generator)) >= probability:
        return mixed, targets
    height, width = images.shape[2:]
    side = float(1 - draws.beta(alpha, (), generator)) ** 0.5
    top, bottom = _cut(int(draws.integers(0, height, (), generator)), int(height * side), height)
    left, right = _cut(int(draws.integers(0, width, (), generator)), int(width * side), width)
    partner = draws.permutation(len(images), generator).to(images.device)
    mixed[:, :, top:bottom, left:right] = images[partner, :, top:bottom, left:right]
    replaced = (bottom - top) * (right - left) / (height * width)
    return mixed, (1 - replaced) * targets + replaced * targets[partner]


def _cut(middle: int, length: int, size: int) -> tuple[int, int]:
    return max(0, middle - length // 2), min(size, middle + length // 2)


def _random_squares(images: Tensor, size: int, generator: Generator) -> Tensor:
    """Return a mask of a square around a random pixel, clipped at the border: bool (N,1,H,W)."""
    if size < 1:
        raise InvalidInput(f"size must be at least 1 pixel; got {size}")
    count, _, height, width = images.shape
    sides = []
    for length in (height, width):
        first = draws.integers(0, length, (count, 1), generator) - size // 2
        pixel = torch.arange(length)
        sides.append(((pixel >= first) & (pixel < first + size)).to(images.device))
    return (sides[0][:, :, None] & sides[1][:, None, :])[:, None]


def _check_float(images: Tensor) -> None:
    if not images.is_floating_point() or images.ndim != 4:
        raise InvalidInput(f"expected float images (N,C,H,W); got {images.dtype} {tuple(images.shape)}")


def _targets(images: Tensor, labels: Tensor, classes: int, alpha: float) -> Tensor:
    """Check the arguments and return one-hot targets, float32 (N,K)."""
    _check_float(images)
    if not 0 < alpha < float("inf"):
        raise InvalidInput(f"alpha must be positive and finite; got {alpha}")
    if labels.shape != (len(images),) or labels.dtype != torch.int64:
        raise InvalidInput(
            f"expected one int64 label per image, ({len(images)},); got {labels.dtype} {tuple(labels.shape)}"
        )
    if len(labels) and not 0 <= int(labels.min()) <= int(labels.max()) < classes:
        raise InvalidInput(
            f"labels must lie in 0..{classes - 1}; got {int(labels.min())}..{int(labels.max())}"
        )
    return F.one_hot(labels, classes).float()
