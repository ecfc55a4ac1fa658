"""Folders of Hugging Face's transformers: the logits, the statistics, the labels and the size are theirs."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers

import robustbench_lite as rb
from robustbench_lite.errors import CheckpointError, MissingExtra
from robustbench_lite.models import load_model
from tests.models.conftest import randomise

NAMES = ("cat", "dog", "frog")


def folder(path: Path, **preprocessing: Any) -> tuple[Path, torch.nn.Module]:
    config = transformers.ViTConfig(
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=16,
        image_size=32,
        patch_size=8,
        id2label=dict(enumerate(NAMES)),
        label2id={name: number for number, name in enumerate(NAMES)},
    )
    network = randomise(transformers.ViTForImageClassification(config))
    network.save_pretrained(path)
    if preprocessing:
        (path / "preprocessor_config.json").write_text(json.dumps(preprocessing))
    return path, network


STATED: dict[str, tuple[dict[str, Any], float, float]] = {
    "usual": (
        {"image_mean": [0.5] * 3, "image_std": [0.25] * 3, "size": {"height": 32, "width": 32}},
        0.5,
        0.25,
    ),
    "not normalised": ({"do_normalize": False, "image_mean": [0.5] * 3, "image_std": [0.5] * 3}, 0, 1),
    "not rescaled": ({"do_rescale": False, "image_mean": [102.0] * 3, "image_std": [51.0] * 3}, 0.4, 0.2),
    "rescaled to 0..2": (
        {"rescale_factor": 2 / 255, "image_mean": [1.0] * 3, "image_std": [1.0] * 3},
        0.5,
        0.5,
    ),
    "one number": ({"image_mean": 0.5, "image_std": 0.5, "size": 32}, 0.5, 0.5),
}


@pytest.mark.parametrize("kind", STATED)
def test_a_folder_loads_with_what_its_files_state(kind: str, tmp_path: Path, pixels: torch.Tensor) -> None:
    stated, mean, std = STATED[kind]
    path, network = folder(tmp_path / "vit", **stated)
    model = load_model(path)
    with torch.inference_mode():
        expected = network((pixels - mean) / std).logits
        torch.testing.assert_close(model(pixels), expected, rtol=1e-4, atol=1e-4)
    info = model.info
    assert (info.class_names, info.num_classes, info.normalization_guessed) == (NAMES, 3, False)
    assert info.input_size == (32 if "size" in stated else None)
    assert (info.architecture, info.format) == ("transformers:ViTForImageClassification", "transformers")
    assert info.sha256 is not None


def test_without_a_preprocessing_the_normalisation_is_a_guess(tmp_path: Path) -> None:
    path, _ = folder(tmp_path / "vit")
    assert load_model(path).info.normalization_guessed


def test_a_backbone_without_a_classifier_is_refused(tmp_path: Path) -> None:
    path, network = folder(tmp_path / "vit", image_mean=[0.5] * 3, image_std=[0.5] * 3)
    network.vit.save_pretrained(path)  # type: ignore[operator,union-attr]
    with pytest.raises(CheckpointError, match=r"lack \d+ tensors of the classifier \(classifier"):
        load_model(path)


def test_a_name_that_the_hub_does_not_give_names_the_way_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")

    def offline(*arguments: object, **options: object) -> None:
        raise OSError("no connection")

    monkeypatch.setattr(transformers.AutoModelForImageClassification, "from_pretrained", offline)
    with pytest.raises(CheckpointError, match=r"no connection; download it elsewhere \(hf download a/b\)"):
        load_model("hf:a/b")


def test_without_transformers_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(MissingExtra, match=r"robustbench-lite\[hf\]"):
        load_model("hf:a/b")


def test_another_folder_lists_its_files(tmp_path: Path) -> None:
    (tmp_path / "weights.pt").touch()
    with pytest.raises(CheckpointError, match=r"is a folder; name one of the files in it: weights\.pt"):
        load_model(tmp_path)


def test_a_folder_is_evaluated(tmp_path: Path) -> None:
    import numpy as np

    path, _ = folder(tmp_path / "vit", image_mean=[0.5] * 3, image_std=[0.5] * 3)
    draws = np.random.default_rng(0)
    images = draws.integers(0, 256, (12, 32, 32, 3), dtype=np.uint8)
    np.savez(tmp_path / "test.npz", images=images, labels=np.arange(12) % 3)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        results = rb.evaluate(
            path, "custom", clean_data=tmp_path / "test.npz", bootstrap=0, force=True, device="cpu"
        )
    assert results.cells[0].n == 12
