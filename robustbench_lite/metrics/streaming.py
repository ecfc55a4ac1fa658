"""The streaming form of the metrics: a batch of logits becomes per-example columns, on its device.

Columns are small enough to keep for every image of a suite, and every score can be worked out from them
again. Keys for images: `label`, `prediction`, `confidence`, `nll`, `brier` and, with more than 20 classes,
`label_rank`; for videos: `predictions`,
`flips`, `zipf_distance` and, with at least 6 classes, `top5` and `top5_distance`.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch

from robustbench_lite.errors import InvalidInput, ModelError
from robustbench_lite.metrics import ranks
from robustbench_lite.metrics.flips import check_pairs, paired_frames
from robustbench_lite.metrics.inputs import Numbers, class_indices, confidences_and_correct, float64_tensor
from robustbench_lite.scores import scores_of

MANY_CLASSES = 20
"""With more classes than these the five best of an image say something, and its label's rank is kept."""

_MARKERS = ("confidence", "zipf_distance")
_READ = frozenset(("prediction", "label", "confidence", "nll", "brier", "label_rank"))


def classification_columns(
    logits: torch.Tensor, labels: torch.Tensor, *, where: str = "", check: bool = True
) -> dict[str, torch.Tensor]:
    """Return per-example columns of a batch of images, all from one log-softmax in float32.

    `nll` is -log p of the label, `brier` the multi-class Brier score (0 to 2), `confidence` the probability
    of the prediction, `label_rank` how many classes rank before the label; of equal logits the lowest class
    ranks first.

    Args:
        logits: (n, classes), any floating dtype.
        labels: (n,), int64 class indices on the same device.
        where: what the batch is, for the error text.
        check: look for NaN and infinite logits now, which waits for the device. Without it they mark the
            columns, and `check_columns` on the fetched columns finds them.

    Raises:
        ModelError: logits are not (n, classes) or not finite.

    Source: definitions of `brier_score`, `rms_calibration_error`; nll as Guo et al. 2017, equation (7).
    """
    if logits.ndim != 2 or len(logits) != len(labels):
        raise ModelError(
            f"{_prefix(where)}the model returned {tuple(logits.shape)} for {len(labels)} images; expected "
            f"logits of shape ({len(labels)}, classes)"
        )
    scores = logits.float()
    log_probs = scores.log_softmax(dim=1)
    # Not the argmax of log_probs: subtracting the normaliser can round different logits to equal values.
    prediction = scores.argmax(dim=1)
    best, of_label = log_probs.gather(1, torch.stack((prediction, labels), dim=1)).unbind(dim=1)
    squares = log_probs.mul(2).exp_()
    others = squares.sum(dim=1) - squares.gather(1, labels.unsqueeze(1)).squeeze(1)
    columns = {
        "label": labels,
        "prediction": prediction,
        "confidence": _marked(best.exp(), scores),
        "nll": -of_label,
        "brier": others + of_label.expm1().square(),
    }
    if logits.shape[1] > MANY_CLASSES:
        columns["label_rank"] = _label_rank(scores, labels)
    if check:
        check_columns(columns, where=where)
    return columns


