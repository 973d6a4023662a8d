"""Clips of the world as mp4 files. Equal truths give equal bytes with one build of FFmpeg."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import av
import msgspec
import numpy as np

from engines.data.world.picture import draw_frames
from engines.data.world.sound import SAMPLE_RATE_HZ, draw_sound
from engines.data.world.truth import TRUTH_FILE, Truth, draw_truths


def render_clip(truth: Truth, path: Path) -> None:
    """Write one clip: H.264 where it has a picture, AAC where it has sound."""
    rng = np.random.default_rng([truth.seed, truth.index, 3])
    with av.open(str(path), "w", format="mp4", options={"fflags": "+bitexact"}) as container:
        video = audio = None
        if truth.has_picture:
            options = {"preset": "superfast", "crf": str(rng.integers(20, 29)), "g": str(rng.integers(12, 60))}
            video = container.add_stream("libx264", rate=truth.frame_rate, options=options)
            video.width, video.height, video.pix_fmt = truth.width, truth.height, "yuv420p"
            video.codec_context.thread_count = 1  # more would make the bytes depend on the machine
        if truth.has_sound:
            audio = container.add_stream("aac", rate=SAMPLE_RATE_HZ, layout="mono", options={"aac_coder": "fast"})
            audio.bit_rate = int(rng.integers(64, 129)) * 1000
        if video is not None:
            for frame_HWC in draw_frames(truth):
                container.mux(video.encode(av.VideoFrame.from_ndarray(frame_HWC, format="rgb24")))
            container.mux(video.encode())
        if audio is not None:
            frame = av.AudioFrame.from_ndarray(draw_sound(truth)[None], format="fltp", layout="mono")
            frame.sample_rate = SAMPLE_RATE_HZ
            container.mux(audio.encode(frame))
            container.mux(audio.encode())


def render_world(
    folder: Path, *, clips: int, seed: int, threads: int = 1, on_clip: Callable[[], None] = lambda: None
) -> list[Truth]:
    """Write the first `clips` clips of a world and their truth; `on_clip` is called after each, in this process."""
    folder.mkdir(parents=True, exist_ok=True)
    truths = draw_truths(clips, seed)
    with ThreadPoolExecutor(threads) as pool:  # the encoder, most of the work, runs outside the interpreter lock
        for _ in pool.map(render_clip, truths, [folder / truth.file for truth in truths]):
            on_clip()
    encoder = msgspec.json.Encoder()
    (folder / TRUTH_FILE).write_bytes(encoder.encode_lines(truths))
    return truths
