"""The schemas say what the code does: the files are in step, and validators agree with the parser."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml
from cloudevents.core.bindings import kafka as oracle
from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent
from jsonschema import Draft202012Validator

from streamer.records import TASKS, Event, Message, Outgoing
from streamer.wire import dead_letter, event_message, parse_event, parse_verdict, retry_message, verdict_message
from streamer.wire.schemas import asyncapi, documents, json_schema
from tests.wire.samples import DATA, EVENT, VERDICT, arrived, binary, message

FOLDER = Path(__file__).parents[2] / "docs" / "schemas"
EVENT_SCHEMA, VERDICT_SCHEMA = "media.video.uploaded.v1", "moderation.verdict.v1"


def errors(name: str, document: Any) -> list[str]:
    return [error.message for error in Draft202012Validator(json_schema(name)).iter_errors(document)]


def texts(headers: tuple[tuple[str, bytes], ...]) -> dict[str, str]:
    return {name: value.decode() for name, value in headers}


@pytest.mark.parametrize("name", sorted(documents()))
def test_the_committed_documents_are_in_step(name: str) -> None:
    assert (FOLDER / name).read_text() == documents()[name], "run `make schemas` and commit what it writes"


def test_no_document_is_left_over() -> None:
    assert {path.name for path in FOLDER.iterdir()} == set(documents())


@pytest.mark.parametrize("name", [name.removesuffix(".schema.json") for name in documents() if name.endswith("json")])
def test_each_schema_is_valid_json_schema(name: str) -> None:
    Draft202012Validator.check_schema(json_schema(name))


@pytest.mark.parametrize("event", [EVENT, Event(event_id="e", source="/s", **DATA)])
def test_events_fit_their_schemas(event: Event) -> None:
    outgoing = event_message(event, "in")
    assert errors(EVENT_SCHEMA, json.loads(outgoing.value or b"")) == []
    assert errors("headers.cloudevents.v1", texts(outgoing.headers)) == []


@pytest.mark.parametrize(
    "changes",
    [
        {"video_id": 7},
        {"video_id": ""},
        {"video_id": "a\n"},
        {"uri": "no-scheme"},
        {"uri": ...},
        {"title": None},
        {"tasks": []},
        {"tasks": ["violence"]},
        {"hashtags": [1]},
        {"size_bytes": -1},
        {"sha256": "abc"},
        {"uploaded_at": "yesterday"},
        {"deadline_seconds": 0},
        {"query": "cats"},
        {"hashtags": ["a", "b"], "locale": "de", "later": 1},
        {"query": None, "tenant": None, "deadline_seconds": 3},
        {"video_id": "日本語 ok"},
    ],
)
def test_schema_and_parser_agree_on_what_an_event_is(changes: dict[str, Any]) -> None:
    candidate = binary(**changes)
    assert isinstance(parse_event(candidate), Event) == (errors(EVENT_SCHEMA, json.loads(candidate.value or b"")) == [])


def test_verdicts_fit_their_schema_and_broken_ones_do_not() -> None:
    good = json.loads(msgspec.json.encode(VERDICT))
    assert errors(VERDICT_SCHEMA, good) == []
    assert errors(VERDICT_SCHEMA, {**good, "task": "violence"}) != []
    assert errors(VERDICT_SCHEMA, {name: good[name] for name in good if name != "lineage"}) != []


def test_headers_of_retries_and_letters_fit_their_schemas() -> None:
    again = retry_message(binary(), "retry.g", "fetch_failed", attempt=2, not_before_ms=5)
    assert errors("headers.retry.v1", texts(again.headers)) == []
    letter = dead_letter(message(b"x"), "malformed_event", "$: broken", attempt=1, topic="dlq", version="1")
    assert errors("headers.dead-letter.v1", texts(letter.headers)) == []
    assert errors("headers.dead-letter.v1", {**texts(letter.headers), "dlq.offset": "x"}) != []


def test_the_asyncapi_document_has_each_topic_and_no_dangling_reference() -> None:
    document = yaml.safe_load((FOLDER / "asyncapi.yaml").read_text())
    assert document == json.loads(json.dumps(asyncapi()))
    addresses = {channel["address"] for channel in document["channels"].values()}
    assert {EVENT_SCHEMA, *(f"moderation.verdict.{task}.v1" for task in TASKS)} < addresses
    references = list(references_of(document))
    assert len(references) > 20
    for reference in references:
        found: Any = document
        for step in reference.removeprefix("#/").split("/"):
            found = found[step]


def references_of(node: Any) -> Any:
    if isinstance(node, dict):
        if isinstance(node.get("$ref"), str):
            yield node["$ref"]
        for value in node.values():
            yield from references_of(value)
    elif isinstance(node, list):
        for value in node:
            yield from references_of(value)


def as_oracle(found: Message | Outgoing) -> oracle.KafkaMessage:
    return oracle.KafkaMessage(headers=dict(found.headers), key=found.key, value=found.value or b"")


@pytest.mark.parametrize("outgoing", [event_message(EVENT, "in"), verdict_message(VERDICT, "out")])
def test_the_cloudevents_package_reads_what_is_written(outgoing: Outgoing) -> None:
    event = oracle.from_binary(as_oracle(outgoing), JSONFormat(), CloudEvent)
    headers = texts(outgoing.headers)
    assert (event.get_id(), event.get_source()) == (headers["ce_id"], headers["ce_source"])
    assert (event.get_type(), event.get_subject()) == (headers["ce_type"], headers["ce_subject"])
    assert event.get_data() == json.loads(outgoing.value or b"")


@pytest.mark.parametrize("write", [oracle.to_binary, oracle.to_structured])
def test_what_the_cloudevents_package_writes_is_read(write: Any) -> None:
    attributes = {"id": "e-9", "source": "/uploads", "type": EVENT_SCHEMA, "datacontenttype": "application/json"}
    written = write(CloudEvent(attributes, {**DATA, "title": "ünï"}), JSONFormat())
    headers = tuple((name, value) for name, value in written.headers.items())
    found = parse_event(arrived(Outgoing("in", None, written.value, headers)))
    assert found == Event(event_id="e-9", source="/uploads", title="ünï", **DATA)


@pytest.mark.parametrize("write", [oracle.to_binary, oracle.to_structured])
def test_verdicts_in_either_mode_are_read(write: Any) -> None:
    attributes = {"id": VERDICT.verdict_id, "source": "/earshot", "type": "moderation.verdict.adult.v1"}
    attributes["datacontenttype"] = "application/json"
    written = write(CloudEvent(attributes, msgspec.to_builtins(VERDICT)), JSONFormat())
    assert parse_verdict(arrived(Outgoing("out", None, written.value, tuple(written.headers.items())))) == VERDICT