def _label_rank(scores: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    own = scores.gather(1, labels.unsqueeze(1))
    classes = torch.arange(scores.shape[1], device=scores.device)
    before = (scores > own) | ((scores == own) & (classes < labels.unsqueeze(1)))
    return before.sum(dim=1)


def perturbation_columns(
    logits: torch.Tensor, *, against_first: bool, step: int = 1, where: str = "", check: bool = True
) -> dict[str, torch.Tensor]:
    """Return per-video columns of a batch of videos: flips, ranking distances, predictions, top-5 classes.

    Args:
        logits: (videos, frames, classes), any floating dtype.
        against_first: compare every later frame with frame 0 instead of neighbours.
        step: compare frames this far apart (the official difficulty).
        where: what the batch is, for the error text.
        check: the same as in `classification_columns`.

    Raises:
        ModelError: logits are not (videos, frames, classes) or not finite.
        InvalidInput: no pair of frames to compare.

    Source: definitions of `flip_probability`, `top5_distance`, `zipf_distance`.
    """
    if logits.ndim != 3:
        raise ModelError(
            f"{_prefix(where)}expected logits (videos, frames, classes), got {tuple(logits.shape)}"
        )
    check_pairs(logits.shape[1], against_first=against_first, step=step)
    order = ranks.class_order(logits)
    predictions = order[..., 0].contiguous()  # a view would keep the whole order alive
    before, after = paired_frames(predictions, against_first=against_first, step=step)
    zipf = ranks.zipf_distance_per_video(order, against_first=against_first, step=step)
    columns = {
        "predictions": predictions,
        "flips": (before != after).float().mean(dim=1),
        "zipf_distance": _marked(zipf.float(), logits.float().flatten(1)),
    }
    if logits.shape[2] > ranks.TOP:
        columns["top5"] = order[..., : ranks.TOP].contiguous()
        distance = ranks.top5_distance_per_video(columns["top5"], against_first=against_first, step=step)
        columns["top5_distance"] = distance.float()
    if check:
        check_columns(columns, where=where)
    return columns


def check_columns(columns: Mapping[str, torch.Tensor | np.ndarray], *, where: str = "") -> None:
    """Refuse columns of logits that held NaN or infinite values.

    Raises:
        ModelError: says which, and in how many rows.
    """
    for name in _MARKERS:
        if name not in columns:
            continue
        column = torch.as_tensor(columns[name])
        bad = column[~torch.isfinite(column)]
        if len(bad):
            nan = int(torch.isnan(bad).sum())
            kind, count = ("NaN", nan) if nan else ("infinite", len(bad))
            raise ModelError(
                f"{_prefix(where)}the model's logits are {kind} for {count} of {len(column)} inputs; "
                "check the weights and the normalisation, and leave `amp=...` out"
            )


def scores_from_columns(columns: Mapping[str, Numbers], labels: Numbers | None = None) -> dict[str, float]:
    """Return the scalar scores of one cell of images from its columns.

    Keys: `n_wrong`, `error`, `mean_confidence`, `rms_calibration_error`, `expected_calibration_error`,
    `brier_score` (multi-class), `top_label_brier_score`, `nll`, where labels have ranks `top5_error`, from
    200 images on `rms_calibration_error_released` (with `drop_last_bin`), and `n`; fractions, computed in
    float64.

    Args:
        columns: the columns of `classification_columns`, joined over the cell's batches.
        labels: (n,), class indices; the column `label` where they are not given.

    Raises:
        InvalidInput: empty, or columns that don't fit together.

    Source: the functions of the same names in this package.
    """
    predicted = class_indices(columns["prediction"], "prediction", ndim=1).cpu()
    truth = class_indices(columns["label"] if labels is None else labels, "labels", ndim=1).cpu()
    nll = float64_tensor(columns["nll"], "nll", ndim=1)
    brier = float64_tensor(columns["brier"], "brier", ndim=1)
    lengths = {len(predicted), len(truth), len(nll), len(brier)}
    if len(lengths) != 1:
        raise InvalidInput(f"columns and labels of one cell must have one length, but have {sorted(lengths)}")
    confidence, right = confidences_and_correct(columns["confidence"], predicted == truth)
    arrays = {name: np.asarray(values) for name, values in columns.items() if name not in _READ}
    arrays |= {
        "prediction": predicted.numpy(),
        "label": truth.numpy(),
        "confidence": confidence,
        "nll": nll.cpu().numpy(),
        "brier": brier.cpu().numpy(),
    }
    if "label_rank" in columns:
        arrays["label_rank"] = class_indices(columns["label_rank"], "label_rank", ndim=1).cpu().numpy()
    return {"n": len(right), **scores_of(arrays, len(right))}


def _marked(column: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
    """`column` with NaN or infinity in the rows whose scores hold one."""
    largest = scores.abs().amax(dim=1)
    return torch.where(torch.isfinite(largest), column, largest)


def _prefix(where: str) -> str:
    return f"{where}: " if where else ""
