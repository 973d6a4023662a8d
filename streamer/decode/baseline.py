"""What the sampled decode is measured against: a clip rendered for the purpose, and decoding all of it."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.video.reformatter import VideoReformatter
from numpy.typing import NDArray

from streamer.decode.pixels import UPRIGHT, square

_MARGIN = 256


def decode_all(path: Path) -> int:
    """Decodes every frame of the first video track with one thread, converting none; the number of frames."""
    with av.open(str(path)) as container:
        track = container.streams.video[0]
        track.codec_context.thread_count = 1
        return sum(1 for _ in container.decode(track))


def profile_looks(path: Path, frame_pixels: int) -> dict[str, float]:
    """Median CPU milliseconds of each part of a look at a keyframe: seek, demux, decode, convert."""
    parts: dict[str, list[float]] = {"seek": [], "demux": [], "decode": [], "convert": []}
    reformatter = VideoReformatter()
    with av.open(str(path)) as container:
        track = container.streams.video[0]
        context = track.codec_context
        context.thread_count = 1
        keyframes = [entry.timestamp for entry in track.index_entries if entry.is_keyframe]
        for ticks in keyframes * 3:
            marks = [time.process_time()]
            container.seek(ticks, stream=track)
            marks.append(time.process_time())
            packet = next(packet for packet in container.demux(track) if packet.is_keyframe)
            marks.append(time.process_time())
            frame = (context.decode(packet) + context.decode(None))[0]
            context.flush_buffers()
            marks.append(time.process_time())
            square(frame, reformatter, UPRIGHT, None, frame_pixels)
            marks.append(time.process_time())
            for part, span in zip(parts.values(), np.diff(marks).tolist(), strict=True):
                part.append(1e3 * span)
    return {f"{name}_ms": round(statistics.median(spans), 3) for name, spans in parts.items()}


def render(
    path: Path, *, width: int = 1080, height: int = 1920, rate: int = 30, seconds: int = 30, gop: int = 250
) -> None:
    """H.264 with B-frames: a slow pan over a texture with a natural spectrum, a moving patch, a little grain."""
    with av.open(str(path), "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=rate)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        # A fixed distance between keyframes: what decides how cheap looks are must not depend on the encoder's mood.
        stream.options = {
            "preset": "veryfast", "crf": "23", "bf": "3", "g": str(gop), "keyint_min": str(gop), "sc_threshold": "0"
        }  # fmt: skip
        for index, planes in enumerate(_pictures(width, height, rate * seconds)):
            frame = av.VideoFrame(width, height, "yuv420p")
            for plane, pixels_HW in zip(frame.planes, planes, strict=True):
                rows = np.frombuffer(memoryview(plane), np.uint8).reshape(plane.height, plane.line_size)
                rows[:, : plane.width] = pixels_HW
            frame.pts, frame.time_base = index, Fraction(1, rate)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def _pictures(width: int, height: int, count: int) -> Iterator[tuple[NDArray[np.uint8], ...]]:
    random = np.random.default_rng(1)
    luma_HW = _texture(random, height + _MARGIN, width + _MARGIN, 40.0)
    chroma = [_texture(random, (height + _MARGIN) // 2, (width + _MARGIN) // 2, 20.0) for _ in range(2)]
    grain = random.normal(0.0, 1.0, (8, height, width)).round().astype(np.int8)
    for index in range(count):
        x = int(_MARGIN * index / count) // 2 * 2
        y = int(_MARGIN / 2 * (1 + np.sin(index / 60))) // 2 * 2
        view_HW = luma_HW[y : y + height, x : x + width].astype(np.int16) + grain[index % 8]
        left = index * 5 % (width - 160)
        view_HW[400:560, left : left + 160] += 60
        halves = [plane[y // 2 : (y + height) // 2, x // 2 : (x + width) // 2] for plane in chroma]
        yield np.clip(view_HW, 16, 235).astype(np.uint8), halves[0], halves[1]


def _texture(random: np.random.Generator, height: int, width: int, deviation: float) -> NDArray[np.uint8]:
    """A random picture whose amplitudes fall with frequency to the power 1.4, as in a softly lit photograph."""
    radius = np.hypot(np.fft.rfftfreq(width)[None, :], np.fft.fftfreq(height)[:, None])
    radius[0, 0] = 1.0
    spectrum = random.normal(size=radius.shape) + 1j * random.normal(size=radius.shape)
    picture_HW = np.fft.irfft2(spectrum / radius**1.4, s=(height, width))
    picture_HW = (picture_HW - picture_HW.mean()) / picture_HW.std()
    texture_HW: NDArray[np.uint8] = np.clip(128 + deviation * picture_HW, 0, 255).astype(np.uint8)
    return texture_HW
