"""Pillow's resampling inside a graph: two matrices and its rounding to whole grey levels.

Written from libImaging/Resample.c of Pillow 13: coefficients in fixed point with 22 bits after the point, columns
first, each pass rounded to uint8.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

PRECISION = 1 << 22


def _bilinear(x: float) -> float:
    return max(0.0, 1.0 - abs(x))


def _bicubic(x: float) -> float:
    x, a = abs(x), -0.5
    if x < 1:
        return ((a + 2) * x - (a + 3)) * x * x + 1
    return (((x - 5) * x + 8) * x - 4) * a if x < 2 else 0.0


def _lanczos(x: float) -> float:
    def sinc(value: float) -> float:
        return math.sin(math.pi * value) / (math.pi * value) if value else 1.0

    return sinc(x) * sinc(x / 3) if abs(x) < 3 else 0.0


#: Pillow's numbers of its filters, as processors store them: the filter and its reach at scale 1.
FILTERS: dict[int, tuple[Callable[[float], float], float]] = {
    1: (_lanczos, 3.0),
    2: (_bilinear, 1.0),
    3: (_bicubic, 2.0),
}


class Resize(nn.Module):
    """Square pictures to another side; exact up to ties of rounding. Raises `ValueError` for an unknown filter."""

    def __init__(self, side: int, new_side: int, resample: int) -> None:
        super().__init__()
        if resample not in FILTERS:
            raise ValueError(f"resample: came filter {resample}, expected one of Pillow's {sorted(FILTERS)}")
        self.same = side == new_side
        self.register_buffer("matrix_OI", weights(side, new_side, *FILTERS[resample]), persistent=False)

    def forward(self, pixels_FCHW: Tensor) -> Tensor:
        """float32 whole numbers in [0, 255] (F, 3, side, side) -> the same of (F, 3, new_side, new_side)."""
        if self.same:
            return pixels_FCHW
        matrix_OI = self.get_buffer("matrix_OI")
        return _round(matrix_OI @ _round(pixels_FCHW @ matrix_OI.T))


def weights(side: int, new_side: int, shape: Callable[[float], float], reach: float) -> Tensor:
    """(new_side, side): what each old place gives to each new one; rows sum to 1 within the fixed point."""
    scale = side / new_side
    stretch = max(scale, 1.0)
    matrix_OI = torch.zeros(new_side, side, dtype=torch.float64)
    for new in range(new_side):
        centre = (new + 0.5) * scale
        first = max(0, int(centre - reach * stretch + 0.5))
        last = min(side, int(centre + reach * stretch + 0.5))
        row = torch.tensor([shape((old - centre + 0.5) / stretch) for old in range(first, last)], dtype=torch.float64)
        matrix_OI[new, first:last] = row / row.sum()
    return (matrix_OI * PRECISION).round().div(PRECISION).to(torch.float32)


def _round(pixels_FCHW: Tensor) -> Tensor:
    return (pixels_FCHW + 0.5).floor().clamp(0, 255)
