"""Videos to measure with: one of the world at the size of a telephone's, under as many hashes as needed."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import msgspec

from engines.data.world import Truth, draw_truth, render_clip
from streamer.bench.plan import Plan
from streamer.records import TASKS, Event

_SEED = 40_417
_SERIAL_BYTES = 8
#: An empty box that every MP4 reader passes over (ISO/IEC 14496-12, 8.1.2), with room for a number.
_FREE_BOX = (8 + _SERIAL_BYTES).to_bytes(4, "big") + b"free"
_serials = count(int.from_bytes(os.urandom(6), "big"))


def bench_truth(*, quick: bool) -> Truth:
    """What is true of the clip: with picture, sound and a query; 30 s of 1080x1920, or as small as the world's own."""
    truth = next(clip for index in count() if _whole(clip := draw_truth(_SEED, index)))
    if quick:
        return truth
    return msgspec.structs.replace(truth, width=1080, height=1920, frame_rate=30, duration_seconds=30.0)


def bench_clip(plan: Plan) -> Path:
    """The clip, rendered into the plan's folder when it is not there yet."""
    truth = bench_truth(quick=plan.quick)
    path = plan.folder / f"bench-{truth.width}x{truth.height}-{truth.duration_seconds:g}s.mp4"
    if not path.exists():
        plan.say(f"rendering {path.name}, once")
        partial = path.with_suffix(f".{os.getpid()}.part")
        render_clip(truth, partial)
        partial.replace(path)
    return path


@contextmanager
def copies(plan: Plan, number: int) -> Iterator[list[Path]]:
    """So many copies of the clip, each with a hash of its own; deleted when the block ends."""
    clip = bench_clip(plan)
    with tempfile.TemporaryDirectory(prefix="copies-", dir=plan.folder) as folder:
        paths = [Path(folder) / f"{index}.mp4" for index in range(number)]
        for path in paths:
            shutil.copyfile(clip, path)
            with path.open("ab") as file:
                file.write(_FREE_BOX + bytes(_SERIAL_BYTES))
        renew(paths)
        yield paths


def renew(paths: Sequence[Path]) -> None:
    """Give every copy a new hash, so that no cache knows it; the video in it stays the same."""
    for path in paths:
        with path.open("r+b") as file:
            file.seek(-_SERIAL_BYTES, os.SEEK_END)
            file.write(next(_serials).to_bytes(_SERIAL_BYTES, "big"))


def event_of(path: Path, *, quick: bool) -> Event:
    """An upload of that file, asking for all tasks. Every call is another event."""
    truth, serial = bench_truth(quick=quick), next(_serials)
    return Event(
        event_id=f"bench-{serial}",
        source="/earshot/bench",
        video_id=f"{path.stem}-{serial}",
        uri=path.as_uri(),
        title=truth.title,
        description=truth.description,
        hashtags=truth.hashtags,
        query=truth.query,
        tasks=TASKS,
    )


def _whole(clip: Truth) -> bool:
    return clip.has_picture and clip.has_sound and clip.query is not None
