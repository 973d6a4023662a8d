"""`earshot bench peer`: our throughput over that of a straightforward consumer, on the same clips and broker.

What the other one does is in `peer_consumer.py`. It gets fewer of the clips, as it takes so much longer for each.
"""

from __future__ import annotations

from streamer.bench.clips import copies, event_of, renew
from streamer.bench.group import open_group
from streamer.bench.plan import Plan
from streamer.bench.result import BenchResult


def bench(plan: Plan) -> BenchResult:
    """Clips a second of one worker over those of the peer. Raises `EarshotError`."""
    ours, theirs = plan.pick(64, 6), plan.pick(6, 2)
    with (
        copies(plan, ours) as paths,
        open_group(plan, "ours") as group,
        group.member(plan),
        open_group(plan, "peer") as peers,
        peers.consumer("streamer.bench.peer_consumer", plan),
    ):
        our_rates, their_rates = [], []
        for run in range(plan.runs + 1):  # the first warms up
            plan.say(f"peer: run {run} of {plan.runs}")
            renew(paths)
            events = [event_of(path, quick=plan.quick) for path in paths]
            our_rates.append(ours / group.seconds(events))
            their_rates.append(theirs / peers.seconds(events[:theirs]))
    ratios = [our / their for our, their in zip(our_rates[1:], their_rates[1:], strict=True)]
    detail: dict[str, float | str] = {
        "our_clips_per_second": round(max(our_rates[1:]), 2),
        "peer_clips_per_second": round(max(their_rates[1:]), 3),
        "our_clips": float(ours),
        "peer_clips": float(theirs),
    }
    return BenchResult.from_ratios("peer", ratios, detail)
