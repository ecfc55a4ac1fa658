"""Several processes under torchrun: the same batches as one process would run, dealt out in turn."""

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
    """This process among those of the run; host objects travel by gloo, gradients on GPUs by NCCL."""

    rank: int = 0
    world: int = 1

    @property
    def first(self) -> bool:
        """Whether this process writes files and speaks to the terminal."""
        return self.rank == 0

    def from_first(self, value: _Value) -> _Value:
        """The first process's value, in every process."""
        if self.world == 1:
            return value
        box = [value]
        torch.distributed.broadcast_object_list(box, src=0)
        return box[0]

    def share(self, tensors: Iterable[torch.Tensor]) -> None:
        """Give every process the first one's tensors, in place."""
        if self.world > 1:
            for tensor in tensors:
                torch.distributed.broadcast(tensor, src=0)

    def gather(self, value: _Value) -> list[_Value]:
        """Every process's value, in the first process; an empty list in the others."""
        if self.world == 1:
            return [value]
        box: list[_Value | None] | None = [None] * self.world if self.first else None
        torch.distributed.gather_object(value, box, dst=0)
        return [part for part in box or [] if part is not None]


@contextlib.contextmanager
def processes() -> Iterator[Processes]:
    """The processes that torchrun started, joined at the first call; one process where it did not.

    They part when the program ends, not before: a second group would find the first one's addresses in
    torchrun's store, and might wait for them for ever.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        yield Processes()
        return
    if not torch.distributed.is_initialized():
        torch.distributed.init_process_group("cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo")
        atexit.register(_part)
    yield Processes(torch.distributed.get_rank(), torch.distributed.get_world_size())


def _part() -> None:
    if torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()
