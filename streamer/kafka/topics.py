"""Topics: which ones a group needs, which are there, and how to create the rest. Never silently."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import msgspec
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from streamer.errors import BrokerError, SettingsError
from streamer.kafka.errors import explain
from streamer.kafka.options import KafkaOptions

_TIMEOUT_SECONDS = 15.0
_AGAIN_SECONDS = 0.05
_DAY_MS = 24 * 3600 * 1000


class TopicPlan(msgspec.Struct, frozen=True, kw_only=True):
    """One topic that the group needs. `partitions` of a topic that exists is what it has."""

    topic: str
    exists: bool
    partitions: int
    config: dict[str, str]


def plan_topics(options: KafkaOptions, topics: Sequence[str] | None = None) -> list[TopicPlan]:
    """These topics, by default all that a worker needs, beside what the cluster has.

    Raises `BrokerError` when nobody answers.
    """
    there = _existing(options)
    return [
        TopicPlan(
            topic=topic,
            exists=topic in there,
            partitions=there.get(topic, options.topics.partitions),
            config=_config(options, topic),
        )
        for topic in topics or options.all_topics
    ]


def apply_topics(options: KafkaOptions, topics: Sequence[str] | None = None) -> list[TopicPlan]:
    """Create what is missing; the plan as it stands afterwards. Raises `BrokerError` when the cluster refuses.

    Brokers learn of a new topic a moment after the controller has made it; that is waited for.
    """
    missing = [item for item in plan_topics(options, topics) if not item.exists]
    if missing:
        admin = AdminClient(options.connection())
        new = [
            NewTopic(
                item.topic,
                num_partitions=item.partitions,
                replication_factor=options.topics.replication_factor,
                config=item.config,
            )
            for item in missing
        ]
        for topic, future in admin.create_topics(new, request_timeout=_TIMEOUT_SECONDS).items():
            try:
                future.result()
            except KafkaException as error:
                raise BrokerError(f"cannot create topic {topic}: {explain(error)}") from error
    deadline = time.monotonic() + _TIMEOUT_SECONDS
    plan = plan_topics(options, topics)
    while not all(item.exists for item in plan) and time.monotonic() < deadline:
        time.sleep(_AGAIN_SECONDS)
        plan = plan_topics(options, topics)
    return plan


def require_topics(options: KafkaOptions, topics: Sequence[str] | None = None) -> None:
    """Raise `SettingsError` naming the topics that are missing and the command that creates them."""
    missing = [item.topic for item in plan_topics(options, topics) if not item.exists]
    if missing:
        raise SettingsError(
            f"{options.bootstrap_servers} lacks {', '.join(missing)}; create them with: earshot topics apply"
        )


def _existing(options: KafkaOptions) -> dict[str, int]:
    try:
        listed = AdminClient(options.connection()).list_topics(timeout=_TIMEOUT_SECONDS)
    except KafkaException as error:
        raise BrokerError(f"no answer from Kafka at {options.bootstrap_servers}: {explain(error)}") from error
    return {name: len(entry.partitions) for name, entry in listed.topics.items() if entry.error is None}


def _config(options: KafkaOptions, topic: str) -> dict[str, str]:
    """Dead letters wait for a person, 30 days; labels are what people's time was spent on, and stay.

    Outcomes stay 90 days: longer than an experiment should run, and no longer, as they may be about people.
    """
    config: dict[str, Any] = {"compression.type": "producer"}
    if topic == options.dead_letter_topic:
        config["retention.ms"] = str(30 * _DAY_MS)
    if topic == options.topics.outcome_observed:
        config["retention.ms"] = str(90 * _DAY_MS)
    if topic == options.topics.label_applied:
        config["retention.ms"] = "-1"
    return config
