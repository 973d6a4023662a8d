"""Engines that only fail: they rest, are tried with a batch now and then, and in the end the process gives up."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path

import pytest
import typer

from engines.engine_set import EngineSet
from engines.opening import open_engines
from engines.runner import RunnerError
from engines.spec import Array
from engines.testing import HostDevice
from streamer import wire
from streamer.assemble import Parts, open_parts
from streamer.brake import Brake, BrakeOptions
from streamer.cli.common import errors_told
from streamer.errors import EnginesLostError
from streamer.records import TASKS, Message
from streamer.testing import FakeClock
from tests.engines.gpu.doubles import runner_of
from tests.stream.faulty import failing, running
from tests.stream.shop import START_MS, Shop, event, message, sample, settings

TOPIC, RETRY = settings().kafka.topics.uploaded, settings().kafka.retry_topic
OPTIONS = BrakeOptions(failed_batches=3, first_seconds=2, most_seconds=8, give_up_seconds=100)
BROKEN = RunnerError("a device fault")


def brake_of(clock: FakeClock) -> Brake:
    return Brake(OPTIONS, clock, random.Random(7))


def told(brake: Brake, content: str, *, judged: bool) -> None:
    ticket = brake.enter()
    assert ticket is not None
    brake.leave(ticket, {content}, judged=judged)


def test_so_many_failed_batches_in_a_row_put_it_on() -> None:
    brake = brake_of(FakeClock())
    for content in ("a", "b"):
        told(brake, content, judged=False)
    told(brake, "c", judged=True)
    for content in ("a", "b"):
        told(brake, content, judged=False)
    assert (brake.on, brake.resting) == (False, False)
    told(brake, "c", judged=False)
    assert (brake.on, brake.resting, brake.enter()) == (True, True, None)


def test_one_video_that_fails_again_and_again_does_not() -> None:
    brake = brake_of(FakeClock())
    for _ in range(50):
        told(brake, "a", judged=False)
    assert not brake.on


def test_rests_grow_to_a_limit_and_a_single_batch_ends_each() -> None:
    clock = FakeClock()
    brake = brake_of(clock)
    for content in ("a", "b", "c"):
        told(brake, content, judged=False)
    rests = []
    for _ in range(5):
        began = clock()
        while brake.resting:
            clock.advance(0.01)
        rests.append(clock() - began)
        trial = brake.enter()
        assert trial is not None
        assert brake.enter() is None, "a second batch beside the trial"
        brake.leave(trial, {"a"}, judged=False)
    for rest, nominal in zip(rests, (2, 4, 8, 8, 8), strict=True):
        assert 0.79 * nominal <= rest <= 1.21 * nominal
    assert len({round(rest, 2) for rest in rests[2:]}) > 1, "no jitter"
    assert brake.on_seconds == clock()
    clock.advance(10.0)
    told(brake, "a", judged=True)
    assert (brake.on, brake.on_seconds) == (False, 0.0)
    told(brake, "a", judged=False)
    assert not brake.on, "it counts from the start again"


@pytest.fixture(scope="module")
def videos(clips: list[Path]) -> list[Path]:
    """The same clip many times, each with other bytes behind it: what fails once under each name."""
    whole = clips[0].read_bytes()
    paths = [clips[0].with_name(f"brake-{n}.mp4") for n in range(10)]
    for n, path in enumerate(paths):
        path.write_bytes(whole + (8 + n).to_bytes(4, "big") + b"free" + bytes(n))
    return paths


@pytest.fixture(scope="module")
def parts(clips: list[Path]) -> Iterator[Parts]:
    with open_parts(settings(fetch__file_roots=[str(clips[0].parent)])) as parts:
        yield parts


class Trouble:
    """Fails while it is on, and counts what it was asked."""

    def __init__(self) -> None:
        self.on = True
        self.asked = 0

    def __call__(self, inputs: Mapping[str, Array]) -> bool:
        self.asked += 1
        return self.on


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def shop_of(
    parts: Parts, stack: ExitStack, videos: list[Path], messages: list[Message], clock: FakeClock, *troubles: Trouble
) -> Shop:
    broken = failing(parts, stack, settings(fetch__file_roots=[str(videos[0].parent)]), BROKEN, *troubles)
    return Shop(
        broken.pipeline,
        messages,
        monotonic=clock,
        worker__deadline_seconds=24 * 3600,
        worker__max_in_flight_events=4,
        kafka__commit_interval_seconds=0.001,
        flow__decode_threads=2,
        batch__max_cases=2,
        **{f"brake__{name}": value for name, value in OPTIONS.model_dump().items()},
    )


def events(videos: list[Path], count: int) -> list[Message]:
    return [message(event(n, videos[n % len(videos)].as_uri(), title=f"red star {n}"), n) for n in range(count)]


def test_a_worker_takes_nothing_while_its_engines_only_fail_and_goes_on_when_they_work(
    parts: Parts, videos: list[Path], stack: ExitStack
) -> None:
    clock, trouble = FakeClock(), Trouble()
    shop = shop_of(parts, stack, videos, events(videos, 40), clock, trouble)
    seen: dict[str, object] = {}
    turns = 0

    def until() -> bool:
        nonlocal turns
        clock.advance(0.0005)  # so that publishing has its intervals
        resting = sample(shop.metrics.registry, "earshot_engines_resting")
        calm = resting and not sample(shop.metrics.registry, "earshot_in_flight_events")
        turns += bool(calm)
        if turns == 100 and not seen:
            waiting = len(shop.stream.waiting)
            seen.update(waiting=waiting, paused=shop.stream.paused, ready=shop.health.readiness(), asked=trouble.asked)
        if turns == 200 and "later" not in seen:
            seen.update(later=len(shop.stream.waiting), asked_later=trouble.asked)
            clock.advance(3.0)
        if len(shop.stream.waiting) < int(str(seen.get("later", 0))):
            trouble.on = False
            clock.advance(0.05)
        return not shop.stream.waiting and shop.worker.idle

    shop.run(until)
    assert 40 - 3 * 2 - 4 <= int(str(seen["waiting"])) < 40, "three batches, and what was in flight with the last"
    assert seen["later"] == seen["waiting"]
    assert (seen["paused"], seen["ready"]) == ({TOPIC, RETRY}, "engines only fail")
    assert seen["asked_later"] == seen["asked"]
    retries, verdicts = shop.retries(), shop.verdicts()
    assert {event_id for event_id, _ in verdicts} | {retry.header("ce_id") for retry in retries} == {
        f"e{n}" for n in range(40)
    }
    assert len(verdicts) == 2 * (40 - len(retries))
    assert shop.letters() == []
    attempts = [(retry.header("retry.reason"), wire.attempt_of(retry)) for retry in retries]
    assert set(attempts) <= {("engine_failed", 2), ("engines_resting", 1)}
    assert ("engine_failed", 2) in attempts
    assert shop.stream.offsets == {(TOPIC, 0): 40}
    assert sample(shop.metrics.registry, "earshot_engines_resting") == 0


def test_what_rests_or_is_on_trial_is_no_try_of_the_event(parts: Parts, videos: list[Path], stack: ExitStack) -> None:
    clock, trouble = FakeClock(), Trouble()
    shop = shop_of(parts, stack, videos, events(videos, 40), clock, trouble)
    trials: list[int] = []

    def until() -> bool:
        clock.advance(0.0005)
        if sample(shop.metrics.registry, "earshot_engines_resting"):
            clock.advance(0.01)
            if not trials or trials[-1] < trouble.asked:
                trials.append(trouble.asked)
        return len(trials) > 3

    shop.run(until)
    counted = [retry for retry in shop.retries() if wire.attempt_of(retry) == 2]
    assert len(counted) <= 6, "only the batches that put the brake on"
    assert len(shop.retries()) > len(counted)
    assert len(shop.stream.waiting) > 10
    assert {wire.not_before_ms_of(retry) for retry in shop.retries()} == {START_MS + 2000}


def test_a_worker_gives_up_and_what_it_had_in_hand_comes_again(
    parts: Parts, videos: list[Path], stack: ExitStack
) -> None:
    clock = FakeClock()
    shop = shop_of(parts, stack, videos, events(videos, 40), clock, Trouble())

    def until() -> bool:
        clock.advance(1.0 if sample(shop.metrics.registry, "earshot_engines_resting") else 0.0005)
        return False

    with pytest.raises(typer.Exit) as left, errors_told():
        shop.run(until)
    assert left.value.exit_code == 1
    cause = left.value.__cause__
    assert isinstance(cause, EnginesLostError)
    assert "1 of 1 threads only fail" in str(cause)
    assert 100 <= clock() < 110
    assert shop.stream.closed
    assert (shop.verdicts(), shop.letters()) == ({}, [])
    committed = shop.stream.offsets[TOPIC, 0]
    assert len(shop.retries()) == committed, "what was committed is in the retry topic"


def test_a_device_that_is_lost_ends_the_process_at_once(parts: Parts, videos: list[Path], stack: ExitStack) -> None:
    device = HostDevice()
    real = open_engines(parts.bundle)
    vision = runner_of(parts.bundle, "vision", device)
    options = settings(fetch__file_roots=[str(videos[0].parent)])
    engines = EngineSet(vision=vision, audio=real.audio, text=real.text, fusion=real.fusion)
    broken = running(parts, stack, options, engines)
    device.fail_next = 10**6  # not before they are open
    shop = Shop(broken.pipeline, events(videos, 40), brake__failed_batches=1000, worker__max_in_flight_events=4)
    with pytest.raises(EnginesLostError, match="have cost 17 contexts"):
        shop.run(lambda: False)
    assert shop.stream.closed
    assert (shop.verdicts(), shop.letters()) == ({}, [])
    assert len(shop.retries()) == shop.stream.offsets.get((TOPIC, 0), 0) < 40


def test_one_video_that_engines_cannot_stand_does_not_stop_the_worker(
    parts: Parts, videos: list[Path], stack: ExitStack
) -> None:
    clock, trouble = FakeClock(), Trouble()
    one = [message(event(n, videos[0].as_uri()), n) for n in range(20)]
    shop = shop_of(parts, stack, videos, one, clock, trouble)

    def until() -> bool:
        clock.advance(0.0005)
        assert not sample(shop.metrics.registry, "earshot_engines_resting")
        return not shop.stream.waiting and shop.worker.idle

    shop.run(until)
    assert {(retry.header("retry.reason"), wire.attempt_of(retry)) for retry in shop.retries()} == {
        ("engine_failed", 2)
    }
    assert shop.stream.offsets == {(TOPIC, 0): 20}


def test_whoever_waits_for_the_embeddings_of_a_video_that_nobody_judges_looks_itself(
    parts: Parts, videos: list[Path], stack: ExitStack
) -> None:
    pipeline = failing(parts, stack, settings(fetch__file_roots=[str(videos[0].parent)]), BROKEN, Trouble()).pipeline
    found = event(0, videos[0].as_uri(), tasks=TASKS[:1])
    with pipeline.fetch(found, timeout_seconds=60) as content:
        for _ in range(2):
            case = pipeline.perceive(found, content, source=None, received_seconds=0.0, timeout_seconds=60)
            assert case.clip is not None
            pipeline.abandon(case)
