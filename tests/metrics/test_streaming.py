from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import functional
from torchmetrics.functional.classification import multiclass_accuracy

from robustbench_lite import metrics
from robustbench_lite.errors import InvalidInput, ModelError
from robustbench_lite.metrics import streaming

DEVICES = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]


def random_logits(*shape, seed=0, scale=2.0):
    return torch.from_numpy(np.random.default_rng(seed).normal(size=shape) * scale).float()


def random_labels(n, classes):
    return torch.from_numpy(np.random.default_rng(9).integers(classes, size=n))


def fetched(columns):
    return {name: column.cpu().numpy() for name, column in columns.items()}


@pytest.mark.parametrize("device", DEVICES)
def test_columns_give_the_scores_of_the_plain_functions(device):
    logits, labels = random_logits(1234, 10), random_labels(1234, 10)
    columns = fetched(streaming.classification_columns(logits.to(device), labels.to(device)))
    scores = streaming.scores_from_columns(columns)

    probs = logits.double().softmax(dim=1)
    confidences, predictions = probs.max(dim=1)
    correct = predictions == labels
    expected = {
        "n": 1234,
        "n_wrong": int((~correct).sum()),
        "error": metrics.error_rate(predictions, labels),
        "mean_confidence": float(confidences.mean()),
        "rms_calibration_error": metrics.rms_calibration_error(confidences, correct),
        "rms_calibration_error_released": metrics.rms_calibration_error(
            confidences, correct, drop_last_bin=True
        ),
        "debiased_rms_calibration_error": metrics.debiased_rms_calibration_error(confidences, correct),
        "expected_calibration_error": metrics.expected_calibration_error(confidences, correct),
        "debiased_expected_calibration_error": metrics.debiased_expected_calibration_error(
            confidences, correct
        ),
        "brier_score": metrics.brier_score(probs, labels),
        "top_label_brier_score": metrics.top_label_brier_score(confidences, correct),
        "nll": float(functional.cross_entropy(logits.double(), labels)),
    }
    assert scores == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("rule", [{"against_first": False, "step": 2}, {"against_first": True, "step": 1}])
@pytest.mark.parametrize("classes", [6, 40])
def test_video_columns_give_the_scores_of_the_plain_functions(device, rule, classes):
    logits = random_logits(8, 6, classes)
    columns = fetched(streaming.perturbation_columns(logits.to(device), **rule))
    predictions = logits.argmax(dim=2)
    assert (columns["predictions"] == predictions.numpy()).all()
    assert columns["flips"].mean() == pytest.approx(metrics.flip_probability(predictions, **rule))
    assert columns["top5_distance"].mean() == pytest.approx(metrics.top5_distance(logits, **rule))
    assert columns["zipf_distance"].mean() == pytest.approx(metrics.zipf_distance(logits, **rule))
    assert (columns["top5"] == logits.topk(5).indices.numpy()).all()


def test_splitting_a_batch_changes_no_column():
    logits, labels = random_logits(64, 10), random_labels(64, 10)
    whole = streaming.classification_columns(logits, labels)
    parts = [
        streaming.classification_columns(logits[k : k + 16], labels[k : k + 16]) for k in range(0, 64, 16)
    ]
    for name, column in whole.items():
        assert torch.equal(column, torch.cat([part[name] for part in parts])), name


def test_fewer_than_six_classes_have_no_top5():
    columns = streaming.perturbation_columns(random_logits(2, 3, 5), against_first=False)
    assert set(columns) == {"predictions", "flips", "zipf_distance"}


def test_columns_hold_no_view_of_the_whole_ranking():
    columns = streaming.perturbation_columns(random_logits(2, 3, 100), against_first=False)
    for column in columns.values():
        assert column.untyped_storage().nbytes() == column.numel() * column.element_size()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_logits_are_scored_in_float32(dtype):
    logits, labels = random_logits(200, 10).to(dtype), random_labels(200, 10)
    columns = streaming.classification_columns(logits, labels)
    exact = streaming.classification_columns(logits.float(), labels)
    for name, column in columns.items():
        assert column.dtype != dtype
        assert torch.equal(column, exact[name]), name


def test_the_prediction_is_the_argmax_of_the_logits_also_where_log_probs_tie():
    # Minus log 100, 1.0 and its float32 neighbour round to the same log-probability.
    logits = torch.ones(1, 100)
    logits[0, 1] += 2**-23
    assert logits.log_softmax(dim=1).argmax() == 0
    assert streaming.classification_columns(logits, torch.tensor([0]))["prediction"].item() == 1
    tied = torch.tensor([[0.0, 5.0, 5.0]])
    assert streaming.classification_columns(tied, torch.tensor([0]))["prediction"].item() == 1


