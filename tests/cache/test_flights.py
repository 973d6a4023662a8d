"""Single flight with real threads; order is forced by events, never by sleeping."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

from hypothesis import given, settings
from hypothesis import strategies as st

from streamer.cache.flights import Flight, Flights
from tests.examples import examples

LONG_SECONDS = 60.0


def test_the_first_leads_and_the_others_follow() -> None:
    flights: Flights[str, int] = Flights()
    places = [flights.join("a") for _ in range(3)]
    assert [place.leads for place in places] == [True, False, False]
    assert flights.join("b").leads


def test_all_get_what_another_thread_resolves() -> None:
    flights: Flights[str, str] = Flights()
    flights.join("a")
    followers = [flights.join("a") for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        waits = [pool.submit(follower.wait, LONG_SECONDS) for follower in followers]
        flights.resolve("a", "tokens")
        assert [wait.result() for wait in waits] == ["tokens"] * 4
    assert len(flights) == 0
    assert flights.join("a").leads


def test_one_follower_takes_over_from_a_leader_that_gives_up() -> None:
    flights: Flights[str, str] = Flights()
    flights.join("a")
    followers = [flights.join("a") for _ in range(4)]
    took_over = []

    def follow(follower: Flight[str, str]) -> str | None:
        value = follower.wait(LONG_SECONDS)
        if follower.leads:
            took_over.append(follower)
            flights.resolve("a", "second try")
            return "second try"
        return value

    with ThreadPoolExecutor(4) as pool:
        waits = [pool.submit(follow, follower) for follower in followers]
        flights.abandon("a")
        assert [wait.result() for wait in waits] == ["second try"] * 4
    assert len(took_over) == 1


def test_a_follower_that_has_not_begun_to_wait_still_takes_over() -> None:
    flights: Flights[str, str] = Flights()
    flights.join("a")
    follower = flights.join("a")
    flights.abandon("a")
    assert follower.wait(LONG_SECONDS) is None
    assert follower.leads


def test_abandoned_by_all_leaves_nothing_behind() -> None:
    flights: Flights[str, str] = Flights()
    flights.join("a")
    flights.join("a")
    flights.abandon("a")
    assert len(flights) == 0


def test_time_runs_out_without_a_value() -> None:
    now = [0.0]

    def clock() -> float:
        now[0] += 1.0
        return now[0]

    flights: Flights[str, str] = Flights(clock)
    leader = flights.join("a")
    follower = flights.join("a")
    assert follower.wait(1.0) is None
    assert not follower.leads
    assert leader.wait(1.0) is None and leader.leads


def test_value_handed_in_before_the_wait_is_not_lost() -> None:
    flights: Flights[str, str] = Flights()
    flights.join("a")
    follower = flights.join("a")
    flights.resolve("a", "tokens")
    assert follower.wait(0.0) == "tokens"


def test_late_words_of_a_former_leader_are_ignored() -> None:
    flights: Flights[str, str] = Flights()
    flights.join("a")
    flights.resolve("a", "tokens")
    flights.resolve("a", "again")
    flights.abandon("a")
    assert flights.join("a").leads


@settings(max_examples=examples(25), deadline=None)
@given(st.lists(st.booleans(), min_size=1, max_size=12), st.integers(2, 6))
def test_work_is_done_once_per_success(outcomes: list[bool], callers: int) -> None:
    """However often leaders fail, nobody is left waiting and only leaders work."""
    flights: Flights[str, int] = Flights()
    script = iter([*outcomes, *([True] * callers)])
    lock = threading.Lock()
    start = threading.Barrier(callers)
    attempts: list[bool] = []

    def call() -> int:
        start.wait()
        flight = flights.join("a")
        while True:
            if flight.leads:
                with lock:
                    succeeds = next(script)
                    attempts.append(succeeds)
                if succeeds:
                    flights.resolve("a", 7)
                    return 7
                flights.abandon("a")
                flight = flights.join("a")
                continue
            value = flight.wait(LONG_SECONDS)
            if value is not None:
                return value
            assert flight.leads, "waited a minute for nobody"

    with ThreadPoolExecutor(callers) as pool:
        assert [future.result() for future in [pool.submit(call) for _ in range(callers)]] == [7] * callers
    assert attempts.count(True) <= callers
    assert len(flights) == 0
