"""Which mean and standard deviation a network expects, by name, by numbers or by convention."""

from __future__ import annotations

from dataclasses import dataclass

from robustbench_lite.errors import InvalidInput

Triple = tuple[float, float, float]

CIFAR10_MEAN = (0.4914, 0.4822, 0.4465)

# Per-channel mean and standard deviation for images in [0, 1]. "cifar10-per-image" has the mean of each
# image's own deviation: a slip that many public CIFAR-10 recipes share, so their checkpoints need it.
NORMALIZATIONS: dict[str, tuple[Triple, Triple]] = {
    "imagenet": ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    "cifar10": (CIFAR10_MEAN, (0.2470, 0.2435, 0.2616)),
    "cifar10-per-image": (CIFAR10_MEAN, (0.2023, 0.1994, 0.2010)),
    "cifar100": ((0.5071, 0.4865, 0.4409), (0.2673, 0.2564, 0.2762)),
    "half": ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5)),
    "none": ((0.0, 0.0, 0.0), (1.0, 1.0, 1.0)),
}


@dataclass(frozen=True)
class Normalization:
    """Mean and standard deviation of an input in [0, 1], with the reason why they were chosen."""

    name: str
    mean: Triple
    std: Triple
    reason: str


def named_normalization(name: str, reason: str) -> Normalization:
    """Look a normalisation up by its name in NORMALIZATIONS."""
    mean, std = NORMALIZATIONS[name]
    return Normalization(name, mean, std, reason)


def parse_normalization(text: str, reason: str = "asked for") -> Normalization:
    """Read what a user wrote: a name, "MEAN,STD", or six numbers (three means, three deviations).

    Numbers are on the scale of [0, 1]: deviations are positive, means lie in [0, 1].

    Args:
        text: what the user wrote.
        reason: why it was chosen, for the record.

    Raises:
        InvalidInput: neither a known name nor two or six numbers in range.
    """
    if not isinstance(text, str):
        raise InvalidInput(f'`normalize` is text, a name or "0.5,0.25" (MEAN,STD), got {text!r}')
    if text in NORMALIZATIONS:
        return named_normalization(text, reason)
    try:
        numbers = [float(part) for part in text.replace(" ", "").split(",")]
    except ValueError:
        numbers = []
    if len(numbers) == 2:
        mean, std = (numbers[0],) * 3, (numbers[1],) * 3
    elif len(numbers) == 6:
        mean, std = (numbers[0], numbers[1], numbers[2]), (numbers[3], numbers[4], numbers[5])
    else:
        names = "|".join(NORMALIZATIONS)
        raise InvalidInput(
            f"normalization {text!r} is neither {names} nor MEAN,STD nor six numbers "
            "(three means, three deviations)"
        )
    return custom_normalization(mean, std, reason)


def custom_normalization(mean: Triple, std: Triple, reason: str) -> Normalization:
    """Build a normalisation from numbers, under its usual name where it has one.

    Raises:
        InvalidInput: a mean outside [0, 1] or a deviation that is not positive.
    """
    if not all(0 <= m <= 1 for m in mean) or not all(0 < s <= 10 for s in std):
        raise InvalidInput(
            f"means must lie in [0, 1] and deviations above 0 for images in [0, 1], got mean {mean} and "
            f"std {std}" + _in_unit_range(mean, std)
        )
    for name, (known_mean, known_std) in NORMALIZATIONS.items():
        pairs = zip((*mean, *std), (*known_mean, *known_std), strict=True)
        if all(abs(a - b) < 1e-6 for a, b in pairs):
            return Normalization(name, known_mean, known_std, reason)
    return Normalization("custom", mean, std, reason)


def _in_unit_range(mean: Triple, std: Triple) -> str:
    """The advice for numbers on the scale of 0 to 255."""
    if not all(1 < m <= 255 for m in mean) or not all(0 < s <= 255 for s in std):
        return ""
    numbers = ",".join(f"{value / 255:.6g}" for value in (*mean, *std))
    return f"; on the scale of 0 to 255 they are `normalize='{numbers}'`"


def stored_normalization(mean: Triple, std: Triple, reason: str) -> Normalization:
    """Build a normalisation from statistics that a file stores; those of images in 0..255 are converted.

    Raises:
        InvalidInput: a mean or a deviation that fits neither scale.
    """
    if max(mean) > 1:
        mean, std = ((v[0] / 255, v[1] / 255, v[2] / 255) for v in (mean, std))
        reason += ", for images in 0 to 255"
    return custom_normalization(mean, std, reason)


def cifar_statistics(num_classes: int, suite: str | None) -> Normalization:
    """Return what kuangliu/pytorch-cifar and the recipes that grew from it subtract and divide by."""
    if num_classes == 100 or (suite or "").startswith("cifar100"):
        return named_normalization("cifar100", "the usual statistics for CIFAR-100")
    if num_classes == 10:
        return named_normalization("cifar10-per-image", "how kuangliu/pytorch-cifar trains this architecture")
    return named_normalization("imagenet", f"no CIFAR statistics for {num_classes} classes")


def suite_normalization(suite: str | None, num_classes: int | None) -> Normalization:
    """Return the usual normalisation where only the data set, or the number of classes, is known."""
    if suite is not None:
        if suite.startswith("cifar"):
            return named_normalization("half", f"the AugMix protocol for {suite}")
        return named_normalization("imagenet", f"the usual statistics for {suite}")
    if num_classes == 1000:
        return named_normalization("imagenet", "1000 outputs: the usual statistics for ImageNet")
    if num_classes in (10, 100):
        return named_normalization("half", f"{num_classes} outputs: the AugMix protocol for CIFAR")
    return named_normalization("none", "nothing is known of this network's input")
