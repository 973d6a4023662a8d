"""`earshot label show`: what stands in the topics of labels."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from streamer.cli.common import BrokersOption, ConfigOption, JsonOption, errors_told, print_json, settings_from

if TYPE_CHECKING:
    from streamer.records import Label, LabelRequest


class What(StrEnum):
    """The two topics."""

    REQUESTED = "requested"
    APPLIED = "applied"


def show(
    what: Annotated[What, typer.Argument(help="Requests, or the labels that were given.")],
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on with records as they come.")] = False,
    brokers: BrokersOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Print the topic of requests or of labels, each record once; with --json, a file for the other commands.

    Example: earshot label show applied --json > answers.jsonl && earshot label import answers.jsonl
    """
    from streamer import wire
    from streamer.kafka.reader import follow_topics, read_topics

    seen: set[str] = set()
    with errors_told():
        options = settings_from(config, kafka__bootstrap_servers=brokers).kafka
        asked = what is What.REQUESTED
        topic = [options.topics.label_requested if asked else options.topics.label_applied]
        messages = follow_topics(options, topic) if follow else read_topics(options, topic)
        try:
            for message in messages:
                if message is None:
                    continue
                record = wire.parse_request(message) if asked else wire.parse_label(message)
                if record is not None and _name(record) not in seen:
                    seen.add(_name(record))
                    print_json(record) if as_json else typer.echo(_line(record))
        except KeyboardInterrupt:
            return


def _name(record: Label | LabelRequest) -> str:
    from streamer.records import Label

    return record.label_id if isinstance(record, Label) else record.request_id


def _line(record: Label | LabelRequest) -> str:
    from streamer.records import Label

    if isinstance(record, Label):
        said = f"{record.value}  by {record.rater}" + (", adjudicated" if record.adjudicated else "")
        return f"{record.video_id:24} {record.task:10} {said}"
    score = "  -  " if record.score is None else f"{record.score:.3f}"
    return f"{record.video_id:24} {record.task:10} {score}  {record.reason}"
