"""A fault fails what was on its way and nothing else: the next call starts from a clean state, in every runner."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import ExitStack

import numpy as np
import pytest

from engines.bundle import Bundle
from engines.gpu.device import DeviceError
from engines.gpu.ways import Ways
from engines.runner import RunnerError, RunnerLostError
from engines.spec import GRAPHS, Array
from engines.testing import HostCompiler, HostDevice
from engines.trt import MOST_LOST_CONTEXTS, TrtRunner
from tests.engines.gpu.doubles import BUCKETS, TOLERANCE, Watched, inputs_of, ort_of, plan_of, runner_of

ILLEGAL = "an illegal memory access was encountered"
TAKEN = "a fault of another call has taken this one with it"

Check = Callable[[str, Mapping[str, Array], int], None]


@pytest.fixture
def check(world_bundle: Bundle) -> Check:
    """Whether outputs are those of ONNX Runtime for the batch of that graph, its least bucket and seed."""

    def check(graph: str, outputs: Mapping[str, Array], seed: int) -> None:
        with ort_of(world_bundle, graph) as ort:
            for name, array in ort(inputs_of(world_bundle, graph, BUCKETS[graph][0], seed)).items():
                np.testing.assert_allclose(outputs[name], array, atol=TOLERANCE, rtol=0)

    return check


@pytest.fixture
def batch(world_bundle: Bundle) -> Callable[[str, int], dict[str, Array]]:
    return lambda graph, seed: inputs_of(world_bundle, graph, BUCKETS[graph][0], seed)


Batch = Callable[[str, int], dict[str, Array]]


@pytest.mark.parametrize("graph", GRAPHS)
def test_the_batch_fails_and_the_next_one_is_right(
    world_bundle: Bundle, device: HostDevice, check: Check, batch: Batch, graph: str
) -> None:
    with runner_of(world_bundle, graph, device) as runner:
        check(graph, runner(batch(graph, 1)), 1)
        device.fail_next = 1
        with pytest.raises(RunnerError, match=f"{graph}: double-1.0-fp32 failed: {ILLEGAL}"):
            runner(batch(graph, 2))
        assert runner.device_bytes() == 0
        check(graph, runner(batch(graph, 3)), 3)
        assert runner.captured
        assert device.generation == 1
    assert device.held == 0


def test_fault_after_fault(world_bundle: Bundle, device: HostDevice, check: Check, batch: Batch) -> None:
    """The run that warms a lane may fail, too: then the call that reopened it fails, and the next one tries again."""
    with runner_of(world_bundle, "vision", device) as runner:
        device.fail_next = 3
        for seed in range(3):
            with pytest.raises(RunnerError, match=ILLEGAL):
                runner(batch("vision", seed))
        check("vision", runner(batch("vision", 4)), 4)
    assert (device.generation, device.held) == (3, 0)


def test_a_process_survives_so_many_faults_and_then_says_that_it_has_to_be_started_again(
    world_bundle: Bundle, device: HostDevice, check: Check, batch: Batch, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone: list[Ways] = []
    monkeypatch.setattr("engines.gpu.ways._GONE", gone)
    with runner_of(world_bundle, "vision", device) as vision, runner_of(world_bundle, "text", device) as text:
        for number in range(MOST_LOST_CONTEXTS):
            check("text", text(batch("text", number)), number)
            device.fail_next = 1
            with pytest.raises(RunnerError, match=ILLEGAL):
                vision(batch("vision", number))
            check("vision", vision(batch("vision", number)), number)
        check("text", text(batch("text", 1)), 1)
        kept = len(gone)
        assert kept == MOST_LOST_CONTEXTS, "what the other runner had, each time"
        device.fail_next = 10**6
        for _ in range(5):
            with pytest.raises(RunnerError):
                vision(batch("vision", 1))
        for runner, graph in ((vision, "vision"), (text, "text"), (vision, "vision")):
            with pytest.raises(RunnerLostError, match=f"{graph}: faults of Host double sm_00 have cost 17 contexts"):
                runner(batch(graph, 1))
        assert len(gone) == kept + 1
    assert len(gone) == kept + 1


def test_what_was_in_flight_beside_it_fails_as_well(
    world_bundle: Bundle, device: HostDevice, check: Check, batch: Batch
) -> None:
    with runner_of(world_bundle, "vision", device) as runner:
        first, second = runner.start(batch("vision", 1)), runner.start(batch("vision", 2))
        device.fail_next = 1
        with pytest.raises(RunnerError, match=ILLEGAL):
            first()
        with pytest.raises(RunnerError, match=TAKEN):
            second()
        check("vision", runner(batch("vision", 3)), 3)
    assert device.held == 0


def test_a_fault_between_two_starts(world_bundle: Bundle, device: HostDevice, check: Check, batch: Batch) -> None:
    """The call that needs the lane of a failed one is told; all three are lost, the fourth is not."""
    with runner_of(world_bundle, "vision", device, ((2,),)) as runner:
        waits = [runner.start(batch("vision", seed)) for seed in (1, 2)]
        device.fail_next = 1
        with pytest.raises(RunnerError, match=ILLEGAL):
            runner.start(batch("vision", 3))
        for wait in waits:
            with pytest.raises(RunnerError, match=TAKEN):
                wait()
        check("vision", runner(batch("vision", 4)), 4)
    assert device.held == 0


def test_late_news_of_a_fault_harm_nobody(world_bundle: Bundle, device: HostDevice, check: Check, batch: Batch) -> None:
    """Who waits for a lost call after others have begun anew must not take those down."""
    with runner_of(world_bundle, "vision", device) as runner:
        first, second = runner.start(batch("vision", 1)), runner.start(batch("vision", 2))
        device.fail_next = 1
        with pytest.raises(RunnerError, match=ILLEGAL):
            first()
        third = runner.start(batch("vision", 3))
        with pytest.raises(RunnerError, match=TAKEN):
            second()
        check("vision", third(), 3)


@pytest.mark.parametrize("faulty", GRAPHS)
def test_other_runners_of_the_device_open_anew(
    world_bundle: Bundle, device: HostDevice, check: Check, batch: Batch, faulty: str
) -> None:
    """Numbers and addresses of before are given to others: who used or closed its own would break theirs."""
    others = [graph for graph in GRAPHS if graph != faulty]
    with ExitStack() as stack:
        runners = {graph: stack.enter_context(runner_of(world_bundle, graph, device)) for graph in GRAPHS}
        in_flight = {graph: runners[graph].start(batch(graph, 1)) for graph in others}
        device.fail_next = 1
        with pytest.raises(RunnerError, match=ILLEGAL):
            runners[faulty](batch(faulty, 1))
        again = runners[faulty].start(batch(faulty, 2))  # takes the numbers that the others had
        for graph in others:
            with pytest.raises(RunnerError, match=f"{graph}: {TAKEN}"):
                in_flight[graph]()
            check(graph, runners[graph](batch(graph, 3)), 3)
        check(faulty, again(), 2)
        assert device.generation == 1
        for seed in (4, 5):
            for graph in GRAPHS:
                check(graph, runners[graph](batch(graph, seed)), seed)
    assert device.held == 0


def test_who_calls_first_after_a_fault_of_another_makes_the_device_usable(
    world_bundle: Bundle, device: HostDevice, check: Check, batch: Batch
) -> None:
    with runner_of(world_bundle, "vision", device) as vision, runner_of(world_bundle, "audio", device) as audio:
        device.fail_next = 1
        with pytest.raises(RunnerError, match=ILLEGAL):
            vision(batch("vision", 1))
        with pytest.raises(RunnerError, match=f"audio: .*{ILLEGAL}"):  # its memory is gone, which it cannot know
            audio(batch("audio", 1))
        check("audio", audio(batch("audio", 2)), 2)
        check("vision", vision(batch("vision", 2)), 2)
    assert device.held == 0


def test_one_that_is_left_after_a_fault_of_another_takes_nothing_from_it(
    world_bundle: Bundle, device: HostDevice, check: Check, batch: Batch
) -> None:
    with runner_of(world_bundle, "vision", device) as vision:
        with runner_of(world_bundle, "audio", device):
            device.fail_next = 1
            with pytest.raises(RunnerError, match=ILLEGAL):
                vision(batch("vision", 1))
            check("vision", vision(batch("vision", 2)), 2)
            held = device.held
        assert device.held == held
        check("vision", vision(batch("vision", 3)), 3)
    assert device.held == 0


def test_a_fault_in_the_last_call_does_not_keep_the_block_from_ending(
    world_bundle: Bundle, device: HostDevice, batch: Batch, caplog: pytest.LogCaptureFixture
) -> None:
    with runner_of(world_bundle, "vision", device) as runner:
        device.fail_next = 1
        with pytest.raises(RunnerError, match=ILLEGAL):
            runner(batch("vision", 1))
    assert f"vision: not all could be given back: {ILLEGAL}" in caplog.text
    with pytest.raises(RunnerError, match="outside its `with` block"):
        runner(batch("vision", 1))
    device.recover()
    assert device.held == 0


def test_whichever_call_fails_at_the_start_nothing_is_kept(world_bundle: Bundle, device: HostDevice) -> None:
    """Each call of the device in turn. What cannot be captured is launched run by run; all else ends the start."""
    compiler = HostCompiler(device)
    plan = plan_of(world_bundle, "vision", compiler, ((1,), (2,)))

    def runner(watched: Watched) -> TrtRunner:
        return TrtRunner(plan, world_bundle.graphs["vision"], watched, compiler)

    watched = Watched(device)
    with runner(watched):
        entering = watched.calls.total()
    uncaptured = 0
    for good_calls in range(entering):
        failing = runner(Watched(device, good_calls))
        try:
            with failing:
                assert not failing.captured
                uncaptured += 1
        except RunnerError as error:
            assert str(error).endswith(" fails")
            with pytest.raises(RunnerError, match="outside its `with` block"):
                failing(inputs_of(world_bundle, "vision", (1,)))
        assert device.held == 0, f"after {good_calls} good calls"
    assert uncaptured == 4  # two buckets of two lanes each


def test_whichever_call_fails_in_a_run_the_next_one_is_right(
    world_bundle: Bundle, device: HostDevice, check: Check, batch: Batch
) -> None:
    compiler = HostCompiler(device)
    plan = plan_of(world_bundle, "vision", compiler, ((1,),))
    entered, done = 0, False
    while not done:
        watched = Watched(device)
        with TrtRunner(plan, world_bundle.graphs["vision"], watched, compiler) as runner:
            watched._good_calls = watched.calls.total() + entered
            try:
                runner(batch("vision", 1))
                done = watched._good_calls is not None  # all went well: each call has had its turn
            except RunnerError as error:
                assert "fails" in str(error)
            watched._good_calls = None
            check("vision", runner(batch("vision", 2)), 2)
        assert device.held == 0
        entered += 1
    assert entered > 10


def test_a_plan_that_does_not_load_is_told(world_bundle: Bundle, device: HostDevice) -> None:
    compiler = HostCompiler(device)
    plan = plan_of(world_bundle, "vision", compiler)
    runner = TrtRunner(type(plan)(plan.header, b"other"), world_bundle.graphs["vision"], device, compiler)
    with pytest.raises(RunnerError, match=r"vision: double-1\.0-fp32 failed: double-1\.0 does not load a plan of 5"):
        runner.__enter__()
    assert device.held == 0


def test_a_plan_of_other_shapes_is_told(world_bundle: Bundle, device: HostDevice) -> None:
    """A header that does not speak of its plan."""
    compiler = HostCompiler(device)
    one, other = (plan_of(world_bundle, "vision", compiler, buckets) for buckets in (((2,),), ((3,),)))
    runner = TrtRunner(type(one)(one.header, other.body), world_bundle.graphs["vision"], device, compiler)
    with pytest.raises(RunnerError, match=r"profile 0 is .*3, 3, 64, 64.*came .*2, 3, 64, 64"):
        runner.__enter__()
    assert device.held == 0


def test_a_device_beyond_recovery_fails_every_call(world_bundle: Bundle, device: HostDevice, batch: Batch) -> None:
    class Broken(HostDevice):
        def recover(self) -> None:
            raise DeviceError("the device has fallen off the bus")

    broken = Broken()
    with runner_of(world_bundle, "vision", broken) as runner:
        broken.fail_next = 1
        with pytest.raises(RunnerError, match=ILLEGAL):
            runner(batch("vision", 1))
        for _ in range(2):
            with pytest.raises(RunnerError, match="fallen off the bus"):
                runner(batch("vision", 1))
