"""The settings of models, suites and evaluations: name, default, allowed values and meaning.

The Python functions repeat names and defaults in their signatures (a test compares them); the command line
takes its options and their help from the fields and the "Attributes" sections.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from robustbench_lite.errors import InvalidInput, UnknownName
from robustbench_lite.reference.names import PERTURBATION_LISTS
from robustbench_lite.suite_spec import Baseline

if TYPE_CHECKING:  # The command line reads these settings without torch.
    from robustbench_lite.runtime import Amp


@dataclass(frozen=True)
class ModelSettings:
    """How a model file is read.

    Attributes:
        arch: The architecture, where the tensors of the checkpoint do not show it: a name, or your own
            code as FILE.py:BUILDER or MODULE:BUILDER, with arguments as in nets.py:WRN(depth=16).
        normalize: The input normalisation: imagenet, cifar10, cifar100, half, none, "MEAN,STD" or six
            numbers. By default the checkpoint's own, else that of its architecture.
        entry: Which of several sets of weights in the file to use, for example state_dict_ema.
        output: Which of several outputs of the model are the logits: a name, or a number in a tuple. By
            default the output with one column for each class.
        trust_checkpoint: Allow the file to run code while it loads (a pickled module).
        name: The name of the model in tables and records. By default the name of the file, class or function.
    """

    arch: str | None = None
    normalize: str | None = None
    entry: str | None = None
    output: str | None = None
    trust_checkpoint: bool = False
    name: str | None = None


@dataclass(frozen=True)
class SuiteSettings:
    """Which images a suite has and where they come from.

    Attributes:
        data: Folder (or .tar) of the official files. By default the folder in $ROBUSTBENCH_LITE_DATA.
        clean_data: The clean test set, or your own images: a folder with one subfolder per class, or an .npz.
        generate: Make the suite from the clean images, or read the official files. By default the suite is
            made where only clean images are given.
        protocol: How official files become model inputs: official, augmix or robustbench.
        corruptions: Only these corruptions or perturbations. By default the test set of the suite.
        severities: Only these severities (difficulties of -P). By default all five (for -P the first).
        allow_partial: Go on although files are missing. The results are marked partial and have no means.
        profile: Generated images: the parameter table, imagenet, tiny-imagenet or cifar. By default that of
            the suite.
        as_stored: Generated images: pass them through the JPEG compression of the release. By default as the
            files of the suite were stored.
        frost: Generated images: folder of the frost photographs.
        seed: The seed of all random draws: generated images, the sample of a budget, the bootstrap.
        classes: The class names in the order of the model's outputs, one per line of a file (with or without
            an index), or as JSON. Your own images have these classes; on other suites the names find them.
        image_size: Your own images: resize and crop photographs to this side, in pixels.
        labels: Your own images in one folder: a table with a file name and a label in each line.
        baseline: Divide the scores by those of another model: its finished run on the suite, or a CSV file
            with the columns corruption, severity and error (perturbation and flip_probability for -P).

    Raises:
        InvalidInput: corruptions or severities are not sequences, or the seed is negative.
    """

    data: str | Path | None = None
    clean_data: Any = None
    generate: bool | None = None
    protocol: str = "official"
    corruptions: Sequence[str] | None = None
    severities: Sequence[int] | None = None
    allow_partial: bool = False
    profile: str | None = None
    as_stored: bool | None = None
    frost: str | Path | None = None
    seed: int = 0
    classes: str | Path | Sequence[str] | None = None
    image_size: int | None = None
    labels: str | Path | None = None
    baseline: str | Path | Baseline | None = None

    def __post_init__(self) -> None:
        if isinstance(self.corruptions, str):
            raise InvalidInput(f"corruptions is a sequence of names, got the text {self.corruptions!r}")
        if not isinstance(self.corruptions, Iterable | None):
            raise InvalidInput(f"corruptions is a sequence of names, got {self.corruptions!r}")
        if isinstance(self.severities, int | str):
            raise InvalidInput(f"severities is a sequence of whole numbers, got {self.severities!r}")
        if self.seed < 0:
            raise InvalidInput(f"`seed={self.seed}` must not be negative")
        for name in ("corruptions", "severities", "classes"):
            value = getattr(self, name)
            if isinstance(value, list):
                object.__setattr__(self, name, tuple(value))


@dataclass(frozen=True)
class EvaluationSettings:
    """How a model is run over a suite; everything here is recorded with the result.

    Attributes:
        device: Where the model runs: auto (CUDA, then MPS, then CPU), cpu, cuda, cuda:N or mps.
        amp: Run the model under autocast to this type (bfloat16 or float16). By default float32.
        tf32: Let CUDA round float32 products to TF32 (faster, about three digits).
        compile: Run the model through torch.compile.
        fuse: Fold batch norm into convolutions where the logits agree to 1e-5.
        batch_size: Images per forward pass. By default the fastest size is measured.
        perturbation_list: The ten perturbations of mFP and mFR: snow (the papers') or spatter (those of the
            CIFAR-P script).
        bootstrap: Number of bootstrap replicates for the 95 % intervals. 0 leaves the intervals out.
        seed: The seed of all random draws: generated images, the sample of a budget, the bootstrap.
        force: Go on although the clean error is near chance.
        budget: Estimate the scores from a random sample with this share of the images of each cell, for
            example 5% or 0.05. By default all images are evaluated.
        input_size: Resize the images of the suite to this side, in pixels, on the device (bicubic,
            antialiased), for a model that was made for another size. By default they keep their size.
        channels: The order of the colour channels that the model takes: rgb or bgr.
        class_order: The order of the model's outputs: text, numeric, ignore-case (the sorted class names),
            wnids.txt (that of Tiny-ImageNet's file), or a file with the model's class names, one per line. By
            default the names stored with the model decide, else the outputs are the suite's classes in order.
        output_index: The output, from 0, for each class of the suite: 1-1000, or a file of numbers.

    Raises:
        InvalidInput: a value outside its range.
    """

    device: str = "auto"
    amp: Amp | None = None
    tf32: bool = False
    compile: bool = False
    fuse: bool = True
    batch_size: int | None = None
    perturbation_list: str = "snow"
    bootstrap: int = 1000
    seed: int = 0
    force: bool = False
    budget: float | None = None
    input_size: int | None = None
    channels: str = "rgb"
    class_order: str | Path | Sequence[str] | None = None
    output_index: str | None = None

    def __post_init__(self) -> None:
        _require_numbers(self)
        if self.channels not in ("rgb", "bgr"):
            raise UnknownName("order of channels", self.channels, ("rgb", "bgr"))
        if self.input_size is not None and self.input_size < 8:
            raise InvalidInput(f"`input_size={self.input_size}` is too small; it must be at least 8 pixels")
        if self.amp not in (None, "bf16", "fp16"):
            raise UnknownName("amp type", self.amp, ("bf16", "fp16"))
        if self.perturbation_list not in PERTURBATION_LISTS:
            raise UnknownName("perturbation list", self.perturbation_list, PERTURBATION_LISTS)
        if self.batch_size is not None and self.batch_size < 1:
            raise InvalidInput(f"`batch_size={self.batch_size}` is too small; it must be at least 1")
        if self.bootstrap < 0 or self.bootstrap in range(1, 100):
            raise InvalidInput(
                f"`bootstrap={self.bootstrap}` must be 0 (none) or at least 100 for a 95 % interval"
            )
        if self.seed < 0:
            raise InvalidInput(f"`seed={self.seed}` must not be negative")
        if self.budget is not None and not 0 < self.budget < 1:
            raise InvalidInput(
                f"`budget={self.budget:g}` must be a share of the images between 0 and 1 (0 % and 100 %); "
                "leave it out to evaluate all of them"
            )


def _require_numbers(settings: EvaluationSettings) -> None:
    """Check the types of the numeric settings.

    Raises:
        InvalidInput: text, or a fraction where a whole number is due.
    """
    for name in ("seed", "bootstrap", "batch_size", "input_size"):
        value = getattr(settings, name)
        if not isinstance(value, int | None):
            raise InvalidInput(f"`{name}={value!r}` must be a whole number")
    if not isinstance(settings.budget, int | float | None):
        raise InvalidInput(f"`budget={settings.budget!r}` must be a number, for example 0.05 for 5 %")
