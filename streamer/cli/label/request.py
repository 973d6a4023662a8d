"""`earshot label request`: picks of `earshot select` to the topic of requests."""

from __future__ import annotations

import typer

from streamer.cli.common import BrokersOption, ConfigOption, JsonOption, errors_told, print_json, settings_from
from streamer.cli.label.common import PoolOption, RequestsArgument, requests_of


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
    from streamer.kafka.sender import send
    from streamer.kafka.topics import require_topics
    from streamer.wire import request_message

    with errors_told():
        options = settings_from(config, kafka__bootstrap_servers=brokers).kafka
        asked = requests_of(requests, pool)
        topic = options.topics.label_requested
        require_topics(options, [topic])
        send(options, (request_message(item, topic) for item in asked))
    if as_json:
        for item in asked:
            print_json({"request_id": item.request_id, "video_id": item.video_id, "task": item.task})
    else:
        typer.echo(f"requested {len(asked)} labels in {topic}")
