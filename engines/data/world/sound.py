"""Samples of a clip: sounds with a beginning and an end over silence or faint noise."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from engines.data.world.truth import Truth

SAMPLE_RATE_HZ = 44_100
#: Fade at both ends of a sound, so that it does not click.
FADE_SECONDS = 0.03

Signal = NDArray[np.float64]


def draw_sound(truth: Truth) -> NDArray[np.float32]:
    """The sound track of a clip: float32 mono in [-1, 1] at 44.1 kHz."""
    rng = np.random.default_rng([truth.seed, truth.index, 2])
    samples = round(truth.duration_seconds * SAMPLE_RATE_HZ)
    track = np.zeros(samples)
    if rng.random() < 0.7:
        track += 10 ** (rng.uniform(-70, -42) / 20) * rng.standard_normal(samples)
    for span in truth.heard:
        start, end = (min(samples, round(at * SAMPLE_RATE_HZ)) for at in (span.start_seconds, span.end_seconds))
        seconds = np.arange(end - start) / SAMPLE_RATE_HZ
        signal = SOUNDS[span.thing](rng, seconds)
        signal *= 10 ** (rng.uniform(-18, -8) / 20) / max(1e-9, float(np.abs(signal).max()))
        track[start:end] += signal * np.minimum(1, np.minimum(seconds, seconds[::-1]) / FADE_SECONDS)
    return track.clip(-1, 1).astype(np.float32)


def _tone(rng: np.random.Generator, seconds: Signal) -> Signal:
    return np.asarray(np.sin(2 * np.pi * rng.uniform(300, 1200) * seconds))


def _chirp(rng: np.random.Generator, seconds: Signal) -> Signal:
    """Sweeps upwards, three or four a second."""
    period, low = rng.uniform(0.25, 0.35), rng.uniform(400, 700)
    within = seconds % period
    rate = rng.uniform(2200, 3200) / period
    return np.asarray(np.sin(2 * np.pi * (low * within + rate * within**2 / 2)) * _swell(within / period))


def _bell(rng: np.random.Generator, seconds: Signal) -> Signal:
    """Inharmonic partials that ring out after each stroke."""
    base, within = rng.uniform(500, 1000), seconds % rng.uniform(0.6, 0.9)
    partials = ((1, 1.0), (2.0, 0.6), (2.76, 0.5), (5.4, 0.35))
    ring = [
        size * np.sin(2 * np.pi * base * ratio * seconds) * np.exp(-5 * ratio**0.5 * within) for ratio, size in partials
    ]
    return np.asarray(sum(ring))


def _hiss(rng: np.random.Generator, seconds: Signal) -> Signal:
    """White noise without its low end."""
    return np.diff(rng.standard_normal(len(seconds) + 1))


def _drum(rng: np.random.Generator, seconds: Signal) -> Signal:
    """Low strokes, two to four a second, that fall in pitch."""
    within = seconds % rng.uniform(0.25, 0.5)
    fall = rng.uniform(60, 110) * within + 3.0 * (1 - np.exp(-25 * within))
    return np.asarray(np.sin(2 * np.pi * fall) * np.exp(-12 * within))


def _buzz(rng: np.random.Generator, seconds: Signal) -> Signal:
    """A sawtooth."""
    return np.asarray(2 * ((rng.uniform(90, 170) * seconds) % 1) - 1)


def _siren(rng: np.random.Generator, seconds: Signal) -> Signal:
    """A pitch that rises and falls without a break, between about 500 and 1500 Hz."""
    rate, middle, swing = rng.uniform(1.2, 2.5), rng.uniform(850, 1100), rng.uniform(300, 420)
    phase = middle * seconds - swing / (2 * np.pi * rate) * np.cos(2 * np.pi * rate * seconds)
    return np.asarray(np.sin(2 * np.pi * phase))


def _knock(rng: np.random.Generator, seconds: Signal) -> Signal:
    """Three dry strokes of wood, a pause, again."""
    spacing, period = rng.uniform(0.1, 0.14), rng.uniform(0.55, 0.7)
    within = seconds % period
    stroke = np.where(within < 3 * spacing, within % spacing, 1.0)
    return np.asarray(np.sin(2 * np.pi * rng.uniform(1500, 2200) * stroke) * np.exp(-90 * stroke))


def _swell(part: Signal) -> Signal:
    return np.asarray(np.sin(np.pi * part) ** 0.5)


SOUNDS: dict[str, Callable[[np.random.Generator, Signal], Signal]] = {
    "tone": _tone,
    "chirp": _chirp,
    "bell": _bell,
    "hiss": _hiss,
    "drum": _drum,
    "buzz": _buzz,
    "siren": _siren,
    "knock": _knock,
}
