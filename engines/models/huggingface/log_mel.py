"""The log-mel spectrograms of AST and CLAP as one convolution, so that every engine computes the same.

Shape letters: F windows, S samples, B frequency bins, M mel bands, T spectrogram columns.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

#: Kaldi's frames of 25 ms every 10 ms at 16 kHz and its pre-emphasis, as AST's feature extractor fixes them.
AST_FRAME, AST_HOP, AST_FOURIER, AST_PREEMPHASIS = 400, 160, 512, 0.97
#: The least mel power that extractors tell from silence: float32's epsilon (AST), -100 dB (CLAP).
AST_FLOOR, CLAP_FLOOR = 1.192092955078125e-07, 1e-10


class LogMel(nn.Module):
    """log(max(mel @ |kernels * x|², floor)), columns in order of time."""

    def __init__(self, kernels_BS: Tensor, mel_MB: Tensor, hop: int, floor: float) -> None:
        super().__init__()
        self.register_buffer("kernels_B1S", kernels_BS[:, None].to(torch.float32), persistent=False)
        self.register_buffer("mel_MB", mel_MB.to(torch.float32), persistent=False)
        self.hop, self.floor = hop, floor

    def forward(self, samples_FS: Tensor) -> Tensor:
        """float32 (F, S) -> natural logarithms of mel power, (F, T, M)."""
        waves_FBT = functional.conv1d(samples_FS[:, None], self.get_buffer("kernels_B1S"), stride=self.hop)
        real_FBT, imaginary_FBT = waves_FBT.chunk(2, dim=1)
        power_FMT = self.get_buffer("mel_MB") @ (real_FBT.square() + imaginary_FBT.square())
        return power_FMT.clamp(min=self.floor).log().transpose(1, 2)


class AstSound(nn.Module):
    """What `ASTFeatureExtractor` does without torchaudio: windows -> `input_values` (F, max_length, M)."""

    def __init__(self, extractor: Any, window_samples: int) -> None:
        super().__init__()
        kernels_BS = fourier(AST_FRAME, AST_FOURIER) * hann(AST_FRAME, periodic=False) @ preemphasis(AST_FRAME)
        self.log_mel = LogMel(kernels_BS, mel_filters(extractor.mel_filters), AST_HOP, AST_FLOOR)
        self.columns = 1 + (window_samples - AST_FRAME) // AST_HOP
        if not 1 <= self.columns <= extractor.max_length:
            raise ValueError(
                f"window: came {window_samples} samples, {self.columns} columns; expected 1 to {extractor.max_length}"
            )
        self.missing = int(extractor.max_length) - self.columns
        self.mean, self.deviation = (
            (float(extractor.mean), 2 * float(extractor.std)) if extractor.do_normalize else (0.0, 1.0)
        )

    def forward(self, windows_FS: Tensor) -> Tensor:
        """float32 mono (F, S) at the extractor's rate -> float32."""
        columns_FTM = functional.pad(self.log_mel(windows_FS), (0, 0, 0, self.missing))
        return (columns_FTM - self.mean) / self.deviation


class ClapSound(nn.Module):
    """What `ClapFeatureExtractor` does to sound that is not too long: windows -> `input_features` (F, 1, T, M).

    Checkpoints of the `fusion` kind get four equal spectrograms there; one is the same where nothing is fused.
    """

    def __init__(self, extractor: Any, window_samples: int) -> None:
        super().__init__()
        frame, longest = int(extractor.fft_window_size), int(extractor.nb_max_samples)
        if not 1 <= window_samples <= longest:
            raise ValueError(f"window: came {window_samples} samples after resampling, expected 1 to {longest}")
        fused = extractor.truncation == "fusion"
        filters = extractor.mel_filters if fused else extractor.mel_filters_slaney
        kernels_BS = fourier(frame, frame) * hann(frame, periodic=True)
        self.log_mel = LogMel(kernels_BS, mel_filters(filters), int(extractor.hop_length), CLAP_FLOOR)
        self.repeats = longest // window_samples if extractor.padding == "repeatpad" else 1
        if extractor.padding not in ("repeatpad", "pad"):
            raise ValueError(f"padding: came {extractor.padding!r}, expected 'repeatpad' or 'pad'")
        self.missing = longest - self.repeats * window_samples
        self.edge = frame // 2

    def forward(self, samples_FS: Tensor) -> Tensor:
        """float32 mono (F, S) at the extractor's rate -> float32 decibels."""
        samples_FS = functional.pad(samples_FS.repeat(1, self.repeats), (0, self.missing))
        samples_FS = functional.pad(samples_FS[:, None], (self.edge, self.edge), mode="reflect")[:, 0]
        decibels_FTM: Tensor = self.log_mel(samples_FS) * (10 / math.log(10))
        return decibels_FTM[:, None]


def mel_filters(filters_BM: Any) -> Tensor:
    """The extractor's own matrix, (M, B)."""
    return torch.from_numpy(filters_BM).T


def fourier(samples: int, length: int) -> Tensor:
    """Cosines above sines, (2 * (length // 2 + 1), samples): the transform of samples padded with zeros to `length`."""
    n_S = torch.arange(samples, dtype=torch.float64)
    angle_BS = 2 * math.pi * torch.arange(length // 2 + 1, dtype=torch.float64)[:, None] * n_S / length
    return torch.cat([angle_BS.cos(), angle_BS.sin()])


def hann(samples: int, *, periodic: bool) -> Tensor:
    """(samples,) raised cosine."""
    return torch.hann_window(samples, periodic=periodic, dtype=torch.float64)


def preemphasis(samples: int) -> Tensor:
    """(samples, samples): subtract the mean, then y[n] = x[n] - 0.97 x[n - 1] with x[-1] = x[0], as Kaldi does."""
    centred_SS = torch.eye(samples, dtype=torch.float64) - 1 / samples
    emphasis_SS = torch.eye(samples, dtype=torch.float64)
    emphasis_SS -= AST_PREEMPHASIS * torch.diag(torch.ones(samples - 1, dtype=torch.float64), -1)
    emphasis_SS[0, 0] -= AST_PREEMPHASIS
    return emphasis_SS @ centred_SS
