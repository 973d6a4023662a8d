"""Which moments of a video to look at and which spans of its sound to hear: pure, seeded, no decoding.

A seed that the uploader does not know decides every free choice, so nobody can hide content between the looks.
Keyframes are cheap; a frame between two keyframes costs every frame on the way, and is taken only while the way fits
the cost ceiling. Shape letters: K keyframes, T frames or windows, B blocks of loudness.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from streamer.options import Options
from streamer.records import Float32, Float64

BLOCKS_PER_WINDOW = 8
PLAN_VERSION = "2"


@dataclass(frozen=True, slots=True)
class ClipShape:
    """Sizes that a bundle asks of a clip. max_frames: of a video that is not long; most_frames: of any."""

    frame_pixels: int = 64
    sample_rate_hz: int = 16_000
    window_samples: int = 15_360
    max_frames: int = 8
    max_windows: int = 32
    most_frames: int = 32

    def __post_init__(self) -> None:
        if min(self.frame_pixels, self.sample_rate_hz, self.max_frames, self.max_windows) < 1:
            raise ValueError(f"ClipShape: every size must be 1 or more, came {self}")
        if self.most_frames < self.max_frames:
            raise ValueError(f"most_frames: came {self.most_frames}, expected max_frames, {self.max_frames}, or more")
        if self.window_samples < BLOCKS_PER_WINDOW:
            raise ValueError(f"window_samples: came {self.window_samples}, expected {BLOCKS_PER_WINDOW} or more")

    @property
    def window_seconds(self) -> float:
        return self.window_samples / self.sample_rate_hz


class SampleOptions(Options):
    """What looking may cost. Costs were measured on H.264 at 1080x1920, one thread of a server CPU, November 2026."""

    keyframe_ms_per_megapixel: float = Field(default=7.7, gt=0)  # 16 ms for the 2.07 megapixels of 1080p
    way_ms_per_megapixel: float = Field(default=0.87, gt=0)  # 1.8 ms for each frame on the way
    budget_ms: float = Field(default=110.0, ge=0)  # all looks of one video: a fifteenth of 30 s of 1080p
    budget_share: float = Field(default=1 / 15, gt=0, le=1)  # a longer video may cost this share of decoding it whole
    last_look_ms: float = Field(default=1500.0, ge=0)  # the way to the last second, where it is the largest gap
    seconds_per_look: float = Field(default=4.0, gt=0)  # a longer video than the bundle's looks times this gets more

    def looks(self, duration_seconds: float, shape: ClipShape) -> int:
        """How many a video of this length gets at most."""
        wanted = min(duration_seconds / self.seconds_per_look, float(shape.most_frames))
        return max(shape.max_frames, math.ceil(wanted))


@dataclass(frozen=True, slots=True)
class Timeline:
    """What is known of a video track before any of it is decoded. Seconds count from the start of the video."""

    duration_seconds: float
    keyframe_seconds_K: Float64
    frame_rate: float
    megapixels: float
    is_exact: bool = True  # False: the keyframes are guesses
    is_timed: bool = True  # False: packets bear no times, so there is nothing to seek by


@dataclass(frozen=True, slots=True)
class Run:
    """Looks that share one keyframe: decode from it on, keep the first frame at or after each target."""

    keyframe_seconds: float
    target_seconds: tuple[float, ...]


def generator(seed: bytes, purpose: str) -> np.random.Generator:
    """Random numbers that depend on the seed and on what they are for, and on nothing else."""
    digest = hashlib.sha256(purpose.encode() + b"\0" + seed).digest()
    return np.random.Generator(np.random.PCG64(int.from_bytes(digest, "big")))


def plan_looks(timeline: Timeline, max_frames: int, seed: bytes, options: SampleOptions) -> tuple[Run, ...]:
    """At most `max_frames` looks, grouped by keyframe, ascending; the first second and the last are among them.

    The last second yields in one case: when the way to it breaks the budget though what stays unseen at the end is
    shorter than the gaps that the keyframes leave anyway.
    """
    return _Planner(timeline, max_frames, seed, options).plan()


def largest_gap_seconds(seconds_T: Iterable[float], duration_seconds: float) -> float:
    """The longest span without a look, the ends of the video included."""
    edges = [0.0, *seconds_T, duration_seconds]
    return max((right - left for left, right in pairwise(edges)), default=0.0)


class _Planner:
    """Takes looks one by one and keeps the account of what they cost."""

    def __init__(self, timeline: Timeline, max_frames: int, seed: bytes, options: SampleOptions) -> None:
        self._random = generator(seed, "looks")
        self._duration = max(timeline.duration_seconds, 0.0)
        self._keyframes_K = np.unique(timeline.keyframe_seconds_K) if timeline.keyframe_seconds_K.size else np.zeros(1)
        self._rate = timeline.frame_rate if timeline.frame_rate > 0 else 30.0
        self._max_frames = max_frames
        self._way_ms = options.way_ms_per_megapixel * timeline.megapixels * self._rate  # per second of the way
        self._keyframe_ms = options.keyframe_ms_per_megapixel * timeline.megapixels
        keyframes_ms = min(max_frames, self._keyframes_K.size) * self._keyframe_ms
        whole_ms = self._duration * self._way_ms
        self._left_ms = max(options.budget_ms, options.budget_share * whole_ms) - keyframes_ms
        self._last_look_ms = options.last_look_ms
        self._taken: dict[float, set[float]] = {}  # keyframe -> targets

    def plan(self) -> tuple[Run, ...]:
        # Of a short video both ends are as long as any other part, so that nothing stays unseen for longer there.
        end_seconds = min(1.0, self._duration / max(self._max_frames, 4))
        if not self._take_keyframe_in(-np.inf, end_seconds):
            self._take(float(self._keyframes_K[0]))
        if self._max_frames > 1:
            self._take_last(self._duration - end_seconds)
        self._take_strata()
        self._take_spare_keyframes()
        return tuple(Run(keyframe, tuple(sorted(self._taken[keyframe]))) for keyframe in sorted(self._taken))

    def _take_last(self, start: float) -> None:
        if self._take_keyframe_in(start, self._duration):
            return
        gaps_K = np.diff(self._keyframes_K)
        tail = self._duration - float(self._keyframes_K[-1])
        is_largest_gap = tail >= float(gaps_K.max(initial=0.0))
        self._take_between(start, self._duration, self._last_look_ms if is_largest_gap else self._left_ms)

    def _times(self) -> list[float]:
        return sorted(target for targets in self._taken.values() for target in targets)

    def _take(self, keyframe: float, target: float | None = None) -> None:
        self._taken.setdefault(keyframe, set()).add(keyframe if target is None else target)

    def _take_keyframe_in(self, start: float, end: float) -> bool:
        """One of the keyframes of [start, end), by chance."""
        inside_K = self._keyframes_K[(self._keyframes_K >= start) & (self._keyframes_K < end)]
        fresh = [keyframe for keyframe in inside_K.tolist() if keyframe not in self._taken.get(keyframe, ())]
        if fresh:
            self._take(fresh[int(self._random.integers(len(fresh)))])
        return bool(fresh)

    def _take_strata(self) -> None:
        """One look in each equal part of what lies between the first look and the last, in its middle half.

        Where there is no keyframe, a way to there is taken if it costs no more than its share of what is left; else any
        keyframe of the part, else a way if it can be paid at all.
        """
        times = self._times()
        parts = self._max_frames - len(times)
        if parts < 1:
            return
        first, last = times[0], max(times[-1], self._duration - 1.0)
        half = (last - first) / (parts + 1) / 2  # the first look and the last are in the middle of parts, too
        centres = [first + 2 * part * half for part in range(1, parts + 1)]
        middles = [(centre - half / 2, centre + half / 2) for centre in centres]
        empty = [middle for middle in middles if not self._take_keyframe_in(*middle)]
        empty.sort(key=lambda middle: self._cost_ms(middle[0]))
        for done, (start, end) in enumerate(empty):
            is_cheap = self._cost_ms(end) <= self._left_ms / (len(empty) - done)
            if is_cheap or not self._take_keyframe_in(start - half / 2, end + half / 2):
                self._take_between(start, end, self._left_ms)

    def _take_spare_keyframes(self) -> None:
        """Looks that are left go to the keyframes nearest to the middle of the largest gaps."""
        while len(times := self._times()) < self._max_frames:
            spare_K = np.setdiff1d(self._keyframes_K[self._keyframes_K <= self._duration], times)
            if not spare_K.size:
                return
            after_K = np.searchsorted(times, spare_K)
            before_seconds_K = spare_K - np.concatenate([[0.0], times])[after_K]
            after_seconds_K = np.concatenate([times, [self._duration]])[after_K] - spare_K
            self._take(float(spare_K[np.argmax(np.minimum(before_seconds_K, after_seconds_K))]))

    def _start_of_way(self, target: float) -> tuple[float, float, float]:
        """The keyframe before a moment, the last look already taken from there, and the cost of starting there."""
        index = max(int(np.searchsorted(self._keyframes_K, target, side="right")) - 1, 0)
        keyframe = float(self._keyframes_K[index])
        taken = self._taken.get(keyframe)
        return (keyframe, max(taken), 0.0) if taken else (keyframe, keyframe, self._keyframe_ms)

    def _cost_ms(self, target: float) -> float:
        _, begun, start_ms = self._start_of_way(target)
        return start_ms + max(target - begun, 0.0) * self._way_ms

    def _take_between(self, start: float, end: float, limit_ms: float) -> None:
        """A look at a random moment of [start, end): earlier where the way is too dear, if that gains much."""
        keyframe, begun, start_ms = self._start_of_way(start)
        last = max(end - 1.5 / self._rate, start)
        target = start + float(self._random.random()) * (last - start)
        if self._cost_ms(target) > limit_ms:
            target = min(target, begun + (limit_ms - start_ms) / self._way_ms)
            if target - begun < (end - begun) / 2:
                return
        self._left_ms -= self._cost_ms(target)
        self._take(keyframe, target)


# --------------------------------------------------------------------------------------------------------------
# Sound


def plan_windows(loudness_B: Float32, num_samples: int, shape: ClipShape, seed: bytes) -> NDArray[np.int64]:
    """First samples of the windows to hear, ascending, never overlapping, at most `shape.max_windows`.

    A track that fits is tiled from its start. Of a longer one, half of the windows are centred on its loudest blocks,
    so that a short burst in a long quiet track is always heard; the others are drawn evenly over the track.

    Args:
        loudness_B: mean square of each block of `window_samples // BLOCKS_PER_WINDOW` samples.
        num_samples: length of the track.
    """
    window = shape.window_samples
    tiles = -(-num_samples // window)
    if tiles <= shape.max_windows:
        return np.arange(tiles, dtype=np.int64) * window
    random = generator(seed, "windows")
    block = window // BLOCKS_PER_WINDOW
    starts: list[int] = []
    # Ties are broken by the seed: a track of constant loudness gives no way to tell which part is heard.
    order_B = np.lexsort((random.random(loudness_B.size), -loudness_B))
    for index in order_B.tolist():
        if len(starts) >= max(shape.max_windows // 2, 1):
            break
        start = int(np.clip(index * block + block // 2 - window // 2, 0, num_samples - window))
        if _is_free(start, starts, window):
            starts.append(start)
    return np.sort(np.array(_spread(starts, num_samples, shape, random), dtype=np.int64))


def _spread(starts: list[int], num_samples: int, shape: ClipShape, random: np.random.Generator) -> list[int]:
    """Adds one window to each equal slice of the track, where there is room, at a random place."""
    window = shape.window_samples
    edges = np.linspace(0, num_samples - window, shape.max_windows - len(starts) + 1)
    chosen = list(starts)
    for low, high in pairwise(edges.tolist()):
        for start in random.integers(int(low), max(int(high), int(low) + 1), size=8).tolist():
            if _is_free(start, chosen, window):
                chosen.append(start)
                break
    return chosen


def _is_free(start: int, taken: list[int], window: int) -> bool:
    return all(abs(start - other) >= window for other in taken)
