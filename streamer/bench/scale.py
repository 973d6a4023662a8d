"""`earshot bench scale`: the throughput of two workers of a group over that of one.

Each worker decodes in as many children as two workers can have on this machine without sharing a core: what is
measured is whether work spreads over the group, not whether a machine has more cores than it has.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import msgspec

from streamer.bench.clips import copies, event_of, renew
from streamer.bench.group import Group, open_group
from streamer.bench.plan import Plan
from streamer.bench.result import BenchResult
from streamer.errors import BrokerError
from streamer.records import Message

#: Rounds of warm-up that a group gets to share its partitions.
_MOST_ROUNDS = 20


def bench(plan: Plan) -> BenchResult:
    """Clips a second of two workers over those of one, each in a process of its own. Raises `EarshotError`."""
    threads = max(1, (os.cpu_count() or 2) // 2)
    number = plan.pick(64, 8)
    with (
        copies(plan, number) as paths,
        open_group(plan, "one") as one,
        open_group(plan, "two") as two,
        one.member(plan, flow__decode_threads=threads, policy__version="bench-0"),
        two.member(plan, flow__decode_threads=threads, policy__version="bench-1"),
        two.member(plan, flow__decode_threads=threads, policy__version="bench-2"),
    ):
        _share(two, paths, plan)
        rates: dict[str, list[float]] = {"one": [], "two": []}
        for run in range(plan.runs + 1):  # the first warms up
            plan.say(f"scale: run {run} of {plan.runs}")
            for name, group in (("one", one), ("two", two)):
                renew(paths)
                rates[name].append(number / group.seconds([event_of(path, quick=plan.quick) for path in paths]))
    ratios = [both / single for both, single in zip(rates["two"][1:], rates["one"][1:], strict=True)]
    detail: dict[str, float | str] = {
        "cores": float(os.cpu_count() or 0),
        "decode_threads": float(threads),
        "one_clips_per_second": round(max(rates["one"][1:]), 2),
        "two_clips_per_second": round(max(rates["two"][1:]), 2),
    }
    return BenchResult.from_ratios("scale", ratios, detail)


def _share(group: Group, paths: Sequence[Path], plan: Plan) -> None:
    """Send events until both workers have answered some. Raises `BrokerError` (fatal) when only one ever does."""
    for _ in range(_MOST_ROUNDS):
        events = [event_of(path, quick=plan.quick) for path in paths[:8]]
        group.send(events)
        seen = Counter(map(_worker, group.wait_for(sum(len(event.tasks) for event in events))))
        if len(seen) == 2:
            return
    raise BrokerError(f"of two workers only one was given partitions of {group.kafka.topics.uploaded}")


def _worker(verdict: Message) -> str:
    """Which worker gave it: the policy's version is the one setting that a verdict repeats."""
    return str(msgspec.json.decode(verdict.value or b"{}").get("lineage", {}).get("policy_version"))
