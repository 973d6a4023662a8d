"""Another sample rate inside a graph: a polyphase filter as one strided convolution."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

#: Zero crossings of the sinc to each side, and the Kaiser window's shape: those of `scipy.signal.resample_poly`.
CROSSINGS, BETA = 10, 5.0


class Resample(nn.Module):
    """Windowed-sinc interpolation by the ratio of two rates; nothing where they are equal."""

    def __init__(self, rate_hz: int, new_rate_hz: int, samples: int) -> None:
        super().__init__()
        common = math.gcd(rate_hz, new_rate_hz)
        self.up, self.down = new_rate_hz // common, rate_hz // common
        self.samples = -(-samples * self.up // self.down)
        if self.up == self.down:
            return
        # Output j lies at input j * down / up: `up` filters, one for each fraction, step `down` inputs at a time.
        reach = -(-CROSSINGS * max(self.up, self.down) // self.up)
        steps = -(-self.samples // self.up)
        taps = 2 * reach + self.down
        self.left, self.right = reach, max(0, (steps - 1) * self.down + taps - reach - samples)
        phase_U1 = torch.arange(self.up, dtype=torch.float64)[:, None] * self.down
        place_UK = phase_U1 - (torch.arange(taps, dtype=torch.float64) - reach) * self.up
        self.register_buffer("filters_U1K", self._low_pass(place_UK)[:, None].to(torch.float32), persistent=False)

    def _low_pass(self, place: Tensor) -> Tensor:
        """The filter at places in units of 1 / (rate * up), gain `up` at 0 Hz."""
        slower = max(self.up, self.down)
        half = CROSSINGS * slower

        def at(n: Tensor) -> Tensor:
            inside = (1 - (n / half).square()).clamp(min=0).sqrt()
            return torch.where(n.abs() <= half, torch.special.i0(BETA * inside) * torch.sinc(n / slower), 0.0)

        return at(place) / at(torch.arange(-half, half + 1, dtype=torch.float64)).sum() * self.up

    def forward(self, windows_FS: Tensor) -> Tensor:
        """float32 (F, samples) -> (F, ceil(samples * new_rate / rate))."""
        if self.up == self.down:
            return windows_FS
        padded_F1S = functional.pad(windows_FS, (self.left, self.right))[:, None]
        phases_FUT = functional.conv1d(padded_F1S, self.get_buffer("filters_U1K"), stride=self.down)
        return phases_FUT.transpose(1, 2).flatten(1)[:, : self.samples]
