"""Only finished, contiguous prefixes may be committed, in whatever order records finish."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.errors import BrokerError
from streamer.offsets import OffsetTracker
from streamer.records import Outgoing, Position


def output(position: Position) -> tuple[Outgoing, ...]:
    return (Outgoing("out", None, str(position).encode(), ()),)


@st.composite
def deliveries(draw: st.DrawFn) -> tuple[list[Position], list[Position]]:
    """Positions of some partitions with gaps between offsets, and a finishing order of some of them."""
    positions = [
        Position("in", partition, offset)
        for partition in range(draw(st.integers(1, 3)))
        for offset in sorted(draw(st.sets(st.integers(0, 50), max_size=12)))
    ]
    finishing = draw(st.permutations(positions))
    return positions, finishing[: draw(st.integers(0, len(finishing)))]


@given(deliveries(), st.integers(1, 40))
def test_a_prefix_holds_exactly_the_finished_records_before_the_first_unfinished(
    delivered: tuple[list[Position], list[Position]], most: int
) -> None:
    positions, finished = delivered
    tracker = OffsetTracker()
    for position in positions:
        assert tracker.start(position)
    for position in finished:
        assert tracker.finish(position, output(position))

    published: list[bytes | None] = []
    while prefix := tracker.prefix(most):
        assert prefix.records <= most
        published.extend(item.value for item in prefix.outputs)
        tracker.settle(prefix.next_offsets)

    done = set(finished)
    expected = []
    for partition in {position.partition for position in positions}:
        for position in (item for item in positions if item.partition == partition):
            if position not in done:
                break
            expected.append(str(position).encode())
    assert sorted(filter(None, published)) == sorted(expected)
    assert len(tracker) == len(positions) - len(expected)


def test_a_prefix_that_was_not_settled_comes_again() -> None:
    tracker = OffsetTracker()
    position = Position("in", 0, 7)
    tracker.start(position)
    tracker.finish(position, output(position))
    assert tracker.prefix(10) == tracker.prefix(10)
    assert tracker.prefix(10).next_offsets == {("in", 0): 8}


def test_a_dropped_partition_is_forgotten_and_late_results_for_it_are_refused() -> None:
    tracker = OffsetTracker()
    kept, dropped = Position("in", 0, 1), Position("in", 1, 1)
    tracker.start(kept)
    tracker.start(dropped)
    assert tracker.drop([("in", 1)]) == [dropped]
    assert not tracker.finish(dropped, output(dropped))
    assert tracker.finish(kept, output(kept))
    assert not tracker.finish(kept, output(kept)), "a second result for one record must not count"


def test_a_record_delivered_again_after_a_rebalance_is_a_new_one() -> None:
    tracker = OffsetTracker()
    position = Position("in", 0, 5)
    assert tracker.start(position)
    assert not tracker.start(position)
    tracker.drop([("in", 0)])
    assert tracker.start(position)


def test_offsets_that_go_back_name_both_and_end_the_worker() -> None:
    tracker = OffsetTracker()
    tracker.start(Position("in", 0, 7))
    with pytest.raises(BrokerError, match=r"in\[0\]@0 came after in\[0\]@7.*made anew"):
        tracker.start(Position("in", 0, 0))
