"""How many threads torch computes with."""

from __future__ import annotations

import os

import torch


def use_threads(threads: int | None) -> int:
    """Compute with so many threads from now on, by default one for each core; how many that is."""
    torch.set_num_threads(threads or os.cpu_count() or 1)
    return torch.get_num_threads()
