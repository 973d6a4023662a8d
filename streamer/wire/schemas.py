"""The contract for machines, generated from the records: JSON Schemas (2020-12) and an AsyncAPI 3 document.

`python -m streamer.wire.schemas FOLDER` writes them; `make schemas` into docs/schemas, where a test keeps them in step.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import yaml

import streamer
from streamer.records import TASKS, Label, LabelRequest, Outcome, Verdict
from streamer.wire import APPLIED_TYPE, EVENT_TYPE, OBSERVED_TYPE, REQUESTED_TYPE, EventData, verdict_type
from streamer.wire.cloudevents import BinaryHeaders
from streamer.wire.letters import DeadLetterHeaders, RetryHeaders

_DIALECT = "https://json-schema.org/draft/2020-12/schema"
_RECORDS: Mapping[str, type[msgspec.Struct]] = {
    EVENT_TYPE: EventData,
    "moderation.verdict.v1": Verdict,
    REQUESTED_TYPE: LabelRequest,
    APPLIED_TYPE: Label,
    OBSERVED_TYPE: Outcome,
    "headers.cloudevents.v1": BinaryHeaders,
    "headers.retry.v1": RetryHeaders,
    "headers.dead-letter.v1": DeadLetterHeaders,
}


def documents() -> dict[str, str]:
    """File name -> content, of everything in docs/schemas."""
    schemas = {f"{name}.schema.json": _pretty(json_schema(name)) for name in _RECORDS}
    return {**schemas, "asyncapi.yaml": yaml.safe_dump(asyncapi(), sort_keys=False, allow_unicode=True, width=120)}


def write(folder: Path) -> list[Path]:
    """Writes every document into `folder`; their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in documents().items():
        (folder / name).write_text(text, encoding="utf-8")
    return [folder / name for name in documents()]


def json_schema(name: str) -> dict[str, Any]:
    """The JSON Schema of one record of the contract. Fields that it does not name are allowed."""
    return {"$schema": _DIALECT, "$id": f"urn:earshot:{name}", **msgspec.json.schema(_RECORDS[name])}


def asyncapi() -> dict[str, Any]:
    """The AsyncAPI 3.0 document of every topic under its default name."""
    _, components = msgspec.json.schema_components(list(_RECORDS.values()), ref_template="#/components/schemas/{name}")
    verdicts = {f"{task}Verdicts": verdict_type(task) for task in TASKS}
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Earshot",
            "version": streamer.__version__,
            "description": "Uploaded videos in, calibrated verdicts out. Topics are shown under their default names.",
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": "application/json",
        "channels": {
            "uploads": _channel(EVENT_TYPE, "upload"),
            **{name: _channel(address, "verdict") for name, address in verdicts.items()},
            "labelRequests": _channel(REQUESTED_TYPE, "labelRequest"),
            "labels": _channel(APPLIED_TYPE, "label"),
            "outcomes": _channel(OBSERVED_TYPE, "outcome"),
            "retries": _channel("retry.{group}", "retry", "group"),
            "deadLetters": _channel(f"dlq.{{group}}.{EVENT_TYPE}", "deadLetter", "group"),
        },
        "operations": {
            "judge": _operation("receive", "uploads", "Judges the video of every event."),
            **{f"publish{_title(name)}": _operation("send", name, "One record per event.") for name in verdicts},
            "requestLabels": _operation("send", "labelRequests", "Videos that are worth a label."),
            "applyLabels": _operation("send", "labels", "What people said of videos."),
            "compareOutcomes": _operation("receive", "outcomes", "Judges an experiment by what viewers did."),
            "postpone": _operation("send", "retries", "Events to be tried again, by the same group."),
            "giveUp": _operation("send", "deadLetters", "Events that can never be judged."),
        },
        "components": {"messages": _messages(), "schemas": components},
    }


def _messages() -> dict[str, Any]:
    event = {"headers": _schema(BinaryHeaders), "payload": _schema(EventData)}
    return {
        "upload": {"name": EVENT_TYPE, "summary": "A video was uploaded.", **event},
        "verdict": {
            "name": "moderation.verdict.v1",
            "summary": "The answer to one task of one event; keyed by the video.",
            "headers": _schema(BinaryHeaders),
            "payload": _schema(Verdict),
        },
        "labelRequest": {
            "name": REQUESTED_TYPE,
            "summary": "A video that is worth a label on a task, and why; keyed by the video.",
            "headers": _schema(BinaryHeaders),
            "payload": _schema(LabelRequest),
        },
        "label": {
            "name": APPLIED_TYPE,
            "summary": "What a person said of a video on a task; keyed by the video.",
            "headers": _schema(BinaryHeaders),
            "payload": _schema(Label),
        },
        "outcome": {
            "name": OBSERVED_TYPE,
            "summary": "What came of one unit of an experiment in one stretch of time; keyed by the unit.",
            "headers": _schema(BinaryHeaders),
            "payload": _schema(Outcome),
        },
        "retry": {
            "summary": "The event as it came, to be tried again.",
            "headers": {"allOf": [_schema(BinaryHeaders), _schema(RetryHeaders)]},
            "payload": _schema(EventData),
        },
        "deadLetter": {
            "summary": "The message as it came, whatever its value, with headers that say why.",
            "headers": _schema(DeadLetterHeaders),
            "payload": {},
        },
    }


def _channel(address: str, message: str, *parameters: str) -> dict[str, Any]:
    channel: dict[str, Any] = {
        "address": address,
        "messages": {message: {"$ref": f"#/components/messages/{message}"}},
    }
    if parameters:
        channel["parameters"] = {name: {"description": f"Name of the consumer {name}."} for name in parameters}
    return channel


def _operation(action: str, channel: str, summary: str) -> dict[str, Any]:
    return {"action": action, "channel": {"$ref": f"#/channels/{channel}"}, "summary": summary}


def _schema(record: type[msgspec.Struct]) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{record.__name__}"}


def _title(name: str) -> str:
    return name[0].upper() + name[1:]


def _pretty(document: Mapping[str, Any]) -> str:
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    write(Path(sys.argv[1]))
