"""Cases as decoding would leave them, of random pixels, noise and words: to load engines without a video at hand."""

from __future__ import annotations

import hashlib
import math

import numpy as np

from engines.bundle import Bundle
from streamer.cache.memory import MemoryCache
from streamer.recall import Recaller
from streamer.records import TASKS, Case, Clip, Content, Coverage, Event, Media

#: How long the videos are that such clips could come from.
CLIP_SECONDS = 30.0

#: Most words of title, description and query.
_MOST_WORDS = (12, 24, 4)
_WORDS = (
    *("how", "the", "last", "secret", "of", "a", "red", "star", "was", "found", "in", "one", "small", "house", "and"),
    *("why", "nobody", "would", "tell", "you", "what", "really", "happened", "next", "when", "my", "dog", "heard"),
    *("watch", "until", "end", "new", "best", "music", "live", "today", "cooking", "travel", "review", "official"),
)


def random_cases(bundle: Bundle, n: int, seed: int) -> list[Case]:
    """`n` cases of which nothing is known yet, with as many frames and windows as a video of `CLIP_SECONDS` gives."""
    rng = np.random.default_rng(seed)
    recaller = Recaller(bundle, MemoryCache(0), plan_id="random", secret=b"random")
    return [_case(bundle, recaller, rng, index) for index in range(n)]


def _case(bundle: Bundle, recaller: Recaller, rng: np.random.Generator, index: int) -> Case:
    clip = _clip(bundle, rng)
    title, description, query = (_words(rng, most) for most in _MOST_WORDS)
    event = Event(
        event_id=f"random-{index}",
        source="/earshot/bench",
        video_id=f"random-{index}",
        uri=f"file:///random/{index}.mp4",
        title=title,
        description=description,
        query=query,
        tasks=TASKS,
    )
    content_sha256 = hashlib.sha256(f"{index} {rng.bytes(16).hex()}".encode()).hexdigest()
    return Case(
        event=event,
        content=Content("", content_sha256, clip.size_bytes),
        recall=recaller.recall(event, content_sha256),
        clip=clip,
        coverage=clip.coverage,
        received_seconds=0.0,
        latency_ms={},
        source=None,
    )


def _clip(bundle: Bundle, rng: np.random.Generator) -> Clip:
    sizes = bundle.preprocessing
    span_seconds = sizes.window_samples / sizes.sample_rate_hz
    T, W = sizes.max_frames, min(sizes.max_windows, math.ceil(CLIP_SECONDS / span_seconds))
    coverage = Coverage(
        plan_id="random",
        duration_seconds=CLIP_SECONDS,
        frames=T,
        largest_gap_seconds=CLIP_SECONDS / T,
        audio_seconds=min(CLIP_SECONDS, W * span_seconds),
        audio_duration_seconds=CLIP_SECONDS,
    )
    return Clip(
        frames_TCHW=rng.integers(0, 256, (T, 3, sizes.frame_pixels, sizes.frame_pixels), np.uint8),
        frame_seconds_T=np.linspace(0.0, CLIP_SECONDS, T, endpoint=False),
        windows_TS=rng.uniform(-0.5, 0.5, (W, sizes.window_samples)).astype(np.float32),
        window_seconds_T=span_seconds * np.arange(W, dtype=np.float64),
        window_span_seconds=span_seconds,
        coverage=coverage,
        media=Media(container="random"),
        decode_cpu_ms=0.0,
    )


def _words(rng: np.random.Generator, most: int) -> str:
    return " ".join(rng.choice(_WORDS, rng.integers(1, most + 1)).tolist())
