"""`earshot bench stream`: the whole way through broker and worker against its bottleneck stage alone.

The bottleneck is decoding. Alone means: the same clips are fetched and decoded by as many children, and nothing else
happens to them. What the pipeline takes beyond that is the price of Kafka, engines, cache and commits.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from streamer.assemble import Parts, open_parts
from streamer.bench.clips import copies, event_of, renew
from streamer.bench.group import Group, open_group, reading
from streamer.bench.plan import Plan
from streamer.bench.result import BenchResult
from streamer.records import Event

_TIMEOUT_SECONDS = 120.0


def bench(plan: Plan) -> BenchResult:
    """Wall time of the pipeline over that of fetching and decoding alone. Raises `EarshotError`."""
    settings = plan.settings()
    threads = settings.flow.decode_threads
    with (
        copies(plan, plan.pick(64, 8)) as paths,
        open_parts(settings) as parts,
        open_group(plan, "stream") as group,
        group.member(plan) as member,
    ):
        pipeline_seconds, stage_seconds = [], []
        for run in range(plan.runs + 1):  # the first warms up
            plan.say(f"stream: run {run} of {plan.runs}")
            renew(paths)
            pipeline_seconds.append(group.seconds(_events(paths, plan)))
            stage_seconds.append(decode_seconds(parts, _events(paths, plan), threads))
        before = reading(member)
        again = _saturating_seconds(group, paths, plan)
        after = reading(member)
    ratios = [whole / stage for whole, stage in zip(pipeline_seconds[1:], stage_seconds[1:], strict=True)]
    detail: dict[str, float | str] = {
        "clips": float(len(paths)),
        "decode_threads": float(threads),
        "pipeline_clips_per_second": round(len(paths) / min(pipeline_seconds[1:]), 2),
        "stage_clips_per_second": round(len(paths) / min(stage_seconds[1:]), 2),
        "fill_at_saturation": round((after.fill - before.fill) / (after.batches - before.batches), 3),
        "reuploads_per_second": round(again, 1),
    }
    return BenchResult.from_ratios("stream", ratios, detail)


def decode_seconds(parts: Parts, events: Sequence[Event], threads: int) -> float:
    """Wall time of fetching and decoding the events' videos with so many children, and nothing else."""

    def look(event: Event) -> None:
        with parts.pipeline.fetch(event, timeout_seconds=_TIMEOUT_SECONDS) as content:
            parts.sandbox.decode(content.path, parts.pipeline.seed(content.sha256), _TIMEOUT_SECONDS)

    begun = time.perf_counter()
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(look, events))
    return time.perf_counter() - begun


def _saturating_seconds(group: Group, paths: Sequence[Path], plan: Plan) -> float:
    """Re-uploads a second: nothing is decoded, so that the engines have all they can take."""
    events = [event for _ in range(plan.pick(10, 4)) for event in _events(paths, plan)]
    return len(events) / group.seconds(events)


def _events(paths: Sequence[Path], plan: Plan) -> list[Event]:
    return [event_of(path, quick=plan.quick) for path in paths]
