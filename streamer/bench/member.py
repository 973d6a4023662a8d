"""`python -m streamer.bench.member`: the worker of production, and what its instruments say when it is asked.

The first line on standard input is its orders; each further one asks for the instruments; the end of input ends it.
"""

from __future__ import annotations

import os
import sys
import threading

import msgspec

from streamer.assemble import open_parts, open_worker
from streamer.bench.child import answer, take_orders
from streamer.kafka.stream import KafkaStream
from streamer.logs import configure_logs
from streamer.metrics import Metrics
from streamer.worker import Worker


class Reading(msgspec.Struct, frozen=True, kw_only=True):
    """What a worker's instruments say: sums since it began."""

    batches: float
    fill: float
    cpu_seconds: float


def main() -> None:
    settings = take_orders().settings()
    configure_logs(settings.log.level, settings.log.format)
    metrics = Metrics()
    with open_parts(settings) as parts:
        stream = KafkaStream(settings.kafka, metrics.on_lag)
        with open_worker(settings, parts, stream, metrics) as worker:
            ready = threading.Event()
            threading.Thread(target=_answer, args=(worker, metrics, ready), daemon=True).start()

            def until() -> bool:
                if stream.assigned():
                    ready.set()
                return False

            worker.run(until)


def _answer(worker: Worker, metrics: Metrics, ready: threading.Event) -> None:
    ready.wait()
    answer({})
    for _ in sys.stdin.buffer:
        answer(_reading(metrics))
    worker.stop()


def _reading(metrics: Metrics) -> Reading:
    value = metrics.registry.get_sample_value
    times = os.times()
    return Reading(
        batches=value("earshot_batch_fill_ratio_count") or 0.0,
        fill=value("earshot_batch_fill_ratio_sum") or 0.0,
        cpu_seconds=times.user + times.system,
    )


if __name__ == "__main__":
    main()
