"""The breaker as a table of moments: no service, no waiting."""

from __future__ import annotations

import random

from streamer.breaker import Breaker


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def make(clock: Clock) -> Breaker:
    return Breaker(open_seconds=2, max_open_seconds=8, overdue_seconds=0.02, clock=clock, rng=random.Random(7))


def fail(breaker: Breaker) -> None:
    ticket = breaker.enter()
    assert ticket is not None
    breaker.leave(ticket, succeeded=False)


def test_closed_lets_everybody_through() -> None:
    breaker = make(Clock())
    tickets = [breaker.enter() for _ in range(5)]
    assert None not in tickets and len(set(tickets)) == 5
    assert breaker.state() == "closed"


def test_one_failure_opens() -> None:
    clock = Clock()
    breaker = make(clock)
    fail(breaker)
    assert breaker.state() == "open"
    clock.now += 1.5
    assert breaker.enter() is None


def test_a_single_probe_closes_it_again() -> None:
    clock = Clock()
    breaker = make(clock)
    fail(breaker)
    clock.now += 2.5
    assert breaker.state() == "half_open"
    probe = breaker.enter()
    assert probe is not None
    assert breaker.enter() is None, "a second caller beside the probe"
    breaker.leave(probe, succeeded=True)
    assert breaker.state() == "closed"
    assert breaker.enter() is not None


def test_failed_probes_double_the_pause_up_to_the_limit() -> None:
    clock = Clock()
    breaker = make(clock)
    pauses = []
    for _ in range(6):
        fail(breaker)
        started = clock.now
        while breaker.state() == "open":
            clock.now += 0.01
        pauses.append(clock.now - started)
    for pause, nominal in zip(pauses, [2, 4, 8, 8, 8, 8], strict=True):
        assert 0.79 * nominal <= pause <= 1.21 * nominal
    assert len({round(pause, 2) for pause in pauses[2:]}) > 1, "no jitter"


def test_success_forgets_earlier_failures() -> None:
    clock = Clock()
    breaker = make(clock)
    for _ in range(3):
        fail(breaker)
        clock.now += 20
    probe = breaker.enter()
    assert probe is not None
    breaker.leave(probe, succeeded=True)
    fail(breaker)
    clock.now += 2.5
    assert breaker.state() == "half_open"


def test_others_stay_away_while_a_call_is_overdue() -> None:
    clock = Clock()
    breaker = make(clock)
    slow = breaker.enter()
    assert slow is not None
    clock.now += 0.01
    assert breaker.enter() is not None
    clock.now += 0.011
    assert breaker.enter() is None
    breaker.leave(slow, succeeded=True)
    assert breaker.state() == "closed"
    assert breaker.enter() is not None


def test_calls_from_before_the_opening_change_nothing() -> None:
    clock = Clock()
    breaker = make(clock)
    first, second, third = breaker.enter(), breaker.enter(), breaker.enter()
    assert first is not None and second is not None and third is not None
    breaker.leave(first, succeeded=False)
    breaker.leave(second, succeeded=True)
    assert breaker.state() == "open"
    breaker.leave(third, succeeded=False)
    clock.now += 2.5
    assert breaker.state() == "half_open", "a failure of the same moment counted twice"
