"""The sample clips, varied: other pictures, other sound and other words than were recorded, the same for each seed.

Shape letters: T frames or windows of a clip, C,H,W channel, height, width, S samples.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import msgspec
import numpy as np
from numpy.typing import NDArray

from engines.data.clips import Clip
from engines.data.decoding import decoded
from engines.data.public.manifest import Labels, Row
from engines.data.samples import sample_clips
from engines.gate.recorded import Recorded, Recording
from engines.manifest import Preprocessing

Frames = NDArray[np.uint8]
Windows = NDArray[np.float32]

#: Share of inputs that each change of picture or sound is made to; of those with words, or sound, of another clip; and
#: of those that lack a modality.
CHANGED, OTHER_WORDS, OTHER_SOUND, MISSING = 0.3, 0.5, 0.3, 0.07


def of_samples(sizes: Preprocessing, *, inputs: int, seed: int) -> Recording:
    """The sample clips that come with Earshot, varied."""
    source = f"the sample clips that come with Earshot, varied by chance (seed {seed}); --data names clips of your own"
    return Recording(source, inputs, SampleInputs(inputs, seed, sizes))


@dataclass(frozen=True)
class SampleInputs:
    """The clips that come with Earshot: as they are, and then varied."""

    count: int
    seed: int
    sizes: Preprocessing

    def __iter__(self) -> Iterator[Recorded]:
        with sample_clips() as (folder, rows):
            samples = list(zip(decoded(folder, rows, self.sizes), rows, strict=True))
        yield from (vary(samples, index, self.seed) for index in range(self.count))


def vary(samples: Sequence[tuple[Clip, Row]], index: int, seed: int) -> Recorded:
    """Input number `index`: first every sample as it is, then all in turn, varied; these have no labels any more."""
    clip, row = samples[index % len(samples)]
    if index < len(samples):
        return Recorded(clip, row)
    rng = np.random.default_rng([seed, index])
    (heard, _), (_, said) = (samples[place] for place in rng.integers(0, len(samples), 2).tolist())
    varied = []
    if rng.random() < OTHER_SOUND:
        clip = replace(clip, windows_TS=heard.windows_TS, window_seconds_T=heard.window_seconds_T)
        varied.append("sound of another")
    if rng.random() < OTHER_WORDS:
        row = msgspec.structs.replace(row, title=said.title, query=said.query)
        varied.append("words of another")
    for name, change in CHANGES.items():
        if rng.random() < (MISSING if name.startswith("no ") else CHANGED):
            clip = change(clip, rng)
            varied.append(name)
    if rng.random() < MISSING:
        row = msgspec.structs.replace(row, title="", query=None)
        varied.append("no words")
    row = msgspec.structs.replace(row, labels=Labels(), evidence={}, spans=(), seen=(), heard=(), hard_negative=None)
    return Recorded(clip, row, tuple(varied))


def _cropped(clip: Clip, rng: np.random.Generator) -> Clip:
    """A part of the picture, half to all of each side, as large again; every pixel is one that was there."""
    height, width = clip.frames_TCHW.shape[2:]
    ys, xs = (_stretched(size, rng) for size in (height, width))
    return replace(clip, frames_TCHW=np.ascontiguousarray(clip.frames_TCHW[:, :, ys][:, :, :, xs]))


def _stretched(size: int, rng: np.random.Generator) -> NDArray[np.int64]:
    kept = int(rng.integers(size // 2, size + 1))
    start = int(rng.integers(0, size - kept + 1))
    return start + np.arange(size) * kept // size


def _relit(clip: Clip, rng: np.random.Generator) -> Clip:
    """Darker or brighter, flatter or harsher."""
    gain, offset = rng.uniform(0.4, 1.8), rng.uniform(-60, 60)
    return replace(clip, frames_TCHW=_pixels(clip.frames_TCHW * np.float32(gain) + np.float32(offset)))


def _grainy(clip: Clip, rng: np.random.Generator) -> Clip:
    """Noise in the picture, up to a tenth of its range."""
    noise_TCHW = rng.standard_normal(clip.frames_TCHW.shape, np.float32) * np.float32(rng.uniform(2, 25))
    return replace(clip, frames_TCHW=_pixels(clip.frames_TCHW + noise_TCHW))


def _mirrored(clip: Clip, _: np.random.Generator) -> Clip:
    return replace(clip, frames_TCHW=np.ascontiguousarray(clip.frames_TCHW[:, :, :, ::-1]))


def _louder(clip: Clip, rng: np.random.Generator) -> Clip:
    """From 30 dB quieter to 12 dB louder, cut off at full scale."""
    gain = np.float32(10 ** (rng.uniform(-30, 12) / 20))
    return replace(clip, windows_TS=(clip.windows_TS * gain).clip(-1, 1))


def _hissing(clip: Clip, rng: np.random.Generator) -> Clip:
    """White noise of -60 to -14 dB of full scale."""
    noise_TS = rng.standard_normal(clip.windows_TS.shape, np.float32) * np.float32(10 ** (rng.uniform(-60, -14) / 20))
    return replace(clip, windows_TS=(clip.windows_TS + noise_TS).clip(-1, 1))


def _blind(clip: Clip, _: np.random.Generator) -> Clip:
    return replace(clip, frames_TCHW=clip.frames_TCHW[:0], frame_seconds_T=clip.frame_seconds_T[:0])


def _mute(clip: Clip, _: np.random.Generator) -> Clip:
    return replace(clip, windows_TS=clip.windows_TS[:0], window_seconds_T=clip.window_seconds_T[:0])


def _pixels(values_TCHW: NDArray[np.float32]) -> Frames:
    return values_TCHW.round().clip(0, 255).astype(np.uint8)


#: By the names that slices have, in the order in which they are made.
CHANGES: dict[str, Callable[[Clip, np.random.Generator], Clip]] = {
    "crop": _cropped,
    "light": _relit,
    "grain": _grainy,
    "mirror": _mirrored,
    "gain": _louder,
    "hiss": _hissing,
    "no picture": _blind,
    "no sound": _mute,
}
