"""Runs: learning, repeating, being killed and continued, what is kept and what stops them."""

from __future__ import annotations

import csv
import errno
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from robustbench_lite.errors import CheckpointError, InvalidInput, MissingExtra, ModelError, UnknownName
from robustbench_lite.models import load_model
from robustbench_lite.runtime import Processes
from robustbench_lite.training.data import Dataset, from_arrays
from robustbench_lite.training.initialise import fresh_network
from robustbench_lite.training.methods import METHODS, Method
from robustbench_lite.training.progress import Epoch
from robustbench_lite.training.recipes import TrainingRecipe
from robustbench_lite.training.seeds import generator
from robustbench_lite.training.settings import TrainingSettings
from robustbench_lite.training.sources import open_dataset
from robustbench_lite.training.stepper import Stepper
from robustbench_lite.training.train import train
from tests.training.conftest import toy_arrays

Options = dict[str, Any]


class Killer:
    """Takes notes, and kills the run after a number of updates."""

    def __init__(self, after: int | None = None) -> None:
        self.after = after
        self.notes: list[str] = []
        self.steps: list[int] = []
        self.rows: list[Epoch] = []

    def note(self, text: str) -> None:
        self.notes.append(text)

    def begin(self, epochs: int, steps_per_epoch: int, step: int) -> None:
        self.plan = (epochs, steps_per_epoch, step)

    def advance(self, step: int, loss: float, error: float, images_per_second: float) -> None:
        self.steps.append(step)
        if step - 1 == self.after:
            raise KeyboardInterrupt

    def end_epoch(self, epoch: Epoch) -> None:
        self.rows.append(epoch)


def weights(source: Path | nn.Module) -> dict[str, torch.Tensor]:
    module = load_model(source).network if isinstance(source, Path) else source
    return {name: value.clone() for name, value in module.state_dict().items()}


