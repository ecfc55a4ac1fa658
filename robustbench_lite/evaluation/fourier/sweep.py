"""The sweep: forward passes for every pair of frequencies on every image."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from robustbench_lite.corruptions.fourier import (
    Layout,
    add_wave,
    fourier_basis,
    fourier_signs,
    layout,
)
from robustbench_lite.errors import InvalidInput, ModelError
from robustbench_lite.evaluation.fourier.images import ImageSet
from robustbench_lite.evaluation.fourier.store import Outcomes, Store
from robustbench_lite.evaluation.inference import to_host
from robustbench_lite.evaluation.prepared_model import Forward

SweepProgress = Callable[[int, int], None]
"""Called with the images evaluated so far, in earlier starts too, and the images in all."""

Values = npt.NDArray[np.float32]

RESIDENT_BYTES: Final = 2**30
"""Float images on the device at one time. A larger set has several chunks, each of which is read once."""


def chunk_length(size: tuple[int, int]) -> int:
    """Return the number of images per chunk."""
    return max(1, RESIDENT_BYTES // (3 * 4 * size[0] * size[1]))


def map_layout(image_size: tuple[int, int], size: int | None) -> Layout:
    """Return the layout of a map, which must show more than frequency 0.

    Raises:
        InvalidInput: There is no map of this size for images of this size.
    """
    if size == 1:
        raise InvalidInput("a map of size 1 shows frequency 0 alone; its size must be odd and at least 3")
    return layout(image_size, size)


@dataclass(frozen=True)
class Sweep:
    """A model, images and a perturbation.

    Attributes:
        forward: The model on its device.
        images: The images to perturb.
        plan: The layout of the map: its cells and their pairs.
        metric: One of `report.fourier.fourier_map.METRICS`.
        norm: The l2 norm of the perturbation of each channel.
        seed: The seed of the signs.
        batch_size: The number of images per forward pass.
    """

    forward: Forward
    images: ImageSet
    plan: Layout
    metric: str
    norm: float
    seed: int
    batch_size: int

    def empty(self) -> Outcomes:
        """Return outcomes without a value. A unit fills a batch: with few images it has several pairs."""
        chunk = min(len(self.images), chunk_length(self.images.size))
        group = min(max(1, self.batch_size // chunk), len(self.plan.pairs))
        dtype = np.float32 if self.metric == "confidence" else np.bool_
        return Outcomes.empty(len(self.plan.pairs), len(self.images), group, chunk, dtype)

    def run(
        self,
        todo: Sequence[tuple[int, int]],
        outcomes: Outcomes,
        store: Store,
        progress: Callable[[int], None],
    ) -> None:
        """Fill units, and store the outcomes of each unit while the device works on the next one.

        Args:
            todo: The units (chunk, group) to fill, sorted by chunk.
            outcomes: The outcomes, which are filled in place.
            store: The file of the outcomes.
            progress: Called with the number of images of this call so far.

        Raises:
            ModelError: Logits are not finite; the message names the frequency.
        """
        evaluated, running = 0, None
        resident: tuple[int, Tensor, Tensor] | None = None
        for unit in todo:
            if resident is None or resident[0] != unit[0]:
                resident = None  # Frees the memory of a chunk before the next one is read.
                resident = (unit[0], *self._load(outcomes.block(unit)[1]))
            launched = unit, to_host(self._unit(outcomes.block(unit), *resident[1:]))
            if running is not None:
                evaluated += self._keep(outcomes, store, *running)
                progress(evaluated)
            running = launched
        if running is not None:
            evaluated += self._keep(outcomes, store, *running)
            progress(evaluated)

    def _load(self, rows: slice) -> tuple[Tensor, Tensor]:
        images = self.images.read(rows.start, rows.stop, self.forward.device)
        if self.metric == "error" and self.images.labels is not None:
            return images, torch.from_numpy(self.images.labels[rows]).to(images.device)
        return images, self.clean(images)

    def clean(self, images: Tensor) -> Tensor:
        """Return the reference of the metric: clean predictions, and for "confidence" their probabilities."""
        parts = []
        for part in images.split(self.batch_size):
            logits = self.forward(part.permute(0, 2, 3, 1)).float()
            if not bool(torch.isfinite(logits).all()):
                raise ModelError(
                    "the model's logits are NaN or infinite on unperturbed images; check the weights and the "
                    "normalisation, and leave `amp=...` out"
                )
            best, predicted = logits.softmax(dim=1).max(dim=1)
            parts.append(torch.stack((predicted.float(), best)) if self.metric == "confidence" else predicted)
        return torch.cat(parts, dim=-1)

    def _unit(self, block: tuple[slice, slice], images: Tensor, target: Tensor) -> Tensor:
        pairs, index = self.plan.pairs[block[0]], self.images.index[block[1]]
        device, size = images.device, self.images.size
        waves = torch.stack([fourier_basis(pair, size, device=device) for pair in pairs]).mul_(self.norm)
        signs = torch.stack([fourier_signs(pair, size, self.seed, index) for pair in pairs])
        if device.type == "cuda":
            # A copy from ordinary memory would wait until the device has finished its queue.
            signs = signs.pin_memory()
        signs = signs.to(device, non_blocking=True)
        step = min(max(1, self.batch_size // len(pairs)), len(images))
        room = images.new_empty((len(pairs), step, *images.shape[1:]))
        parts = []
        for start in range(0, len(images), step):
            part = images[start : start + step]
            out = room[:, : len(part)] if len(part) == step else torch.empty_like(room[:, : len(part)])
            perturbed = add_wave(part, waves, signs[:, start : start + step], out).flatten(0, 1)
            logits = self.forward(perturbed.permute(0, 2, 3, 1)).float()
            parts.append(
                self._outcome(logits.unflatten(0, (len(pairs), -1)), target[..., start : start + step])
            )
        return torch.cat(parts, dim=1)

    def _outcome(self, logits: Tensor, target: Tensor) -> Tensor:
        """Return the value of the metric for each pair and image; NaN where the logits are not finite."""
        if self.metric == "confidence":
            of_clean = target[0].long().expand(logits.shape[:2]).unsqueeze(2)
            value = target[1] - logits.softmax(dim=2).gather(2, of_clean).squeeze(2)
        else:
            value = (logits.argmax(dim=2) != target).to(torch.float32)
        return torch.where(torch.isfinite(logits).all(dim=2), value, torch.nan)

    def _keep(
        self, outcomes: Outcomes, store: Store, unit: tuple[int, int], fetch: Callable[[], Values]
    ) -> int:
        fetched = fetch()
        if np.isnan(fetched).any():
            pairs = self.plan.pairs[outcomes.block(unit)[0]]
            pair = pairs[int(np.flatnonzero(np.isnan(fetched).any(axis=1))[0])]
            raise ModelError(
                f"the model's logits are NaN or infinite for images perturbed at frequency {pair}; check the "
                "weights and the normalisation, and leave `amp=...` out"
            )
        outcomes.put(unit, fetched.astype(outcomes.values.dtype))
        store.offer(outcomes)
        return int(fetched.size)
