"""The audio tower: windows of sound -> tokens. The log-mel spectrogram is part of the graph.

Shape letters: F windows, S samples, B frequency bins, M mel bands, T spectrogram columns, P tokens of a window,
D embedding size.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from engines.models.vision import convolution

FRAME_SAMPLES, HOP_SAMPLES, BANDS = 320, 240, 40
#: The quietest power that is told from silence: about -80 dB of a full-scale sine in a frame of 320 samples.
FLOOR = 1e-4
#: Of the log-mel values of 1,600 clips of the world; they bring what the tower sees to about 0 +- 1.
MEAN, DEVIATION = 7.2, 3.0


class LogMel(nn.Module):
    """Log-mel spectrogram as a convolution with windowed Fourier kernels, so that every engine computes the same."""

    def __init__(self, sample_rate_hz: int) -> None:
        super().__init__()
        self.register_buffer("kernels_B1S", fourier_kernels(FRAME_SAMPLES), persistent=False)
        self.register_buffer("mel_MB", mel_filters(BANDS, FRAME_SAMPLES // 2 + 1, sample_rate_hz), persistent=False)

    def forward(self, windows_FS: Tensor) -> Tensor:
        """float32 (F, S) in [-1, 1] -> float32 (F, M, T)."""
        waves_FBT = functional.conv1d(windows_FS[:, None], self.get_buffer("kernels_B1S"), stride=HOP_SAMPLES)
        real_FBT, imaginary_FBT = waves_FBT.chunk(2, dim=1)
        power_FBT = real_FBT.square() + imaginary_FBT.square()
        return (torch.log(self.get_buffer("mel_MB") @ power_FBT + FLOOR) + MEAN) / DEVIATION


class AudioTower(nn.Module):
    """Patches of 4 bands x 4 columns, then two halvings; what is left of frequency goes into one token."""

    def __init__(self, size: int, sample_rate_hz: int) -> None:
        super().__init__()
        self.log_mel = LogMel(sample_rate_hz)
        self.patches = nn.Sequential(nn.Conv2d(1, 32, 4, stride=4), nn.ReLU())
        self.layers = nn.Sequential(convolution(32, 48), convolution(48, 64))
        self.project = nn.Linear(64 * math.ceil(BANDS / 16), size)

    def forward(self, windows_FS: Tensor) -> Tensor:
        """float32 mono (F, S) in [-1, 1] -> tokens_FPD float32, P tokens in order of time."""
        mel_FMT: Tensor = self.log_mel(windows_FS)
        return self.tokens(mel_FMT)

    def tokens(self, mel_FMT: Tensor) -> Tensor:
        """The part with parameters; training computes the rest once per clip."""
        features_FCMT: Tensor = self.layers(self.patches(mel_FMT[:, None]))
        tokens_FPD: Tensor = self.project(features_FCMT.permute(0, 3, 1, 2).flatten(2))
        return tokens_FPD


def fourier_kernels(samples: int) -> Tensor:
    """Cosines above sines, (2 * (samples // 2 + 1), 1, samples), under a Hann window."""
    n_S = torch.arange(samples, dtype=torch.float64)
    angle_BS = 2 * math.pi * torch.arange(samples // 2 + 1, dtype=torch.float64)[:, None] * n_S / samples
    hann_S = 0.5 - 0.5 * torch.cos(2 * math.pi * n_S / samples)
    return (torch.cat([angle_BS.cos(), angle_BS.sin()]) * hann_S)[:, None].to(torch.float32)


def mel_filters(bands: int, bins: int, sample_rate_hz: int) -> Tensor:
    """(bands, bins) triangles, equally wide on the mel scale 2595 log10(1 + f / 700) (O'Shaughnessy 1987)."""
    top_mel = 2595 * math.log10(1 + sample_rate_hz / 2 / 700)
    edges_hz = 700 * (10 ** (torch.linspace(0, top_mel, bands + 2, dtype=torch.float64) / 2595) - 1)
    bins_hz = torch.linspace(0, sample_rate_hz / 2, bins, dtype=torch.float64)
    low, middle, high = edges_hz[:-2, None], edges_hz[1:-1, None], edges_hz[2:, None]
    rising, falling = (bins_hz - low) / (middle - low), (high - bins_hz) / (high - middle)
    return torch.minimum(rising, falling).clamp(min=0).to(torch.float32)
