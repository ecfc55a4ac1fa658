"""`robust demo`: training, evaluation and tables on real images that need no download."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from robustbench_lite.results import Results

SEED = 0
TEST_IMAGES = 500
SEQUENCE_IMAGES = 60
BATCH_SIZE = 32
CLASSES = tuple("0123456789")
METHODS = ("standard", "augmix")


@click.command("demo")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    default=Path("runs/demo"),
    show_default=True,
    help="Folder of the demo's runs and report.",
)
@click.option(
    "--epochs",
    type=click.IntRange(min=1),
    default=6,
    show_default=True,
    metavar="N",
    help="Epochs of each training.",
)
@click.option(
    "--device", default="auto", show_default=True, metavar="NAME", help="auto, cpu, cuda, cuda:N or mps."
)
def demo_command(out: Path, epochs: int, device: str) -> None:
    """Train two small networks on handwritten digits, standard and AugMix, and evaluate both.

    The images are the 1,797 real digits of scikit-learn, enlarged to 32 x 32. Their -C and -P are generated
    with CIFAR's parameters. The demo takes some minutes on two cores. A second call continues a demo that
    was stopped.
    """
    from robustbench_lite.commands._memory import keep_freed_memory
    from robustbench_lite.corruptions import CORRUPTIONS
    from robustbench_lite.corruptions.frost import find_photographs
    from robustbench_lite.errors import DataError
    from robustbench_lite.reference.names import TEST_CORRUPTIONS
    from robustbench_lite.report import results_table

    keep_freed_memory()
    out.mkdir(parents=True, exist_ok=True)
    digits = _digits(out)
    corruptions = None
    try:
        find_photographs()
    except DataError:
        corruptions = tuple(name for name in TEST_CORRUPTIONS if not CORRUPTIONS[name].needs_photographs)
        click.echo(
            "frost is left out: its photographs are not on this machine (robust data download frost)\n"
        )
    models = [_train(method, digits, out, epochs, device) for method in METHODS]
    suites: dict[str, dict[str, Any]] = {
        "custom-c": {"clean_data": out / "test.npz", "classes": CLASSES, "corruptions": corruptions},
        "custom-p": {"clean_data": out / "sequences.npz", "classes": CLASSES},
    }
    for suite, options in suites.items():
        results = [_evaluate(model, suite, out, device, options) for model in models]
        click.echo(results_table(results).render("text"))
        click.echo()
    click.echo(f"models, tables and every prediction: {out}")


def _digits(out: Path) -> tuple[Any, Any]:
    """Write the test images as archives for the evaluation; return the training images and labels."""
    import numpy as np
    from PIL import Image

    from robustbench_lite.atomic_write import atomic_path
    from robustbench_lite.errors import require

    bunch = require("sklearn.datasets", "demo", "the demo").load_digits()
    grey = np.rint(bunch.images * (255 / 16)).astype(np.uint8)
    large = [
        Image.fromarray(image).resize((32, 32), Image.Resampling.BICUBIC).convert("RGB") for image in grey
    ]
    images = np.stack([np.asarray(image) for image in large])
    order = np.random.default_rng(SEED).permutation(len(images))
    images, labels = images[order], bunch.target[order]
    for name, count in (("test", TEST_IMAGES), ("sequences", SEQUENCE_IMAGES)):
        with atomic_path(out / f"{name}.npz") as partial, partial.open("wb") as file:
            np.savez(file, images=images[:count], labels=labels[:count])
    return images[TEST_IMAGES:], labels[TEST_IMAGES:]


def _train(method: str, digits: tuple[Any, Any], out: Path, epochs: int, device: str) -> Path:
    import numpy as np

    from robustbench_lite.commands._training_progress import TrainingBars
    from robustbench_lite.training.data import from_arrays
    from robustbench_lite.training.train import train

    test = np.load(out / "test.npz")
    dataset = from_arrays(*digits, test["images"], test["labels"], name="digits")
    with TrainingBars() as bars:
        trained = train(
            dataset,
            arch="resnet-8",
            flip=False,
            method=method,
            epochs=epochs,
            batch_size=BATCH_SIZE,
            seed=SEED,
            device=device,
            out=out / method,
            progress=bars,
        )
    if trained.last is None:
        raise click.ClickException("training kept no model")
    return trained.last


def _evaluate(model: Path, suite: str, out: Path, device: str, options: dict[str, Any]) -> Results:
    from robustbench_lite.commands._progress import EvaluationBars
    from robustbench_lite.evaluation.evaluate import evaluate

    folder = out / f"{model.parent.name}-{suite}"
    with EvaluationBars() as bars:
        return evaluate(
            model,
            suite,
            out=folder,
            progress=bars,
            device=device,
            force=True,
            **options,
        )
