"""The settings of a training run beside its recipe: name, default, allowed values and meaning."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from robustbench_lite.errors import InvalidInput, UnknownName

if TYPE_CHECKING:  # The command line reads these settings without torch.
    from robustbench_lite.runtime import Amp


@dataclass(frozen=True)
class TrainingSettings:
    """How a training is carried out.

    Attributes:
        arch: The architecture: wrn40-2, allconv, densenet, resnext29, resnet50 or another name of the zoo. By
            default the paper's first choice, wrn40-2, and resnet50 for large images.
        method: The training method: standard, cutout, mixup, cutmix, autoaugment, adversarial,
            random-autoaugment, random-autoaugment-jsd, augmix-no-jsd, augmix or patch-uniform.
        seed: The seed of the first weights, of the order of the images and of all random draws.
        device: Where the training runs: auto (CUDA, then MPS, then CPU), cpu, cuda, cuda:N or mps.
        amp: Train under autocast to this type (bfloat16 or float16). By default float32.
        tf32: Let CUDA round float32 products to TF32.
        compile: Run the network through torch.compile.
        channels_last: Keep images and weights in the memory layout that tensor cores read.
        clip_grad: The largest norm of the gradient. By default the gradient is not clipped.
        ema: Test and keep an average of the weights with this decay, in (0, 1). Update t = 0, 1, ... decays
            it by min(ema, (1 + t) / (10 + t)). By default no average is kept.
        tensorboard: Write TensorBoard's files beside the CSV log.
        save_minutes: Minutes between two saves of the state within an epoch; a kill loses no more.

    Raises:
        InvalidInput: a value outside its range.
    """

    arch: str | None = None
    method: str = "augmix"
    seed: int = 0
    device: str = "auto"
    amp: Amp | None = None
    tf32: bool = False
    compile: bool = False
    channels_last: bool = True
    clip_grad: float | None = None
    ema: float | None = None
    tensorboard: bool = False
    save_minutes: float = 10.0

    def __post_init__(self) -> None:
        if self.amp not in (None, "bf16", "fp16"):
            raise UnknownName("amp type", self.amp, ("bf16", "fp16"))
        if self.seed < 0:
            raise InvalidInput(f"`seed={self.seed}` must not be negative")
        if self.clip_grad is not None and not self.clip_grad > 0:
            raise InvalidInput(f"`clip_grad={self.clip_grad}` must be positive; leave it out for no clipping")
        if self.ema is not None and not 0 < self.ema < 1:
            raise InvalidInput(
                f"`ema={self.ema}` must be a decay between 0 and 1; leave it out for no average"
            )
        if not self.save_minutes >= 0:
            raise InvalidInput(f"`save_minutes={self.save_minutes}` must not be negative")
