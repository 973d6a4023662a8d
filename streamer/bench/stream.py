"""`earshot bench stream`: the whole way through broker and worker against its bottleneck stage alone.

The bottleneck is decoding. Alone means: the same clips are fetched and decoded by as many children, and nothing else
happens to them. What the pipeline takes beyond that is the price of Kafka, engines, cache and commits.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import msgspec

from streamer.assemble import Parts, open_parts
from streamer.bench.child import Child
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
        copies(plan, plan.pick(128, 8)) as paths,
        open_parts(settings) as parts,
        open_group(plan, "stream") as group,
        group.member(plan) as member,
    ):
        pipeline, stage = [], []
        for run in range(plan.runs + 1):  # the first warms up
            plan.say(f"stream: run {run} of {plan.runs}")
            renew(paths)
            pipeline.append(_whole_way(group, member, _events(paths, plan)))
            stage.append(_decoding(parts, _events(paths, plan), threads))
        before = reading(member)
        again = _saturating_rate(group, paths, plan)
        after = reading(member)
    pairs = list(zip(pipeline[1:], stage[1:], strict=True))
    detail: dict[str, float | str] = {
        "clips": float(len(paths)),
        "decode_threads": float(threads),
        "pipeline_clips_per_second": round(len(paths) / min(whole.seconds for whole, _ in pairs), 2),
        "stage_clips_per_second": round(len(paths) / min(alone.seconds for _, alone in pairs), 2),
        "pipeline_cpu_ms_per_clip": round(median(whole.cpu_ms for whole, _ in pairs), 1),
        "stage_cpu_ms_per_clip": round(median(alone.cpu_ms for _, alone in pairs), 1),
        "fill_at_saturation": round((after.fill - before.fill) / (after.batches - before.batches), 3),
        "reuploads_per_second": round(again, 1),
    }
    return BenchResult.from_ratios("stream", [whole.seconds / alone.seconds for whole, alone in pairs], detail)


@dataclass(frozen=True, slots=True)
class _Taken:
    """Wall time for all clips; CPU time of one clip, that of its decoding child included."""

    seconds: float
    cpu_ms: float


def _whole_way(group: Group, member: Child, events: Sequence[Event]) -> _Taken:
    """From Kafka through the worker and back into Kafka."""
    before = reading(member)
    seconds, verdicts = group.judged(events)
    own_ms = 1000 * (reading(member).cpu_seconds - before.cpu_seconds) / len(events)
    costs = [msgspec.json.decode(verdict.value or b"{}")["cost"]["decode_cpu_ms"] for verdict in verdicts]
    return _Taken(seconds, own_ms + sum(costs) / len(costs))


def _decoding(parts: Parts, events: Sequence[Event], threads: int) -> _Taken:
    """Fetching and decoding with so many children, and nothing else."""

    def look(event: Event) -> float:
        with parts.pipeline.fetch(event, timeout_seconds=_TIMEOUT_SECONDS) as content:
            clip = parts.sandbox.decode(content.path, parts.pipeline.seed(content.sha256), _TIMEOUT_SECONDS)
        return clip.decode_cpu_ms

    begun, begun_cpu = time.perf_counter(), time.process_time()
    with ThreadPoolExecutor(threads) as pool:
        costs = list(pool.map(look, events))
    seconds = time.perf_counter() - begun
    own_ms = 1000 * (time.process_time() - begun_cpu) / len(events)
    return _Taken(seconds, own_ms + sum(costs) / len(costs))


def _saturating_rate(group: Group, paths: Sequence[Path], plan: Plan) -> float:
    """Re-uploads a second: nothing is decoded, so that the engines have all they can take."""
    events = [event for _ in range(plan.pick(10, 4)) for event in _events(paths, plan)]
    return len(events) / group.seconds(events)


def _events(paths: Sequence[Path], plan: Plan) -> list[Event]:
    return [event_of(path, quick=plan.quick) for path in paths]
