"""The whole evaluation, compared with a plain loop over the arrays."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import robustbench_lite as rb
from robustbench_lite import metrics
from robustbench_lite.errors import DataError, InvalidInput, ModelError, UnknownName
from robustbench_lite.evaluation.progress import SilentEvaluation
from robustbench_lite.models import as_classifier
from robustbench_lite.reference.names import TEST_CORRUPTIONS, TEST_PERTURBATIONS

QUICK = {"device": "cpu", "batch_size": 16, "bootstrap": 100}


def plain_predictions(model: nn.Module, images: np.ndarray) -> np.ndarray:
    with torch.inference_mode():
        return model(torch.from_numpy(images).permute(0, 3, 1, 2) / 255).argmax(1).numpy()


def test_errors_are_those_of_a_plain_loop_over_the_files(cifar_data: Path, model: nn.Module) -> None:
    results = rb.evaluate(model, "cifar10-c", data=cifar_data, **QUICK)
    labels = np.load(cifar_data / "CIFAR-10-C" / "labels.npy")
    wrong = {}
    for name in TEST_CORRUPTIONS:
        predicted = plain_predictions(model, np.load(cifar_data / "CIFAR-10-C" / f"{name}.npy"))
        wrong[name] = (predicted != labels).reshape(5, -1).mean(1)
        assert results.by_name()[name] == pytest.approx(wrong[name])
    assert results.summary["mean_error"] == pytest.approx(np.mean(list(wrong.values())))
    assert 0 < results.summary["mean_error"] < 1
    clean = np.load(cifar_data / "cifar10.npz")
    assert results.summary["clean_error"] == np.mean(
        plain_predictions(model, clean["images"]) != clean["labels"]
    )


def test_flip_probabilities_are_those_of_a_plain_loop(cifar_data: Path, model: nn.Module) -> None:
    results = rb.evaluate(model, "cifar10-p", data=cifar_data, **QUICK)
    flips = []
    for name in TEST_PERTURBATIONS:
        videos = np.load(cifar_data / "CIFAR-10-P" / f"{name}.npy")
        predicted = plain_predictions(model, videos.reshape(-1, 32, 32, 3)).reshape(videos.shape[:2])
        flips.append(metrics.flip_probability(predicted, against_first="noise" in name))
        assert results.cell(name, 1).scores["flip_probability"] == pytest.approx(flips[-1])
        assert results.cell(name, 1).scores["frames"] == 4
    assert results.summary["mfp"] == pytest.approx(np.mean(flips))
    assert "mfr" not in results.summary


@pytest.mark.parametrize("batch_size", [1, 7, 1000])
def test_the_batch_size_does_not_change_a_score(cifar_data: Path, model: nn.Module, batch_size: int) -> None:
    settings = {**QUICK, "severities": [3], "corruptions": ["fog", "snow"]}
    usual = rb.evaluate(model, "cifar10-c", data=cifar_data, **settings)
    other = rb.evaluate(model, "cifar10-c", data=cifar_data, **{**settings, "batch_size": batch_size})
    assert [cell.scores["error"] for cell in other.cells] == [cell.scores["error"] for cell in usual.cells]
    assert other.summary == pytest.approx(usual.summary, abs=1e-6)


def test_a_selection_never_yields_the_suites_mean(cifar_data: Path, model: nn.Module) -> None:
    results = rb.evaluate(
        model, "cifar10-c", data=cifar_data, corruptions=["fog"], severities=[1, 2], **QUICK
    )
    assert results.summary["selected_mean_error"] == pytest.approx(np.mean(results.by_name()["fog"]))
    assert "mean_error" not in results.summary
    assert "fog at severities [1, 2]" in results.choices["selected_mean_error"]


def test_missing_files_stop_the_run_unless_partial_results_are_allowed(
    cifar_data: Path, tmp_path: Path, model: nn.Module
) -> None:
    folder = tmp_path / "CIFAR-10-C"
    folder.mkdir()
    for name in ("fog.npy", "labels.npy"):
        (folder / name).symlink_to(cifar_data / "CIFAR-10-C" / name)
    with pytest.raises(DataError, match="gaussian_noise"):
        rb.evaluate(model, "cifar10-c", data=tmp_path, **QUICK)
    results = rb.evaluate(model, "cifar10-c", data=tmp_path, allow_partial=True, **QUICK)
    assert results.partial
    assert "gaussian_noise/1" in results.missing
    assert not {"mean_error", "selected_mean_error"} & set(results.summary)


def test_a_constant_prediction_never_flips_and_its_interval_is_that_of_no_event(cifar_data: Path) -> None:
    results = rb.evaluate(
        lambda images: torch.eye(10)[torch.zeros(len(images), dtype=torch.long)] * 9,
        "cifar10-p",
        data=cifar_data,
        **{**QUICK, "force": True},
    )
    assert results.summary["mfp"] == 0
    # Were one video in eleven to flip, none of 40 would in 2.5 % of such samples.
    low, high = results.intervals["mfp"]
    assert low == 0
    assert (1 - high) ** 40 == pytest.approx(0.025)


def test_a_mean_is_the_metric_of_the_same_errors(cifar_data: Path, model: nn.Module) -> None:
    results = rb.evaluate(model, "cifar10-c", data=cifar_data, **QUICK)
    expected = metrics.mean_unnormalized_corruption_error(results.by_name())
    assert results.summary["mean_error"] == pytest.approx(expected, abs=1e-12)
    low, high = results.intervals["mean_error"]
    assert low < expected < high


def test_a_run_continues_after_losing_cells_and_ends_with_the_same_numbers(
    cifar_data: Path, tmp_path: Path, model: nn.Module
) -> None:
    whole = rb.evaluate(model, "cifar10-c", data=cifar_data, out=tmp_path / "run", **QUICK)
    kept = tmp_path / "run" / "predictions" / "fog-3.npz"
    (tmp_path / "run" / "predictions" / "snow-2.npz").unlink()
    (tmp_path / "run" / "predictions" / "frost-1.npz").write_bytes(b"half a file")
    (tmp_path / "run" / "results.json").unlink()
    before = kept.stat().st_mtime_ns
    again = rb.evaluate(model, "cifar10-c", data=cifar_data, out=tmp_path / "run", **QUICK)
    assert kept.stat().st_mtime_ns == before
    assert again.cells == whole.cells
    assert again.summary == whole.summary
    assert again.intervals == whole.intervals
    assert rb.Results.load(tmp_path / "run") == again


def test_results_of_a_run_under_way_carry_no_headline(
    cifar_data: Path, tmp_path: Path, model: nn.Module
) -> None:
    seen = []

    class Watch:
        def note(self, text: str) -> None: ...
        def begin(self, images: int) -> None: ...
        def begin_cell(self, cell: object, images: int) -> None: ...
        def advance(self, images: int) -> None: ...
        def end_cell(self, result: object) -> None:
            path = tmp_path / "run" / "results.json"
            if path.exists():
                seen.append(json.loads(path.read_text()))

    rb.evaluate(model, "cifar10-c", data=cifar_data, out=tmp_path / "run", progress=Watch(), **QUICK)
    assert [len(record["cells"]) for record in seen] == list(range(1, 76))
    assert not any(record["summary"] or record["complete"] for record in seen)


def test_another_model_does_not_continue_a_run(cifar_data: Path, tmp_path: Path, model: nn.Module) -> None:
    settings = {**QUICK, "corruptions": ["fog"], "data": cifar_data, "out": tmp_path / "run"}
    rb.evaluate(model, "cifar10-c", **settings)
    other = nn.Sequential(model, nn.Linear(10, 10))
    nn.init.eye_(other[1].weight)
    with pytest.raises(DataError, match=r"holds another run .*model"):
        rb.evaluate(other, "cifar10-c", **settings)
    rb.evaluate(other, "cifar10-c", overwrite=True, **settings)


def test_an_ensemble_averages_probabilities(cifar_data: Path, model: nn.Module) -> None:
    settings = {**QUICK, "data": cifar_data, "corruptions": ["fog"], "severities": [1]}
    alone = rb.evaluate(model, "cifar10-c", **settings)
    twice = rb.evaluate([model, model], "cifar10-c", **settings)
    assert twice.summary == pytest.approx(alone.summary, abs=1e-6)


def test_a_model_of_another_width_is_refused_by_name(cifar_data: Path) -> None:
    with pytest.raises(ModelError, match=r"100 outputs.*10 classes"):
        rb.evaluate(lambda images: torch.zeros(len(images), 100), "cifar10-c", data=cifar_data, **QUICK)


def test_a_model_that_takes_another_layout_is_refused_with_the_layout(cifar_data: Path) -> None:
    with pytest.raises(ModelError, match=r"\(2, 3, 32, 32\).*\[0, 1\]"):
        rb.evaluate(nn.Conv2d(32, 10, 3), "cifar10-c", data=cifar_data, **QUICK)


def test_nan_logits_are_refused_with_the_cell(cifar_data: Path, model: nn.Module) -> None:
    def sometimes(images: torch.Tensor) -> torch.Tensor:
        logits = model(images)
        return torch.where(images.std() > 0.38, logits / 0, logits)

    with pytest.raises(ModelError, match=r"(NaN|infinite)"):
        rb.evaluate(sometimes, "cifar10-c", data=cifar_data, **QUICK)


def test_a_clean_error_near_chance_stops_with_the_normalisation_that_repairs_it(
    cifar_data: Path, model: nn.Module
) -> None:
    with pytest.raises(ModelError, match=r"near chance.*`normalize='none'` brings the error to 0\.0 %"):
        rb.evaluate(model, "cifar10-c", data=cifar_data, normalize="half", **QUICK)
    results = rb.evaluate(model, "cifar10-c", data=cifar_data, normalize="half", force=True, **QUICK)
    assert results.summary["clean_error"] > 0.7


def test_a_model_in_training_mode_is_put_into_evaluation_mode(cifar_data: Path, model: nn.Module) -> None:
    noisy = nn.Sequential(nn.Dropout(0.9), model).train()
    settings = {**QUICK, "data": cifar_data, "corruptions": ["fog"]}
    assert (
        rb.evaluate(noisy, "cifar10-c", **settings).cells == rb.evaluate(model, "cifar10-c", **settings).cells
    )


def test_an_evaluation_leaves_the_global_random_state_and_precision_alone(
    cifar_data: Path, model: nn.Module
) -> None:
    state, matmul = torch.random.get_rng_state(), torch.get_float32_matmul_precision()
    rb.evaluate(model, "cifar10-c", data=cifar_data, corruptions=["fog"], **QUICK)
    assert torch.equal(torch.random.get_rng_state(), state)
    assert torch.get_float32_matmul_precision() == matmul


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"device": "abacus"}, "unknown device"),
        ({"amp": "int3"}, "unknown amp type"),
        ({"bootstrap": 3}, "at least 100"),
        ({"perturbation_list": "rain"}, "unknown perturbation list"),
        ({"batch_size": 0}, "`batch_size=0` is too small; it must be at least 1"),
        ({"seed": -1}, "`seed=-1` must not be negative"),
        ({"amp": "fp16"}, "needs a GPU"),
    ],
)
def test_settings_out_of_range_are_refused(
    cifar_data: Path, model: nn.Module, options: dict[str, object], message: str
) -> None:
    with pytest.raises(InvalidInput, match=message):
        rb.evaluate(model, "cifar10-c", data=cifar_data, **{"device": "cpu", **options})


def test_no_data_folder_is_one_sentence(model: nn.Module, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ROBUSTBENCH_LITE_DATA", raising=False)
    with pytest.raises(DataError, match="`data=DIR`"):
        rb.evaluate(model, "cifar10-c")


def test_another_function_does_not_continue_a_run(cifar_data: Path, tmp_path: Path, model: nn.Module) -> None:
    settings = {**QUICK, "corruptions": ["fog"], "data": cifar_data, "out": tmp_path / "run"}
    rb.evaluate(lambda images: model(images), "cifar10-c", **settings)
    with pytest.raises(DataError, match="the model's outputs differ"):
        rb.evaluate(lambda images: model(images) * 0.5, "cifar10-c", **settings)


def test_another_normalisation_of_an_ensembles_member_does_not_continue_a_run(
    cifar_data: Path, tmp_path: Path, model: nn.Module
) -> None:
    settings = {**QUICK, "corruptions": ["fog"], "data": cifar_data, "out": tmp_path / "run"}
    rb.evaluate([model, model], "cifar10-c", **settings)
    with pytest.raises(DataError, match="holds another run"):
        rb.evaluate([model, model], "cifar10-c", normalize="cifar10", **settings)


def test_a_selection_grows_into_the_whole_suite_in_its_folder(
    cifar_data: Path, tmp_path: Path, model: nn.Module
) -> None:
    settings = {**QUICK, "data": cifar_data, "out": tmp_path / "run"}
    part = rb.evaluate(model, "cifar10-c", corruptions=["fog"], severities=[2], **settings)
    kept = (tmp_path / "run" / "predictions" / "fog-2.npz").stat().st_mtime_ns
    whole = rb.evaluate(model, "cifar10-c", **settings)
    assert (tmp_path / "run" / "predictions" / "fog-2.npz").stat().st_mtime_ns == kept
    assert whole.cell("fog", 2) == part.cell("fog", 2)
    assert len(whole.cells) == 76
    assert part.provenance["selection"] == {"names": ["fog"], "severities": [2]}


def test_files_that_changed_since_are_not_mixed_into_a_run(
    cifar_data: Path, tmp_path: Path, model: nn.Module
) -> None:
    copy = shutil.copytree(cifar_data / "CIFAR-10-C", tmp_path / "CIFAR-10-C")
    settings = {**QUICK, "data": copy, "corruptions": ["fog"], "out": tmp_path / "run"}
    rb.evaluate(model, "cifar10-c", **settings)
    np.save(copy / "fog.npy", 255 - np.load(copy / "fog.npy"))
    with pytest.raises(DataError, match="holds fog 1 of other files than now"):
        rb.evaluate(model, "cifar10-c", **settings)


@pytest.mark.parametrize("content", ["{}", "[]", "half"])
def test_a_damaged_run_record_is_one_sentence(
    cifar_data: Path, tmp_path: Path, model: nn.Module, content: str
) -> None:
    (tmp_path / "run.json").write_text(content)
    with pytest.raises(DataError, match=r"run\.json can't be read.*`overwrite=True`"):
        rb.evaluate(model, "cifar10-c", data=cifar_data, out=tmp_path, **QUICK)


def test_a_cell_of_another_length_is_run_again(cifar_data: Path, tmp_path: Path, model: nn.Module) -> None:
    settings = {**QUICK, "data": cifar_data, "corruptions": ["fog"], "out": tmp_path}
    whole = rb.evaluate(model, "cifar10-c", **settings)
    path = tmp_path / "predictions" / "fog-1.npz"
    with np.load(path) as archive:
        short = {name: column[:-1] for name, column in archive.items()}
    np.savez(path, **short)
    assert rb.evaluate(model, "cifar10-c", **settings).cells == whole.cells


def test_a_damaged_clean_set_is_not_taken_for_an_absent_one(
    cifar_data: Path, tmp_path: Path, model: nn.Module
) -> None:
    (tmp_path / "CIFAR-10-C").symlink_to(cifar_data / "CIFAR-10-C")
    (tmp_path / "cifar10.npz").write_bytes((cifar_data / "cifar10.npz").read_bytes()[:500])
    with pytest.raises(DataError, match=r"cifar10\.npz is not a readable"):
        rb.evaluate(model, "cifar10-c", data=tmp_path, **QUICK)


def test_a_network_in_training_mode_behind_a_function_is_found_out(cifar_data: Path) -> None:
    generator = torch.Generator().manual_seed(0)
    network = nn.Sequential(
        nn.Conv2d(3, 10, 8, stride=8), nn.BatchNorm2d(10), nn.AdaptiveAvgPool2d(1), nn.Flatten()
    )
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator))
    with pytest.raises(ModelError, match="training mode"):
        rb.evaluate(lambda images: network(images), "cifar10-c", data=cifar_data, **QUICK)


def test_probabilities_in_the_place_of_logits_are_remarked(cifar_data: Path, model: nn.Module) -> None:
    said: list[str] = []

    class Listen(SilentEvaluation):
        def note(self, text: str) -> None:
            said.append(text)

    settings = {**QUICK, "corruptions": ["fog"], "data": cifar_data, "progress": Listen()}
    rb.evaluate(lambda images: model(images).softmax(1), "cifar10-c", **settings)
    assert any("look like probabilities" in text for text in said)
    said.clear()
    rb.evaluate(model, "cifar10-c", **settings)
    assert not any("look like probabilities" in text for text in said)


def test_the_list_with_spatter_runs_spatter(cifar_data: Path, tmp_path: Path, model: nn.Module) -> None:
    shutil.copytree(cifar_data / "CIFAR-10-P", tmp_path / "CIFAR-10-P")
    shutil.copy(tmp_path / "CIFAR-10-P" / "snow.npy", tmp_path / "CIFAR-10-P" / "spatter.npy")
    both = {
        name: rb.evaluate(model, "cifar10-p", data=tmp_path, perturbation_list=name, **QUICK)
        for name in ("snow", "spatter")
    }
    assert both["spatter"].summary["mfp"] == pytest.approx(both["snow"].summary["mfp"])
    assert {cell.name for cell in both["spatter"].cells} >= {"spatter"}
    assert "snow" not in {cell.name for cell in both["spatter"].cells}


def test_arguments_that_can_not_apply_are_refused(cifar_data: Path, model: nn.Module) -> None:
    opened = rb.load_suite("cifar10-c", cifar_data, corruptions=["fog"])
    assert len(rb.evaluate(model, opened, **QUICK).cells) == 6
    with pytest.raises(InvalidInput, match=r"`severities=\.\.\.` goes with the name of a suite"):
        rb.evaluate(model, opened, severities=[1], **QUICK)
    classifier = as_classifier(model)
    with pytest.raises(InvalidInput, match="already normalises"):
        rb.evaluate(classifier, opened, normalize="half", **QUICK)
    with pytest.raises(InvalidInput, match="in memory already"):
        rb.evaluate(model, opened, arch="resnet20", **QUICK)
    with pytest.raises(InvalidInput, match="got the text 'fog'"):
        rb.evaluate(model, "cifar10-c", data=cifar_data, corruptions="fog", **QUICK)
    with pytest.raises(InvalidInput, match="severities is a sequence of whole numbers, got 3"):
        rb.evaluate(model, "cifar10-c", data=cifar_data, severities=3, **QUICK)
    with pytest.raises(TypeError, match="unexpected keyword argument 'batchsize'"):
        rb.evaluate(model, "cifar10-c", data=cifar_data, device="cpu", batchsize=3)
    with pytest.raises(UnknownName, match="unknown suite 'CIFAR10-C'; did you mean cifar10-c"):
        rb.evaluate(model, "CIFAR10-C", data=cifar_data, **QUICK)
    with pytest.raises(UnknownName, match="unknown suite 'costum-c'; did you mean custom-c"):
        rb.evaluate(model, "costum-c", data=cifar_data, **QUICK)
    with pytest.raises(InvalidInput, match="give its folder once"):
        rb.evaluate(model, "cifar10", data=cifar_data, clean_data=cifar_data, **QUICK)
    with pytest.raises(InvalidInput, match="is for official files, and these images are generated"):
        rb.evaluate(model, "cifar10-c", clean_data=cifar_data, protocol="augmix", **QUICK)


def test_many_classes_have_a_top5_error_with_an_interval(tmp_path: Path) -> None:
    labels = np.arange(60) % 100
    images = np.zeros((60, 32, 32, 3), np.uint8)
    images[:, 0, 0, 0] = labels
    np.savez(tmp_path / "cifar100.npz", images=images, labels=labels)
    classes = torch.arange(100.0)

    def ranks_the_label_third_or_ninth(batch: torch.Tensor) -> torch.Tensor:
        label = (batch[:, 0, 0, 0] * 255).round()
        away = (classes - label[:, None]) % 100
        # Of every three images two have the label behind two others, one has it behind eight.
        return -((away + torch.where(label % 3 == 0, 8, 2)[:, None]) % 100)

    settings = {"device": "cpu", "batch_size": 16, "bootstrap": 100, "normalize": "none", "force": True}
    results = rb.evaluate(ranks_the_label_third_or_ninth, "cifar100", data=tmp_path, **settings)
    assert results.summary["clean_error"] == 1
    assert results.summary["clean_top5_error"] == pytest.approx(1 / 3)
    low, high = results.intervals["clean_top5_error"]
    assert low < 1 / 3 < high
