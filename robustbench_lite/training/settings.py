"""What a training run may be told beside its recipe, checked once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypedDict

from robustbench_lite.errors import InvalidInput, UnknownName
from robustbench_lite.runtime import Amp
from robustbench_lite.training.recipes import Family, Schedule


@dataclass(frozen=True)
class Settings:
    """How a run is carried out.

    Attributes:
        architecture: a name that the zoo knows, or one of the paper's short ones; None takes the paper's
            first: WRN-40-2 for small images, ResNet-50 for large ones.
        method: one of `METHODS`.
        seed: decides the first weights, the order of the images and every draw.
        device: "auto" (CUDA, then MPS, then CPU), "cpu", "cuda", "cuda:1", "mps".
        amp: autocast to bfloat16 or float16; None trains in float32.
        tf32: let CUDA matrix units round float32 products to TF32.
        compile: run the network through `torch.compile`.
        channels_last: keep images and weights in the layout that convolutions on tensor cores read.
        clip_grad: largest norm of the gradient; None leaves it alone.
        ema: decay of an average of the weights, which is then what is tested and kept; None keeps none.
            Update t = 0, 1, ... decays it by min(ema, (1 + t) / (10 + t)).
        tensorboard: write TensorBoard's files beside the CSV log.
        save_minutes: how often an epoch's progress is kept, so that a kill loses no more.

    Raises:
        InvalidInput: a value outside its range.
    """

    architecture: str | None = None
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
            raise InvalidInput(f"seed must not be negative, got {self.seed}")
        if self.clip_grad is not None and not self.clip_grad > 0:
            raise InvalidInput(f"clip_grad must be positive, or None for no clipping; got {self.clip_grad}")
        if self.ema is not None and not 0 < self.ema < 1:
            raise InvalidInput(f"ema is a decay between 0 and 1, or None for no average; got {self.ema}")
        if not self.save_minutes >= 0:
            raise InvalidInput(f"save_minutes must not be negative, got {self.save_minutes}")


class Options(TypedDict, total=False):
    """The fields of `Settings` and of `Recipe`, as keywords of `train`."""

    architecture: str | None
    method: str
    seed: int
    device: str
    amp: Amp | None
    tf32: bool
    compile: bool
    channels_last: bool
    clip_grad: float | None
    ema: float | None
    tensorboard: bool
    save_minutes: float

    epochs: int
    batch_size: int
    lr: float
    min_lr: float
    schedule: Schedule
    warmup_epochs: int
    momentum: float
    nesterov: bool
    weight_decay: float
    padding: int
    flip: bool
    normalization: str
    severity: float
    width: int
    depth: int | None
    alpha: float
    all_ops: bool
    jsd_weight: float
    cutout_size: int
    mixup_alpha: float
    cutmix_alpha: float
    cutmix_probability: float
    policy: Family
    patch_size: int | None
    patch_strength: float | None
    attack_radius: float
    attack_step: float
    attack_steps: int
