"""Instruments. Every name begins with `earshot_`, units are base units, and no label names a video or a person."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from time import perf_counter

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Info, generate_latest

from streamer.offsets import Partition
from streamer.records import Batch, Coverage, Verdict

_STAGE_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120)
_AGE_BUCKETS = (0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3600, 6 * 3600)
_FILL_BUCKETS = (0.125, 0.25, 0.375, 0.5, 0.625, 0.75, 0.875, 1.0)


class Metrics:
    """All instruments of one worker, in a registry of its own. Thread-safe."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        r = self.registry
        self.events = Counter("earshot_events", "Events consumed, by how they ended", ["outcome"], registry=r)
        self.verdicts = Counter("earshot_verdicts", "Verdicts by answer", ["task", "action", "state"], registry=r)
        self.dead_letters = Counter("earshot_dead_letters", "Dead letters by reason", ["reason"], registry=r)
        self.retries = Counter("earshot_retries", "Events sent to the retry topic", ["reason"], registry=r)
        self.stage = Histogram(
            "earshot_stage_seconds", "Time in a stage", ["stage"], buckets=_STAGE_BUCKETS, registry=r
        )
        self.failures = Counter("earshot_stage_failures", "Stages that failed", ["stage", "reason"], registry=r)
        self.fetched = Counter("earshot_fetched_bytes", "Bytes of media fetched", registry=r)
        self.perceived = Counter("earshot_clip_bytes", "Bytes of pixels and samples decoded", registry=r)
        self.audio = Counter("earshot_listened_seconds", "Seconds of sound listened to", registry=r)
        self.damaged = Counter(
            "earshot_damaged_packets", "Packets that did not decode and were passed over", registry=r
        )
        self.batch_fill = Histogram(
            "earshot_batch_fill_ratio", "Cases in a batch over the most", buckets=_FILL_BUCKETS, registry=r
        )
        self.cache = Counter("earshot_cache_lookups", "Where media tokens came from", ["tier"], registry=r)
        self.queue = Gauge("earshot_queue_depth", "Events waiting for a stage", ["stage"], registry=r)
        self.in_flight = Gauge("earshot_in_flight_events", "Events admitted and not finished", registry=r)
        self.in_flight_bytes = Gauge("earshot_in_flight_bytes", "Memory reserved for them", registry=r)
        self.uncommitted = Gauge("earshot_uncommitted_events", "Events delivered and not committed", registry=r)
        self.paused = Gauge("earshot_paused", "1 while no events are taken", registry=r)
        self.engines_resting = Gauge("earshot_engines_resting", "Engine threads that only fail, and rest", registry=r)
        self.publish_failures = Counter("earshot_publish_failures", "Transactions that failed", registry=r)
        self.published = Counter("earshot_published_records", "Records published", registry=r)
        self.lag = Gauge("earshot_consumer_lag", "Records not yet committed", ["topic", "partition"], registry=r)
        self.age = Histogram(
            "earshot_event_age_seconds", "Age of an event when its verdict leaves", buckets=_AGE_BUCKETS, registry=r
        )
        self.gpu_unused = Gauge("earshot_gpu_unused", "1 where a GPU is there and the CPU judges instead", registry=r)
        self.engine = Info("earshot_engine", "What judges", registry=r)

    @contextmanager
    def timed(self, stage: str) -> Iterator[None]:
        """Count and time a stage; failures are counted by the reason of their error."""
        started = perf_counter()
        try:
            yield
        except Exception as error:
            self.failures.labels(stage, getattr(error, "reason", "internal_error")).inc()
            raise
        finally:
            self.stage.labels(stage).observe(perf_counter() - started)

    def on_batch(self, batch: Batch, max_cases: int) -> None:
        """Note how full a batch was and where its media came from."""
        self.batch_fill.observe(len(batch.cases) / max_cases)
        for case in batch.cases:
            self.cache.labels(case.recall.tier).inc()
            if case.clip is not None:
                self.perceived.inc(case.clip.size_bytes)
                self._on_coverage(case.coverage)

    def _on_coverage(self, coverage: Coverage) -> None:
        self.audio.inc(coverage.audio_seconds)
        self.damaged.inc(coverage.damaged_packets)

    def on_verdicts(self, verdicts: tuple[Verdict, ...]) -> None:
        """Count answers."""
        for verdict in verdicts:
            self.verdicts.labels(verdict.task, verdict.action, verdict.state).inc()

    def on_lag(self, lags: Mapping[Partition, int]) -> None:
        """Take the lag of each partition from the client's statistics."""
        for (topic, partition), lag in lags.items():
            self.lag.labels(topic, str(partition)).set(lag)

    def exposition(self) -> bytes:
        """The text that Prometheus reads."""
        return generate_latest(self.registry)
