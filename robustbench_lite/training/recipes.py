"""The paper's training recipes as data, and everything in them that can be changed."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, Final, Literal

from robustbench_lite.errors import InvalidInput, UnknownName

Schedule = Literal["cosine", "thirds"]
Family = Literal["cifar", "imagenet"]

GOYAL_BATCH: Final = 256
"""ImageNet's learning rate is 0.1 for a batch of this size, and proportional to the batch."""

ARCHITECTURE_NAMES: Final = {
    "densenet": "densenet-bc-100-12",
    "resnext": "resnext-29-4x32d",
    "resnext29": "resnext-29-4x32d",
    "wrn": "wrn-40-2",
    "wrn40-2": "wrn-40-2",
}
"""The paper's short names -> the zoo's.

ResNeXt is the network whose weights the authors released: cardinality 4, width 32, 6,807,882 parameters for
10 classes. The paper prints "ResNeXt-29 (32 x 4)". DenseNet is the paper's: DenseNet-BC, growth 12, depth
100, 769,162 parameters, weight decay 5e-4. The released code trains densenet-40-12 instead, without
bottleneck: 1,059,298 parameters, weight decay 1e-4.
"""

PAPER_ARCHITECTURE: Final[Mapping[str, str]] = {"cifar": "wrn-40-2", "imagenet": "resnet50"}
"""Where none is named: the network of the paper's own ablations."""

LONG_TRAINING: Final = re.compile(r"(densenet|resnext).*")
LIGHT_DECAY: Final = re.compile(r"densenet-40-12")

LONG_IMAGENET_METHODS: Final = ("augmix", "autoaugment")
"""ImageNet trains 180 epochs with a method whose name contains one of these, and 90 with the others."""


@dataclass(frozen=True)
class TrainingRecipe:
    """How a network is trained; the defaults are the AugMix paper's for CIFAR.

    Attributes:
        epochs: Passes over the training images. [paper: 100; ResNeXt and DenseNet 200; ImageNet 180 for
            AutoAugment and AugMix, 90 for the others]
        batch_size: Images per step, over all processes together. [released code: 128; ImageNet 256]
        lr: The highest learning rate. [paper: 0.1; ImageNet 0.1 * batch / 256]
        min_lr: The learning rate where the cosine ends. [released code: 1e-6]
        schedule: The schedule of the learning rate: cosine over all steps, or thirds (divided by 10 after
            each third of the epochs). [paper: cosine; released code: thirds for ImageNet]
        warmup_epochs: Epochs over which the learning rate rises linearly. [paper: 0; ImageNet 5]
        warmup_lr: The learning rate at which the warm-up begins; never above lr. [paper: 0.1 for ImageNet,
            after Goyal et al. 2017]
        momentum: The momentum of SGD. [released code: 0.9]
        nesterov: Use Nesterov's momentum. [paper: yes; released code: no for ImageNet]
        weight_decay: The weight decay of all parameters. [paper: 5e-4; Mixup and ImageNet 1e-4; released
            code: 1e-4 for DenseNet-40-12]
        padding: Zero pixels around small images before the random crop. [released code: 4]
        flip: Mirror half of the images (not for digits or letters). [paper: yes]
        normalization: The input normalisation: half, imagenet, cifar10, cifar10-per-image, cifar100 or none.
            [released code: half (mean and deviation 0.5); ImageNet imagenet]
        severity: The severity of the operations of AugMix and of random augmentation. [released code: 3;
            ImageNet 1]
        width: AugMix chains per view. [paper: 3]
        depth: Operations per chain. [paper: 1 to 3 at random]
        alpha: The parameter of the Dirichlet and Beta distributions that mix the chains. [paper: 1]
        all_ops: Add the four operations that overlap the -C suites. [paper: no]
        jsd_weight: The weight of the Jensen-Shannon loss. [released code: 12]
        cutout_size: The side of Cutout's square, in pixels. [not published: ours is 16]
        mixup_alpha: The parameter of Mixup's Beta distribution. [not published: ours is 1]
        cutmix_alpha: The parameter of CutMix's Beta distribution. [not published: ours is 1]
        cutmix_probability: The share of batches that CutMix mixes. [not published: ours is 0.5; ImageNet 1]
        policy: The policy of AutoAugment*: cifar or imagenet. By default that of the data set.
        patch_size: The side of Patch Uniform's square, in pixels. [not published: give one]
        patch_strength: The strength of Patch Uniform's noise, for pixels in [0, 1]. [not published: give one]
        attack_radius: The radius of the l-infinity ball of the attack, for pixels in [0, 1]. [not published:
            ours is 8/255]
        attack_step: The length of a step of the attack. [not published: ours is 2/255]
        attack_steps: The number of steps of the attack. [not published: ours is 10]

    Raises:
        InvalidInput: A value is out of its range.

    Source: Hendrycks, Mu et al. 2020, "AugMix", section 4 and Appendix A, and the code that its authors
    released (google-research/augmix); Goyal et al. 2017 for ImageNet's
    schedule.
    """

    epochs: int = 100
    batch_size: int = 128
    lr: float = 0.1
    min_lr: float = 1e-6
    schedule: Schedule = "cosine"
    warmup_epochs: int = 0
    warmup_lr: float = 0.0
    momentum: float = 0.9
    nesterov: bool = True
    weight_decay: float = 5e-4
    padding: int = 4
    flip: bool = True
    normalization: str = "half"
    severity: float = 3.0
    width: int = 3
    depth: int | None = None
    alpha: float = 1.0
    all_ops: bool = False
    jsd_weight: float = 12.0
    cutout_size: int = 16
    mixup_alpha: float = 1.0
    cutmix_alpha: float = 1.0
    cutmix_probability: float = 0.5
    policy: Family = "cifar"
    patch_size: int | None = None
    patch_strength: float | None = None
    attack_radius: float = 8 / 255
    attack_step: float = 2 / 255
    attack_steps: int = 10

    def __post_init__(self) -> None:
        for name, (low, high) in _LIMITS.items():
            value = getattr(self, name)
            if value is None:
                continue
            kind, word = (int, "a whole number") if name in _WHOLE else (int | float, "a number")
            if not isinstance(value, kind) or isinstance(value, bool):
                raise InvalidInput(f"`{name}={value!r}` must be {word}")
            if not low <= value <= high:
                raise InvalidInput(f"`{name}={value}` must lie between {low:g} and {high:g}")
        if self.policy not in ("cifar", "imagenet"):
            raise UnknownName("AutoAugment policy", self.policy, ("cifar", "imagenet"))
        if self.schedule not in ("cosine", "thirds"):
            raise UnknownName("schedule", self.schedule, ("cosine", "thirds"))
        # Imported here: the command line reads the fields of this class without torch.
        from robustbench_lite.models.normalize import NORMALIZATIONS

        if self.normalization not in NORMALIZATIONS:
            raise UnknownName("normalization", self.normalization, NORMALIZATIONS)
        if self.min_lr > self.lr:
            raise InvalidInput(
                f"`min_lr={self.min_lr:g}` is above `lr={self.lr:g}`; the learning rate falls from the "
                "second to the first"
            )
        if self.warmup_epochs >= self.epochs:
            raise InvalidInput(
                f"`warmup_epochs={self.warmup_epochs}` leaves none of {self.epochs} epochs to train; lower it"
            )
        if self.nesterov and not self.momentum:
            raise InvalidInput(
                "Nesterov's momentum needs momentum above 0; leave it out too with `nesterov=False`"
            )