def equal(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return all(torch.equal(one[name], other[name]) for name in one.keys() | other.keys())


@pytest.mark.parametrize("method", METHODS)
def test_every_method_learns_the_toy_problem(toy: Dataset, quick: Options, method: str) -> None:
    small = {"attack_steps": 1, "patch_size": 4, "patch_strength": 0.2, "cutout_size": 4}
    own = {name: value for name, value in small.items() if name in METHODS[method].uses}
    done = train(toy, method=method, **(quick | own | {"epochs": 4, "lr": 0.05}))
    losses = [row.train_loss for row in done.history]
    assert len(losses) == 4
    assert min(losses[1:]) < losses[0]
    assert done.history[-1].train_error < 0.6


def test_a_standard_run_solves_the_toy_problem(toy: Dataset, quick: Options) -> None:
    done = train(toy, method="standard", **(quick | {"epochs": 8}))
    assert done.history[-1].test_error == 0
    images = toy.test.read(0, 30).float() / 255
    assert torch.equal(done.classifier(images).argmax(1), toy.test.labels)


def test_the_seed_decides_the_weights(toy: Dataset, quick: Options) -> None:
    before = torch.get_rng_state()
    one, again, other = (weights(train(toy, seed=seed, **quick).classifier.network) for seed in (0, 0, 1))
    assert equal(one, again)
    assert not torch.equal(one["linear.weight"], other["linear.weight"])
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("after", [2, 3, 4])
def test_killed_and_continued_gives_the_weights_of_the_uninterrupted_run(
    toy: Dataset, quick: Options, tmp_path: Path, after: int
) -> None:
    options = quick | {"method": "augmix", "ema": 0.9, "save_minutes": 0.0}
    whole = train(toy, out=tmp_path / "whole", **options)
    with pytest.raises(KeyboardInterrupt):
        train(toy, out=tmp_path / "cut", progress=Killer(after), **options)
    listener = Killer()
    done = train(toy, out=tmp_path / "cut", progress=listener, **options)
    assert listener.plan == (3, 3, after)
    assert listener.steps == list(range(after + 1, 10))
    assert listener.notes == [f"The run in {tmp_path / 'cut'} continues after {after} updates."]
    assert equal(weights(tmp_path / "cut/last.pt"), weights(tmp_path / "whole/last.pt"))
    assert equal(weights(tmp_path / "cut/best.pt"), weights(tmp_path / "whole/best.pt"))
    columns = ("epoch", "step", "lr", "train_loss", "train_error", "test_loss", "test_error")
    for name in columns:
        assert [getattr(row, name) for row in done.history] == [getattr(row, name) for row in whole.history]


def test_a_run_on_image_files_continues_to_the_same_weights(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for number in range(30):
        folder = tmp_path / "images" / ("dark", "light")[number % 2]
        folder.mkdir(parents=True, exist_ok=True)
        pixels = rng.integers(0, 128, (40 + number, 50, 3), dtype=np.uint8) + 127 * (number % 2)
        Image.fromarray(pixels.astype(np.uint8)).save(folder / f"{number}.png")
    dataset = open_dataset(tmp_path / "images", image_size=16, test_fraction=0.2)
    options: Options = {"arch": "resnet-8", "epochs": 2, "batch_size": 8, "device": "cpu"}
    whole = train(dataset, out=tmp_path / "whole", **options)
    with pytest.raises(KeyboardInterrupt):
        train(dataset, out=tmp_path / "cut", progress=Killer(4), save_minutes=0.0, **options)
    train(dataset, out=tmp_path / "cut", **options)
    assert equal(weights(tmp_path / "cut/last.pt"), weights(tmp_path / "whole/last.pt"))
    assert whole.classifier.info.normalization == "imagenet"


def test_a_finished_run_is_not_run_again(toy: Dataset, quick: Options, tmp_path: Path) -> None:
    first = train(toy, out=tmp_path, **quick)
    listener = Killer()
    again = train(toy, out=tmp_path, progress=listener, **quick)
    assert again.history == first.history
    assert not listener.steps


def test_the_kept_model_needs_no_option_and_knows_how_it_was_trained(
    toy: Dataset, quick: Options, tmp_path: Path
) -> None:
    done = train(toy, method="cutout", out=tmp_path / "deep" / "folder", **quick)
    assert done.last == tmp_path / "deep/folder/last.pt"
    loaded = load_model(done.last)
    info = loaded.info
    assert (info.architecture, info.num_classes, info.normalization) == ("resnet-8", 3, "half")
    record = torch.load(done.last, weights_only=True)["robustbench_lite"]
    assert (record["method"], record["class_names"]) == ("cutout", ["dark", "grey", "light"])
    assert record["settings"]["epochs"] == 3
    assert record["settings"]["seed"] == 0
    assert record["settings"]["chosen"] == "the last epoch"
    in_memory = train(toy, method="cutout", **quick).classifier
    images = toy.test.read(0, 30)
    assert torch.equal(loaded(images), in_memory(images))


def test_operations_that_overlap_the_test_corruptions_are_reported_and_recorded(
    toy: Dataset, quick: Options, tmp_path: Path
) -> None:
    listener = Killer()
    options = quick | {"method": "augmix-no-jsd", "epochs": 1}
    done = train(toy, all_ops=True, out=tmp_path / "all", progress=listener, **options)
    assert "mark brightness, contrast" in listener.notes[0]
    overlap = torch.load(done.last, weights_only=True)["robustbench_lite"]["settings"]["overlap"]
    assert {"brightness", "contrast", "saturate"} <= set(overlap)
    quiet = Killer()
    train(toy, out=tmp_path / "nine", progress=quiet, **options)
    assert not quiet.notes


def test_the_best_model_is_that_of_the_lowest_test_error(
    toy: Dataset, quick: Options, tmp_path: Path
) -> None:
    done = train(toy, method="standard", out=tmp_path, **(quick | {"epochs": 6}))
    assert done.best is not None
    errors = [row.test_error for row in done.history]
    classifier = load_model(done.best)
    wrong = classifier(toy.test.read(0, 30)).argmax(1) != toy.test.labels
    assert float(wrong.float().mean()) == pytest.approx(min(errors))
    record = torch.load(done.best, weights_only=True)["robustbench_lite"]["settings"]
    assert record["epoch"] == errors.index(min(errors)) + 1
    assert record["chosen"] == "the epoch with the lowest test error"


def test_the_log_has_a_row_an_epoch(toy: Dataset, quick: Options, tmp_path: Path) -> None:
    done = train(toy, out=tmp_path, **quick)
    with (tmp_path / "log.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [int(row["epoch"]) for row in rows] == [1, 2, 3]
    assert [int(row["step"]) for row in rows] == [3, 6, 9]
    assert [float(row["train_loss"]) for row in rows] == [row.train_loss for row in done.history]
    assert float(rows[-1]["lr"]) == pytest.approx(1e-6 + (0.1 - 1e-6) * (1 + math.cos(math.pi * 8 / 9)) / 2)


def test_every_update_has_the_learning_rate_of_its_step(
    toy: Dataset, quick: Options, monkeypatch: pytest.MonkeyPatch
) -> None:
    rates: list[tuple[int, float]] = []
    take = Stepper.step

    def listen(self: Stepper, images: Any, labels: Any, step: int, lr: float, share: float) -> Any:
        rates.append((step, lr))
        return take(self, images, labels, step, lr, share)

    monkeypatch.setattr(Stepper, "step", listen)
    train(toy, method="standard", **quick)
    cosine = [1e-6 + (0.1 - 1e-6) * (1 + math.cos(math.pi * step / 9)) / 2 for step in range(9)]
    assert rates == [(step, pytest.approx(rate)) for step, rate in enumerate(cosine)]


def test_tensorboard_gets_the_columns_of_the_log(toy: Dataset, quick: Options, tmp_path: Path) -> None:
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    done = train(toy, out=tmp_path, tensorboard=True, **quick)
    events = accumulator.EventAccumulator(str(tmp_path / "tensorboard"))
    events.Reload()
    found = [(event.step, event.value) for event in events.Scalars("test_error")]
    assert found == [(row.step, pytest.approx(row.test_error)) for row in done.history]


def test_tensorboard_that_is_not_installed_is_asked_for(
    toy: Dataset, quick: Options, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "tensorboard", None)
    with pytest.raises(
        MissingExtra, match=r"TensorBoard's files needs tensorboard.*robustbench-lite\[tensorboard\]"
    ):
        train(toy, out=tmp_path, tensorboard=True, **quick)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_loss_that_is_no_number_stops_with_the_step(
    toy: Dataset, quick: Options, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, value: float
) -> None:
    calls: list[int] = []

    def loss(logits: torch.Tensor, targets: torch.Tensor, recipe: TrainingRecipe) -> torch.Tensor:
        calls.append(1)
        return logits.sum() * (value if len(calls) == 5 else 0.0)

    monkeypatch.setitem(METHODS, "standard", Method(METHODS["standard"].views, loss))
    with pytest.raises(
        ModelError, match=r"the loss became NaN or infinite at step 5 \(epoch 2\); lower the learn"
    ):
        train(toy, method="standard", out=tmp_path, save_minutes=0.0, **quick)
    state = torch.load(tmp_path / "state.pt", weights_only=True)
    assert state["step"] == 4


def test_weights_that_diverged_are_not_kept(toy: Dataset, quick: Options, tmp_path: Path) -> None:
    with pytest.raises(
        ModelError, match=r"the test loss became \w+ after step 1 \(epoch 1\); lower the learn"
    ):
        train(toy, method="standard", out=tmp_path, **(quick | {"lr": 1e4, "epochs": 1, "batch_size": 72}))
    assert not (tmp_path / "last.pt").exists()


def test_continuing_with_other_settings_is_refused_with_their_names(
    toy: Dataset, quick: Options, tmp_path: Path
) -> None:
    train(toy, out=tmp_path, **quick)
    with pytest.raises(
        InvalidInput, match=r"other settings: seed was 0 and is 3, lr was 0.1 and is 0.2\. Give"
    ):
        train(toy, out=tmp_path, seed=3, lr=0.2, **quick)
    other = from_arrays(*toy_arrays(72, 9), *toy_arrays(30, 2), name="toy")
    with pytest.raises(InvalidInput, match="other settings: data was"):
        train(other, out=tmp_path, **quick)


def test_continuing_with_another_number_of_processes_is_refused(
    toy: Dataset, quick: Options, tmp_path: Path
) -> None:
    # Batches are shared out by it, and so every draw depends on it.
    train(toy, out=tmp_path, **quick)
    settings = json.loads((tmp_path / "settings.json").read_text())
    (tmp_path / "settings.json").write_text(json.dumps(settings | {"processes": 2}))
    with pytest.raises(InvalidInput, match="other settings: processes was 2 and is 1"):
        train(toy, out=tmp_path, **quick)


def test_overwriting_starts_from_the_beginning(toy: Dataset, quick: Options, tmp_path: Path) -> None:
    train(toy, out=tmp_path, **quick)
    listener = Killer()
    train(toy, out=tmp_path, overwrite=True, progress=listener, **(quick | {"lr": 0.2}))
    assert listener.steps == list(range(1, 10))


def test_a_folder_that_can_not_be_written_is_named(toy: Dataset, quick: Options, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(
        InvalidInput, match=r"file/run can't be written: Not a directory; give another folder"
    ):
        train(toy, out=tmp_path / "file" / "run", **quick)


def test_damaged_files_of_a_run_are_named(toy: Dataset, quick: Options, tmp_path: Path) -> None:
    train(toy, out=tmp_path, **quick)
    (tmp_path / "state.pt").write_bytes(b"half")
    with pytest.raises(
        CheckpointError, match=r"state\.pt is damaged, so the run can't be continued; overwrite"
    ):
        train(toy, out=tmp_path, **quick)
    torch.save({"format": 0}, tmp_path / "state.pt")
    with pytest.raises(CheckpointError, match=r"state\.pt is not the state of a training run"):
        train(toy, out=tmp_path, **quick)
    (tmp_path / "settings.json").write_text("{")
    with pytest.raises(InvalidInput, match=r"settings\.json is damaged"):
        train(toy, out=tmp_path, **quick)
    (tmp_path / "settings.json").write_text("[1]")
    with pytest.raises(InvalidInput, match=r"settings\.json is damaged"):
        train(toy, out=tmp_path, **quick)
    (tmp_path / "settings.json").unlink()
    with pytest.raises(InvalidInput, match=r"has the state of a run but not its settings\.json"):
        train(toy, out=tmp_path, **quick)
    assert train(toy, out=tmp_path, overwrite=True, **quick).last is not None


@pytest.mark.parametrize("written", ["write_atomically", "save_checkpoint"])
def test_a_disk_that_fills_up_is_one_error(
    toy: Dataset, quick: Options, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, written: str
) -> None:
    def full(path: Path, *content: object, **more: object) -> None:
        if path.name != "settings.json":
            raise OSError(errno.ENOSPC, "No space left on device")
        path.write_bytes(b"{}")

    monkeypatch.setattr(f"robustbench_lite.training.run_folder.{written}", full)
    with pytest.raises(InvalidInput, match=r"can't be written any more \(.*No space left.*the same command"):
        train(toy, out=tmp_path, **quick)


def test_fewer_images_than_a_batch_are_refused(toy: Dataset, quick: Options) -> None:
    with pytest.raises(InvalidInput, match="72 training images do not fill one batch of 73"):
        train(toy, **(quick | {"batch_size": 73}))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"method": "augmx"}, "unknown training method 'augmx'; did you mean augmix"),
        ({"arch": "wrn-4O-2"}, "unknown architecture 'wrn-4O-2'; did you mean wrn-40-2"),
    ],
)
def test_unknown_names_are_refused(toy: Dataset, quick: Options, options: Options, message: str) -> None:
    with pytest.raises(UnknownName, match=message):
        train(toy, **(quick | options))


