"""`earshot label request`: picks of `earshot select` to the topic of requests."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import typer

from streamer.cli.common import BrokersOption, ConfigOption, JsonOption, errors_told, print_json, settings_from
from streamer.cli.label.common import PoolOption, RequestsArgument, requests_of

if TYPE_CHECKING:
    from streamer.kafka.options import KafkaOptions
    from streamer.records import LabelRequest


def request(
    requests: RequestsArgument,
    pool: PoolOption = None,
    brokers: BrokersOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Publish a file of picks: one request for each video, task and bundle, under an id that is always the same.

    Example: earshot label request requests.jsonl --pool pool.jsonl --brokers broker:9092
    """
    from streamer.kafka.topics import require_topics

    with errors_told():
        options = settings_from(config, kafka__bootstrap_servers=brokers).kafka
        asked = requests_of(requests, pool)
        topic = options.topics.label_requested
        require_topics(options, [topic])
        publish(options, asked)
    if as_json:
        for item in asked:
            print_json({"request_id": item.request_id, "video_id": item.video_id, "task": item.task})
    else:
        typer.echo(f"requested {len(asked)} labels in {topic}")


def publish(options: KafkaOptions, asked: Sequence[LabelRequest]) -> int:
    """Requests to their topic; how many. Raises `BrokerError` when any is not acknowledged."""
    from streamer.kafka.sender import send
    from streamer.wire import request_message

    return send(options, (request_message(item, options.topics.label_requested) for item in asked))
