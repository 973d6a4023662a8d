"""Engine threads: side by side, each with engines of its own, and whatever happens, every case is answered once."""

from __future__ import annotations

import dataclasses
import queue
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pytest

from engines.bundle import Bundle
from engines.engine_set import EngineSet
from engines.opening import open_engines
from engines.runner import Pending, RunnerError
from engines.spec import Array
from streamer.assemble import open_parts
from streamer.batch import BatchOptions
from streamer.bench.gpu.cases import random_cases
from streamer.bench.gpu.served import open_judges
from streamer.errors import EngineFailedError
from streamer.judging import JudgeBatch, Judging
from streamer.metrics import Metrics
from streamer.records import Batch, Case, Content, State, Verdict
from streamer.testing import ConstantRunner, FakeClock
from tests.stream.cases import case, scores
from tests.stream.shop import Shop, event, message, sample, settings

PATIENCE_SECONDS = 60.0
Result = tuple[Verdict, ...] | Exception


class Bench:
    """JudgeBatch at work on cases numbered from 0."""

    def __init__(
        self, judges: Sequence[JudgeBatch], clock: Callable[[], float] = time.monotonic, **options: float
    ) -> None:
        self.metrics = Metrics()
        self._results: queue.SimpleQueue[tuple[int, Result]] = queue.SimpleQueue()
        self.judging: Judging[int] = Judging(
            judges,
            BatchOptions(**options),  # type: ignore[arg-type]
            self.metrics,
            clock,
            lambda number, result: self._results.put((number, result)),
        )

    def results(self, count: int) -> dict[int, Result]:
        """Of so many cases. Fails when one is answered twice."""
        found: dict[int, Result] = {}
        for _ in range(count):
            number, result = self._results.get(timeout=PATIENCE_SECONDS)
            assert number not in found
            found[number] = result
        return found

    def nothing_more(self) -> bool:
        time.sleep(0.05)
        return self._results.empty()


def empty(batch: Batch) -> list[tuple[Verdict, ...]]:
    return [()] * len(batch.cases)


def test_one_batch_is_judged_beside_another() -> None:
    both = threading.Barrier(2)

    def judge(batch: Batch) -> list[tuple[Verdict, ...]]:
        both.wait(PATIENCE_SECONDS)
        return empty(batch)

    bench = Bench([judge, judge], max_cases=1)
    for number in range(4):
        bench.judging.submit(number, case())
    assert bench.results(4) == dict.fromkeys(range(4), ())


def test_batches_fill_up_while_every_judge_is_busy() -> None:
    sizes: list[int] = []
    go = threading.Event()

    def judge(batch: Batch) -> list[tuple[Verdict, ...]]:
        sizes.append(len(batch.cases))
        go.wait(PATIENCE_SECONDS)
        return empty(batch)

    bench = Bench([judge, judge], max_cases=4, max_wait_seconds=0.0)
    for number in range(2):
        bench.judging.submit(number, case())
        wait_for(lambda number=number: len(sizes) == number + 1)  # type: ignore[misc]
    for number in range(2, 10):
        bench.judging.submit(number, case())
    assert bench.judging.waiting == 8
    go.set()
    assert len(bench.results(10)) == 10
    assert sorted(sizes) == [1, 1, 4, 4]
    assert bench.judging.waiting == 0


def test_a_case_whose_deadline_is_near_takes_its_batch_along() -> None:
    bench = Bench([empty], max_cases=8, max_wait_seconds=10.0)
    started = time.monotonic()
    bench.judging.submit(0, case(), started + 100.0)
    bench.judging.submit(1, case(), started + 0.1)
    assert len(bench.results(2)) == 2
    assert time.monotonic() - started < 5.0


def test_how_near_is_what_judging_takes() -> None:
    clock = FakeClock()

    def slow(batch: Batch) -> list[tuple[Verdict, ...]]:
        clock.advance(7.0)
        return empty(batch)

    bench = Bench([slow], clock, max_cases=2, max_wait_seconds=10.0)
    for number in range(2):
        bench.judging.submit(number, case(), 100.0)
    assert len(bench.results(2)) == 2
    wait_for(lambda: max(bench.judging._took_seconds) == 7.0)
    bench.judging.submit(2, case(), clock() + 7.0)  # has to leave now, and the clock stands still
    assert bench.results(1) == {2: ()}


def test_a_judge_that_fails_fails_only_its_own_cases_and_each_is_answered_once() -> None:
    both = threading.Barrier(2)
    batches: dict[str, list[int]] = {"good": [], "bad": []}

    def judge(name: str) -> JudgeBatch:
        def judged(batch: Batch) -> list[tuple[Verdict, ...]]:
            if len(batch.cases) > 1:
                batches[name].append(len(batch.cases))
                both.wait(PATIENCE_SECONDS)  # so that neither is faster
            if name == "bad":
                raise EngineFailedError("a device fault")
            return empty(batch)

        return judged

    bench = Bench([judge("good"), judge("bad")], max_cases=4, max_wait_seconds=5.0)
    for number in range(16):
        bench.judging.submit(number, case())
    found = bench.results(16)
    assert batches == {"good": [4, 4], "bad": [4, 4]}
    assert sum(isinstance(result, EngineFailedError) for result in found.values()) == 8
    assert sum(result == () for result in found.values()) == 8
    assert bench.nothing_more()
    assert sample(bench.metrics.registry, "earshot_stage_failures_total", stage="judge", reason="engine_failed") == 10