class Dropping(nn.Module):
    """A network with dropout, which draws from torch's own generator."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Flatten(), nn.Linear(192, 16), nn.ReLU(), nn.Dropout(), nn.Linear(16, 3)
        )
        for number, parameter in enumerate(self.parameters()):
            parameter.data = torch.randn(parameter.shape, generator=generator(number)) / 10

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.layers(images)
        return logits


def stepper(recipe: TrainingRecipe | None = None, **settings: Any) -> Stepper:
    chosen = TrainingSettings(method="standard", device="cpu", **settings)
    team, device = Processes(), torch.device("cpu")
    return Stepper(Dropping(), METHODS["standard"], recipe or TrainingRecipe(), chosen, 3, device, team)


def take_steps(one: Stepper, toy: Dataset, steps: range) -> None:
    for step in steps:
        one.step(
            toy.train.read(8 * step, 8 * step + 8), toy.train.labels[8 * step : 8 * step + 8], step, 0.1, 1.0
        )


def test_dropout_too_is_the_same_after_a_restart(toy: Dataset) -> None:
    whole, first, second = stepper(), stepper(), stepper()
    take_steps(whole, toy, range(6))
    take_steps(first, toy, range(3))
    second.load(first.state())
    take_steps(second, toy, range(3, 6))
    assert equal(weights(whole.network), weights(second.network))


def test_the_average_is_the_exponential_one_and_is_what_is_tested(toy: Dataset) -> None:
    averaged = stepper(ema=0.75)
    expected = averaged.network.get_parameter("layers.4.weight").detach().clone()
    for step in range(9):
        take_steps(averaged, toy, range(step, step + 1))
        decay = min(0.75, (1 + step) / (10 + step))
        expected = decay * expected + (1 - decay) * averaged.network.get_parameter("layers.4.weight").detach()
    assert averaged.best_guess is not averaged.network
    torch.testing.assert_close(averaged.best_guess.get_parameter("layers.4.weight").detach(), expected)


def test_an_update_is_nesterovs_with_weight_decay(toy: Dataset) -> None:
    recipe = TrainingRecipe(lr=0.3, momentum=0.9, weight_decay=0.01)  # the step is told 0.1
    ours = stepper(recipe)
    weight = ours.network.get_parameter("layers.4.bias").detach().clone()
    velocity, gradients = torch.zeros(3), []
    handle = ours.network.get_parameter("layers.4.bias").register_hook(lambda g: gradients.append(g.clone()))
    take_steps(ours, toy, range(3))
    handle.remove()
    for gradient in gradients:
        decayed = gradient + 0.01 * weight
        velocity = 0.9 * velocity + decayed
        weight = weight - 0.1 * (decayed + 0.9 * velocity)
    torch.testing.assert_close(ours.network.get_parameter("layers.4.bias").detach(), weight)


def test_clipping_bounds_the_length_of_an_update(toy: Dataset) -> None:
    recipe = TrainingRecipe(momentum=0.0, nesterov=False, weight_decay=0.0)
    clipped = stepper(recipe, clip_grad=0.01)
    before = weights(clipped.network)
    take_steps(clipped, toy, range(1))
    moved = [after - before[name] for name, after in weights(clipped.network).items()]
    length = math.sqrt(sum(float(part.square().sum()) for part in moved))
    assert length == pytest.approx(0.1 * 0.01, rel=1e-3)


def test_predictions_are_those_of_normalised_images_in_evaluation_mode(toy: Dataset) -> None:
    ours = stepper()
    images = toy.test.read(0, 5)
    with torch.no_grad():
        expected = ours.network.eval()(2 * (images.float() / 255) - 1)
    torch.testing.assert_close(ours.predict(images), expected)


def test_half_precision_on_a_cpu_is_refused(toy: Dataset, quick: Options) -> None:
    with pytest.raises(InvalidInput, match="`amp='fp16'` needs a GPU"):
        train(toy, amp="fp16", **quick)


def test_an_attack_leaves_the_statistics_of_batch_norm_alone(toy: Dataset) -> None:
    network = fresh_network("resnet-8", 3, 0)
    chosen = TrainingSettings(method="adversarial", device="cpu")
    method, recipe = METHODS["adversarial"], TrainingRecipe(attack_steps=3)
    ours = Stepper(network, method, recipe, chosen, 3, torch.device("cpu"), Processes())
    take_steps(ours, toy, range(2))
    assert int(ours.network.get_buffer("bn1.num_batches_tracked")) == 2
