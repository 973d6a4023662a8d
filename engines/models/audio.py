"""The audio tower: windows of sound -> tokens. The log-mel spectrogram is part of the graph.

Shape letters: F windows, S samples, M mel bands, T spectrogram columns, P tokens of a window,
D embedding size.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from engines.models.spectrum import PowerSpectrum, mel_filters
from engines.models.vision import convolution

FRAME_SAMPLES, HOP_SAMPLES, BANDS = 320, 240, 40
#: The quietest power that is told from silence: about -80 dB of a full-scale sine in a frame of 320 samples.
FLOOR = 1e-4
#: Of the log-mel values of 1,600 clips of the world; they bring what the tower sees to about 0 +- 1.
MEAN, DEVIATION = 7.2, 3.0


class LogMel(nn.Module):
    """Log-mel spectrogram, inside the graph."""

    def __init__(self, sample_rate_hz: int) -> None:
        super().__init__()
        self.spectrum = PowerSpectrum(FRAME_SAMPLES, HOP_SAMPLES, FRAME_SAMPLES)
        mel_MB = mel_filters(BANDS, FRAME_SAMPLES // 2 + 1, sample_rate_hz)
        self.register_buffer("mel_BM", mel_MB.T.contiguous(), persistent=False)

    def forward(self, windows_FS: Tensor) -> Tensor:
        """float32 (F, S) in [-1, 1] -> float32 (F, M, T)."""
        mel_FTM = self.spectrum(windows_FS) @ self.get_buffer("mel_BM")
        return ((torch.log(mel_FTM + FLOOR) + MEAN) / DEVIATION).transpose(1, 2)


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
