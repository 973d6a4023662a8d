"""What happens to sound between a source and an upload: noise, narrow bands, overload, gaps. Pure, seeded.

Voices and music are synthetic, so that nothing that a label could rest on is mixed in.

Shape letters: S samples, B bins of the Fourier transform.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]
Noise = Callable[[int, int, np.random.Generator], Float64]

#: Of sound that is digital silence: noise is set against this instead, -50 dB of full scale.
QUIET_POWER = 1e-5
#: Decibels by which speech power falls per octave above its fundamental, roughly (long-term average spectrum).
VOICE_FALL_DB = 6.0
TALKERS = 4
#: Centre and width of the first three formants of some vowels in Hz (Peterson and Barney 1952, means of men).
VOWELS_HZ = ((270, 2290, 3010), (530, 1840, 2480), (730, 1090, 2440), (570, 840, 2410), (300, 870, 2240))
FORMANT_WIDTH_HZ = 120.0
#: MIDI-like steps of a major and of a minor chord.
CHORDS = ((0, 4, 7, 12), (0, 3, 7, 12))
#: Signal to noise of what training hears, in dB.
TRAINING_DB = (0.0, 25.0)


def babble(samples: int, rate_hz: int, rng: np.random.Generator) -> Float64:
    """Four voices that say nothing: a buzz for each, shaped by vowels, in syllables of 0.1 to 0.3 s."""
    return np.asarray(sum(_talker(samples, rate_hz, rng) for _ in range(TALKERS)), np.float64)


def music(samples: int, rate_hz: int, rng: np.random.Generator) -> Float64:
    """Chords of decaying tones with four harmonics, one for each beat of 0.3 to 0.7 s."""
    beat = int(rng.uniform(0.3, 0.7) * rate_hz)
    seconds_S = np.arange(beat) / rate_hz
    root_hz = 110 * 2 ** (rng.integers(0, 12) / 12)
    wave_S = np.zeros(samples + beat)
    for start in range(0, samples, beat):
        chord = CHORDS[int(rng.integers(len(CHORDS)))]
        shift = int(rng.choice([0, 5, 7, 9]))
        for step in chord:
            hertz = root_hz * 2 ** ((step + shift) / 12)
            for harmonic in (1, 2, 3, 4):
                tone_S = np.sin(2 * np.pi * harmonic * hertz * seconds_S + rng.uniform(0, 2 * np.pi))
                wave_S[start : start + beat] += tone_S / harmonic
        wave_S[start : start + beat] *= np.exp(-3 * seconds_S)
    return wave_S[:samples]


def hiss(samples: int, rate_hz: int, rng: np.random.Generator) -> Float64:
    """Pink noise: power falls by 3 dB an octave."""
    spectrum_B = np.fft.rfft(rng.standard_normal(samples))
    hertz_B = bins_hz(samples, rate_hz)
    return np.fft.irfft(spectrum_B / np.sqrt(np.maximum(hertz_B, 20.0)), samples)


NOISES: tuple[Noise, ...] = (babble, music, hiss)


def mix(wave_S: Float32, noise_S: Float64, signal_to_noise_db: float) -> Float32:
    """The sum, noise scaled to that many dB below the mean power of the wave; scaled down if it passes full scale."""
    power = max(float(np.mean(np.square(wave_S, dtype=np.float64))), QUIET_POWER)
    noise_power = max(float(np.mean(np.square(noise_S))), 1e-20)
    sum_S = wave_S + noise_S * np.sqrt(power / noise_power / 10 ** (signal_to_noise_db / 10))
    return np.asarray(sum_S / max(1.0, float(np.abs(sum_S).max(initial=0.0))), np.float32)


def low_pass(wave_S: Float32, rate_hz: int, cutoff_hz: float) -> Float32:
    """Nothing above the cutoff, by a filter that falls over a tenth of it."""
    return _filtered(wave_S, rate_hz, lambda hertz_B: np.clip((cutoff_hz * 1.1 - hertz_B) / (cutoff_hz * 0.1), 0, 1))


def telephone(wave_S: Float32, rate_hz: int) -> Float32:
    """300 to 3400 Hz in 8 bits with the mu-law of ITU-T G.711."""
    narrow_S = _filtered(wave_S, rate_hz, lambda hertz_B: ((hertz_B >= 300) & (hertz_B <= 3400)).astype(np.float64))
    squeezed_S = np.sign(narrow_S) * np.log1p(255 * np.minimum(np.abs(narrow_S), 1)) / np.log(256)
    rounded_S = np.round(squeezed_S * 127) / 127
    return np.asarray(np.sign(rounded_S) * np.expm1(np.abs(rounded_S) * np.log(256)) / 255, np.float32)


def overload(wave_S: Float32, gain_db: float) -> Float32:
    """The loudest sample brought that many dB above full scale, and cut off there."""
    peak = max(float(np.abs(wave_S).max(initial=0.0)), 1e-4)
    return np.asarray(np.clip(wave_S / peak * 10 ** (gain_db / 20), -1, 1), np.float32)


def gap(wave_S: Float32, start: int, stop: int) -> Float32:
    """Silence from one sample to another."""
    gapped_S = wave_S.copy()
    gapped_S[start:stop] = 0
    return gapped_S


def noisy(wave_S: Float32, rate_hz: int, signal_to_noise_db: float, rng: np.random.Generator) -> Float32:
    """One of the three noises mixed in at that level; float32 in [-1, 1] as came."""
    noise = NOISES[int(rng.integers(len(NOISES)))]
    return mix(wave_S, noise(len(wave_S), rate_hz, rng), signal_to_noise_db)


def upload(wave_S: Float32, rate_hz: int, rng: np.random.Generator) -> Float32:
    """One thing that may happen on the way, for training: noise in half of all cases, else a band, overload, a gap."""
    match int(rng.integers(8)):
        case 0:
            return low_pass(wave_S, rate_hz, float(rng.uniform(1500, 6000)))
        case 1:
            return telephone(wave_S, rate_hz)
        case 2:
            return overload(wave_S, float(rng.uniform(3, 15)))
        case 3:
            length = int(rng.uniform(0.1, 0.6) * rate_hz)
            start = int(rng.integers(max(1, len(wave_S) - length)))
            return gap(wave_S, start, start + length)
        case _:
            return noisy(wave_S, rate_hz, float(rng.uniform(*TRAINING_DB)), rng)


def bins_hz(samples: int, rate_hz: int) -> Float64:
    """Frequencies of the bins of `np.fft.rfft`."""
    return np.asarray(np.fft.rfftfreq(samples, 1 / rate_hz), np.float64)


def _talker(samples: int, rate_hz: int, rng: np.random.Generator) -> Float64:
    pitch_hz = rng.uniform(90, 240)
    drift_S = 1 + 0.05 * np.sin(2 * np.pi * rng.uniform(0.3, 1.5) * np.arange(samples) / rate_hz)
    buzz_S = 2 * ((np.cumsum(pitch_hz * drift_S) / rate_hz + rng.random()) % 1) - 1
    spectrum_B, hertz_B = np.fft.rfft(buzz_S), bins_hz(samples, rate_hz)
    vowels = [
        np.fft.irfft(spectrum_B * _formants(hertz_B, VOWELS_HZ[int(v)]), samples) for v in rng.integers(5, size=2)
    ]
    said_S, start = np.zeros(samples), 0
    while start < samples:
        length = int(rng.uniform(0.1, 0.3) * rate_hz)
        part = slice(start, min(start + length, samples))
        if rng.random() < 0.8:  # the rest are pauses
            said_S[part] = vowels[int(rng.integers(2))][part] * np.hanning(length)[: part.stop - part.start]
        start += length
    return said_S / max(float(np.sqrt(np.mean(said_S**2))), 1e-9)


def _formants(hertz_B: Float64, centres_hz: tuple[int, ...]) -> Float64:
    peaks_B = np.sum([1 / (1 + ((hertz_B - centre) / FORMANT_WIDTH_HZ) ** 2) for centre in centres_hz], axis=0)
    return np.asarray(peaks_B * np.maximum(hertz_B, 100.0) ** (-VOICE_FALL_DB / 20 / np.log10(2)), np.float64)


def _filtered(wave_S: Float32, rate_hz: int, gains: Callable[[Float64], Float64]) -> Float32:
    if not len(wave_S):
        return wave_S
    gains_B = gains(bins_hz(len(wave_S), rate_hz))
    return np.asarray(np.fft.irfft(np.fft.rfft(wave_S) * gains_B, len(wave_S)), np.float32)
