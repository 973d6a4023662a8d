"""The audit finds every breach of the conservation law, and none where there is none."""

from streamer import wire
from streamer.audit import Audit, AuditReport
from streamer.decide import decide_unseen
from streamer.records import Message, Position, Source, State
from streamer.testing import message_of
from tests.stream.cases import event, judgement

IN, OUT, RETRY, DLQ = "in", "out", "retry", "dlq"


def submitted(offset: int) -> Message:
    return message_of(wire.event_message(event(event_id=f"e{offset}"), IN), offset)


def judged(offset: int, *, at: int = 0) -> list[Message]:
    found = decide_unseen(
        judgement(),
        event(event_id=f"e{offset}"),
        State.UNDECODABLE,
        "empty",
        content_sha256=None,
        latency_ms={},
        source=Source(topic=IN, partition=0, offset=offset),
        decided_at="2026-01-01T00:00:00+00:00",
    )
    return [message_of(wire.verdict_message(verdict, OUT), at + i) for i, verdict in enumerate(found)]


def letter(offset: int) -> Message:
    output = wire.dead_letter(submitted(offset), "missing_object", "gone", attempt=1, topic=DLQ, version="0")
    return message_of(output, offset)


def report(
    events: int, verdicts: list[Message], letters: list[Message], retries: list[Message], committed: int
) -> AuditReport:
    audit = Audit()
    audit.add_events(submitted(offset) for offset in range(events))
    audit.add_verdicts(verdicts)
    audit.add_letters(letters)
    audit.add_retries(retries, {})
    return audit.report({(IN, 0): committed})


def test_books_that_balance() -> None:
    found = report(3, judged(0), [letter(1)], [], committed=2)
    assert found == AuditReport(consumed=2, verdict_events=1, dead_letters=1, lost=0, duplicated=0, in_flight=1)


def test_a_committed_event_without_an_end_is_lost() -> None:
    assert report(2, judged(0), [], [], committed=2).lost == 1


def test_verdicts_on_only_some_of_the_tasks_are_a_loss() -> None:
    assert report(1, judged(0)[:2], [], [], committed=1).lost == 1


def test_a_second_verdict_on_a_task_is_a_duplicate() -> None:
    assert report(1, [*judged(0), judged(0, at=9)[1]], [], [], committed=1).duplicated == 1


def test_a_verdict_and_a_dead_letter_for_one_event_are_a_duplicate() -> None:
    assert report(1, judged(0), [letter(0)], [], committed=1).duplicated == 1


def test_an_event_that_waits_for_its_retry_is_in_flight_and_not_lost() -> None:
    retry = wire.retry_message(submitted(0), RETRY, "fetch_failed", attempt=2, not_before_ms=5)
    found = report(1, [], [], [message_of(retry, 0)], committed=1)
    assert (found.lost, found.in_flight, found.consumed) == (0, 1, 0)


def test_garbage_has_to_end_as_a_dead_letter() -> None:
    garbage = Message(Position(IN, 0, 0), None, b"\xff", (), 0)
    audit = Audit()
    audit.add_events([garbage])
    assert audit.report({(IN, 0): 1}).lost == 1
    audit.add_letters([message_of(wire.dead_letter(garbage, "x", "y", attempt=1, topic=DLQ, version="0"), 0)])
    assert audit.report({(IN, 0): 1}).lost == 0
