"""The recordings that attacks are made on, as YAMNet's features: spoken digits, events, and both at once.

Shape letters: N recordings, W windows, S samples, P places, C features.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from engines.data.public.sound import loudness, read_sound
from engines.data.public.sources import Asset, Media, find_sets, read_assets
from engines.models.pretrained import WINDOW_SAMPLES

#: What a digit or shot is mixed with lasts so many windows.
MIXED_WINDOWS = 3
#: Of a digit over a background, and of a shot under a voice.
DIGIT_OVER_BACKGROUND_DB, VOICE_OVER_SHOT_DB = 10.0, 0.0
MOST_WINDOWS = 5
BATCH = 32
LEVEL, PEAK = 0.1, 0.97

Wave = NDArray[np.float32]


@dataclass(frozen=True)
class Heard:
    """Features of recordings, (W, P, C) each, and what is known of these."""

    assets: list[Asset]
    features: list[Tensor]


class Listener:
    """Reads recordings of the public sets and hears them with YAMNet. Deterministic."""

    def __init__(self, data: Path, hear: Callable[[Tensor], Tensor], on_recording: Callable[[], None]) -> None:
        """Raises `ValueError` when `data` lacks the digits, the events or the orders."""
        sets = {one.name: one for one in find_sets(data)}
        needed = ("fsdd", "esc10", "sesa", "orders")
        if lacking := [name for name in needed if name not in sets]:
            raise ValueError(f"{data}: lacks the sets {lacking}, which the attack needs")
        self._assets = {name: read_assets(data, (sets[name],)) for name in needed}
        self._media, self._hear, self._on_recording = Media(data), hear, on_recording

    @property
    def recordings(self) -> int:
        """How many are heard in all, for a bar."""
        lengths = {name: len(assets) for name, assets in self._assets.items()}
        return 2 * lengths["fsdd"] + 2 * lengths["sesa"] + lengths["esc10"]

    def digits(self) -> Heard:
        """Each digit at the start of a window of silence."""
        return self._heard("fsdd", self._wave)

    def events(self, name: str) -> Heard:
        """The first seconds of each recording of a set."""
        return self._heard(name, self._wave)

    def digits_in_sound(self, seed: int) -> Heard:
        """Each digit somewhere in three windows of a sound in which nobody speaks, 10 dB below it."""
        rng = np.random.default_rng([seed, 0])
        quiet = [asset for asset in self._assets["esc10"] + self._assets["sesa"] if _nobody_in(asset)]

        def mixed(asset: Asset) -> Wave:
            background_S = _long(self._wave(quiet[int(rng.integers(len(quiet)))]))
            return _mixed(self._wave(asset), background_S, DIGIT_OVER_BACKGROUND_DB, rng)

        return self._heard("fsdd", mixed)

    def events_under_speech(self, seed: int) -> Heard:
        """Each recording of SESA with somebody ordering coffee over it, as loud."""
        rng = np.random.default_rng([seed, 1])
        orders = self._assets["orders"]

        def mixed(asset: Asset) -> Wave:
            voice_S = _long(self._wave(orders[int(rng.integers(len(orders)))]))
            return _mixed(voice_S, _long(self._wave(asset)), VOICE_OVER_SHOT_DB, rng)

        return self._heard("sesa", mixed)

    def _wave(self, asset: Asset) -> Wave:
        return read_sound(self._media.content(asset.source, asset.member), asset.id)

    def _heard(self, name: str, wave: Callable[[Asset], Wave]) -> Heard:
        assets = self._assets[name]
        return Heard(assets, list(self._features(wave(asset) for asset in assets)))

    def _features(self, waves: Iterator[Wave]) -> Iterator[Tensor]:
        waiting: list[Tensor] = []
        for wave_S in waves:
            waiting.append(_windows(wave_S))
            self._on_recording()
            if sum(map(len, waiting)) >= BATCH:
                yield from self._encoded(waiting)
                waiting = []
        yield from self._encoded(waiting)

    def _encoded(self, waiting: list[Tensor]) -> list[Tensor]:
        if not waiting:
            return []
        with torch.inference_mode():
            return list(torch.split(self._hear(torch.cat(waiting)).to(torch.float16), [len(item) for item in waiting]))


def _nobody_in(asset: Asset) -> bool:
    return asset.label not in ("baby_cry", "person_sneeze")


def _windows(wave_S: Wave) -> Tensor:
    wave_S = wave_S[: MOST_WINDOWS * WINDOW_SAMPLES]
    missing = -len(wave_S) % WINDOW_SAMPLES
    return torch.from_numpy(np.pad(wave_S, (0, missing)).reshape(-1, WINDOW_SAMPLES))


def _long(wave_S: Wave) -> Wave:
    return np.resize(wave_S, MIXED_WINDOWS * WINDOW_SAMPLES)


def _mixed(front_S: Wave, back_S: Wave, decibel: float, rng: np.random.Generator) -> Wave:
    """The front at a random place of the back, that many dB above it."""
    mix_S = back_S / max(loudness(back_S), 1e-6) * np.float32(10 ** (-decibel / 20))
    front_S = front_S[: len(mix_S)] / max(loudness(front_S), 1e-6)
    start = int(rng.integers(len(mix_S) - len(front_S) + 1))
    mix_S[start : start + len(front_S)] += front_S
    mix_S *= np.float32(LEVEL)
    return np.asarray(mix_S / max(1.0, float(np.abs(mix_S).max()) / PEAK), np.float32)
