"""A group on a real broker: its settings, its workers as processes, and its books, kept in two independent ways."""

from __future__ import annotations

import json
import signal
import sys
import time
import uuid
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import yaml
from confluent_kafka import Consumer, KafkaError, TopicPartition

from streamer import wire
from streamer.audit import AuditReport
from streamer.kafka.books import audit_group
from streamer.kafka.options import KafkaOptions
from streamer.kafka.reader import committed_offsets
from streamer.kafka.sender import send
from streamer.kafka.topics import apply_topics
from streamer.records import TASKS, Event
from streamer.settings import Settings, load_settings
from tests.services.child import Child
from tests.services.kafka import Broker

ROOT = Path(__file__).parents[2]
PATIENCE_SECONDS = 120.0


def wait_for(what: Callable[[], bool], why: str, *, workers: Sequence[WorkerProcess] = ()) -> None:
    """Return when it is so. Raises with the logs of workers that ended meanwhile, or when it takes far too long."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not what():
        for worker in workers:
            if not worker.running:
                raise AssertionError(f"a worker ended while waiting for {why}:\n{worker.log_tail()}")
        if time.monotonic() > deadline:
            for worker in workers:
                worker.signal(signal.SIGUSR1)
            time.sleep(1.0)
            tails = "\n".join(worker.log_tail() for worker in workers)
            raise AssertionError(f"waited {PATIENCE_SECONDS:.0f} s for {why}\n{tails}")
        time.sleep(0.1)


class WorkerProcess(Child):
    """A worker as `earshot run` starts it."""

    def signal(self, number: int) -> None:
        self._process.send_signal(number)

    def wait(self) -> int:
        """The exit status; minus the signal where one ended it."""
        return self._process.wait(PATIENCE_SECONDS)

    def leave(self) -> int:
        """SIGTERM; the exit status."""
        self.signal(signal.SIGTERM)
        return self.wait()


class Group:
    """One group of workers with topics of its own."""

    def __init__(self, broker: Broker, folder: Path, clips: Sequence[Path], **settings: Any) -> None:
        name = f"t{uuid.uuid4().hex[:10]}"
        self.broker = broker
        self.sent = 0
        self._clips = clips
        self._folder = folder
        self._workers = 0
        self.values = merged(
            {
                "kafka": {
                    "bootstrap_servers": broker.bootstrap,
                    "group": name,
                    "topics": {
                        "uploaded": f"{name}.in",
                        "verdict": f"{name}.{{task}}",
                        "label_requested": f"{name}.requested",
                        "label_applied": f"{name}.applied",
                        "outcome_observed": f"{name}.outcomes",
                        "replication_factor": 1,
                    },
                    "instance_dir": str(folder / "instances"),
                    "session_timeout_seconds": 2.0,
                    "commit_interval_seconds": 0.02,
                },
                "fetch": {"file_roots": [str(clips[0].parent)]},
                "worker": {"max_in_flight_events": 16},
                "admin": {"port": None},
                "flow": {"decode_threads": 1, "fetch_threads": 2},
                "log": {"format": "json"},
            },
            settings,
        )
        self.config = folder / f"{name}.yaml"
        self.config.write_text(yaml.safe_dump(self.values))
        apply_topics(self.kafka)

    @property
    def settings(self) -> Settings:
        return load_settings(self.config)

    @property
    def kafka(self) -> KafkaOptions:
        return self.settings.kafka

    def events(self, count: int, **changes: Any) -> list[Event]:
        """Events that nobody has sent yet, over the clips in turn."""
        made = []
        for number in range(self.sent, self.sent + count):
            fields: dict[str, Any] = {
                "event_id": f"e{number}",
                "source": "/test",
                "video_id": f"v{number}",
                "uri": self._clips[number % len(self._clips)].as_uri(),
                "title": "a red star",
                "query": "a bell",
                "tasks": TASKS,
            }
            made.append(Event(**(fields | changes)))
        self.sent += count
        return made

    def send(self, count: int, **changes: Any) -> None:
        """Send so many new events."""
        send(
            self.kafka,
            [wire.event_message(event, self.kafka.topics.uploaded) for event in self.events(count, **changes)],
        )

    def worker(self, *arguments: str) -> WorkerProcess:
        """Start a worker process; arguments as of `runner.py`."""
        self._workers += 1
        command = [sys.executable, "-m", "tests.stream.runner", str(self.config), *arguments]
        return WorkerProcess(command, log=self._folder / f"worker-{self._workers}.log", cwd=ROOT)

    def committed(self) -> int:
        """How many events the group has left behind."""
        return sum(committed_offsets(self.kafka, self.kafka.topics.uploaded).values())

    def marks(self) -> dict[tuple[str, int], int]:
        """The present end of every partition of the event topic."""
        consumer = Consumer({"bootstrap.servers": self.broker.bootstrap, "group.id": "reader"})
        try:
            topic = self.kafka.topics.uploaded
            places = [TopicPartition(topic, number) for number in consumer.list_topics(topic).topics[topic].partitions]
            return {(topic, item.partition): consumer.get_watermark_offsets(item)[1] for item in places}
        finally:
            consumer.close()

    def passed(self, marks: dict[tuple[str, int], int]) -> bool:
        """Whether the group has left behind everything before the marks."""
        committed = committed_offsets(self.kafka, self.kafka.topics.uploaded)
        return all(committed.get(place, 0) >= end for place, end in marks.items())

    def wait_until(self, committed: int, *workers: WorkerProcess) -> None:
        """Return when the group has left so many events behind."""
        wait_for(lambda: self.committed() >= committed, f"{committed} of {self.sent} events", workers=workers)

    def audit(self) -> AuditReport:
        return audit_group(self.kafka)

    def verdicts(self) -> list[dict[str, Any]]:
        """Every verdict that a plain consumer of committed records sees; no code of the stream has a part in it."""
        topics = [self.kafka.verdict_topic(task) for task in TASKS]
        return [json.loads(value) for value in plain_read(self.broker.bootstrap, topics)]

    def assert_exactly_once(self) -> None:
        """By the audit, and by counting (event, task) pairs in the verdict topics."""
        report = self.audit()
        assert (report.lost, report.duplicated, report.in_flight) == (0, 0, 0), report
        counts = Counter((verdict["event_id"], verdict["task"]) for verdict in self.verdicts())
        assert counts == {(f"e{number}", str(task)): 1 for number in range(self.sent) for task in TASKS}


def merged(values: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """Nested dicts, the second wins."""
    return values | {
        key: merged(values[key], value) if isinstance(value, dict) and key in values else value
        for key, value in changes.items()
    }


def plain_read(bootstrap: str, topics: Sequence[str]) -> list[bytes]:
    """Values of all committed records, by a consumer as anybody would write it."""
    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap,
            "group.id": "reader",
            "enable.partition.eof": True,
            "isolation.level": "read_committed",
        }
    )
    try:
        listed = consumer.list_topics(timeout=30).topics
        places = [TopicPartition(topic, number, 0) for topic in topics for number in listed[topic].partitions]
        consumer.assign(places)
        values, ended = [], 0
        while ended < len(places):
            record = consumer.poll(30)
            assert record is not None, "the broker does not answer"
            error = record.error()
            if error is None:
                values.append(record.value() or b"")
            elif error.code() == KafkaError._PARTITION_EOF:
                ended += 1
        return values
    finally:
        consumer.close()
