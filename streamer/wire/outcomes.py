"""Outcomes on the wire: what viewers did, for experiments. Pure; CloudEvents binary mode.

Whoever counts viewers writes them, so a record that cannot be used is a value that says why: it is counted, not lost.
"""

from __future__ import annotations

import msgspec

from streamer.errors import MalformedEventError
from streamer.records import Message, Outcome, Outgoing, Rejected
from streamer.wire.cloudevents import BinaryHeaders, decode_json, encode_headers, identity, malformed, open_envelope

OBSERVED_TYPE = "moderation.outcome.observed.v1"

_SOURCE = "/earshot/ab"
_OUTCOME = msgspec.json.Decoder(Outcome)


def outcome_message(outcome: Outcome, topic: str) -> Outgoing:
    """A record keyed by the unit, so that those of one unit stay in order; its CloudEvents id is the outcome's."""
    headers = BinaryHeaders(
        event_id=outcome.outcome_id,
        source=_SOURCE,
        event_type=OBSERVED_TYPE,
        subject=outcome.unit,
        time=outcome.observed_at,
    )
    return Outgoing(topic, outcome.unit.encode(), msgspec.json.encode(outcome), encode_headers(headers))


def parse_outcome(message: Message) -> Outcome | Rejected:
    """The outcome in a message, or why there is none: never raises.

    `Rejected.error` begins with the JSON path or header that is wrong ("$.unit: missing, ...").
    """
    try:
        envelope = open_envelope(message)
        if envelope.event_type not in (None, OBSERVED_TYPE):
            malformed("type", f"came {envelope.event_type[:80]!r}, expected {OBSERVED_TYPE!r}")
        return decode_json(_OUTCOME, envelope.data, envelope.root)
    except MalformedEventError as error:
        return Rejected(message, error.reason, str(error))


def outcome_id(experiment: str | None, unit: str, observed_at: str, number: int) -> str:
    """64 hex digits that are the same for the same row of a mended file: its correction replaces it.

    number: which of the file's rows on this unit and time it is, from 0 on.
    """
    return identity("earshot.outcome.v1", experiment, unit, observed_at, str(number))
