"""Batches are full, or as old as their first case allows."""

from hypothesis import given
from hypothesis import strategies as st

from streamer.batch import Batcher, BatchOptions
from streamer.testing import FakeClock
from tests.stream.cases import case


def test_a_batch_leaves_when_it_is_full() -> None:
    batcher = Batcher(BatchOptions(max_cases=3, max_wait_seconds=1.0), FakeClock())
    assert batcher.add(case()) is None
    assert batcher.add(case()) is None
    batch = batcher.add(case())
    assert batch is not None
    assert len(batch.cases) == 3
    assert len(batcher) == 0


def test_the_first_case_sets_the_deadline_and_later_ones_do_not_move_it() -> None:
    clock = FakeClock()
    batcher = Batcher(BatchOptions(max_cases=10, max_wait_seconds=1.0), clock)
    assert batcher.seconds_left() is None
    for _ in range(3):
        batcher.add(case())
        clock.advance(0.3)
    assert abs((batcher.seconds_left() or 0.0) - 0.1) < 1e-9
    clock.advance(5.0)
    assert batcher.seconds_left() == 0.0


def test_a_batch_leaves_when_any_of_its_cases_has_to() -> None:
    clock = FakeClock(100.0)
    batcher = Batcher(BatchOptions(max_cases=10, max_wait_seconds=1.0), clock)
    batcher.add(case(), 102.0)  # may wait as long as any
    assert batcher.seconds_left() == 1.0
    batcher.add(case(), 100.25)
    batcher.add(case())
    assert batcher.seconds_left() == 0.25
    clock.advance(0.25)
    assert batcher.seconds_left() == 0.0
    batch = batcher.take()
    assert batch is not None and len(batch.cases) == 3
    batcher.add(case())
    assert batcher.seconds_left() == 1.0, "what had to leave has left"


def test_what_should_have_left_waits_for_nobody() -> None:
    batcher = Batcher(BatchOptions(max_wait_seconds=1.0), FakeClock(100.0))
    batcher.add(case(), 99.0)
    assert batcher.seconds_left() == 0.0


@given(st.lists(st.floats(0, 0.4), min_size=1, max_size=30), st.integers(1, 5))
def test_no_case_is_lost_or_waits_longer_than_allowed(pauses: list[float], most: int) -> None:
    clock = FakeClock()
    options = BatchOptions(max_cases=most, max_wait_seconds=1.0)
    batcher = Batcher(options, clock)
    waits: list[float] = []
    for pause in pauses:
        left = batcher.seconds_left()
        if left is not None and left <= pause:
            clock.advance(left)
            pause -= left
            waits.extend(batcher.take().wait_ms)  # type: ignore[union-attr]
        clock.advance(pause)
        batch = batcher.add(case())
        waits.extend(batch.wait_ms if batch else ())
    rest = batcher.take()
    waits.extend(rest.wait_ms if rest else ())
    assert len(waits) == len(pauses)
    assert max(waits) <= 1000 * options.max_wait_seconds + 1e-6
