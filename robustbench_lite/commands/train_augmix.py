"""`robust train-augmix`: train by the AugMix paper's recipes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

if TYPE_CHECKING:
    from robustbench_lite.training import Trained

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

RECIPE: Final[tuple[tuple[str, type, str], ...]] = (
    ("--epochs", int, "Passes over the training images [paper: 100; ResNeXt, DenseNet 200; ImageNet 180]."),
    ("--batch-size", int, "Images a step, over all processes [paper: 128; ImageNet 256]."),
    ("--lr", float, "Highest learning rate [paper: 0.1; ImageNet 0.1 * batch / 256]."),
    ("--min-lr", float, "Where the cosine ends [paper: 1e-6]."),
    ("--schedule", str, "cosine (per step), or thirds (divided by 10 after each third) [paper: ImageNet]."),
    ("--warmup-epochs", int, "Epochs of linear warm-up [paper: ImageNet 5]."),
    ("--momentum", float, "Of SGD [paper: 0.9]."),
    ("--weight-decay", float, "[paper: 5e-4; Mixup, DenseNet and ImageNet 1e-4]."),
    ("--padding", int, "Border of zeros around small images before the random crop [paper: 4]."),
    ("--normalization", str, "half, imagenet, cifar10, ... [paper: half, mean and deviation 0.5]."),
    ("--severity", float, "Of AugMix's operations [paper: 3; ImageNet 1]."),
    ("--width", int, "AugMix chains per view [paper: 3]."),
    ("--depth", int, "Operations per chain [paper: 1 to 3 at random]."),
    ("--alpha", float, "Of the Dirichlet and Beta distributions [paper: 1]."),
    ("--jsd-weight", float, "Of the Jensen-Shannon loss [paper: 12]."),
    ("--cutout-size", int, "Side of Cutout's square in pixels [paper: 16]."),
    ("--mixup-alpha", float, "[paper: 1]."),
    ("--cutmix-alpha", float, "[paper: 1]."),
    ("--cutmix-probability", float, "Share of batches that CutMix mixes [default: 0.5; ImageNet 1]."),
    ("--policy", str, "AutoAugment*'s policy: cifar or imagenet."),
    ("--patch-size", int, "Side of Patch Uniform's square in pixels."),
    ("--patch-strength", float, "Of Patch Uniform's noise, for pixels in [0, 1]."),
    ("--attack-radius", float, "l-infinity ball of the attack, for pixels in [0, 1] [paper: 8/255]."),
    ("--attack-step", float, "Step of the attack [default: 2/255]."),
    ("--attack-steps", int, "Steps of the attack [default: 10]."),
)
"""Options that change the paper's recipe: name, type, help. Without them its value for the case is taken."""


