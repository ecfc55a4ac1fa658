"""What checkpoints and libraries state beside their weights."""

from __future__ import annotations

import pytest
from torch import nn
from torchvision.models import Inception_V3_Weights

from robustbench_lite.models.checkpoint import KEY
from robustbench_lite.models.stored_facts import stored_class_names, timm_input_size, torchvision_facts


@pytest.mark.parametrize(
    "content",
    [
        {KEY: {"class_names": ["cat", "dog"]}},
        {"classes": ("cat", "dog")},
        {"class_to_idx": {"dog": 1, "cat": 0}},
        {"id2label": {1: "dog", 0: "cat"}},
        {"idx_to_class": {"0": "cat", "1": "dog"}},
    ],
)
def test_class_names_are_read_from_the_usual_entries(content: dict[str, object]) -> None:
    assert stored_class_names(content, {}) == ("cat", "dog")
    assert stored_class_names({}, content) == ("cat", "dog") or KEY in content


@pytest.mark.parametrize(
    "content",
    [
        {},
        {"classes": 10},
        {"classes": [0, 1]},
        {"class_to_idx": {"cat": 1, "dog": 2}},
        {"classes": {"a": "b"}},
        None,
    ],
)
def test_other_entries_are_no_class_names(content: object) -> None:
    assert stored_class_names(content, {}) is None


def test_torchvisions_weights_state_their_classes_and_size() -> None:
    names, side = torchvision_facts(Inception_V3_Weights.DEFAULT)
    assert (len(names), names[1], side) == (1000, "goldfish", 299)


def test_timms_configuration_states_the_size() -> None:
    network = nn.Identity()
    assert timm_input_size(network) is None
    network.pretrained_cfg = {"input_size": (3, 384, 384)}
    assert timm_input_size(network) == 384
