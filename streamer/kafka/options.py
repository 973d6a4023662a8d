"""What an operator can set about Kafka, and the librdkafka configuration that follows from it."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Any

from pydantic import Field, SecretStr, model_validator

from streamer.options import Options
from streamer.records import TASKS, Task


class Delivery(StrEnum):
    """What a reader of the verdict topics may rely on."""

    EXACTLY_ONCE = "exactly_once"
    AT_LEAST_ONCE = "at_least_once"


class Protocol(StrEnum):
    """The group protocol: `classic`, or `consumer` (KIP-848, brokers from 4.0 on)."""

    CLASSIC = "classic"
    CONSUMER = "consumer"


class TopicOptions(Options):
    """Names of topics, all of them a site's own choice. `{task}`, `{group}` and `{topic}` are filled in."""

    uploaded: str = "media.video.uploaded.v1"
    verdict: str = "moderation.verdict.{task}.v1"
    retry: str = "retry.{group}"
    dead_letter: str = "dlq.{group}.{topic}"
    label_requested: str = "moderation.label.requested.v1"
    label_applied: str = "moderation.label.applied.v1"
    outcome_observed: str = "moderation.outcome.observed.v1"
    partitions: int = Field(default=4, ge=1, le=10_000)
    replication_factor: int = Field(default=-1, ge=-1)

    @model_validator(mode="after")
    def _verdicts_apart(self) -> TopicOptions:
        if "{task}" not in self.verdict:
            raise ValueError(f"verdict={self.verdict!r}: expected a name with {{task}} in it, one topic per task")
        return self


class KafkaOptions(Options):
    """How to reach the broker and what to promise.

    `client` is handed to librdkafka as it is (`security.protocol`, `ssl.ca.location`, ...); the password stands apart
    so that it is never shown. `instance` makes the transactional id stable; without it the first free slot of
    this host is taken, in `instance_dir` (see `instance.py`). `rejoin_seconds`: without a share for that long after
    having lost one, the worker joins anew. `fetch_wait_seconds`: how long a broker that has no
    records holds its answer back; short, as a partition that flows again after a pause waits for that answer too.
    """

    bootstrap_servers: str = "localhost:9092"
    group: str = Field(default="earshot.default", min_length=1, max_length=200)
    delivery: Delivery = Delivery.EXACTLY_ONCE
    protocol: Protocol = Protocol.CLASSIC
    topics: TopicOptions = TopicOptions()
    instance: str | None = Field(default=None, min_length=1, max_length=100)
    instance_dir: Path | None = None
    commit_interval_seconds: float = Field(default=0.1, gt=0, le=10)
    transaction_timeout_seconds: float = Field(default=30.0, ge=2, le=900)
    publish_timeout_seconds: float = Field(default=20.0, ge=1, le=300)
    max_poll_interval_seconds: float = Field(default=60.0, ge=6, le=3600)
    session_timeout_seconds: float = Field(default=10.0, ge=0.5, le=300)
    rejoin_seconds: float = Field(default=30.0, ge=1, le=3600)
    fetch_wait_seconds: float = Field(default=0.1, gt=0, le=30)
    sasl_username: str | None = None
    sasl_password: SecretStr | None = None
    client: dict[str, str | int | float | bool] = Field(default_factory=dict)

    def verdict_topic(self, task: Task) -> str:
        """The topic of one task's verdicts."""
        return self.topics.verdict.format(task=task)

    @property
    def retry_topic(self) -> str:
        """Where this group's events wait for another try."""
        return self.topics.retry.format(group=self.group)

    @property
    def dead_letter_topic(self) -> str:
        """Where this group's events end that can never be judged."""
        return self.topics.dead_letter.format(group=self.group, topic=self.topics.uploaded)

    @property
    def all_topics(self) -> tuple[str, ...]:
        """Every topic that a running worker needs."""
        verdicts = (self.verdict_topic(task) for task in TASKS)
        return (self.topics.uploaded, *verdicts, self.retry_topic, self.dead_letter_topic)

    @property
    def further_topics(self) -> tuple[str, ...]:
        """Where videos worth a label are named, where the labels are, and what viewers did; a worker needs none."""
        return (self.topics.label_requested, self.topics.label_applied, self.topics.outcome_observed)

    @property
    def fetch_wait_ms(self) -> int:
        """`fetch_wait_seconds` as consumers take it."""
        return max(1, int(self.fetch_wait_seconds * 1000))

    def connection(self) -> dict[str, Any]:
        """librdkafka settings that every client shares."""
        config: dict[str, Any] = {
            "bootstrap.servers": self.bootstrap_servers,
            "log_level": 2,  # errors come as errors; the client's own lines would repeat them every 100 ms
            # Re-bootstrap gives up connections that calls still wait for: after a broker was killed or frozen,
            # librdkafka 2.16 hung in `send_offsets_to_transaction`, and a consumer never found its coordinator again.
            "metadata.recovery.strategy": "none",
            "reconnect.backoff.ms": 100,
            "reconnect.backoff.max.ms": 2000,
            **self.client,
        }
        if self.sasl_username is not None:
            config["sasl.username"] = self.sasl_username
        if self.sasl_password is not None:
            config["sasl.password"] = self.sasl_password.get_secret_value()
        return config

    def consumer(self) -> dict[str, Any]:
        """Settings of the group's consumer. Prefetch is small: events are light, the videos behind them heavy.

        Range spreads each topic by itself. Sticky and uniform assignors count partitions only: of two workers one got
        all events and the other the empty retry topic.
        """
        config = self.connection() | {
            "group.id": self.group,
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
            "isolation.level": "read_committed",
            "max.poll.interval.ms": int(self.max_poll_interval_seconds * 1000),
            "queued.max.messages.kbytes": 4096,
            "queued.min.messages": 1000,
            "statistics.interval.ms": 5000,
            "fetch.wait.max.ms": self.fetch_wait_ms,
        }
        if self.protocol is Protocol.CONSUMER:
            return config | {"group.protocol": "consumer", "group.remote.assignor": "range"}
        return config | {
            "partition.assignment.strategy": "range",
            "session.timeout.ms": int(self.session_timeout_seconds * 1000),
            "heartbeat.interval.ms": max(100, int(self.session_timeout_seconds * 1000 / 5)),
        }

    def producer(self, transactional_id: str | None) -> dict[str, Any]:
        """Settings of a producer; transactional when given an id.

        The short retry back-off keeps `send_offsets_to_transaction` from sleeping 100 ms when transactions follow
        each other (measured on Apache Kafka 4.4: 1-3 k records/s without, 20-27 k with it).
        """
        config = self.connection() | {
            "enable.idempotence": True,
            "linger.ms": 5,
            "compression.type": "lz4",
            "retry.backoff.ms": 5,
            "retry.backoff.max.ms": 5 if transactional_id else 1000,
        }
        if transactional_id is None:
            return config
        return config | {
            "transactional.id": transactional_id,
            "transaction.timeout.ms": int(self.transaction_timeout_seconds * 1000),
        }
