"""The update of the network: one batch changes the weights once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from robustbench_lite.models.normalize import NORMALIZATIONS
from robustbench_lite.runtime import Processes, autocast
from robustbench_lite.training.methods import Batch, Method
from robustbench_lite.training.recipes import TrainingRecipe
from robustbench_lite.training.seeds import generator, seeded_modules
from robustbench_lite.training.settings import TrainingSettings


class Stepper:
    """The network, the optimizer and their state on one device.

    Args:
        network: The network with its first weights. It is moved to the device.
        method: The training method, which makes the inputs and the loss.
        recipe: The hyper-parameters.
        settings: The settings of the run, such as precision and layout.
        classes: The number of classes.
        device: The device that trains.
        team: The processes that share each batch.
    """

    def __init__(
        self,
        network: nn.Module,
        method: Method,
        recipe: TrainingRecipe,
        settings: TrainingSettings,
        classes: int,
        device: torch.device,
        team: Processes,
    ) -> None:
        self.method, self.recipe, self.settings = method, recipe, settings
        self.classes, self.device, self.team = classes, device, team
        self.layout = torch.channels_last if settings.channels_last else torch.contiguous_format
        self.network = network.to(device).to(memory_format=self.layout)
        self.average = _average_of(self.network) if settings.ema is not None else None
        mean, std = NORMALIZATIONS[recipe.normalization]
        self.mean = torch.tensor(mean, device=device).view(3, 1, 1)
        self.std = torch.tensor(std, device=device).view(3, 1, 1)
        self.optimizer = torch.optim.SGD(
            self.network.parameters(),
            recipe.lr,
            momentum=recipe.momentum,
            weight_decay=recipe.weight_decay,
            nesterov=recipe.nesterov,
        )
        self.scaler = torch.amp.GradScaler(device.type, enabled=settings.amp == "fp16")
        self.trained = self._wrapped()

    def _wrapped(self) -> nn.Module:
        network = self.network
        if self.team.world > 1:
            only = [self.device] if self.device.type == "cuda" else None
            network = DistributedDataParallel(network, device_ids=only)
        if self.settings.compile:
            network.compile()
        return network

    @property
    def best_guess(self) -> nn.Module:
        """The network to test and to save: the average of the weights where there is one."""
        return self.average.module if self.average is not None else self.network

    def step(
        self, images: Tensor, labels: Tensor, step: int, lr: float, share: float
    ) -> tuple[Tensor, Tensor]:
        """Update the weights once.

        Args:
            images: uint8 (N, 3, H, W) on the device, this process's part of the batch.
            labels: int64 (N,) on the device.
            step: The number of the update, from 0. It and the seed decide all draws.
            lr: The learning rate.
            share: The weight of this process's mean loss, 1 where all parts are equal.

        Returns:
            The loss and the number of wrong predictions, both still on the device.
        """
        seed, rank = self.settings.seed, self.team.rank
        draws = generator(seed, "views", step, rank)
        with seeded_modules(self.device, seed, "modules", step, rank):
            views, targets = self.method.views(
                Batch(images, labels, self.classes, self._frozen_logits, draws), self.recipe
            )
            self.network.train()
            with autocast(self.device, self.settings.amp):
                logits = self.trained(self._normalised(views))
                loss = self.method.loss(logits, targets, self.recipe)
            self.scaler.scale(loss * share).backward()
        self._update(step, lr)
        aims = targets if targets.ndim == 1 else targets.argmax(1)
        wrong = (logits.detach()[: len(images)].argmax(1) != aims).sum()
        return loss.detach(), wrong

    def _update(self, step: int, lr: float) -> None:
        for group in self.optimizer.param_groups:
            group["lr"] = lr
        if self.settings.clip_grad is not None:
            self.scaler.unscale_(self.optimizer)
            nn.utils.clip_grad_norm_(self.network.parameters(), self.settings.clip_grad)
        self.scaler.step(self.optimizer)
        self.scaler.update()
        self.optimizer.zero_grad(set_to_none=True)
        if self.average is not None and self.settings.ema is not None:
            # A smaller decay at the start removes the random first weights from the average quickly.
            self.average.multi_avg_fn = _moving_average(min(self.settings.ema, (1 + step) / (10 + step)))
            self.average.update_parameters(self.network)

    def _frozen_logits(self, images: Tensor) -> Tensor:
        """Return the logits of the network in evaluation mode, which keeps its statistics."""
        self.network.eval()
        with autocast(self.device, self.settings.amp):
            logits: Tensor = self.network(self._normalised(images))
        return logits

    def predict(self, images: Tensor) -> Tensor:
        """Return the logits, float32, of uint8 images on the device, by the network that would be saved."""
        network = self.best_guess.eval()
        with torch.inference_mode(), autocast(self.device, self.settings.amp):
            logits: Tensor = network(self._normalised(images.float().div_(255)))
        return logits.float()

    def _normalised(self, images: Tensor) -> Tensor:
        return ((images - self.mean) / self.std).contiguous(memory_format=self.layout)

    def state(self) -> dict[str, Any]:
        """Return everything that the next step depends on, except its number and the seed."""
        return {
            "network": self.network.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "scaler": self.scaler.state_dict(),
            "average": self.average.module.state_dict() if self.average is not None else None,
        }

    def load(self, state: dict[str, Any]) -> None:
        """Restore the result of `state`."""
        self.network.load_state_dict(state["network"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.scaler.load_state_dict(state["scaler"])
        if self.average is not None:
            self.average.module.load_state_dict(state["average"])


def _average_of(network: nn.Module) -> AveragedModel:
    """Return an average, of weights and buffers, that begins with the network's first weights."""
    average = AveragedModel(network, use_buffers=True).eval()
    average.n_averaged.fill_(1)  # At 0 the first update would copy the network and forget its first weights.
    return average


def _moving_average(decay: float) -> Callable[[Sequence[Tensor], Sequence[Tensor], Tensor | int], None]:
    """Return torch's exponential moving average, which copies tensors of integers: they are counters."""
    update = get_ema_multi_avg_fn(decay)

    def blend(average: Sequence[Tensor], current: Sequence[Tensor], count: Tensor | int) -> None:
        if average[0].is_floating_point():
            update(average, current, count)
        else:
            for counter, value in zip(average, current, strict=True):
                counter.copy_(value)

    return blend