def test_confident_logits_overflow_nothing():
    logits = torch.tensor([[3e4, -3e4], [-3e4, 3e4]])
    columns = streaming.classification_columns(logits, torch.tensor([0, 0]))
    assert columns["confidence"].tolist() == [1.0, 1.0]
    assert columns["brier"].tolist() == [0.0, 2.0]
    assert columns["nll"].tolist() == [0.0, 6e4]


@pytest.mark.parametrize(
    ("value", "kind"), [(float("nan"), "NaN"), (float("inf"), "infinite"), (float("-inf"), "infinite")]
)
def test_logits_that_are_not_finite_are_named(value, kind):
    logits, labels = random_logits(6, 4), torch.zeros(6, dtype=torch.int64)
    logits[2, 1] = logits[5, 0] = value
    with pytest.raises(ModelError, match=f"fog/3: the model's logits are {kind} for 2 of 6 inputs"):
        streaming.classification_columns(logits, labels, where="fog/3")
    with pytest.raises(ModelError, match=f"logits are {kind} for 1 of 2 inputs"):
        streaming.perturbation_columns(logits[:4].reshape(2, 2, 4), against_first=False)


def test_a_deferred_check_finds_the_same_rows_in_fetched_columns():
    logits = random_logits(6, 4)
    logits[2, 1] = float("nan")
    columns = fetched(
        streaming.classification_columns(logits, torch.zeros(6, dtype=torch.int64), check=False)
    )
    with pytest.raises(ModelError, match="tilt/1: the model's logits are NaN for 1 of 6 inputs"):
        streaming.check_columns(columns, where="tilt/1")
    streaming.check_columns({name: column[:2] for name, column in columns.items()})


def test_logits_of_another_shape_are_refused():
    with pytest.raises(
        ModelError, match=r"returned \(2, 3, 4\) for 2 images; expected logits of shape \(2, classes\)"
    ):
        streaming.classification_columns(torch.zeros(2, 3, 4), torch.zeros(2, dtype=torch.int64))
    with pytest.raises(ModelError, match=r"returned \(3, 4\) for 2 images"):
        streaming.classification_columns(torch.zeros(3, 4), torch.zeros(2, dtype=torch.int64))
    with pytest.raises(ModelError, match=r"expected logits \(videos, frames, classes\), got \(3, 4\)"):
        streaming.perturbation_columns(torch.zeros(3, 4), against_first=False)


def test_videos_need_a_pair_of_frames():
    with pytest.raises(InvalidInput, match="at least 4 frames"):
        streaming.perturbation_columns(torch.zeros(2, 3, 6), against_first=False, step=3)


def test_labels_may_be_given_apart_from_the_columns():
    columns = fetched(streaming.classification_columns(random_logits(50, 10), random_labels(50, 10)))
    predicted = columns["prediction"]
    assert streaming.scores_from_columns(columns, labels=predicted)["error"] == 0.0
    with pytest.raises(InvalidInput, match=r"must have one length, but have \[49, 50\]"):
        streaming.scores_from_columns(columns, labels=predicted[:49])


def test_columns_kept_as_uint16_score_the_same():
    columns = fetched(streaming.classification_columns(random_logits(50, 10), random_labels(50, 10)))
    compact = columns | {name: columns[name].astype(np.uint16) for name in ("label", "prediction")}
    assert streaming.scores_from_columns(compact) == streaming.scores_from_columns(columns)


def test_the_top5_error_is_torchmetrics_and_ties_rank_by_class():
    logits = torch.randn(300, 40, generator=torch.Generator().manual_seed(3))
    labels = torch.randint(0, 40, (300,), generator=torch.Generator().manual_seed(4))
    found = streaming.scores_from_columns(streaming.classification_columns(logits, labels))["top5_error"]
    assert found == pytest.approx(
        1 - float(multiclass_accuracy(logits, labels, 40, average="micro", top_k=5))
    )
    tied = torch.zeros(2, 40)
    columns = streaming.classification_columns(tied, torch.tensor([4, 5]))
    assert columns["label_rank"].tolist() == [4, 5]
    assert streaming.scores_from_columns(columns)["top5_error"] == 0.5


def test_few_classes_have_no_top5_error():
    columns = streaming.classification_columns(torch.randn(5, 20), torch.arange(5))
    assert "label_rank" not in columns
    assert "top5_error" not in streaming.scores_from_columns(columns)
