"""Threads on one device: side by side while all is well, and nobody inside while its context goes down."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import pytest

from engines.bundle import Bundle
from engines.gpu.device import Bytes
from engines.gpu.turns import Turns
from engines.runner import RunnerError
from engines.testing import HostDevice
from tests.engines.gpu.doubles import TOLERANCE, inputs_of, ort_of, runner_of

PATIENCE_SECONDS = 60.0


def test_users_are_side_by_side() -> None:
    turns, both = Turns(), threading.Barrier(2)

    def use() -> None:
        with turns.shared():
            both.wait(PATIENCE_SECONDS)

    with running(use):
        use()


def test_one_is_alone_when_the_others_have_left_and_nobody_enters_meanwhile() -> None:
    turns, inside, leave, done = Turns(), threading.Event(), threading.Event(), threading.Event()
    log: list[str] = []

    def stay() -> None:
        with turns.shared():
            inside.set()
            leave.wait(PATIENCE_SECONDS)
            log.append("left")

    def enter() -> None:
        done.wait(PATIENCE_SECONDS)
        with turns.shared():
            log.append("entered")

    with running(stay), running(enter):
        inside.wait(PATIENCE_SECONDS)
        with turns.shared():
            threading.Timer(0.05, leave.set).start()
            with turns.alone():
                done.set()
                threading.Event().wait(0.05)  # long enough to enter, if that were possible
                log.append("alone")
    assert log == ["left", "alone", "entered"]


def test_two_that_want_to_be_alone_are_so_one_after_the_other() -> None:
    turns, both = Turns(), threading.Barrier(2)
    at_once, most = 0, 0

    def be_alone() -> None:
        nonlocal at_once, most
        with turns.shared():
            both.wait(PATIENCE_SECONDS)
            with turns.alone():
                at_once += 1
                most = max(most, at_once)
                threading.Event().wait(0.02)
                at_once -= 1

    with running(be_alone):
        be_alone()
    assert most == 1


class Halting(HostDevice):
    """A device on which a copy of another thread than the first takes until `go`; notes who is inside on `recover`."""

    def __init__(self) -> None:
        super().__init__()
        self.first = threading.get_ident()
        self.halted, self.go = threading.Event(), threading.Event()
        self.halts = False
        self.log: list[str] = []

    def copy_in(self, address: int, source: Bytes, stream: int) -> None:
        if self.halts and threading.get_ident() != self.first:
            self.halted.set()
            self.go.wait(PATIENCE_SECONDS)
            self.log.append("copied")
        super().copy_in(address, source, stream)

    def recover(self) -> None:
        self.log.append("recovered")
        super().recover()


def test_the_context_goes_down_when_no_other_thread_is_at_work_in_it(world_bundle: Bundle) -> None:
    device, batch = Halting(), inputs_of(world_bundle, "vision", (2,))
    with (
        ort_of(world_bundle, "vision") as ort,
        runner_of(world_bundle, "vision", device) as mine,
        runner_of(world_bundle, "vision", device) as others,
    ):
        wanted = ort(batch)["tokens_FPD"]
        device.halts = True

        def work() -> None:
            with pytest.raises(RunnerError):
                others(batch)

        with running(work):
            assert device.halted.wait(PATIENCE_SECONDS)
            device.fail_next = 1
            with pytest.raises(RunnerError):
                mine(batch)
            threading.Timer(0.1, device.go.set).start()
            found = mine(batch)["tokens_FPD"]
        assert device.log == ["copied", "recovered"]
        device.halts = False
        for outputs in (found, others(batch)["tokens_FPD"]):
            np.testing.assert_allclose(outputs, wanted, atol=TOLERANCE, rtol=0)
    assert device.held == 0


def test_two_threads_and_a_device_that_fails_now_and_then(world_bundle: Bundle, device: HostDevice) -> None:
    """Every call is right or says that it failed, and goes on working afterwards."""
    batches = [inputs_of(world_bundle, "vision", (rows,), rows) for rows in (1, 3, 7, 9)]
    with ort_of(world_bundle, "vision") as ort:
        wanted = [ort(batch)["tokens_FPD"] for batch in batches]
    right, failed = [0, 0], [0, 0]

    def work(number: int) -> None:
        for turn in range(120):
            n = (turn + number) % len(batches)
            if turn % 20 == 10 * number:
                device.fail_next = 1
            try:
                found = runners[number](batches[n])["tokens_FPD"]
            except RunnerError:
                failed[number] += 1
            else:
                np.testing.assert_allclose(found, wanted[n], atol=TOLERANCE, rtol=0)
                right[number] += 1

    with runner_of(world_bundle, "vision", device) as one, runner_of(world_bundle, "vision", device) as other:
        runners = (one, other)
        with running(lambda: work(1)):
            work(0)
    assert [a + b for a, b in zip(right, failed, strict=True)] == [120, 120]
    assert min(right) > 60 and sum(failed) >= 1
    assert device.held == 0


@contextmanager
def running(work: Callable[[], None]) -> Iterator[None]:
    """Another thread beside the block; what it raises is raised at the end."""
    errors: list[BaseException] = []

    def run() -> None:
        try:
            work()
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    yield
    thread.join(PATIENCE_SECONDS)
    assert not thread.is_alive()
    for error in errors:
        raise error
