"""The worker with the real pipeline: what is published, when, and what becomes of events that fail."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from streamer import wire
from streamer.assemble import Parts, open_parts
from streamer.records import TASKS, Source, State
from streamer.testing import FakeClock, message_of
from tests.stream.shop import START_MS, Gate, Shop, event, garbage, message, sample, settings

TOPIC = settings().kafka.topics.uploaded
RETRY = settings().kafka.retry_topic
HERE = (TOPIC, 0)


@pytest.fixture(scope="module")
def gate(clips: list[Path]) -> Iterator[Gate]:
    gate = Gate(clips[0].parent)
    yield gate
    gate.close()


@pytest.fixture(scope="module")
def parts(clips: list[Path], gate: Gate) -> Iterator[Parts]:
    options: dict[str, Any] = {
        "fetch__file_roots": [str(clips[0].parent)],
        "fetch__allow_http": True,
        "fetch__http_ports": [gate.port],
        "fetch__trusted_networks": ["127.0.0.1/32"],
        "fetch__connect_seconds": 60.0,
        "fetch__first_byte_seconds": 60.0,
        "fetch__max_bytes": 2**20,
    }
    with open_parts(settings(**options)) as parts:
        yield parts


@pytest.fixture
def clip(clips: list[Path]) -> Path:
    return clips[0]


class SkippingClock:
    """Monotonic seconds that may be moved on, so that a test need not wait."""

    skipped_seconds = 0.0

    def __call__(self) -> float:
        return time.monotonic() + self.skipped_seconds


def held(gate: Gate, clip: Path, name: str) -> str:
    """A URI that gives the clip once `gate.release(...)` was called."""
    return gate.url(f"held/{name}_{clip.name}")


def test_a_finished_event_waits_for_those_before_it_and_then_all_leave_in_order(
    parts: Parts, gate: Gate, clip: Path
) -> None:
    name = f"order_{clip.name}"
    events = [event(0, held(gate, clip, "order")), event(1, clip.as_uri()), event(2, clip.as_uri())]
    shop = Shop(parts.pipeline, [message(item, 10 * n) for n, item in enumerate(events)])
    seen: list[dict[Any, int]] = []

    def until() -> bool:
        if shop.ended("verdict") == 2 and not seen:
            seen.append(dict(shop.stream.offsets))
            gate.release(name)
        return bool(shop.stream.offsets)

    shop.run(until)
    assert seen == [{}]
    assert shop.stream.offsets == {HERE: 21}
    assert [event_id for event_id, _ in shop.verdicts()] == ["e0", "e0", "e1", "e1", "e2", "e2"]


@pytest.mark.parametrize("failures", [["before"], ["after"], ["before", "after"], ["after", "before", "after"]])
def test_a_publication_that_fails_or_seems_to_happens_once(parts: Parts, clip: Path, failures: list[str]) -> None:
    shop = Shop(parts.pipeline, [])
    shop.stream.failures = list(failures)
    later = [[message(event(n + m, clip.as_uri()), n + m) for m in range(2)] for n in (0, 2, 4, 6)]

    def until() -> bool:
        idle = shop.worker.idle and not shop.stream.waiting
        if idle and later:
            shop.stream.waiting = later.pop(0)
            return False
        return idle

    shop.run(until)
    assert not shop.stream.failures
    assert len(shop.verdicts()) == 16
    assert shop.stream.offsets == {HERE: 8}


@pytest.mark.parametrize("failure", [None, "before", "after"])
def test_a_revoked_partition_takes_what_is_done_along_and_nothing_more(
    parts: Parts, gate: Gate, clip: Path, failure: str | None
) -> None:
    name = f"revoke{failure}"
    messages = [message(event(0, clip.as_uri()), 0), message(event(1, held(gate, clip, name)), 1)]
    other = message(event(2, held(gate, clip, name)), 0, partition=1)
    clock = SkippingClock()
    shop = Shop(parts.pipeline, [*messages, other], monotonic=clock, kafka__commit_interval_seconds=10.0)
    revoked: list[dict[Any, int]] = []

    def until() -> bool:
        if shop.ended("verdict") == 1 and not revoked:
            shop.stream.failures = [failure] if failure else []
            assert shop.stream.ownership is not None
            shop.stream.ownership.on_revoked([HERE])
            revoked.append(dict(shop.stream.offsets))
            gate.release(f"{name}_{clip.name}")
            start = revoked[0].get(HERE, 0)
            shop.stream.waiting = [item for item in messages if item.position.offset >= start]
        if revoked:
            clock.skipped_seconds += 1.0
        return bool(revoked) and not shop.stream.waiting and shop.worker.idle

    shop.run(until)
    assert revoked == [{} if failure == "before" else {HERE: 1}]
    assert shop.stream.offsets == {HERE: 2, (TOPIC, 1): 1}
    assert {event_id for event_id, _ in shop.verdicts()} == {"e0", "e1", "e2"}


def test_of_a_lost_partition_nothing_is_published(parts: Parts, gate: Gate, clip: Path) -> None:
    messages = [message(event(0, clip.as_uri()), 0), message(event(1, held(gate, clip, "lost")), 1)]
    shop = Shop(parts.pipeline, messages, kafka__commit_interval_seconds=10.0)

    def until() -> bool:
        if shop.ended("verdict") == 1:
            assert shop.stream.ownership is not None
            shop.stream.ownership.on_lost([HERE])
            gate.release(f"lost_{clip.name}")
            return True
        return False

    shop.run(until)
    assert shop.worker.idle
    assert (shop.stream.outputs, shop.stream.offsets) == ([], {})


def test_a_retryable_failure_comes_back_when_its_time_has_come_and_keeps_its_origin(
    parts: Parts, gate: Gate, clip: Path
) -> None:
    gate.mended = False
    first = Shop(parts.pipeline, [message(event(0, gate.url(f"broken/0_{clip.name}")), 7)])
    first.run_all()
    assert first.stream.offsets == {HERE: 8}
    (retry,) = first.retries()
    assert first.stream.outputs[0].topic == RETRY
    assert (wire.attempt_of(retry), wire.not_before_ms_of(retry)) == (2, START_MS + 2000)

    gate.mended = True
    second = Shop(parts.pipeline, [retry])
    turns = 0

    def until() -> bool:
        nonlocal turns
        turns += 1
        if turns == 20:
            assert not second.stream.waiting
            second.unix.advance(1999)
        if turns == 40:
            assert not second.worker.idle
            assert sample(second.metrics.registry, "earshot_in_flight_events") == 0, "not before its time"
            second.unix.advance(1)
        return bool(second.stream.outputs)

    second.run(until)
    assert turns > 40
    verdicts = second.verdicts()
    assert {verdict.source for verdict in verdicts.values()} == {Source(topic=TOPIC, partition=0, offset=7)}
    assert second.stream.offsets == {(RETRY, 0): 1}


def test_waits_double_and_the_last_try_ends_as_a_dead_letter(parts: Parts, gate: Gate, clip: Path) -> None:
    gate.mended = False
    incoming = message(event(0, gate.url(f"broken/1_{clip.name}")), 3)
    waits: list[int] = []
    for turn in range(3):
        shop = Shop(parts.pipeline, [incoming], retry__max_attempts=3, retry__first_seconds=1.0)
        shop.unix.advance(turn * 10_000)
        shop.run_all()
        if shop.retries():
            (incoming,) = shop.retries()
            waits.append(wire.not_before_ms_of(incoming) - int(shop.unix()))
    assert waits == [1000, 2000]
    (letter,) = shop.letters()
    assert (letter.header("dlq.reason"), letter.header("dlq.attempt")) == ("retries_exhausted", "3")
    assert (letter.header("dlq.topic"), letter.header("dlq.offset")) == (TOPIC, "3")
    assert "fetch_failed" in (letter.header("dlq.error") or "")


def test_retry_headers_that_others_wrote_count_for_nothing(parts: Parts, gate: Gate, clip: Path) -> None:
    gate.mended = False
    forged = wire.retry_message(
        message(event(0, gate.url(f"broken/2_{clip.name}")), 0), TOPIC, "x", attempt=99, not_before_ms=START_MS * 2
    )
    shop = Shop(parts.pipeline, [message_of(forged, 5)])
    shop.run_all()
    (retry,) = shop.retries()
    assert wire.attempt_of(retry) == 2
    assert wire.source_of(retry) == Source(topic=TOPIC, partition=0, offset=5)


def test_an_event_past_its_deadline_is_answered_and_holds_nobody_up(parts: Parts, gate: Gate, clip: Path) -> None:
    clock = FakeClock(100.0)
    slow = event(0, held(gate, clip, "late"), deadline_seconds=30.0)
    shop = Shop(
        parts.pipeline,
        [message(slow, 0), message(event(1, clip.as_uri()), 1)],
        monotonic=clock,
        kafka__commit_interval_seconds=0.001,
    )

    def until() -> bool:
        clock.advance(10.0 if shop.ended("verdict") else 0.01)
        return bool(shop.stream.offsets)

    shop.run(until)
    gate.release(f"late_{clip.name}")
    verdicts = shop.verdicts()
    assert shop.stream.offsets == {HERE: 2}
    assert {verdicts["e0", task].state for task in TASKS[:2]} == {State.EXPIRED}
    assert "deadline of 30 s" in (verdicts["e0", TASKS[0]].reason or "")
    assert {verdicts["e1", task].state for task in TASKS[:2]} == {State.DECIDED}


def test_an_event_that_comes_after_its_deadline_is_not_worked_on(parts: Parts, gate: Gate, clip: Path) -> None:
    stale = event(0, held(gate, clip, "stale"), deadline_seconds=30.0)
    shop = Shop(parts.pipeline, [message(stale, 0, timestamp_ms=START_MS - 31_000)])
    shop.run_all()
    gate.release(f"stale_{clip.name}")
    assert {verdict.state for verdict in shop.verdicts().values()} == {State.EXPIRED}


@pytest.mark.parametrize(
    "limits",
    [
        {"worker__max_in_flight_events": 3},
        {"worker__max_in_flight_bytes": 3 * 2**20, "event_size_bytes": 2**20},
    ],
)
def test_no_more_is_taken_than_fits(parts: Parts, gate: Gate, clip: Path, limits: dict[str, Any]) -> None:
    name = "".join(limits).replace("_", "")
    shop = Shop(parts.pipeline, [message(event(n, held(gate, clip, name)), n) for n in range(12)], **limits)
    turns, most = 0, 0

    def until() -> bool:
        nonlocal turns, most
        turns += 1
        most = max(most, int(sample(shop.metrics.registry, "earshot_in_flight_events")))
        if turns == 30:
            assert len(shop.stream.waiting) == 9
            assert shop.stream.paused == {TOPIC, RETRY}
            gate.release(f"{name}_{clip.name}")
        return turns > 30 and not shop.stream.waiting and shop.worker.idle

    shop.run(until)
    assert most == 3
    assert len(shop.verdicts()) == 24


def test_what_waits_for_its_commit_is_bounded_too(parts: Parts, gate: Gate, clip: Path) -> None:
    first = message(event(0, held(gate, clip, "head")), 0)
    others = [message(event(n, clip.as_uri()), n) for n in range(1, 30)]
    shop = Shop(parts.pipeline, [first, *others], worker__max_uncommitted_events=8, worker__max_in_flight_events=4)
    most = 0

    def until() -> bool:
        nonlocal most
        waiting = int(sample(shop.metrics.registry, "earshot_uncommitted_events"))
        most = max(most, waiting)
        if waiting >= 6 and shop.ended("verdict") == waiting - 1:
            gate.release(f"head_{clip.name}")
        return not shop.stream.waiting and shop.worker.idle

    shop.run(until)
    assert 6 <= most <= 8 + 4, "the limit, and what one poll may bring"
    assert shop.stream.offsets == {HERE: 30}


def test_a_first_stop_finishes_what_is_in_flight_and_takes_nothing_more(parts: Parts, gate: Gate, clip: Path) -> None:
    events = [event(n, held(gate, clip, "drain")) for n in range(5)]
    shop = Shop(parts.pipeline, [message(item, n) for n, item in enumerate(events)], worker__max_in_flight_events=2)

    def until() -> bool:
        if sample(shop.metrics.registry, "earshot_in_flight_events") == 2:
            shop.worker.stop()
            gate.release(f"drain_{clip.name}")
        return False

    shop.run(until)
    assert {event_id for event_id, _ in shop.verdicts()} == {"e0", "e1"}
    assert shop.stream.offsets == {HERE: 2}
    assert (shop.health.draining, shop.stream.closed) == (True, True)


def test_a_drain_gives_up_at_its_deadline_and_commits_what_is_done(parts: Parts, gate: Gate, clip: Path) -> None:
    messages = [message(event(0, clip.as_uri()), 0), message(event(1, held(gate, clip, "never")), 1)]
    shop = Shop(parts.pipeline, messages, worker__drain_seconds=0.1, kafka__commit_interval_seconds=10.0)
    shop.run(lambda: shop.ended("verdict") == 1)
    gate.release(f"never_{clip.name}")
    assert {event_id for event_id, _ in shop.verdicts()} == {"e0"}
    assert shop.stream.offsets == {HERE: 1}


def test_a_second_stop_leaves_at_once_and_what_was_not_committed_comes_again(
    parts: Parts, gate: Gate, clip: Path
) -> None:
    messages = [message(event(0, clip.as_uri()), 0), message(event(1, held(gate, clip, "twice")), 1)]
    shop = Shop(parts.pipeline, messages, kafka__commit_interval_seconds=10.0)

    def until() -> bool:
        if shop.ended("verdict") == 1:
            shop.worker.stop()
            shop.worker.stop()
        return False

    shop.run(until)
    gate.release(f"twice_{clip.name}")
    assert shop.stream.closed
    assert (shop.stream.outputs, shop.stream.offsets) == ([], {})


def test_an_event_too_large_to_be_sent_on_ends_as_a_letter_without_it(parts: Parts, clip: Path) -> None:
    sound = message(event(1, clip.as_uri()), 1)
    shop = Shop(parts.pipeline, [garbage(b'{"video_id": "' + b"x" * 2**20, 0), sound])
    shop.run_all()
    (letter,) = shop.letters()
    assert letter.value is None
    assert letter.header("dlq.reason") == "malformed_event"
    assert "expected at most 900000" in (letter.header("dlq.error") or "")
    assert sum(len(output.value or b"") for output in shop.stream.outputs) < 100_000
    assert shop.stream.offsets == {HERE: 2}
    assert len(shop.verdicts()) == 2
