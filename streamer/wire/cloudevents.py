"""The envelope: Kafka records <-> CloudEvents 1.0, binary mode (`ce_*` headers) and structured mode (one JSON object).

Written after the CloudEvents Kafka protocol binding 1.0.2. Two things are tolerated beyond it: five bytes of
schema-registry framing before the JSON, and a missing type. Pure; raises `MalformedEventError` (poison) that says
where and why.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Literal, NoReturn, TypeVar

import msgspec
from msgspec import Meta

from streamer.errors import MalformedEventError
from streamer.records import Headers, Message

# Together below 1,000,000 bytes, which Kafka clients send without being told to: a retry or a dead letter of what was
# accepted can always be sent.
MAX_VALUE_BYTES = 524_288
MAX_BESIDE_BYTES = 65_536
MAX_ATTRIBUTE_LENGTH = 1_024

T = TypeVar("T")
Attribute = Annotated[str, Meta(min_length=1, max_length=MAX_ATTRIBUTE_LENGTH)]

_STRUCTURED = "application/cloudevents"
_FRAMING_BYTES = 5  # magic byte 0 and a schema id, as schema registries put before a value
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_TRACEPARENT = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}(-.*)?")
_AT = re.compile(r"^(?P<why>.*?)(?: - at `(?P<path>\$.*)`)?$", re.DOTALL)
_MISSING = re.compile(r"missing required field `(?P<field>[^`]+)`")


@dataclass(frozen=True, slots=True)
class Envelope:
    """The attributes of one CloudEvent and its data: JSON text that is not yet read. `root` is its JSON path."""

    event_id: str
    source: str
    event_type: str | None
    traceparent: str | None
    data: bytes
    root: str


class BinaryHeaders(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    rename={
        "specversion": "ce_specversion",
        "event_id": "ce_id",
        "source": "ce_source",
        "event_type": "ce_type",
        "subject": "ce_subject",
        "time": "ce_time",
        "content_type": "content-type",
    },
):
    """Headers of a record in CloudEvents binary mode. All values are UTF-8 text."""

    event_id: Annotated[Attribute, Meta(description="Names the event together with its source.")]
    source: Annotated[Attribute, Meta(description="Who emitted it; a URI reference.")]
    specversion: Literal["1.0"] = "1.0"
    event_type: str | None = None
    subject: Annotated[str | None, Meta(description="The video.")] = None
    time: str | None = None
    content_type: str = "application/json"
    traceparent: Annotated[str | None, Meta(description="W3C trace context.")] = None


class _Structured(msgspec.Struct):
    id: str
    source: str
    specversion: str = "1.0"
    type: str | None = None
    datacontenttype: str | None = None
    traceparent: str | None = None
    data: msgspec.Raw = msgspec.Raw()
    data_base64: bytes | None = None


def open_envelope(message: Message) -> Envelope:
    """Reads the attributes of either mode.

    Raises:
        MalformedEventError: poison; no CloudEvent, too large, or an attribute that cannot be used.
    """
    value = _json_bytes(message.value)
    if beside_bytes(message) > MAX_BESIDE_BYTES:
        malformed("headers", f"came {beside_bytes(message)} bytes with the key, expected at most {MAX_BESIDE_BYTES}")
    content_type = _header(message.headers, "content-type") or ""
    if content_type.lower().startswith(_STRUCTURED):
        return _open_structured(value, content_type, message.headers)
    return _open_binary(value, content_type, message.headers)


def beside_bytes(message: Message) -> int:
    """Size of key and headers."""
    return len(message.key or b"") + sum(len(name) + len(value or b"") for name, value in message.headers)


def encode_headers(headers: BinaryHeaders) -> Headers:
    """As Kafka carries them; None is left out."""
    return tuple((name, text.encode()) for name, text in msgspec.to_builtins(headers).items() if text is not None)


def decode_json(decoder: msgspec.json.Decoder[T], text: bytes, root: str) -> T:
    """Decodes and validates.

    Raises:
        MalformedEventError: poison; begins with the JSON path of what is wrong, below `root`.
    """
    try:
        return decoder.decode(text)
    except RecursionError:
        malformed(root, "nested too deeply")
    except (msgspec.DecodeError, ValueError) as error:
        match = _AT.match(str(error))
        why, path = (match["why"], match["path"]) if match else (str(error), None)
        where = root + (path or "$")[1:]
        missing = _MISSING.search(why)
        if missing:
            where, why = f"{where}.{missing['field']}", "missing, and it is required"
        malformed(where, why)


def read_record(decoder: msgspec.json.Decoder[T], message: Message, type_of: Callable[[T], str]) -> T | None:
    """The record in a message that Earshot wrote; None when it holds none, or one of another type. Never raises."""
    try:
        envelope = open_envelope(message)
        record = decode_json(decoder, envelope.data, envelope.root)
    except MalformedEventError:
        return None
    return record if envelope.event_type in (None, type_of(record)) else None


def identity(kind: str, *parts: str | None) -> str:
    """64 hex digits that are the same for the same parts of the same kind of record.

    SHA-256 over the parts, each behind its length, so that no two lists of parts share their bytes; None differs
    from every text.
    """
    digest = hashlib.sha256(kind.encode())
    for part in parts:
        text = b"" if part is None else part.encode()
        digest.update((0 if part is None else len(text) + 1).to_bytes(8, "big") + text)
    return digest.hexdigest()


def valid_traceparent(text: str | None) -> str | None:
    """The text if it is a W3C trace context `traceparent`, else None: a bad one is to be ignored (W3C, 2021)."""
    match = _TRACEPARENT.fullmatch(text) if text is not None and len(text) <= MAX_ATTRIBUTE_LENGTH else None
    if match is None or match[1] == "ff" or not match[2].strip("0") or not match[3].strip("0"):
        return None
    return None if match[1] == "00" and match[4] is not None else text


def malformed(where: str, why: str) -> NoReturn:
    """Raises the error of this file.

    Raises:
        MalformedEventError: poison; always.
    """
    raise MalformedEventError(f"{where}: {why}")


def _json_bytes(value: bytes | None) -> bytes:
    """The JSON text of a record's value."""
    if value is None:
        malformed("value", "came null (a tombstone), expected an event")
    if not value:
        malformed("value", "came 0 bytes, expected an event")
    if len(value) > MAX_VALUE_BYTES:
        malformed("value", f"came {len(value)} bytes, expected at most {MAX_VALUE_BYTES}: send a URI, not the media")
    return value[_FRAMING_BYTES:] if value[:1] == b"\x00" else value


