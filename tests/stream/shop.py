"""A worker on a list of messages with the real pipeline, and a web server that answers when the test says so."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry

from streamer import wire
from streamer.admin import Health
from streamer.assemble import outbox
from streamer.commit import Committer
from streamer.flow import Flow
from streamer.metrics import Metrics
from streamer.pipeline import Pipeline
from streamer.records import TASKS, Event, Message, Outgoing, Position, Task, Verdict
from streamer.settings import Settings, load_settings
from streamer.settle import Settlement
from streamer.testing import FakeClock, ListStream, message_of
from streamer.worker import Clocks, Worker
from tests.fetch.servers import Server, response

PATIENCE_SECONDS = 60.0
START_MS = 1_700_000_000_000


class Gate:
    """Serves files on loopback: `/now/x` at once, `/held/x` when `release(x)` was called, `/broken/x` never."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        self._released: dict[str, threading.Event] = {}
        self.mended = False
        self._server = Server(self._answer)
        self.port = self._server.port

    def url(self, path: str) -> str:
        return self._server.url(f"/{path}")

    def release(self, name: str) -> None:
        self._gate(name).set()

    def close(self) -> None:
        for gate in self._released.values():
            gate.set()
        self._server.close()

    def _gate(self, name: str) -> threading.Event:
        with self._lock:
            return self._released.setdefault(name, threading.Event())

    def _answer(self, request: bytes) -> Iterable[bytes]:
        _, kind, name = request.split(b" ")[1].decode().split("/")
        if kind == "broken" and not self.mended:
            yield response(503)
            return
        if kind == "held":
            self._gate(name).wait(PATIENCE_SECONDS)
        yield response(200, (self._folder / name.partition("_")[2]).read_bytes())


class Shop:
    """One worker and what it reads and writes. Settings are overrides by dotted name."""

    def __init__(
        self,
        pipeline: Pipeline,
        messages: Iterable[Message],
        *,
        monotonic: Callable[[], float] = time.monotonic,
        event_size_bytes: int = 1,
        **overrides: Any,
    ) -> None:
        self.settings = settings(**overrides)
        self.kafka = self.settings.kafka
        self.stream = ListStream(list(messages))
        self.metrics = Metrics()
        self.unix = FakeClock(START_MS)
        self.health = Health(monotonic)
        clocks = Clocks(monotonic, lambda: int(self.unix()))
        self.worker = Worker(
            stream=self.stream,
            flow=Flow(
                pipeline,
                self.settings.flow,
                self.settings.batch,
                self.settings.brake,
                self.metrics,
                monotonic,
            ),
            settlement=Settlement(outbox(self.kafka), pipeline, self.settings.retry, self.metrics, clocks.unix_ms),
            committer=Committer(
                self.stream,
                interval_seconds=self.kafka.commit_interval_seconds,
                metrics=self.metrics,
                clock=monotonic,
            ),
            options=self.settings.worker,
            event_bytes=event_size_bytes,
            event_topic=self.kafka.topics.uploaded,
            retry_topic=self.kafka.retry_topic,
            metrics=self.metrics,
            health=self.health,
            clocks=clocks,
        )

    def run(self, until: Callable[[], bool]) -> None:
        """Run until it is so, then drain. Raises when it takes far too long."""
        deadline = time.monotonic() + PATIENCE_SECONDS

        def enough() -> bool:
            if time.monotonic() > deadline:
                raise AssertionError(f"waited {PATIENCE_SECONDS:.0f} s: {self.stream.offsets}, {self.stream.waiting}")
            time.sleep(0.001)
            return until()

        self.worker.run(enough)

    def run_all(self) -> None:
        """Run until nothing waits any more."""
        self.run(lambda: not self.stream.waiting and self.worker.idle)

    def ended(self, outcome: str) -> int:
        """How many events ended as verdict, dead_letter or retry; published or not."""
        return int(sample(self.metrics.registry, "earshot_events_total", outcome=outcome))

    def verdicts(self) -> dict[tuple[str, Task], Verdict]:
        """The published verdicts. Fails when any was published twice."""
        found: dict[tuple[str, Task], Verdict] = {}
        for output in self.stream.outputs:
            verdict = wire.parse_verdict(message_of(output, 0))
            if verdict is not None:
                assert (verdict.event_id, verdict.task) not in found, "published twice"
                found[verdict.event_id, verdict.task] = verdict
        return found

    def letters(self) -> list[Message]:
        """The published dead letters."""
        topic = self.kafka.dead_letter_topic
        return [message_of(output, n) for n, output in enumerate(self.stream.outputs) if output.topic == topic]

    def retries(self) -> list[Message]:
        """The published retries, as they would be read."""
        topic = self.kafka.retry_topic
        found = [output for output in self.stream.outputs if output.topic == topic]
        return [message_of(output, n, timestamp_ms=int(self.unix())) for n, output in enumerate(found)]


def settings(**overrides: Any) -> Settings:
    """Settings with dots written as two underscores."""
    values = {
        "kafka.commit_interval_seconds": 0.01,
        "flow.fetch_threads": 4,
        "flow.decode_threads": 1,
        "batch.max_wait_seconds": 0.0,
    }
    return load_settings(None, values | {name.replace("__", "."): value for name, value in overrides.items()})


def sample(registry: CollectorRegistry, name: str, **labels: str) -> float:
    """A value of an instrument, 0 when it was never touched."""
    return registry.get_sample_value(name, labels) or 0.0


def event(number: int, uri: str, **changes: Any) -> Event:
    fields: dict[str, Any] = {
        "event_id": f"e{number}",
        "source": "/test",
        "video_id": f"v{number}",
        "uri": uri,
        "title": "a red star",
        "tasks": TASKS[:2],
    }
    return Event(**(fields | changes))


def message(found: Event, offset: int, *, partition: int = 0, timestamp_ms: int = START_MS) -> Message:
    """The event as it is read from the event topic."""
    return message_of(uploaded(found), offset, partition=partition, timestamp_ms=timestamp_ms)


def uploaded(found: Event) -> Outgoing:
    return wire.event_message(found, settings().kafka.topics.uploaded)


def garbage(value: bytes, offset: int) -> Message:
    return Message(Position(settings().kafka.topics.uploaded, 0, offset), b"k", value, (), START_MS)