_LIMITS: Final[Mapping[str, tuple[float, float]]] = {
    "epochs": (1, 100_000),
    "batch_size": (2, 1_000_000),
    "lr": (0, 1e4),
    "min_lr": (0, 1e4),
    "warmup_epochs": (0, 100_000),
    "warmup_lr": (0, 1e4),
    "momentum": (0, 0.9999),
    "weight_decay": (0, 1e4),
    "padding": (0, 1000),
    "severity": (0.1, 10),
    "width": (1, 100),
    "depth": (1, 100),
    "alpha": (1e-3, 1e3),
    "jsd_weight": (0, 1e6),
    "cutout_size": (1, 10_000),
    "mixup_alpha": (1e-3, 1e3),
    "cutmix_alpha": (1e-3, 1e3),
    "cutmix_probability": (0, 1),
    "patch_size": (1, 10_000),
    "patch_strength": (1e-6, 1),
    "attack_radius": (0, 1),
    "attack_step": (0, 1),
    "attack_steps": (1, 1000),
}


_WHOLE: Final = frozenset(
    {
        "epochs",
        "batch_size",
        "warmup_epochs",
        "padding",
        "width",
        "depth",
        "cutout_size",
        "patch_size",
        "attack_steps",
    }
)
"""The fields that count something."""


def architecture_name(name: str | None, family: Family) -> str:
    """Return the zoo's name of an architecture. None is the paper's first choice."""
    name = name or PAPER_ARCHITECTURE[family]
    return ARCHITECTURE_NAMES.get(name, name)


def paper_recipe(
    family: Family, architecture: str, method: str, changes: Mapping[str, Any] | None = None
) -> TrainingRecipe:
    """Return the paper's recipe for a data set, an architecture and a method, with the user's changes.

    Args:
        family: "cifar" for small images, "imagenet" for large ones.
        architecture: A name of the zoo.
        method: A name of `METHODS`.
        changes: The changes, field of `TrainingRecipe` -> value.

    Raises:
        UnknownName: There is no such field.
        InvalidInput: A value is out of its range.
    """
    changes = dict(changes or {})
    known = [field.name for field in fields(TrainingRecipe)]
    for name in changes:
        if name not in known:
            raise UnknownName("recipe field", name, known)
    if family == "imagenet":
        return _imagenet(method, changes)
    light = method == "mixup" or LIGHT_DECAY.fullmatch(architecture)
    recipe = TrainingRecipe(
        epochs=200 if LONG_TRAINING.fullmatch(architecture) else 100, weight_decay=1e-4 if light else 5e-4
    )
    return replace(recipe, **changes)


def _imagenet(method: str, changes: dict[str, Any]) -> TrainingRecipe:
    epochs = 180 if any(name in method for name in LONG_IMAGENET_METHODS) else 90
    batch_size = changes.get("batch_size", GOYAL_BATCH)
    changes.setdefault("lr", 0.1 * batch_size / GOYAL_BATCH)
    # Without this limit, a short trial run would be warm-up only.
    changes.setdefault("warmup_epochs", min(5, changes.get("epochs", epochs) - 1))
    recipe = TrainingRecipe(
        epochs=epochs,
        warmup_lr=0.1,
        batch_size=GOYAL_BATCH,
        min_lr=0.0,
        schedule="thirds",
        nesterov=False,
        weight_decay=1e-4,
        normalization="imagenet",
        severity=1.0,
        cutmix_probability=1.0,
        policy="imagenet",
    )
    return replace(recipe, **changes)