def _open_binary(value: bytes, content_type: str, headers: Headers) -> Envelope:
    _check_json_type("header content-type", content_type)
    _check_version("header ce_specversion", _header(headers, "ce_specversion"))
    return Envelope(
        event_id=_attribute("header ce_id", _header(headers, "ce_id")),
        source=_attribute("header ce_source", _header(headers, "ce_source")),
        event_type=_header(headers, "ce_type"),
        traceparent=_traceparent(headers, None),
        data=value,
        root="$",
    )


def _open_structured(value: bytes, content_type: str, headers: Headers) -> Envelope:
    if content_type.lower().split(";")[0].strip() != f"{_STRUCTURED}+json":
        malformed("header content-type", f"came {_quoted(content_type)}, expected {_STRUCTURED}+json")
    event = decode_json(_STRUCTURED_DECODER, value, "$")
    _check_version("$.specversion", event.specversion)
    _check_json_type("$.datacontenttype", event.datacontenttype or "")
    data = event.data_base64 or bytes(event.data)
    if not data:
        malformed("$.data", "missing, and it is required")
    return Envelope(
        event_id=_attribute("$.id", event.id),
        source=_attribute("$.source", event.source),
        event_type=event.type,
        traceparent=_traceparent(headers, event.traceparent),
        data=data,
        root="$.data",
    )


_STRUCTURED_DECODER = msgspec.json.Decoder(_Structured)


def _header(headers: Headers, name: str) -> str | None:
    """The one value of a header as text; None when absent. The same value twice is tolerated."""
    values = {value for key, value in headers if key == name and value is not None}
    if len(values) > 1:
        malformed(f"header {name}", f"came {len(values)} times with different values, expected once")
    for value in values:
        try:
            return value.decode()
        except UnicodeDecodeError:
            malformed(f"header {name}", "came bytes that are not UTF-8, expected text")
    return None


def _attribute(where: str, text: str | None) -> str:
    if text is None:
        malformed(where, "missing, and it is required")
    if not 0 < len(text) <= MAX_ATTRIBUTE_LENGTH or _CONTROL.search(text):
        expected = f"1 to {MAX_ATTRIBUTE_LENGTH} without control characters"
        malformed(where, f"came {_quoted(text)} of {len(text)} characters, expected {expected}")
    return text


def _traceparent(headers: Headers, attribute: str | None) -> str | None:
    """Of the transport first, then of the event (CloudEvents distributed tracing extension)."""
    for name in ("traceparent", "ce_traceparent"):
        for key, value in headers:
            if key == name and value is not None:
                found = valid_traceparent(value.decode(errors="replace"))
                if found is not None:
                    return found
    return valid_traceparent(attribute)


def _check_version(where: str, version: str | None) -> None:
    if version not in (None, "1.0"):
        malformed(where, f"came {_quoted(version)}, expected 1.0")


def _check_json_type(where: str, content_type: str) -> None:
    media_type = content_type.lower().split(";")[0].strip()
    if media_type and media_type != "application/json" and not media_type.endswith("+json"):
        malformed(where, f"came {_quoted(content_type)}, expected application/json")


def _quoted(text: str | None) -> str:
    """For error texts: short, and control characters shown as escapes."""
    return repr(text if text is None or len(text) <= 80 else text[:77] + "...")
