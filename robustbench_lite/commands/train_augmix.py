"""`robust train-augmix`: train by the AugMix paper's recipes."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click
import cloup

from robustbench_lite.commands._options import (
    FLOAT_TYPES,
    HELP_WIDTH,
    PATH,
    Option,
    overwrite_option,
    setting,
)
from robustbench_lite.commands._wording import in_options
from robustbench_lite.training.recipes import TrainingRecipe
from robustbench_lite.training.settings import TrainingSettings

if TYPE_CHECKING:
    from robustbench_lite.training.train import Trained

METHODS: Final = (
    "standard",
    "cutout",
    "mixup",
    "cutmix",
    "autoaugment",
    "adversarial",
    "random-autoaugment",
    "random-autoaugment-jsd",
    "augmix-no-jsd",
    "augmix",
    "patch-uniform",
)

WITHOUT_JSD: Final = {"augmix": "augmix-no-jsd", "random-autoaugment-jsd": "random-autoaugment"}

NAMED: Final = ("cifar10", "cifar100", "imagenet")


def recipe(*fields: str) -> tuple[Option, ...]:
    """Options that change the paper's recipe; without them its value for the case is taken."""
    return tuple(setting(TrainingRecipe, name, unset=True) for name in fields)


@cloup.command("train-augmix", formatter_settings=HELP_WIDTH)
@cloup.option_group(
    "Most used",
    cloup.option(
        "--dataset",
        required=True,
        metavar="NAME|PATH",
        help="cifar10, cifar100 or imagenet, with the files in --data; or an image folder, an .npz, or a "
        "folder "
        "with train.npz and test.npz.",
    ),
    cloup.option(
        "--data",
        type=PATH,
        envvar="ROBUSTBENCH_LITE_DATA",
        help="Folder of the official files of --dataset and of --eval-suite. By default the folder in "
        "$ROBUSTBENCH_LITE_DATA.",
    ),
    setting(TrainingSettings, "arch"),
    setting(TrainingSettings, "method"),
    cloup.option("--out", type=PATH, help="Run folder. By default runs/DATASET-ARCH-METHOD-SEED."),
)
@cloup.option_group(
    "Data",
    cloup.option("--download", is_flag=True, help="Let torchvision fetch CIFAR into --data."),
    cloup.option(
        "--image-size", type=int, metavar="N", help="The side of the crops of an image folder, in pixels."
    ),
    cloup.option(
        "--extra-train",
        multiple=True,
        type=PATH,
        help="More training images with the same class folders, such as those of Stylized-ImageNet.",
    ),
    cloup.option(
        "--test-fraction",
        type=float,
        metavar="X",
        default=0.1,
        show_default=True,
        help="Share of the images kept for testing where the data have no test part.",
    ),
    cloup.option(
        "--eval-suite",
        "suites",
        multiple=True,
        metavar="NAME",
        help="Evaluate the last model on a suite afterwards: cifar10-c, ...; custom-c or custom-p are "
        "made from "
        "the test images of the run.",
    ),
)
@cloup.option_group(
    "Model",
    cloup.option(
        "--init",
        metavar="FILE|NAME",
        help="Start from the weights of a checkpoint, or of torchvision:NAME. Where the number of "
        "classes differs, "
        "the last layer starts fresh.",
    ),
    cloup.option("--max-blur-pool", is_flag=True, help="Blur before subsampling (torchvision's ResNets)."),
    *recipe("normalization"),
)
@cloup.option_group(
    "Optimisation",
    *recipe("epochs", "batch_size", "lr", "min_lr", "schedule", "warmup_epochs", "warmup_lr"),
    *recipe("momentum", "nesterov", "weight_decay"),
    setting(TrainingSettings, "clip_grad"),
    setting(TrainingSettings, "ema"),
)
@cloup.option_group(
    "Augmentation",
    cloup.option("--no-jsd", is_flag=True, help="Leave the Jensen-Shannon loss out of the method."),
    *recipe("jsd_weight", "all_ops", "severity", "width", "depth", "alpha", "padding", "flip"),
    *recipe("cutout_size", "mixup_alpha", "cutmix_alpha", "cutmix_probability", "policy", "patch_size"),
    *recipe("patch_strength", "attack_radius", "attack_step", "attack_steps"),
)
@cloup.option_group(
    "Running",
    setting(TrainingSettings, "seed"),
    setting(TrainingSettings, "device"),
    setting(TrainingSettings, "amp", type=FLOAT_TYPES, metavar=None),
    setting(TrainingSettings, "tf32"),
    setting(TrainingSettings, "compile"),
    setting(TrainingSettings, "channels_last"),
    overwrite_option,
)
@cloup.option_group(
    "Output",
    setting(TrainingSettings, "tensorboard"),
    setting(TrainingSettings, "save_minutes"),
)
def train_command(
    dataset: str,
    data: Path | None,
    arch: str | None,
    method: str,
    no_jsd: bool,
    max_blur_pool: bool,
    download: bool,
    image_size: int | None,
    extra_train: tuple[Path, ...],
    test_fraction: float,
    out: Path | None,
    suites: tuple[str, ...],
    **options: Any,
) -> None:
    """Train with AugMix, or with a method that its paper compares, by the paper's recipe.

    The run folder keeps log.csv, last.pt and best.pt (chosen on the test set), and the state: the same
    command continues a run that was killed, to the same weights. `torchrun` shares the work between GPUs.
    """
    from robustbench_lite.commands._memory import keep_freed_memory
    from robustbench_lite.commands._own_suites import is_own, keep_test_images, suite_options
    from robustbench_lite.commands._progress import is_first_process
    from robustbench_lite.commands._training_progress import TrainingBars
    from robustbench_lite.training.recipes import architecture_name
    from robustbench_lite.training.sources import open_dataset
    from robustbench_lite.training.train import train

    keep_freed_memory()
    method = without_jsd(method) if no_jsd else method
    images = open_dataset(
        dataset,
        data if dataset in NAMED else None,
        download=download,
        image_size=image_size,
        extra_train=extra_train,
        test_fraction=test_fraction,
        seed=options["seed"],
    )
    init = options["init"]
    if arch is not None or init is None:
        arch = architecture_name(arch, images.family) + "-maxblur" * max_blur_pool
    start = arch or Path(init).name.partition(".")[0]
    name = f"{images.name}-{start}-{method}-{options['seed']}"
    folder = out or Path("runs") / re.sub(r"[^\w.+-]+", "-", name)
    places = {suite: suite_options(suite, dataset, images, data, folder) for suite in suites}
    with TrainingBars() as bars:
        trained = train(images, arch=arch, method=method, out=folder, progress=bars, **options)
    if is_first_process():
        final = trained.history[-1]
        click.echo(f"{trained.last}: test error {100 * final.test_error:.2f} % after {final.epoch} epochs")
    if any(map(is_own, suites)):
        keep_test_images(images, folder)
    for suite, place in places.items():
        _evaluate(trained, suite, folder, place | {name: options[name] for name in _SHARED} | {"arch": arch})


def without_jsd(method: str) -> str:
    """The method without its Jensen-Shannon loss."""
    if method in METHODS and method not in (*WITHOUT_JSD, *WITHOUT_JSD.values()):
        raise click.UsageError(
            f"--no-jsd leaves out the loss of {' and '.join(WITHOUT_JSD)}; {method} has none."
        )
    return WITHOUT_JSD.get(method, method)


_SHARED: Final = ("device", "seed", "overwrite")
"""The options of a training that its evaluations share."""


def _evaluate(trained: Trained, suite: str, folder: Path, options: dict[str, Any]) -> None:
    from robustbench_lite.commands._progress import EvaluationBars, is_first_process
    from robustbench_lite.evaluation.evaluate import evaluate
    from robustbench_lite.report import results_table

    with EvaluationBars() as bars:
        # A network that is still near chance after so much training is no mistake in how it was loaded.
        results = evaluate(
            str(trained.last), suite, out=folder / f"eval-{suite}", force=True, progress=bars, **options
        )
    if is_first_process():
        click.echo(in_options(results_table([results]).render("text")))
