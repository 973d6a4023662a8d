"""Sound windows to pictures: a log-mel spectrogram, for people; engines compute their own inside the graph.

T windows, S samples, B mel bands, W columns of the picture.
"""

from __future__ import annotations

import numpy as np

from streamer.records import Float32, Float64, UInt8

#: Height of the picture in mel bands, low at the bottom.
BANDS = 48
_FFT_SAMPLES = 512
_HOP_SECONDS = 0.010
#: Levels shown, in dB relative to a full-scale sine.
_FLOOR_DB, _CEILING_DB = -80.0, 0.0

#: Stops of the cividis colour map (Nuñez, Anderton, Renslow, PLOS ONE 2018): even steps of lightness that read
#: alike with and without colour vision.
_STOPS = np.array(
    [(0, 34, 78), (53, 69, 108), (102, 105, 112), (148, 142, 119), (200, 184, 102), (254, 232, 56)], np.float64
)


def palette() -> UInt8:
    """256 RGB colours from quiet to loud."""
    at = np.linspace(0, len(_STOPS) - 1, 256)
    channels = [np.interp(at, np.arange(len(_STOPS)), _STOPS[:, channel]) for channel in range(3)]
    return np.stack(channels, axis=1).round().astype(np.uint8)


def spectrogram(samples_S: Float32, sample_rate_hz: float) -> UInt8:
    """Loudness of one window as palette indices (B, W): high bands on top, one column each 10 ms."""
    hop = max(1, round(_HOP_SECONDS * sample_rate_hz))
    padded_S = np.pad(samples_S.astype(np.float64), _FFT_SAMPLES // 2)
    frames_WS = np.lib.stride_tricks.sliding_window_view(padded_S, _FFT_SAMPLES)[::hop]
    window_S = np.hanning(_FFT_SAMPLES)
    amplitude_WF = np.abs(np.fft.rfft(frames_WS * window_S, axis=1)) * 2 / window_S.sum()
    power_WB = amplitude_WF**2 @ _mel_bands(sample_rate_hz)
    level_WB = 10 * np.log10(power_WB + 1e-12)
    shade_WB = np.clip((level_WB - _FLOOR_DB) / (_CEILING_DB - _FLOOR_DB), 0, 1)
    return np.ascontiguousarray((255 * shade_WB).round().astype(np.uint8).T[::-1])


def _mel_bands(sample_rate_hz: float) -> Float64:
    """Triangles (F, B) evenly spaced on the mel scale, mel = 2595 log10(1 + f / 700) (O'Shaughnessy 1987)."""
    highest_mel = 2595 * np.log10(1 + sample_rate_hz / 2 / 700)
    edges_hz = 700 * (10 ** (np.linspace(0, highest_mel, BANDS + 2) / 2595) - 1)
    low, centre, high = edges_hz[:-2], edges_hz[1:-1], edges_hz[2:]
    bins_F1 = np.fft.rfftfreq(_FFT_SAMPLES, 1 / sample_rate_hz)[:, None]
    # The lowest triangles are narrower than a bin; without a floor they would fall between two and stay black.
    least_hz = sample_rate_hz / _FFT_SAMPLES
    rising = (bins_F1 - low) / np.maximum(centre - low, least_hz)
    falling = (high - bins_F1) / np.maximum(high - centre, least_hz)
    triangles: Float64 = np.clip(np.minimum(rising, falling), 0, None)
    nearest_B = np.abs(bins_F1 - centre).argmin(axis=0)
    triangles[nearest_B, np.arange(BANDS)] = np.maximum(triangles[nearest_B, np.arange(BANDS)], 0.5)
    return triangles
