"""Retries, dead letters and replays: what is kept, what is added, and what survives several rounds."""

from __future__ import annotations

from dataclasses import replace

import pytest

from streamer.records import Message, Position, Rejected, Source
from streamer.wire import (
    as_new,
    attempt_of,
    dead_letter,
    event_message,
    first_seen_ms_of,
    letter_position,
    not_before_ms_of,
    parse_event,
    replay_message,
    retry_message,
    source_of,
)
from tests.wire.samples import EVENT, arrived, binary, message

OTHERS = (("x-tag", b"\xff\x00"), ("x-tag", b"again"))


def plain() -> Message:
    event = binary()
    return replace(event, headers=(*event.headers, *OTHERS))


def retried(original: Message, attempt: int, offset: int) -> Message:
    again = retry_message(original, "retry.g", "fetch_failed", attempt=attempt, not_before_ms=5_000 * attempt)
    return arrived(again, offset=offset)


def letter_of(original: Message, error: str = "no such object", offset: int = 3) -> Message:
    letter = dead_letter(
        original, "missing_object", error, attempt=attempt_of(original), topic="dlq.g.in", version="0.1.0"
    )
    return arrived(letter, offset=offset)


def test_a_first_try_stands_for_itself() -> None:
    event = plain()
    assert source_of(event) == Source(topic="in", partition=0, offset=7)
    assert (attempt_of(event), not_before_ms_of(event), first_seen_ms_of(event)) == (1, 0, 1_000)


def test_a_retry_keeps_the_message_and_remembers_where_it_came_from() -> None:
    event = plain()
    again = retried(event, 2, offset=50)
    assert (again.key, again.value) == (event.key, event.value)
    assert again.headers[: len(event.headers)] == event.headers
    assert source_of(again) == source_of(event)
    assert (attempt_of(again), not_before_ms_of(again), first_seen_ms_of(again)) == (2, 10_000, 1_000)
    assert again.header("retry.reason") == "fetch_failed"
    assert parse_event(again) == parse_event(event)


def test_the_third_try_knows_the_first_position_and_has_each_header_once() -> None:
    again = retried(retried(plain(), 2, offset=50), 3, offset=60)
    assert source_of(again) == Source(topic="in", partition=0, offset=7)
    assert (attempt_of(again), not_before_ms_of(again), first_seen_ms_of(again)) == (3, 15_000, 1_000)
    ours = [name for name, _ in again.headers if name.startswith(("retry.", "source."))]
    assert len(ours) == len(set(ours))


def test_a_dead_letter_is_the_message_untouched_with_the_reason_beside_it() -> None:
    event = plain()
    letter = letter_of(retried(event, 2, offset=50))
    assert (letter.key, letter.value) == (event.key, event.value)
    assert letter.headers[: len(event.headers)] == event.headers
    added = dict(letter.headers[len(event.headers) :])
    assert added == {
        "dlq.reason": b"missing_object",
        "dlq.error": b"no such object",
        "dlq.topic": b"in",
        "dlq.partition": b"0",
        "dlq.offset": b"7",
        "dlq.attempt": b"2",
        "dlq.first_seen_ms": b"1000",
        "dlq.service_version": b"0.1.0",
    }
    assert letter_position(letter) == Position("in", 0, 7)


@pytest.mark.parametrize("value", [None, b"", b"\xff" * 10])
def test_a_dead_letter_holds_any_value(value: bytes | None) -> None:
    assert letter_of(message(value)).value == value


@pytest.mark.parametrize("error", ["é" * 5_000, "x" * 2_048, "x" * 2_049, "\ud800" * 3_000])
def test_an_error_text_is_capped_and_stays_text(error: str) -> None:
    found = dict(letter_of(plain(), error).headers)["dlq.error"]
    assert len(found) <= 2_048
    assert found.decode()


def letter_bytes(letter: Message) -> int:
    headers = sum(len(name) + len(value) for name, value in letter.headers)
    return len(letter.key or b"") + len(letter.value or b"") + headers