def test_engines_that_only_fail_in_one_thread_leave_the_work_to_the_others() -> None:
    failed, rested = [0], threading.Event()

    def good(batch: Batch) -> list[tuple[Verdict, ...]]:
        rested.wait(PATIENCE_SECONDS)
        return empty(batch)

    def bad(batch: Batch) -> list[tuple[Verdict, ...]]:
        failed[0] += 1
        raise EngineFailedError("a device fault")

    bench = Bench([good, bad], FakeClock(), max_cases=1)
    for number in range(40):
        bench.judging.submit(number, numbered(number))
    wait_for(lambda: bench.judging.resting == 1)
    assert bench.judging.most_cases is None, "one of them works"
    rested.set()
    found = bench.results(40)
    assert failed == [5]
    assert sum(isinstance(result, EngineFailedError) for result in found.values()) == 5
    assert sum(result == () for result in found.values()) == 35


def numbered(number: int, *, remembered: bool = False) -> Case:
    """A case of a video of its own; of what is remembered no engine is asked."""
    one = case()
    recall = dataclasses.replace(one.recall, fused=scores().fused) if remembered else one.recall
    return dataclasses.replace(one, content=Content("/spool/1", f"{number:064x}", 10), recall=recall)


@pytest.mark.parametrize("most", [1, 2])
def test_what_is_remembered_says_nothing_of_engines(most: int) -> None:
    clock = FakeClock()
    broken = [True]

    def judge(batch: Batch) -> list[tuple[Verdict, ...]]:
        if broken[0] and any(item.recall.fused is None for item in batch.cases):
            raise EngineFailedError("a device fault")
        return empty(batch)

    bench = Bench([judge], clock, max_cases=most, max_wait_seconds=0.0 if most == 1 else 10.0)
    for number in range(10):
        bench.judging.submit(number, numbered(number, remembered=number % 2 == 1))
    found = bench.results(10)
    assert sum(isinstance(result, EngineFailedError) for result in found.values()) == 5
    wait_for(lambda: bench.judging.most_cases == 0)
    clock.advance(10.0)
    for number in range(10, 10 + most):
        bench.judging.submit(number, numbered(number, remembered=True))
    assert bench.results(most) == dict.fromkeys(range(10, 10 + most), ())
    assert bench.judging.resting == 1, "the trial is still to come"
    broken[0] = False
    for number in range(20, 20 + most):
        bench.judging.submit(number, numbered(number))
    assert bench.results(most) == dict.fromkeys(range(20, 20 + most), ())
    wait_for(lambda: bench.judging.resting == 0)


@pytest.fixture(scope="module")
def noise() -> tuple[Bundle, list[Case]]:
    bundle = Bundle.load("world")
    return bundle, random_cases(bundle, 24, seed=1)


def test_engines_that_fail_in_one_thread_leave_the_others_alone(noise: tuple[Bundle, list[Case]]) -> None:
    bundle, cases = noise
    both = threading.Barrier(2)

    def beside(judge: JudgeBatch) -> JudgeBatch:
        def judged(batch: Batch) -> Sequence[tuple[Verdict, ...]]:
            if len(batch.cases) > 1:
                both.wait(PATIENCE_SECONDS)
            return judge(batch)

        return judged

    with (
        open_judges(bundle, lambda: open_engines(bundle), 1) as (whole,),
        open_judges(bundle, lambda: blind(bundle), 1) as (broken,),
    ):
        bench = Bench([beside(whole.judge), beside(broken.judge)], max_cases=4, max_wait_seconds=5.0)
        for number, item in enumerate(cases):
            bench.judging.submit(number, item)
        found = bench.results(len(cases))
    failed = [result for result in found.values() if isinstance(result, Exception)]
    assert len(failed) == 12
    assert all(isinstance(error, EngineFailedError) and "a device fault" in str(error) for error in failed)


class Fault(ConstantRunner):
    """Cannot be started."""

    def start(self, inputs: Mapping[str, Array]) -> Pending:
        raise RunnerError("a device fault")


def blind(bundle: Bundle) -> EngineSet:
    real = open_engines(bundle)
    return EngineSet(vision=Fault(bundle.graphs["vision"]), audio=real.audio, text=real.text, fusion=real.fusion)


def test_two_engine_threads_say_what_one_says_and_drain(clips: list[Path]) -> None:
    found = []
    for threads in (1, 2):
        options = {"fetch__file_roots": [str(clips[0].parent)], "flow__engine_threads": threads, "batch__max_cases": 2}
        with open_parts(settings(**options)) as parts:
            assert len(parts.pipeline.judges) == threads
            messages = [
                message(event(n, clips[n % len(clips)].as_uri(), title=f"red star number {n}"), n) for n in range(24)
            ]
            shop = Shop(parts.pipeline, messages, flow__engine_threads=threads, batch__max_cases=2)
            shop.run_all()
            found.append(shop.verdicts())
            assert shop.stream.offsets == {(shop.kafka.topics.uploaded, 0): 24}
            assert (shop.letters(), shop.retries()) == ([], [])
            assert shop.ended("verdict") == 24
    one, two = found
    assert one.keys() == two.keys()
    assert len(one) == 48
    for key, verdict in one.items():
        other = two[key]
        assert (verdict.verdict_id, verdict.action, verdict.state) == (other.verdict_id, other.action, State.DECIDED)
        assert verdict.score == pytest.approx(other.score, abs=1e-5)


def wait_for(so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not so():
        assert time.monotonic() < deadline
        time.sleep(0.001)
