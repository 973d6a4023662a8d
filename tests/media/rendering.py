"""Small media of known content, rendered by PyAV, for the tests of this folder."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

MATRICES = {  # clockwise quarter turns that a player applies -> ISO 14496-12 a, b, c, d
    0: (1, 0, 0, 1),
    90: (0, 1, -1, 0),
    180: (-1, 0, 0, -1),
    270: (0, -1, 1, 0),
}


def picture(index: int, width: int, height: int) -> NDArray[np.uint8]:
    """(H, W, 3) RGB: smooth colour waves that move, and a bright bar that tells up from down and left from right."""
    y, x = np.mgrid[0:height, 0:width].astype(np.float64)
    waves = [np.sin(x / (11 + 3 * c) + index / 7 + c) + np.cos(y / (13 - 2 * c) - index / 9) for c in range(3)]
    rgb_HWC = np.stack([128 + 45 * wave for wave in waves], axis=-1)
    rgb_HWC[: height // 6, : width // 2] = (230, 60, 40)
    return np.clip(rgb_HWC, 0, 255).astype(np.uint8)


def render_video(
    path: Path,
    *,
    width: int = 320,
    height: int = 240,
    rate: int = 25,
    count: int = 50,
    gop: int = 12,
    codec: str = "libx264",
    pix_fmt: str = "yuv420p",
    aspect: Fraction | None = None,
    options: dict[str, str] | None = None,
    audio_hz: float | None = None,
    container_options: dict[str, str] | None = None,
    container_format: str | None = None,
    frames: Iterable[NDArray[np.uint8]] | None = None,
    pts: Iterable[int] | None = None,
) -> Path:
    """A video of `picture`s, with a sine of `audio_hz` as its sound when that is given."""
    with av.open(str(path), "w", format=container_format, container_options=container_options or {}) as container:
        stream: Any = container.add_stream(codec, rate=rate)
        stream.width, stream.height, stream.pix_fmt = width, height, pix_fmt
        stream.options = {"g": str(gop), **({"crf": "16"} if codec == "libx264" else {}), **(options or {})}
        if aspect is not None:
            stream.codec_context.sample_aspect_ratio = aspect
        sound = container.add_stream("aac", rate=44_100, layout="mono") if audio_hz else None
        times = list(pts) if pts is not None else list(range(count))
        pictures = frames if frames is not None else (picture(index, width, height) for index in range(len(times)))
        for tick, rgb_HWC in zip(times, pictures, strict=False):
            frame = av.VideoFrame.from_ndarray(rgb_HWC, format="rgb24").reformat(format=pix_fmt)
            frame.pts, frame.time_base = tick, Fraction(1, rate)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
        if sound is not None:
            write_sound(container, sound, sine(audio_hz or 0.0, len(times) / rate, 44_100), 44_100)
    return path


def sine(hz: float, seconds: float, rate_hz: int) -> NDArray[np.float32]:
    return (0.5 * np.sin(2 * np.pi * hz * np.arange(int(seconds * rate_hz)) / rate_hz)).astype(np.float32)


def render_sound(path: Path, samples_S: NDArray[np.float32], rate_hz: int = 16_000, codec: str = "pcm_s16le") -> Path:
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=rate_hz, layout="mono")
        write_sound(container, stream, samples_S, rate_hz)
    return path


def write_sound(container: Any, stream: Any, samples_S: NDArray[np.float32], rate_hz: int) -> None:
    for start in range(0, samples_S.size, 1024):
        piece_S = (samples_S[None, start : start + 1024] * 32767).astype(np.int16)
        frame = av.AudioFrame.from_ndarray(piece_S, format="s16", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = rate_hz, start, Fraction(1, rate_hz)
        container.mux(stream.encode(frame))
    container.mux(stream.encode(None))


def with_matrix(path: Path, a: float, b: float, c: float, d: float) -> Path:
    """Writes a display matrix into the (only) video track header of an MP4."""
    content = bytearray(path.read_bytes())
    at = 0
    while (at := content.find(b"tkhd", at)) >= 0:
        start = at + 4 + 4 + (20 if content[at + 4] == 0 else 32) + 16
        is_video = content[start + 36 : start + 40] != bytes(4)
        if is_video:
            row = [round(value * 65536) for value in (a, b, 0, c, d, 0, 0, 0)] + [1 << 30]
            content[start : start + 36] = b"".join(value.to_bytes(4, "big", signed=True) for value in row)
        at += 4
    path.write_bytes(content)
    return path
