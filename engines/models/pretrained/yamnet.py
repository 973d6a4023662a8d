"""YAMNet (tensorflow/models, research/audioset/yamnet; MobileNet v1 of arXiv 1704.04861): what a second sounds like.

Shape letters: F windows, S samples, B frequency bins, M mel bands, T spectrogram columns, C,H,W channel, time,
frequency, P tokens of a window.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from engines.models.pretrained import SAMPLE_RATE_HZ, SOUND_CLASSES, WINDOW_FEATURES
from engines.models.pretrained.layers import SameConvolution
from engines.models.spectrum import PowerSpectrum

#: params.py of YAMNet: 25 ms every 10 ms, Fourier length 512, 64 bands of 125-7500 Hz, log(x + 0.001).
FRAME_SAMPLES, HOP_SAMPLES, FOURIER = 400, 160, 512
BANDS, LOWEST_HZ, HIGHEST_HZ, OFFSET = 64, 125.0, 7500.0, 0.001
STEM = 32
#: Pairs of convolutions at the end that may be tuned (`hearing.py`): all that work at the last resolution.
LAST_PAIRS = 2
LAYERS_OF_PAIR = 4
#: Channels out and stride of each pair of depthwise and pointwise convolution.
LAYERS = (
    (64, 1),
    (128, 2),
    (128, 1),
    (256, 2),
    (256, 1),
    (512, 2),
    *[(512, 1)] * 5,
    (1024, 2),
    (1024, 1),
)


class YamnetLogMel(nn.Module):
    """The log-mel spectrogram of YAMNet, from the samples."""

    def __init__(self) -> None:
        super().__init__()
        self.spectrum = PowerSpectrum(FRAME_SAMPLES, HOP_SAMPLES, FOURIER)
        self.register_buffer("mel_BM", mel_filters().T.contiguous(), persistent=False)

    def forward(self, windows_FS: Tensor) -> Tensor:
        """float32 (F, 15600) in [-1, 1] -> float32 (F, 96, 64)."""
        magnitude_FTB: Tensor = self.spectrum(windows_FS).sqrt()
        return torch.log(magnitude_FTB @ self.get_buffer("mel_BM") + OFFSET)


class Yamnet(nn.Module):
    """3 steps of time by 2 of frequency remain of 96 x 64; frequency is averaged, time is kept as tokens.

    The published activations saturate where 8 bits end, at another value in each layer; without that, silence gives
    logits ten times too far out. Loading rescales the layers so that all of them saturate at 6.
    """

    def __init__(self) -> None:
        super().__init__()
        self.log_mel = YamnetLogMel()
        self.layers = nn.Sequential(SameConvolution(1, STEM, 3, stride=2), nn.ReLU6(), *pairs(STEM, LAYERS))
        self.unit: Tensor
        self.register_buffer("unit", torch.ones(()))
        self.classifier = nn.Linear(WINDOW_FEATURES, SOUND_CLASSES)

    def forward(self, windows_FS: Tensor) -> tuple[Tensor, Tensor]:
        """float32 (F, 15600) in [-1, 1] at 16 kHz -> features_FPC (F, 3, 1024) and AudioSet logits_FPC (F, 3, 521).

        The means over P are YAMNet's own embedding and its logits, as its classifier is linear.
        """
        return self.from_mel(self.log_mel(windows_FS))

    def from_mel(self, mel_FTM: Tensor) -> tuple[Tensor, Tensor]:
        """Log-mel float32 (F, 96, 64) -> the same as `forward`."""
        return self.from_map(self.map(mel_FTM))

    def map(self, mel_FTM: Tensor) -> Tensor:
        """Log-mel float32 (F, 96, 64) -> map_FCHW (F, 512, 6, 4), what the last pairs of layers work on."""
        map_FCHW = mel_FTM[:, None]
        for layer in self._parts()[0]:
            map_FCHW = layer(map_FCHW)
        return map_FCHW

    def from_map(self, map_FCHW: Tensor) -> tuple[Tensor, Tensor]:
        """What `map` gives -> the same as `forward`."""
        for layer in self._parts()[1]:
            map_FCHW = layer(map_FCHW)
        features_FPC = self.unit * map_FCHW.mean(3).transpose(1, 2)
        return features_FPC, self.classifier(features_FPC)

    def last_layers(self) -> list[nn.Module]:
        """Those of `LAST_PAIRS`, as they are."""
        return self._parts()[1]

    def _parts(self) -> tuple[list[nn.Module], list[nn.Module]]:
        layers = list(self.layers)
        border = len(layers) - LAYERS_OF_PAIR * LAST_PAIRS
        return layers[:border], layers[border:]


def pairs(channels: int, sizes: Sequence[tuple[int, int]]) -> list[nn.Module]:
    """Depthwise and pointwise convolutions, each before its ReLU6: (channels out, stride) for each pair."""
    layers: list[nn.Module] = []
    for outputs, stride in sizes:
        layers += [SameConvolution(channels, channels, 3, stride, groups=channels), nn.ReLU6()]
        layers += [SameConvolution(channels, outputs, 1), nn.ReLU6()]
        channels = outputs
    return layers


def mel_filters() -> Tensor:
    """(64, 257) triangles that are straight on the mel scale, as `tf.signal.linear_to_mel_weight_matrix` draws them."""
    bins_mel = to_mel(torch.linspace(0, SAMPLE_RATE_HZ / 2, FOURIER // 2 + 1, dtype=torch.float64))
    low, high = to_mel(torch.tensor([LOWEST_HZ, HIGHEST_HZ], dtype=torch.float64)).tolist()
    edges_mel = torch.linspace(low, high, BANDS + 2, dtype=torch.float64)[:, None]
    left, middle, right = edges_mel[:-2], edges_mel[1:-1], edges_mel[2:]
    rising, falling = (bins_mel - left) / (middle - left), (right - bins_mel) / (right - middle)
    return torch.minimum(rising, falling).clamp(min=0).to(torch.float32)


def to_mel(hertz: Tensor) -> Tensor:
    """1127 ln(1 + f / 700) (O'Shaughnessy 1987)."""
    return 1127 * torch.log1p(hertz / 700)