def recipe_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options of `RECIPE`, in its order."""
    for name, kind, text in reversed(RECIPE):
        command = click.option(name, type=kind, help=text)(command)
    return command


@click.command("train-augmix")
@click.option(
    "--dataset",
    required=True,
    metavar="NAME|PATH",
    help="cifar10, cifar100, imagenet; an image folder; an .npz, or a folder with train.npz and test.npz.",
)
@click.option(
    "--data",
    type=click.Path(path_type=Path),
    envvar="ROBUSTBENCH_LITE_DATA",
    help="Folder of a named data set's files, and of --eval-suite's [env: ROBUSTBENCH_LITE_DATA].",
)
@click.option("--download", is_flag=True, help="Let torchvision fetch CIFAR into --data.")
@click.option("--image-size", type=click.IntRange(min=8), help="Crops of an image folder, in pixels.")
@click.option(
    "--extra-train",
    "extra",
    multiple=True,
    type=click.Path(path_type=Path),
    help="More training images with the same class folders, such as Stylized-ImageNet's.",
)
@click.option(
    "--test-fraction",
    type=float,
    default=0.1,
    show_default=True,
    help="Images kept for testing where the data have no test part.",
)
@click.option(
    "--arch",
    metavar="NAME",
    help="wrn40-2, allconv, densenet, resnext29, resnet50, ... [default: wrn40-2; ImageNet: resnet50].",
)
@click.option("--max-blur-pool", is_flag=True, help="Blur before subsampling (torchvision's ResNets).")
@click.option(
    "--method",
    metavar="NAME",
    default="augmix",
    show_default=True,
    help=f"{', '.join(METHODS)}.",
)
@click.option("--no-jsd", is_flag=True, help="Leave the Jensen-Shannon loss out of the method.")
@click.option("--all-ops", is_flag=True, help="Add the four operations that overlap the -C suites.")
@recipe_options
@click.option("--no-nesterov", is_flag=True, help="Plain momentum, as in the paper's ImageNet script.")
@click.option("--no-flip", is_flag=True, help="Don't mirror images (digits, letters).")
@click.option("--seed", type=int, default=0, show_default=True, help="Decides all that is random.")
@click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda, cuda:N or mps.")
@click.option("--amp", type=click.Choice(["bf16", "fp16"]), help="Mixed precision.")
@click.option("--tf32", is_flag=True, help="Let CUDA round float32 products to TF32.")
@click.option("--compile", is_flag=True, help="Run the network through torch.compile.")
@click.option("--no-channels-last", is_flag=True, help="Keep the usual memory layout.")
@click.option("--clip-grad", type=float, help="Largest norm of the gradient [default: none].")
@click.option("--ema", type=float, help="Keep and test an average of the weights with this decay.")
@click.option("--tensorboard", is_flag=True, help="Write TensorBoard's files beside the CSV log.")
@click.option(
    "--save-minutes", type=float, default=10, show_default=True, help="How often an epoch's state is kept."
)
@click.option(
    "--out", type=click.Path(path_type=Path), help="Run folder [default: runs/DATASET-ARCH-METHOD-SEED]."
)
@click.option("--overwrite", is_flag=True, help="Start afresh in a folder that holds another run.")
@click.option(
    "--eval-suite",
    "suites",
    multiple=True,
    metavar="NAME",
    help="Evaluate the last model on a suite afterwards: cifar10-c, ..., or custom-c, custom-p made from the "
    "run's own test images.",
)
def train_command(
    dataset: str,
    data: Path | None,
    download: bool,
    image_size: int | None,
    extra: tuple[Path, ...],
    test_fraction: float,
    out: Path | None,
    overwrite: bool,
    suites: tuple[str, ...],
    max_blur_pool: bool,
    **options: Any,
) -> None:
    """Train with AugMix, or with a method that its paper compares, by the paper's recipe.

    The run folder keeps log.csv, last.pt and best.pt (chosen on the test set), and the state: the same
    command continues a run that was killed, to the same weights. `torchrun` shares the work between GPUs.
    """
    from robustbench_lite.commands._memory import keep_freed_memory
    from robustbench_lite.commands._own_suites import keep_test_images, place_of
    from robustbench_lite.commands._progress import is_first_process
    from robustbench_lite.commands._training_progress import TrainingBars
    from robustbench_lite.evaluation.sources import CUSTOM_SUITES
    from robustbench_lite.training import architecture_name, open_dataset, train

    keep_freed_memory()
    told = train_options(options)
    opened = open_dataset(
        dataset,
        data if dataset in NAMED else None,
        download=download,
        image_size=image_size,
        extra=extra,
        test_fraction=test_fraction,
        seed=told["seed"],
    )
    architecture = architecture_name(told.get("architecture"), opened.family) + "-maxblur" * max_blur_pool
    told["architecture"] = architecture
    name = f"{opened.name}-{architecture}-{told['method']}-{told['seed']}"
    folder = out or Path("runs") / name.replace(":", "-")
    places = {suite: place_of(suite, dataset, opened, data, folder) for suite in suites}
    with TrainingBars() as bars:
        trained = train(opened, out=folder, overwrite=overwrite, progress=bars, **told)
    if is_first_process():
        final = trained.history[-1]
        click.echo(f"{trained.last}: test error {100 * final.test_error:.2f} % after {final.epoch} epochs")
    if not set(suites).isdisjoint(CUSTOM_SUITES):
        keep_test_images(opened, folder)
    for suite, place in places.items():
        _evaluate(trained, suite, place, folder, overwrite, told)


def train_options(options: dict[str, Any]) -> dict[str, Any]:
    """The command's options as keywords of `train`; what was not given is left to the recipe."""
    told = {name: value for name, value in options.items() if value is not None and value is not False}
    if told.pop("no_jsd", False):
        told["method"] = _without_jsd(told["method"])
    if told.pop("no_nesterov", False):
        told["nesterov"] = False
    if told.pop("no_flip", False):
        told["flip"] = False
    if told.pop("no_channels_last", False):
        told["channels_last"] = False
    if "arch" in told:
        told["architecture"] = told.pop("arch")
    return told


def _without_jsd(method: str) -> str:
    if method in METHODS and method not in (*WITHOUT_JSD, *WITHOUT_JSD.values()):
        raise click.UsageError(
            f"--no-jsd leaves out the loss of {' and '.join(WITHOUT_JSD)}; {method} has none."
        )
    return WITHOUT_JSD.get(method, method)


def _evaluate(
    trained: Trained, suite: str, place: dict[str, Any], folder: Path, overwrite: bool, told: dict[str, Any]
) -> None:
    from robustbench_lite.commands._progress import Bars, is_first_process
    from robustbench_lite.evaluation import evaluate
    from robustbench_lite.report import results_table

    shared = {name: told[name] for name in ("device", "seed")}
    # A network that is still near chance after so much training is no mistake in how it was loaded.
    shared |= {"run_folder": folder / f"eval-{suite}", "overwrite": overwrite, "force": True}
    with Bars() as bars:
        results = evaluate(str(trained.last), suite, progress=bars, **place, **shared)
    if is_first_process():
        click.echo(results_table([results]).render("text"))
