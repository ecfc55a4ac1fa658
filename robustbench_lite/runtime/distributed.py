"""Several processes under torchrun share the batches that one process would run."""

from __future__ import annotations

import atexit
import contextlib
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TypeVar

import torch.distributed

_Value = TypeVar("_Value")


@dataclass(frozen=True)
class Processes:
    """This process and the number of processes. gloo sends Python objects, NCCL the gradients of GPUs."""

    rank: int = 0
    world: int = 1

    @property
    def first(self) -> bool:
        """Whether this process is the one that writes files and prints."""
        return self.rank == 0

    def from_first(self, value: _Value) -> _Value:
        """Return the value of the first process in every process."""
        if self.world == 1:
            return value
        box = [value]
        torch.distributed.broadcast_object_list(box, src=0)
        return box[0]

    def share(self, tensors: Iterable[torch.Tensor]) -> None:
        """Copy the tensors of the first process into those of every process."""
        if self.world > 1:
            for tensor in tensors:
                torch.distributed.broadcast(tensor, src=0)

    def gather(self, value: _Value) -> list[_Value]:
        """Return the values of all processes in the first process, and an empty list in the others."""
        if self.world == 1:
            return [value]
        box: list[_Value | None] | None = [None] * self.world if self.first else None
        torch.distributed.gather_object(value, box, dst=0)
        return [part for part in box or [] if part is not None]


@contextlib.contextmanager
def processes() -> Iterator[Processes]:
    """Give the processes that torchrun started, or this process alone without torchrun.

    The first call joins the processes. They leave the group when the program ends: a second group would read
    the addresses of the first one in torchrun's store and could wait for them forever.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        yield Processes()
        return
    if not torch.distributed.is_initialized():
        torch.distributed.init_process_group("cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo")
        atexit.register(_leave)
    yield Processes(torch.distributed.get_rank(), torch.distributed.get_world_size())


def _leave() -> None:
    if torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()
