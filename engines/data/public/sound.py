"""Recordings mixed to the sound of a clip: events over a quiet bed, all of them through the same narrow channel."""

from __future__ import annotations

import io
from collections.abc import Callable

import av
import numpy as np
from numpy.typing import NDArray

from engines.data.public.recipe import Recipe, Sound
from engines.data.public.topics import DIGITS

MIX_RATE_HZ = 16000
_FADE_SECONDS = 0.02
_LOUDNESS_SECONDS = 0.05
#: Of a recording, only what is within this of its loudest part counts for its loudness: pauses do not.
_COUNTS_WITHIN_DB = 20.0
#: Hiss under everything: no source is told by how it was quantised.
HISS_DB = (-34.0, -22.0)
#: How far over full scale peaks may come before the whole is turned down.
_PEAK = 0.97


def read_sound(content: bytes, name: str) -> NDArray[np.float32]:
    """A recording as mono float32 in [-1, 1] at `MIX_RATE_HZ`. Raises `ValueError` when it is none."""
    try:
        with av.open(io.BytesIO(content), "r", metadata_errors="ignore") as container:
            resampler = av.AudioResampler(format="fltp", layout="mono", rate=MIX_RATE_HZ)
            pieces = [piece for frame in container.decode(audio=0) for piece in resampler.resample(frame)]
            pieces += resampler.resample(None)
    except (av.FFmpegError, IndexError) as error:
        raise ValueError(f"{name}: not a recording: {error}") from error
    if not pieces:
        raise ValueError(f"{name}: a recording without sound")
    return np.concatenate([piece.to_ndarray()[0] for piece in pieces])


def draw_sound(
    recipe: Recipe, recording: Callable[[Sound], NDArray[np.float32]], rng: np.random.Generator
) -> NDArray[np.float32]:
    """The sound of a clip: mono float32 in [-1, 1] at `MIX_RATE_HZ`."""
    samples = round(recipe.seconds * MIX_RATE_HZ)
    bed_S = _noise(recipe.noise, samples, rng)
    if recipe.bed is not None:
        bed_S = _repeated(recording(recipe.bed), samples, rng) + np.float32(0.1) * _of_loudness(bed_S, 0.1)
    mix_S = _of_loudness(bed_S, _ratio(-recipe.event_db))
    for sound in recipe.sounds:
        taken = round(sound.seconds * MIX_RATE_HZ)
        whole_S = recording(sound)
        part_S = whole_S[:taken] if sound.thing == DIGITS else loudest(whole_S, taken, rng)
        start = round(sound.start_seconds * MIX_RATE_HZ)
        part_S = _faded(_of_loudness(part_S, 1.0))[: max(0, samples - start)]
        mix_S[start : start + part_S.size] += part_S
    hiss = _ratio(float(rng.uniform(*HISS_DB)))
    mix_S = mix_S + np.float32(hiss) * rng.standard_normal(samples).astype(np.float32)
    mix_S = lowpass(mix_S, recipe.lowpass_hz)
    mix_S *= np.float32(_ratio(recipe.level_db)) / max(float(np.sqrt(np.mean(mix_S**2))), 1e-6)
    return mix_S / max(1.0, float(np.abs(mix_S).max()) / _PEAK)


def loudest(sound_S: NDArray[np.float32], samples: int, rng: np.random.Generator) -> NDArray[np.float32]:
    """The loudest part of that length, starting up to 0.15 s before it does, as an editor would cut it."""
    if sound_S.size <= samples:
        return sound_S
    step = round(_LOUDNESS_SECONDS * MIX_RATE_HZ)
    total = np.concatenate([[0.0], np.cumsum(sound_S.astype(np.float64) ** 2)])
    starts = np.arange(0, sound_S.size - samples + 1, step)
    best = int(starts[int(np.argmax(total[starts + samples] - total[starts]))])
    back = int(rng.uniform(0, 0.15) * MIX_RATE_HZ)
    return sound_S[max(0, best - back) :][:samples]


def loudness(sound_S: NDArray[np.float32]) -> float:
    """Root mean square over the parts that are not pauses."""
    step = round(_LOUDNESS_SECONDS * MIX_RATE_HZ)
    whole = sound_S[: max(1, sound_S.size // step) * step]
    powers = np.mean(whole.reshape(-1, min(step, whole.size)).astype(np.float64) ** 2, axis=1)
    counted = powers[powers >= powers.max() * 10 ** (-_COUNTS_WITHIN_DB / 10)]
    return float(np.sqrt(counted.mean()))


def lowpass(sound_S: NDArray[np.float32], cutoff_hz: float) -> NDArray[np.float32]:
    """Without what lies above a frequency; a soft edge of a tenth of it."""
    spectrum = np.fft.rfft(sound_S)
    over = np.fft.rfftfreq(sound_S.size, 1 / MIX_RATE_HZ) / cutoff_hz
    gain = np.clip((1.1 - over) / 0.1, 0, 1)
    return np.fft.irfft(spectrum * gain, sound_S.size).astype(np.float32)


def _noise(colour: str, samples: int, rng: np.random.Generator) -> NDArray[np.float32]:
    """Noise of which the power falls with frequency: white not, pink as 1/f, brown as 1/f^2 (above 20 Hz)."""
    spectrum = np.fft.rfft(rng.standard_normal(samples))
    frequencies = np.maximum(np.fft.rfftfreq(samples, 1 / MIX_RATE_HZ), 20.0)
    slope = {"white": 0.0, "pink": 0.5, "brown": 1.0}[colour]
    return np.fft.irfft(spectrum / frequencies**slope, samples).astype(np.float32)


def _repeated(sound_S: NDArray[np.float32], samples: int, rng: np.random.Generator) -> NDArray[np.float32]:
    """So much of a recording from a random place on; from its start again where it ends."""
    start = int(rng.integers(max(1, sound_S.size - samples)))
    return np.resize(sound_S[start:] if sound_S.size - start >= samples else sound_S, samples)


def _of_loudness(sound_S: NDArray[np.float32], wanted: float) -> NDArray[np.float32]:
    return sound_S * np.float32(wanted / max(loudness(sound_S), 1e-6))


def _faded(sound_S: NDArray[np.float32]) -> NDArray[np.float32]:
    length = min(round(_FADE_SECONDS * MIX_RATE_HZ), sound_S.size // 2)
    ramp = np.linspace(0, 1, length, dtype=np.float32)
    faded = sound_S.copy()
    faded[:length] *= ramp
    faded[faded.size - length :] *= ramp[::-1]
    return faded


def _ratio(decibel: float) -> float:
    return float(10 ** (decibel / 20))
