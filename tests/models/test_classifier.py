"""Modules and callables as classifiers, ensembles of them, and the checks on what they return."""

from __future__ import annotations

import math
import types

import pytest
import torch
from torch import Tensor, nn

from robustbench_lite.errors import InvalidInput, ModelError
from robustbench_lite.models import as_classifier, assert_eval, check_logits, ensemble
from tests.models.conftest import random_network


def brightness(images: Tensor) -> Tensor:
    return torch.stack([images.mean(dim=(1, 2, 3)), 1 - images.mean(dim=(1, 2, 3))], dim=1)


def test_a_function_is_given_images_as_they_are(pixels: Tensor) -> None:
    model = as_classifier(brightness, num_classes=2)
    assert torch.equal(model(pixels), brightness(pixels))
    assert (model.info.name, model.info.format, model.info.sha256) == ("brightness", "callable", None)
    assert (model.info.normalization, model.info.parameters) == ("none", 0)


def test_a_module_is_put_into_evaluation_mode_and_may_be_normalised(pixels: Tensor) -> None:
    network = random_network("resnet-8").train()
    model = as_classifier(network, name="mine", normalize="half")
    assert not any(module.training for module in network.modules())
    assert (model.info.name, model.info.architecture) == ("mine", "CifarResNet")
    with torch.inference_mode():
        assert torch.equal(model(pixels), network((pixels - 0.5) / 0.5))
    assert as_classifier(model) is model


def test_a_transformers_like_output_is_unwrapped(pixels: Tensor) -> None:
    model = as_classifier(lambda images: types.SimpleNamespace(logits=brightness(images)))
    assert torch.equal(model(pixels), brightness(pixels))


def test_what_is_no_model_is_refused(pixels: Tensor) -> None:
    with pytest.raises(
        InvalidInput, match=r"a callable from images in \[0, 1\] to logits, got str; load a file"
    ):
        as_classifier("model.pt")  # type: ignore[arg-type]
    with pytest.raises(ModelError, match="the model returns several outputs"):
        as_classifier(lambda images: (images, images))(pixels)


def test_a_module_left_in_training_mode_is_named() -> None:
    model = as_classifier(random_network("resnet-8"))
    assert_eval(model)
    model.network.layer2[0].bn1.train()  # type: ignore[union-attr, index]
    with pytest.raises(ModelError, match=r"network\.layer2\.0\.bn1 \(BatchNorm2d\) is in training mode"):
        assert_eval(model)


def test_logits_that_cant_be_scored_are_refused_with_the_reason() -> None:
    check_logits(torch.zeros(4, 10), 4, 10, "m")
    with pytest.raises(ModelError, match=r"m returned shape \(4, 10, 1\) for 4 images, expected \(4, 10\)"):
        check_logits(torch.zeros(4, 10, 1), 4, 10, "m")
    with pytest.raises(ModelError, match=r"m returned shape \(3, 10\) for 4 images"):
        check_logits(torch.zeros(3, 10), 4, 10, "m")
    with pytest.raises(ModelError, match="m has 10 outputs, but the suite has 100 classes"):
        check_logits(torch.zeros(4, 10), 4, 100, "m")
    with pytest.raises(ModelError, match="NaN or infinite"):
        check_logits(torch.full((4, 10), math.nan), 4, 10, "m")


def test_an_ensemble_averages_probabilities(pixels: Tensor) -> None:
    members = [as_classifier(random_network("resnet-8", seed=s), num_classes=10) for s in range(3)]
    joint = ensemble(members)
    with torch.inference_mode():
        expected = sum(member(pixels).double().softmax(dim=1) for member in members) / 3
        torch.testing.assert_close(joint(pixels).double().softmax(dim=1), expected, rtol=1e-5, atol=1e-7)
        torch.testing.assert_close(joint(pixels).double().exp(), expected, rtol=1e-5, atol=1e-7)
    assert (joint.info.num_classes, joint.info.format) == (10, "ensemble")
    assert joint.info.parameters == 3 * members[0].info.parameters
    assert_eval(joint)


def test_an_ensemble_of_confident_models_stays_finite() -> None:
    sure = as_classifier(lambda images: torch.tensor([[1000.0, 0.0], [0.0, 1000.0]]))
    other = as_classifier(lambda images: torch.tensor([[0.0, 1000.0], [0.0, 1000.0]]))
    logits = ensemble([sure, other])(torch.zeros(2, 3, 4, 4))
    assert logits[0].tolist() == pytest.approx([math.log(0.5)] * 2)
    assert logits[1].tolist() == pytest.approx([-1000.0, 0.0])


def test_an_ensemble_needs_models_that_agree_in_width() -> None:
    with pytest.raises(InvalidInput, match="one model at least"):
        ensemble([])
    two, three = (
        as_classifier(lambda x, n=n: torch.zeros(len(x), n), name=f"m{n}", num_classes=n) for n in (2, 3)
    )
    with pytest.raises(ModelError, match="the same number of outputs, got m2 2, m3 3"):
        ensemble([two, three])
    unknown = [as_classifier(lambda x, n=n: torch.zeros(len(x), n)) for n in (2, 3)]
    with pytest.raises(ModelError, match="return different shapes"):
        ensemble(unknown)(torch.zeros(1, 3, 2, 2))


def test_an_ensembles_hash_depends_on_each_file() -> None:
    import dataclasses

    def member(sha256: str | None) -> nn.Module:
        model = as_classifier(brightness)
        model.info = dataclasses.replace(model.info, sha256=sha256)
        return model

    joint = [ensemble([member("a"), member(last)]).info.sha256 for last in ("b", "c", None)]  # type: ignore[list-item]
    assert joint[0] != joint[1]
    assert joint[2] is None
