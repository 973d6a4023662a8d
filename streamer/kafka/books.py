"""The audit of a group, read from its topics."""

from __future__ import annotations

from streamer.audit import Audit, AuditReport
from streamer.kafka.options import KafkaOptions
from streamer.kafka.reader import committed_offsets, read_topics
from streamer.records import TASKS


def audit_group(options: KafkaOptions) -> AuditReport:
    """Balance a group's books. Raises `BrokerError` when the brokers do not answer.

    Offsets are read before the topics: whatever is committed by then has its outputs in the topics already.
    """
    committed = committed_offsets(options, options.topics.uploaded)
    retried = committed_offsets(options, options.retry_topic)
    audit = Audit()
    audit.add_events(read_topics(options, [options.topics.uploaded]))
    audit.add_retries(read_topics(options, [options.retry_topic]), retried)
    audit.add_verdicts(read_topics(options, [options.verdict_topic(task) for task in TASKS]))
    audit.add_letters(read_topics(options, [options.dead_letter_topic]))
    return audit.report(committed)
