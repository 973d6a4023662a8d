"""Outcomes on the wire: what is written is read, and what cannot be used says why."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import msgspec
import pytest
from jsonschema import Draft202012Validator

from streamer.records import Rejected
from streamer.wire import label_message, outcome_id, outcome_message, parse_outcome
from streamer.wire.schemas import json_schema
from tests.wire.samples import LABEL, OUTCOME, arrived

NAME = "moderation.outcome.observed.v1"


def test_outcomes_survive_the_wire_keyed_by_their_unit() -> None:
    sent = outcome_message(OUTCOME, "outcomes")
    assert parse_outcome(arrived(sent)) == OUTCOME
    assert sent.key == b"viewer-7"
    headers = dict(sent.headers)
    assert (headers["ce_id"], headers["ce_type"]) == (OUTCOME.outcome_id.encode(), NAME.encode())


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"unit": ""}, "$.unit"),
        ({"unit": None}, "$.unit"),
        ({"outcome_id": ...}, "$.outcome_id: missing"),
        ({"values": {}}, "$.values"),
        ({"values": {"views": "many"}}, "$.values"),
        ({"values": {"views": 1e300}}, "$.values"),
        ({"values": {"": 1}}, "$.values"),
        ({"observed_at": "yesterday"}, "$.observed_at"),
        ({"arm": 7}, "$.arm"),
    ],
)
def test_what_cannot_be_says_where_to_parser_and_schema_alike(changes: dict[str, Any], says: str) -> None:
    value = {name: one for name, one in {**msgspec.to_builtins(OUTCOME), **changes}.items() if one is not ...}
    found = parse_outcome(replace(arrived(outcome_message(OUTCOME, "t")), value=json.dumps(value).encode()))
    assert isinstance(found, Rejected)
    assert says in found.error
    assert list(Draft202012Validator(json_schema(NAME)).iter_errors(value)) != []


def test_other_records_and_rubbish_are_rejected() -> None:
    other = parse_outcome(arrived(label_message(LABEL, "t")))
    assert isinstance(other, Rejected) and other.error.startswith("type: came 'moderation.label.applied.v1'")
    sent = arrived(outcome_message(OUTCOME, "t"))
    for value in (None, b"", b"\xff", b"{}", b"[" * 100_000, b'{"values": {"views": NaN}}'):
        assert isinstance(parse_outcome(replace(sent, value=value)), Rejected)


def test_an_outcome_fits_its_schema() -> None:
    validator = Draft202012Validator(json_schema(NAME))
    assert list(validator.iter_errors(json.loads(msgspec.json.encode(OUTCOME)))) == []


def test_ids_tell_units_times_experiments_and_rows_apart_for_ever() -> None:
    """The topic keeps these: another algorithm would count everything twice."""
    assert outcome_id("e", "u", "2026-05-05T00:00:00+00:00", 0) == PINNED
    others = {outcome_id(*parts) for parts in (("f", "u", "t", 0), ("e", "v", "t", 0), ("e", "u", "s", 0))}
    others |= {outcome_id("e", "u", "t", number) for number in (0, 1)} | {outcome_id(None, "u", "t", 0)}
    assert len(others) == 6


PINNED = "aab259b9f65a877259eb1bd61bb66848f9ecc04a0613884471d329862147aeb5"
