"""`earshot bench memory`: what a worker holds after many events over what it held when it was warm.

Most events are re-uploads, one in a hundred is a video that nobody knows, one in twenty is bad: cut off, no video at
all, or missing. The cache is small enough to be full when the worker is warm, so that it cannot hide growth.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from streamer.bench.clips import copies, event_of, renew
from streamer.bench.group import open_group
from streamer.bench.plan import Plan
from streamer.bench.result import BenchResult
from streamer.bench.usage import Usage, usage_of
from streamer.records import Event

#: The embedded broker keeps 5 MiB of a partition: events go in as they are consumed.
_SLICE = 250
_KNOWN = 20
_CACHE_BYTES = 1 << 20
_MEBIBYTE = 1 << 20


def bench(plan: Plan) -> BenchResult:
    """RSS of worker, zygote and children at the end over RSS after a fifth of the events. Raises `EarshotError`."""
    slices, size = plan.pick(40, 5), plan.pick(_SLICE, 40)
    small = replace(plan, quick=True)  # short clips: what is held depends on events, not on pixels
    with (
        copies(small, _KNOWN) as paths,
        open_group(plan, "memory") as group,
        group.member(plan, cache__memory_bytes=_CACHE_BYTES) as member,
    ):
        held: list[Usage] = []
        for number in range(slices):
            plan.say(f"memory: {number * size} of {slices * size} events")
            events, records = _slice(paths, size)
            group.send(events)
            group.wait_for(records)
            held.append(usage_of(member.pid))
    warm = held[slices // 5 - 1]
    ratios = [usage.rss_bytes / warm.rss_bytes for usage in held[slices // 5 :]]
    last = held[-1]
    return BenchResult(
        bench="memory",
        ratio=round(ratios[-1], 3),
        low=round(min(ratios), 3),
        high=round(max(ratios), 3),
        runs=1,
        detail={
            "events": float(slices * size),
            "warm_mebibytes": round(warm.rss_bytes / _MEBIBYTE, 1),
            "last_mebibytes": round(last.rss_bytes / _MEBIBYTE, 1),
            "warm_descriptors": float(warm.descriptors),
            "last_descriptors": float(last.descriptors),
            "warm_threads": float(warm.threads),
            "last_threads": float(last.threads),
        },
    )


def _slice(paths: Sequence[Path], size: int) -> tuple[list[Event], int]:
    """Events, and how many records come of them: a verdict for each task, or one dead letter."""
    bad = _bad(paths[0])
    events, records = [], 0
    for number in range(size):
        path = paths[number % len(paths)]
        if number % 20 == 10:
            path = bad[number // 20 % len(bad)]
        elif number % 100 == 50:
            renew([path])
        event = event_of(path, quick=True)
        events.append(event)
        records += len(event.tasks) if path.exists() else 1
    return events, records


def _bad(whole: Path) -> list[Path]:
    """A file that was cut off, one that is no video, and one that is not there."""
    truncated, text, missing = (whole.with_name(name) for name in ("truncated.mp4", "text.mp4", "missing.mp4"))
    if not text.exists():
        content = whole.read_bytes()
        truncated.write_bytes(content[: len(content) * 6 // 10])
        text.write_text("This is no video, whatever it is called.\n", "utf-8")
    return [truncated, text, missing]
