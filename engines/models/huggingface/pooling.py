"""Many tokens -> few: averages over equal parts of a line or a square, as matrices that every engine runs."""

from __future__ import annotations

import torch
from torch import Tensor


def line(steps: int, parts: int) -> Tensor:
    """(parts, steps): each row averages its part of the steps, as adaptive average pooling cuts them.

    Raises `ValueError` unless there is a step for every part.
    """
    if not 1 <= parts <= steps:
        raise ValueError(f"tokens: came {parts}, expected 1 to {steps}, the steps that the checkpoint gives")
    matrix_PT = torch.zeros(parts, steps, dtype=torch.float64)
    for part in range(parts):
        start, stop = part * steps // parts, -(-(part + 1) * steps // parts)
        matrix_PT[part, start:stop] = 1 / (stop - start)
    return matrix_PT


def square(side: int, parts: int) -> Tensor:
    """(parts², side²) for tokens in rows from the top left, averaged over `parts` x `parts` places."""
    rows_PT = line(side, parts)
    return torch.kron(rows_PT, rows_PT)
