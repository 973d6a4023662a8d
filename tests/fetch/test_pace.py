"""Time limits as a table of moments."""

from __future__ import annotations

import pytest

from streamer.errors import FetchFailedError
from streamer.fetch.pace import Pace


class Clock:
    def __init__(self) -> None:
        self.now = 50.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def pace(clock: Clock) -> Pace:
    return Pace("x", timeout_seconds=10, min_bytes_per_second=100, window_seconds=2, clock=clock)


def test_a_phase_ends_whatever_comes(pace: Pace, clock: Clock) -> None:
    pace.begin("headers", 3)
    assert pace.remaining_seconds() == 3
    pace.received(10_000)
    clock.now += 2
    assert pace.remaining_seconds() == 1
    clock.now += 1
    with pytest.raises(FetchFailedError, match="no more than 3 s for headers"):
        pace.remaining_seconds()


def test_the_total_outlasts_no_phase(pace: Pace, clock: Clock) -> None:
    clock.now += 9
    pace.begin("headers", 3)
    assert pace.remaining_seconds() == 1
    clock.now += 1
    with pytest.raises(FetchFailedError, match="10 s in total"):
        pace.remaining_seconds()


def test_the_minimum_rate_is_enough(pace: Pace, clock: Clock) -> None:
    pace.begin_body()
    for _ in range(9):
        clock.now += 1
        pace.received(100)
        assert pace.remaining_seconds() > 0


def test_below_the_minimum_rate(pace: Pace, clock: Clock) -> None:
    pace.begin_body()
    pace.received(199)
    clock.now += 2
    with pytest.raises(FetchFailedError, match=r"199 bytes came; expected no more than 2 s for every 200 bytes"):
        pace.remaining_seconds()


def test_a_fast_start_earns_no_standstill(pace: Pace, clock: Clock) -> None:
    pace.begin_body()
    pace.received(1_000_000)
    clock.now += 2
    with pytest.raises(FetchFailedError):
        pace.remaining_seconds()
