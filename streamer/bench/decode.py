"""`earshot bench decode`: decoding all of a video against looking at it as planned; one file, one thread, CPU time."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from streamer.bench.result import BenchResult
from streamer.decode.baseline import decode_all, profile_looks, render
from streamer.decode.clip import decode
from streamer.decode.formats import DecodeOptions
from streamer.sample import ClipShape
from streamer.sandbox.host import Sandbox, SandboxOptions

_CLIP = "earshot-bench-h264-1080x1920-30s-gop250.mp4"


def bench(runs: int = 5) -> BenchResult:
    """Full decode over the whole way from an open file to a Clip. The clip has no sound, so that only looking counts.

    30 s of H.264 at 1080x1920 with B-frames and one keyframe in 250 frames, rendered once per machine.
    """
    path = bench_clip()
    shape, options = ClipShape(), DecodeOptions()
    ratios, full_ms, sampled_ms = [], [], []
    for _ in range(runs):
        full_ms.append(_cpu_ms(lambda: decode_all(path)))
        sampled_ms.append(_cpu_ms(lambda: _sampled(path, shape, options)))
        ratios.append(full_ms[-1] / sampled_ms[-1])
    detail: dict[str, float | str] = {
        "clip": "30 s, 1080x1920, H.264, GOP 250",
        "full_ms": round(sorted(full_ms)[runs // 2], 1),
        "sampled_ms": round(sorted(sampled_ms)[runs // 2], 1),
        "frames": float(_sampled(path, shape, options)),
        "sandboxed_wall_ms": round(_sandboxed_ms(path, shape, options), 1),
        **profile_looks(path, shape.frame_pixels),
    }
    return BenchResult.from_ratios("decode", ratios, detail)


def bench_clip() -> Path:
    """The clip of this benchmark, in the temporary directory; rendered if it is not there yet."""
    path = Path(tempfile.gettempdir()) / _CLIP
    if not path.exists():
        part = path.with_suffix(f".{os.getpid()}.part")
        render(part)
        part.rename(path)
    return path


def _sampled(path: Path, shape: ClipShape, options: DecodeOptions) -> int:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        return int(decode(descriptor, bytes(16), shape, options, "bench").frame_seconds_T.size)
    finally:
        os.close(descriptor)


def _sandboxed_ms(path: Path, shape: ClipShape, options: DecodeOptions) -> float:
    with Sandbox(SandboxOptions(), options, shape) as sandbox:
        begun = time.perf_counter()
        sandbox.decode(str(path), bytes(16), 60.0)
        return 1e3 * (time.perf_counter() - begun)


def _cpu_ms(work: Callable[[], object]) -> float:
    begun = time.process_time()
    work()
    return 1e3 * (time.process_time() - begun)
