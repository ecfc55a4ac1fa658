"""AugMix as a transform for torchvision pipelines."""

from __future__ import annotations

import warnings
from typing import Any, Literal, Self

import torch
from PIL import Image
from torch import Generator, Tensor
from torchvision import tv_tensors
from torchvision.transforms import v2
from torchvision.transforms.v2 import functional as TF

from robustbench_lite.augmix.mixing import augment_and_mix, check_settings
from robustbench_lite.augmix.operations import overlapping_corruptions
from robustbench_lite.errors import InvalidInput, UnknownName

PAPER_SEVERITY: dict[str, float] = {"cifar": 3, "imagenet": 1}
"""Severity of the paper's two presets; width 3, depth 1 to 3 and alpha 1 are common to both."""


class AugMix(v2.Transform):  # type: ignore[misc]  # torchvision carries no types
    """The paper's AugMix in place of torchvision's ``v2.AugMix``: crop and flip before it, scale after it.

    The input is an RGB PIL image, a uint8 tensor (...,3,H,W), or a sample that holds one (labels, masks,
    boxes and NumPy arrays pass through). This transform differs from torchvision's in three ways: every image
    of a batch has its own random draws, levels are drawn below the severity, and the four operations that
    overlap the -C suites are off.

    Args:
        severity: The strongest level, in [0.1, 10].
        width: The number of chains per image.
        depth: The number of operations per chain; None draws 1, 2 or 3 for every chain.
        alpha: The concentration of the mixing weights.
        all_ops: Add color, contrast, brightness and sharpness. A warning names the corruptions they resemble.
        dtype: torch.uint8 returns the type of the input, rounded to whole levels. torch.float32 returns a
            tensor in [0, 1] without rounding, as the published code does.
        generator: The source of all draws. None draws a seed for every call from torch's default generator,
            as torchvision's transforms do. Keep None in a DataLoader, which seeds the default generator of
            each worker; a generator that is passed here would give the same draws in every worker.

    Raises:
        InvalidInput: A setting out of range; on call, an image that is neither uint8 nor RGB.
    """

    _transformed_types = (TF.is_pure_tensor, tv_tensors.Image, tv_tensors.Video, Image.Image)

    def __init__(
        self,
        severity: float = 3,
        width: int = 3,
        depth: int | None = None,
        alpha: float = 1.0,
        *,
        all_ops: bool = False,
        dtype: torch.dtype = torch.uint8,
        generator: Generator | None = None,
    ) -> None:
        super().__init__()
        check_settings(severity, width, depth, alpha)
        if dtype not in (torch.uint8, torch.float32):
            raise InvalidInput(f"AugMix gives torch.uint8 or torch.float32; got {dtype}")
        self.severity, self.width, self.depth, self.alpha = severity, width, depth, alpha
        self.all_ops, self.dtype, self.generator = all_ops, dtype, generator
        if self.overlap:
            warnings.warn(
                "AugMix with all_ops trains on operations that resemble corruptions of the -C suites: mark "
                f"{', '.join(self.overlap)} in the results, or leave all_ops off as the paper does",
                stacklevel=2,
            )

    @classmethod
    def paper(cls, dataset: Literal["cifar", "imagenet"], **settings: Any) -> Self:
        """Return AugMix with the paper's settings for "cifar" (severity 3) or "imagenet" (severity 1).

        Raises:
            UnknownName: Neither "cifar" nor "imagenet".
        """
        if dataset not in PAPER_SEVERITY:
            raise UnknownName("preset of AugMix", dataset, PAPER_SEVERITY)
        return cls(**({"severity": PAPER_SEVERITY[dataset]} | settings))

    @property
    def overlap(self) -> tuple[str, ...]:
        """The corruptions of the -C suites that the operations in use resemble."""
        return overlapping_corruptions(self.all_ops)

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        """Augment one image or batch. torchvision calls this method for every image of a sample."""
        pixels = self._pixels(inpt)
        mixed = augment_and_mix(
            pixels.reshape(-1, *pixels.shape[-3:]),
            severity=self.severity,
            width=self.width,
            depth=self.depth,
            alpha=self.alpha,
            all_ops=self.all_ops,
            generator=self.generator or _seeded_by_torch(),
        ).view(pixels.shape)
        if self.dtype == torch.float32:
            return tv_tensors.wrap(mixed, like=inpt) if isinstance(inpt, tv_tensors.TVTensor) else mixed
        whole = mixed.mul_(255).round_().to(torch.uint8)
        if isinstance(inpt, Image.Image):
            return TF.to_pil_image(whole)
        return tv_tensors.wrap(whole, like=inpt) if isinstance(inpt, tv_tensors.TVTensor) else whole

    def _pixels(self, image: Image.Image | Tensor) -> Tensor:
        if isinstance(image, Image.Image):
            if image.mode != "RGB":
                raise InvalidInput(f"AugMix takes RGB images; got mode {image.mode}: convert('RGB') first")
            pixels: Tensor = TF.pil_to_tensor(image)
            return pixels
        if image.dtype != torch.uint8 or image.ndim < 3 or image.shape[-3] != 3:
            raise InvalidInput(
                "AugMix takes RGB PIL images or uint8 tensors (...,3,H,W), before scaling and normalisation; "
                f"got {image.dtype} {tuple(image.shape)}"
            )
        return image.as_subclass(Tensor)


def _seeded_by_torch() -> Generator:
    seed = int(torch.empty((), dtype=torch.int64).random_())
    return Generator().manual_seed(seed)
