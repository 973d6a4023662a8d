"""Exactly once, whatever dies and when: a real broker, workers as processes, SIGKILL and SIGSTOP."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from streamer.shutdown import EXIT_STATUS
from tests.services.kafka import Broker
from tests.stream.cluster import Group, WorkerProcess, wait_for
from tests.stream.runner import POINTS

pytestmark = [pytest.mark.services, pytest.mark.slow]

protocols = pytest.mark.parametrize("protocol", ["classic", "consumer"])

#: Short enough that a broker which is gone is noticed within the test.
IMPATIENT = {"publish_timeout_seconds": 2.0, "transaction_timeout_seconds": 5.0, "rejoin_seconds": 8.0}


@contextmanager
def under_load(group: Group) -> Iterator[None]:
    """Events come in small portions while the block runs."""
    over = threading.Event()

    def feed() -> None:
        while not over.is_set():
            group.send(10)
            over.wait(0.2)

    thread = threading.Thread(target=feed)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def progress(group: Group, *workers: WorkerProcess, events: int = 10) -> None:
    """Return when the group has left some more events behind."""
    goal = group.committed() + events
    wait_for(lambda: group.committed() >= goal, f"{events} more events", workers=workers)


def joined(*workers: WorkerProcess) -> None:
    """Return when each has had its share."""
    wait_for(lambda: all('"event": "assigned"' in worker.log.read_text() for worker in workers), "members")


def finish(group: Group, *workers: WorkerProcess) -> None:
    """Let the group work off everything, and end its workers in good order."""
    group.wait_until(group.sent, *workers)
    for worker in workers:
        assert worker.leave() == 0, worker.log_tail()


@pytest.mark.parametrize(("protocol", "kills", "events"), [("classic", 8, 800), ("consumer", 4, 400)])
def test_a_worker_killed_at_the_worst_moments_loses_and_doubles_nothing(
    kafka_broker: Broker, tmp_path: Path, clips: list[Path], protocol: str, kills: int, events: int
) -> None:
    group = Group(kafka_broker, tmp_path, clips, kafka={"protocol": protocol})
    group.send(events)
    for number in range(kills):
        worker = group.worker(POINTS[number % len(POINTS)], str(1 + number // 2))
        assert worker.wait() == -signal.SIGKILL, worker.log_tail()
    for _ in range(2):
        worker = group.worker()
        progress(group, worker, events=1)
        worker.kill()
    finish(group, group.worker())
    group.assert_exactly_once()


@protocols
def test_workers_that_join_and_leave_in_mid_load_lose_and_double_nothing(
    kafka_broker: Broker, tmp_path: Path, clips: list[Path], protocol: str
) -> None:
    group = Group(kafka_broker, tmp_path, clips, kafka={"protocol": protocol})
    with under_load(group):
        first = group.worker()
        progress(group, first)
        second, third = group.worker(), group.worker()
        joined(second, third)
        progress(group, first, second, third)
        assert first.leave() == 0, first.log_tail()
        progress(group, second, third)
        third.kill()
        fourth = group.worker()
        progress(group, second, fourth, events=30)
    finish(group, second, fourth)
    group.assert_exactly_once()


@protocols
def test_a_frozen_worker_whose_partitions_went_to_another_publishes_nothing_when_it_wakes(
    kafka_broker: Broker, tmp_path: Path, clips: list[Path], protocol: str
) -> None:
    group = Group(kafka_broker, tmp_path, clips, kafka={"protocol": protocol, **IMPATIENT})
    with under_load(group):
        zombie, other = group.worker(), group.worker()
        joined(zombie, other)
        progress(group, zombie, other)
        zombie.pause()
        marks = group.marks()
        wait_for(lambda: group.passed(marks), "the other worker to pass every partition's end", workers=[other])
        zombie.resume()
        progress(group, zombie, other, events=30)
    finish(group, zombie, other)
    group.assert_exactly_once()


def test_a_broker_killed_under_load_loses_and_doubles_nothing(
    own_broker: Callable[[], Broker], tmp_path: Path, clips: list[Path]
) -> None:
    broker = own_broker()
    group = Group(broker, tmp_path, clips, kafka=IMPATIENT)
    group.send(300)
    worker = group.worker()
    for _ in range(2):
        progress(group, worker)
        broker.kill()
        broker.start()
    finish(group, worker)
    group.assert_exactly_once()


#: Kafka's own. A broker that slept longer than this wakes up as one that its cluster has taken off the list.
SESSION_MS = 9000


@pytest.mark.parametrize(("session_ms", "freezes"), [(SESSION_MS, (3, 7)), (1000, (3,))])
def test_a_frozen_broker_loses_and_doubles_nothing(
    own_broker: Callable[..., Broker], tmp_path: Path, clips: list[Path], session_ms: int, freezes: tuple[int, ...]
) -> None:
    """Longer than the worker waits for a commit and than the broker lets a transaction live: nobody knows its end.

    With the short session the thawed cluster says for a moment that it has no broker at all. librdkafka 2.16 forgets
    every address then (its issue 5301), and the worker comes back as a new client.
    """
    broker = own_broker({"broker.session.timeout.ms": str(session_ms)})
    group = Group(broker, tmp_path, clips, kafka=IMPATIENT)
    group.send(400)  # all before: what a client that sends can't know of a frozen broker is not asked here
    worker = group.worker()
    for seconds in freezes:
        progress(group, worker)
        broker.pause()
        time.sleep(seconds)
        broker.resume()
    finish(group, worker)
    group.assert_exactly_once()


def test_a_drain_under_load_commits_what_is_done_and_leaves(
    kafka_broker: Broker, tmp_path: Path, clips: list[Path]
) -> None:
    group = Group(kafka_broker, tmp_path, clips)
    group.send(300)
    worker = group.worker()
    progress(group, worker)
    assert worker.leave() == 0, worker.log_tail()
    report = group.audit()
    assert (report.lost, report.duplicated) == (0, 0)
    assert report.consumed == group.committed(), "what is in the verdict topics is committed, and nothing else"
    finish(group, group.worker())
    group.assert_exactly_once()


def test_a_second_sigterm_does_not_wait_for_a_broker_that_is_frozen(
    own_broker: Callable[[], Broker], tmp_path: Path, clips: list[Path]
) -> None:
    broker = own_broker()
    group = Group(broker, tmp_path, clips, kafka={"publish_timeout_seconds": 300.0})
    group.send(300)
    worker = group.worker()
    progress(group, worker)
    broker.pause()
    for _ in range(2):
        worker.signal(signal.SIGTERM)
        time.sleep(0.5)
    assert worker.wait() in (0, EXIT_STATUS), "ended while the broker was still frozen"
    broker.resume()
    finish(group, group.worker())
    group.assert_exactly_once()


def test_without_transactions_the_same_kill_doubles_verdicts_and_loses_none(
    kafka_broker: Broker, tmp_path: Path, clips: list[Path]
) -> None:
    """The control: what the tests above count can be other than zero."""
    group = Group(kafka_broker, tmp_path, clips, kafka={"delivery": "at_least_once"})
    for _ in range(3):
        group.send(40)
        worker = group.worker("after_flush", "2")
        assert worker.wait() == -signal.SIGKILL, worker.log_tail()
    worker = group.worker()
    group.wait_until(group.sent, worker)
    assert worker.leave() == 0, worker.log_tail()
    report = group.audit()
    assert report.lost == 0
    assert report.duplicated > 0
    verdicts = group.verdicts()
    assert len({(verdict["event_id"], verdict["task"]) for verdict in verdicts}) == 3 * group.sent
    assert len(verdicts) > 3 * group.sent
    assert len({verdict["verdict_id"] for verdict in verdicts}) == 3 * group.sent, "a duplicate carries the same id"