@pytest.mark.parametrize(
    "large",
    [
        replace(binary(), value=b"x" * 5_000_000),
        replace(binary(), key=b"k" * 2_000_000),
        replace(binary(), headers=(("ce_id", b"i" * 2_000_000), ("n" * 900_000, b""), ("x", b"y"))),
        replace(binary(), headers=(("ce_a", b"i" * 2_000),) * 2_000),
    ],
    ids=["value", "key", "header", "headers"],
)
def test_a_letter_can_be_sent_whatever_came(large: Message) -> None:
    assert isinstance(parse_event(large), Rejected)
    letter = letter_of(large)
    assert letter_bytes(letter) < 50_000
    assert letter_position(letter) == Position("in", 0, 7)
    assert int(letter.header("dlq.cut_bytes") or 0) > 1_000_000
    with pytest.raises(ValueError, match=r"not whole; it is at in\[0\]@7"):
        replay_message(letter)


def test_the_largest_event_that_is_accepted_fits_into_a_retry_and_a_letter_uncut() -> None:
    data = b'{"video_id": "v", "uri": "file:///v", "x": "'
    value = data + b"x" * (524_288 - len(data) - 2) + b'"}'
    event = replace(binary(), value=value, headers=(*binary().headers, ("x", b"h" * 65_000)))
    assert not isinstance(parse_event(event), Rejected)
    for outgoing in (retried(event, 2, offset=1), letter_of(event)):
        assert outgoing.value == value
        assert letter_bytes(outgoing) < 1_000_000


def test_a_replay_is_the_event_as_it_first_came_at_a_new_position() -> None:
    event = plain()
    replay = replay_message(letter_of(retried(event, 2, offset=50)))
    assert replay.topic == "in"
    back = arrived(replay, offset=80)
    assert parse_event(back) == parse_event(event)
    assert source_of(back) == Source(topic="in", partition=1, offset=80)
    assert (attempt_of(back), first_seen_ms_of(back)) == (1, back.timestamp_ms)
    assert letter_position(back) is None


def test_a_second_letter_has_its_own_position_and_still_names_the_first() -> None:
    second = letter_of(arrived(replay_message(letter_of(plain())), offset=80), offset=4)
    assert letter_position(second) == Position("in", 1, 80)
    third = letter_of(arrived(replay_message(second), offset=90), offset=5)
    assert letter_position(third) == Position("in", 1, 90)
    origin = [third.header(f"origin.{part}") for part in ("topic", "partition", "offset")]
    assert origin == ["in", "0", "7"]
    assert len([name for name, _ in third.headers if name.startswith("origin.")]) == 3


def test_what_is_no_dead_letter_cannot_be_replayed() -> None:
    with pytest.raises(ValueError, match=r"in\[0\]@7: no dead letter .* expected dlq\.topic"):
        replay_message(plain())


@pytest.mark.parametrize("text", ["", "-1", "1.5", "x", "٣", "9" * 19, "1e3", " 1"])
def test_forged_numbers_are_as_good_as_none(text: str) -> None:
    forged = message(b"{}", {"retry.attempt": text, "retry.not_before_ms": text, "source.offset": text})
    assert attempt_of(forged) == 1
    assert not_before_ms_of(forged) == 0
    assert source_of(forged).offset == 7


def test_half_a_source_position_is_none() -> None:
    assert source_of(message(b"{}", {"source.topic": "x", "source.partition": "1"})).topic == "in"


def test_attempts_stay_in_range() -> None:
    assert attempt_of(message(b"{}", {"retry.attempt": "0"})) == 1
    assert attempt_of(message(b"{}", {"retry.attempt": "9" * 18})) == 1_000_000


def test_headers_of_the_retry_topic_mean_nothing_on_others() -> None:
    forged = retried(plain(), 7, offset=50)
    new = as_new(forged)
    assert attempt_of(new) == 1
    assert source_of(new) == Source(topic="retry.g", partition=1, offset=50)
    assert new.headers == plain().headers


def test_a_rejected_event_knows_its_attempt() -> None:
    again = retried(message(b"garbage"), 3, offset=5)
    assert getattr(parse_event(again), "attempt", None) == 3


def test_a_submitted_event_has_no_headers_of_the_pipeline() -> None:
    names = {name for name, _ in event_message(EVENT, "in").headers}
    assert names == {
        "ce_specversion",
        "ce_id",
        "ce_source",
        "ce_type",
        "ce_subject",
        "ce_time",
        "content-type",
        "traceparent",
    }
