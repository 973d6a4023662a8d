"""Labels on the wire: requests for them, and the labels that people gave. Pure; CloudEvents binary mode.

Both are named by what they say, so a record that comes twice can be told: whoever keeps them by their id keeps each
once.
"""

from __future__ import annotations

import msgspec

from streamer.records import Label, LabelRequest, Message, Outgoing, Task
from streamer.wire.cloudevents import BinaryHeaders, encode_headers, identity, read_record

REQUESTED_TYPE = "moderation.label.requested.v1"
APPLIED_TYPE = "moderation.label.applied.v1"

_SOURCE = "/earshot/label"
_REQUEST = msgspec.json.Decoder(LabelRequest)
_LABEL = msgspec.json.Decoder(Label)


def request_message(request: LabelRequest, topic: str) -> Outgoing:
    """A record keyed by the video; its CloudEvents id is the request's."""
    return _message(request, topic, request.request_id, REQUESTED_TYPE, request.requested_at)


def parse_request(message: Message) -> LabelRequest | None:
    """The request in a message; None when it holds none, or something else. Never raises."""
    return read_record(_REQUEST, message, lambda _: REQUESTED_TYPE)


def label_message(label: Label, topic: str) -> Outgoing:
    """A record keyed by the video; its CloudEvents id is the label's."""
    return _message(label, topic, label.label_id, APPLIED_TYPE, label.applied_at)


def parse_label(message: Message) -> Label | None:
    """The label in a message; None when it holds none, or something else. Never raises."""
    return read_record(_LABEL, message, lambda _: APPLIED_TYPE)


def request_id(video_id: str, task: Task, query: str | None, bundle: str) -> str:
    """64 hex digits that are the same whenever the same bundle asks for the same answer."""
    return identity("earshot.label.request.v1", video_id, str(task), query, bundle)


def label_id(
    *,
    video_id: str,
    task: Task,
    query: str | None,
    value: int,
    rater: str,
    adjudicated: bool,
    labelled_at: str | None,
) -> str:
    """64 hex digits that are the same whenever the same rater said the same thing at the same time, if it is known.

    Where and when Earshot was told makes no difference: a file that is taken in twice adds nothing.
    """
    said = (str(value), rater, "adjudicated" if adjudicated else None, labelled_at)
    return identity("earshot.label.v1", video_id, str(task), query, *said)


def _message(record: Label | LabelRequest, topic: str, name: str, kind: str, time: str | None) -> Outgoing:
    headers = BinaryHeaders(event_id=name, source=_SOURCE, event_type=kind, subject=record.video_id, time=time)
    return Outgoing(topic, record.video_id.encode(), msgspec.json.encode(record), encode_headers(headers))
