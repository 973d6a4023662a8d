"""Processes that train together: each takes its share of a batch, and the gradients are summed (gloo, over CPUs)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, distributed


@dataclass(frozen=True)
class Processes:
    """`rank` of `count`; one process alone needs no backend."""

    rank: int = 0
    count: int = 1

    def share(self, indices: Sequence[int]) -> list[int]:
        """This process's part of a batch."""
        return list(indices[self.rank :: self.count])

    def sum_(self, tensors: Sequence[Tensor]) -> None:
        """Replace each tensor by its sum over all processes."""
        if self.count == 1:
            return
        flat = torch.cat([tensor.reshape(-1) for tensor in tensors])
        distributed.all_reduce(flat)
        for tensor, part in zip(tensors, torch.split(flat, [tensor.numel() for tensor in tensors]), strict=True):
            tensor.copy_(part.reshape(tensor.shape))


@contextmanager
def joined() -> Iterator[Processes]:
    """The group that torchrun started this process in; alone where it did not."""
    if not distributed.is_torchelastic_launched():
        yield Processes()
        return
    distributed.init_process_group("gloo")
    try:
        yield Processes(distributed.get_rank(), distributed.get_world_size())
    finally:
        distributed.destroy_process_group()
