"""Shapes that come are counted, and `earshot build --traffic` reads what was written."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from engines.bundle import Bundle
from engines.gpu.buckets import choose
from engines.gpu.counted import WRITE_SECONDS, Counted, Counts
from engines.gpu.traffic import longest, read_traffic
from engines.spec import GRAPHS
from streamer.testing import ConstantRunner, FakeClock
from tests.engines.gpu.doubles import BUCKETS, inputs_of, ort_of


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "traffic.json"


@pytest.mark.parametrize("graph", GRAPHS)
def test_a_counted_runner_is_the_runner(world_bundle: Bundle, path: Path, graph: str) -> None:
    inputs = inputs_of(world_bundle, graph, BUCKETS[graph][1])
    with (
        Counts(path) as counts,
        Counted(ort_of(world_bundle, graph), counts) as counted,
        ort_of(world_bundle, graph) as alone,
    ):
        assert (counted.spec, counted.engine) == (alone.spec, alone.engine)
        wanted = alone(inputs)
        for outputs in (counted(inputs), counted.start(inputs)()):
            assert {name: array.tobytes() for name, array in outputs.items()} == {
                name: array.tobytes() for name, array in wanted.items()
            }
        with pytest.raises(ValueError, match="came inputs"):
            counted.start({})
    assert read_traffic(path) == {graph: {BUCKETS[graph][1]: 2}}


def test_buckets_are_chosen_by_what_was_counted(world_bundle: Bundle, path: Path) -> None:
    with Counts(path) as counts:
        runner = Counted(ConstantRunner(world_bundle.graphs["text"]), counts)
        for shape, times in (((1, 5), 3), ((8, 20), 9)):
            for _ in range(times):
                runner(inputs_of(world_bundle, "text", shape))
    traffic = read_traffic(path)["text"]
    assert traffic == {(1, 5): 3, (8, 20): 9}
    assert (8, 20) in choose(traffic, 3, longest(world_bundle)["text"])


def test_counts_are_written_once_a_minute_at_most_and_at_the_end(path: Path) -> None:
    clock = FakeClock()
    with Counts(path, clock) as counts:
        counts.count("vision", (8,))
        clock.advance(WRITE_SECONDS - 1)
        counts.count("vision", (8,))
        assert read_traffic(path) == {}
        clock.advance(1)
        counts.count("vision", (16,))
        assert read_traffic(path) == {"vision": {(8,): 2, (16,): 1}}
        counts.count("audio", (4,))
    assert read_traffic(path) == {"vision": {(8,): 2, (16,): 1}, "audio": {(4,): 1}}


def test_counting_goes_on_where_the_last_process_stopped(path: Path) -> None:
    for _ in range(3):
        with Counts(path) as counts:
            counts.count("vision", (8,))
    assert read_traffic(path) == {"vision": {(8,): 3}}


def test_a_disk_that_is_full_stops_no_batch(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    clock = FakeClock()
    with Counts(path, clock) as counts:
        path.unlink()
        path.mkdir()  # cannot be replaced by a file
        clock.advance(WRITE_SECONDS)
        counts.count("vision", (8,))
    assert "counts of shapes could not be written" in caplog.text


def test_threads_lose_no_count(path: Path) -> None:
    with Counts(path) as counts:
        threads = [
            threading.Thread(target=lambda: [counts.count("text", (1, n % 50)) for n in range(5000)]) for _ in range(4)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert sum(read_traffic(path)["text"].values()) == 20_000


def test_shapes_are_in_the_order_of_the_spec(world_bundle: Bundle, path: Path) -> None:
    spec = world_bundle.graphs["fusion"]
    with Counts(path) as counts:
        Counted(ConstantRunner(spec), counts)(inputs_of(world_bundle, "fusion", (2, 3, 4, 5)))
    assert list(spec.ranges) == ["N", "V", "A", "L"]
    assert read_traffic(path) == {"fusion": {(2, 3, 4, 5): 1}}
