"""Where the outcomes of an experiment are, and its arms: in files or in topics. As options say it, and as tables."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from engines.data.rows import read_rows
from engines.outcomes.log import Layout, Table
from streamer.cli.ab.topic import Counted, arm_rows, latest, outcome_rows
from streamer.cli.common import progress, settings_from, since_ms_of
from streamer.errors import SettingsError
from streamer.kafka.options import KafkaOptions
from streamer.kafka.reader import count_offsets, read_topics
from streamer.kafka.topics import require_topics
from streamer.records import TASKS, Message


@dataclass(frozen=True, kw_only=True)
class Where:
    """A log, or else the topic of outcomes; and where arms are if the outcomes do not know them."""

    log: Path | None
    arms: Path | None
    arms_from_topic: bool
    experiment: str | None
    since_ms: int | None
    kafka: KafkaOptions | None


def where_from(
    log: Path | None,
    from_topic: bool,
    arms: Path | None,
    arms_from_topic: bool,
    experiment: str | None,
    since: str | None,
    brokers: str | None,
    config: Path | None,
) -> Where:
    """What the options say. Raises `SettingsError` for two sources or none, and for options that no source takes."""
    if from_topic == (log is not None):
        raise SettingsError("ab: expected a LOG, or --from-topic; one of the two")
    if arms is not None and arms_from_topic:
        raise SettingsError("ab: came --arms and --arms-from-topic, expected at most one of them")
    strangers = {"--experiment": experiment, "--since": since}
    if stray := [name for name, value in strangers.items() if value is not None and not from_topic]:
        raise SettingsError(f"ab: came {stray[0]} without --from-topic; it chooses among what is in the topic")
    if brokers is not None and not (from_topic or arms_from_topic):
        raise SettingsError("ab: came --brokers, expected --from-topic or --arms-from-topic beside")
    needs_kafka = from_topic or arms_from_topic
    return Where(
        log=log,
        arms=arms,
        arms_from_topic=arms_from_topic,
        experiment=experiment,
        since_ms=since_ms_of(since),
        kafka=settings_from(config, kafka__bootstrap_servers=brokers).kafka if needs_kafka else None,
    )


def tables(where: Where, layout: Layout) -> tuple[Table, Table | None, Counted | None]:
    """Outcomes, arms where they are apart, and what was found in the topic of outcomes, if that was read.

    Raises `SettingsError` where a topic is missing, `BrokerError` where nobody answers, `ValueError` for no table.
    """
    arms, counted = None, None
    if where.arms is not None:
        arms = Table(where.arms.name, read_rows(where.arms))
    elif where.arms_from_topic and where.kafka is not None:
        topics = [where.kafka.verdict_topic(task) for task in TASKS]
        arms = Table("verdicts", arm_rows(_messages(where.kafka, topics, None), layout))
    if where.log is not None:
        return Table(str(where.log), read_rows(where.log)), arms, None
    assert where.kafka is not None
    topic = where.kafka.topics.outcome_observed
    found = latest(_messages(where.kafka, [topic], where.since_ms), topic, where.experiment)
    rows, counted = outcome_rows(found, layout), found.counted
    return Table(topic, rows), arms, counted


def _messages(kafka: KafkaOptions, topics: list[str], since_ms: int | None) -> Iterator[Message]:
    require_topics(kafka, topics)
    with progress("records", count_offsets(kafka, topics, since_ms=since_ms)) as advance:
        for message in read_topics(kafka, topics, since_ms=since_ms):
            advance(1)
            yield message
