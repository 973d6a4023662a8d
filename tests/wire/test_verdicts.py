"""Verdicts on the wire, and the identity that makes duplicates harmless."""

from __future__ import annotations

from dataclasses import replace

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.records import Action, Event, State, Task, Verdict
from streamer.wire import event_message, parse_verdict, verdict_id, verdict_message
from tests.wire.samples import EVENT, TRACEPARENT, VERDICT, arrived

TEXT = st.text(max_size=20).filter(lambda text: text.isprintable())
PINNED_ID = "430b3951a2dcd40293d657f2b341d98d1006ed945ed4514a52218600b3089f6d"

PARTS = st.tuples(TEXT, TEXT, st.none() | TEXT, TEXT, TEXT, st.sampled_from(Task))


def identity(parts: tuple[str, str, str | None, str, str, Task]) -> str:
    source, event_id, content, bundle, policy, task = parts
    event = msgspec.structs.replace(EVENT, source=source, event_id=event_id)
    return verdict_id(event, content, bundle, policy, task)


def test_a_verdict_survives_the_way_over_the_wire() -> None:
    outgoing = verdict_message(VERDICT, "verdicts")
    assert parse_verdict(arrived(outgoing)) == VERDICT


def test_a_verdict_is_keyed_by_its_video_and_named_by_its_id() -> None:
    outgoing = verdict_message(VERDICT, "verdicts")
    assert outgoing.key == b"v-1"
    assert dict(outgoing.headers) == {
        "ce_specversion": b"1.0",
        "ce_id": b"f" * 64,
        "ce_source": b"/earshot",
        "ce_type": b"moderation.verdict.adult.v1",
        "ce_subject": b"v-1",
        "ce_time": b"2026-05-04T03:02:09Z",
        "content-type": b"application/json",
        "traceparent": TRACEPARENT.encode(),
    }


def test_a_verdict_on_nothing_survives_too() -> None:
    empty = msgspec.structs.replace(
        VERDICT,
        state=State.UNDECODABLE,
        action=Action.REVIEW,
        reason="truncated",
        logit=None,
        score=None,
        evidence=(),
        attribution={},
        coverage=None,
        source=None,
        traceparent=None,
        decided_at=None,
    )
    assert parse_verdict(arrived(verdict_message(empty, "verdicts"))) == empty


def test_readers_tolerate_fields_of_a_later_version() -> None:
    later = {**msgspec.to_builtins(VERDICT), "later": 1}
    outgoing = replace(verdict_message(VERDICT, "verdicts"), value=msgspec.json.encode(later))
    assert parse_verdict(arrived(outgoing)) == VERDICT


def test_what_is_no_verdict_is_none() -> None:
    assert parse_verdict(arrived(event_message(EVENT, "in"))) is None
    outgoing = verdict_message(VERDICT, "verdicts")
    assert parse_verdict(arrived(replace(outgoing, value=None))) is None
    assert parse_verdict(arrived(replace(outgoing, value=b"\xff"))) is None
    other = tuple((name, b"x" if name == "ce_type" else value) for name, value in outgoing.headers)
    assert parse_verdict(arrived(replace(outgoing, headers=other))) is None


def test_a_verdict_id_is_the_same_for_ever() -> None:
    """Consumers keep these: another algorithm is another contract."""
    event = Event(event_id="e-1", source="/uploads", video_id="v", uri="file:///v")
    assert verdict_id(event, "ab" * 32, "bundle", "1", Task.ADULT) == PINNED_ID


@given(PARTS, PARTS)
def test_verdict_ids_are_equal_exactly_when_their_parts_are(
    left: tuple[str, str, str | None, str, str, Task], right: tuple[str, str, str | None, str, str, Task]
) -> None:
    assert (identity(left) == identity(right)) == (left == right)


@given(PARTS, st.integers(0, 3), st.integers(0, 20))
def test_moving_a_part_s_end_into_the_next_changes_the_id(
    parts: tuple[str, str, str | None, str, str, Task], index: int, cut: int
) -> None:
    texts = [part or "" for part in parts[:5]]
    moved = list(texts)
    moved[index], moved[index + 1] = texts[index][:cut], texts[index][cut:] + texts[index + 1]
    same = moved == texts
    assert (identity((*moved, parts[5])) == identity((*texts, parts[5]))) == same  # type: ignore[arg-type]


@pytest.mark.parametrize("field", ["title", "uri", "query", "traceparent"])
def test_a_verdict_id_rests_on_the_event_s_name_not_on_its_other_fields(field: str) -> None:
    changed = msgspec.structs.replace(EVENT, **{field: "https://other/"})
    assert verdict_id(changed, None, "b", "1", Task.ADULT) == verdict_id(EVENT, None, "b", "1", Task.ADULT)


def test_verdict_type_mismatch_with_task_is_none() -> None:
    wrong: Verdict = msgspec.structs.replace(VERDICT, task=Task.CLICKBAIT)
    headers = verdict_message(VERDICT, "verdicts").headers
    assert parse_verdict(arrived(replace(verdict_message(wrong, "verdicts"), headers=headers))) is None
