"""The double notices what is missing: each break of a device or of an order gives wrong outputs or an error.

Without these tests the others would prove nothing: a double that runs everything at once forgives everything.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest

from engines.bundle import Bundle
from engines.gpu.device import Bytes
from engines.gpu.lanes import Lane
from engines.spec import Array
from engines.testing import HostDevice
from tests.engines.gpu.doubles import TOLERANCE, inputs_of, ort_of, runner_of


def right(bundle: Bundle, device: HostDevice, graph: str = "vision") -> bool:
    """Whether two calls in flight together, then another one, give what ONNX Runtime gives."""
    tokens = {"vision": (), "text": (4,)}[graph]
    batches = [inputs_of(bundle, graph, (rows, *tokens), rows) for rows in (2, 1, 2)]
    with (
        runner_of(bundle, graph, device, ((2, *(size + 1 for size in tokens)),)) as runner,
        ort_of(bundle, graph) as ort,
    ):
        first, second = (runner.start(batch) for batch in batches[:2])
        outputs = [first(), second(), runner(batches[2])]
        return all(
            np.allclose(came[name], array, atol=TOLERANCE, rtol=0)
            for came, batch in zip(outputs, batches, strict=True)
            for name, array in ort(batch).items()
        )


@pytest.mark.parametrize("graph", ["vision", "text"])
def test_a_whole_device_is_right(world_bundle: Bundle, device: HostDevice, graph: str) -> None:
    assert right(world_bundle, device, graph)


@pytest.mark.parametrize("call", ["await_event", "await_on_host", "copy_in", "copy_out", "launch", "record"])
def test_no_call_can_be_left_out(world_bundle: Bundle, call: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(HostDevice, call, lambda *arguments: None)
    assert not right(world_bundle, HostDevice())


@pytest.mark.parametrize("left_out", [0, 1])
def test_neither_wait_of_a_stream_can_be_left_out(world_bundle: Bundle, left_out: int) -> None:
    """Of each run: computing waits for what comes in, what goes out waits for computing."""

    class Deaf(HostDevice):
        waits = 0

        def await_event(self, event: int, stream: int) -> None:
            Deaf.waits += 1
            if (Deaf.waits - 1) % 2 != left_out:
                super().await_event(event, stream)

    assert not right(world_bundle, Deaf())


@pytest.mark.parametrize("left_out", [0, 1, 2])
def test_no_event_of_a_run_can_be_left_out(world_bundle: Bundle, left_out: int) -> None:
    """Of each run: what came in has arrived, is computed, has left."""

    class Forgetful(HostDevice):
        records = 0

        def record(self, event: int, stream: int) -> None:
            Forgetful.records += 1
            if (Forgetful.records - 1) % 3 != left_out:
                super().record(event, stream)

    assert not right(world_bundle, Forgetful())


def test_waiting_for_the_copy_out_is_needed_before_a_lane_is_filled_again(
    world_bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A lane that is filled while it is on its way has lost what was in it."""

    def hasty(self: Lane) -> None:
        self.flight = None

    monkeypatch.setattr(Lane, "collect", hasty)
    assert not right(world_bundle, HostDevice())


def test_memory_of_one_run_is_not_that_of_another(world_bundle: Bundle) -> None:
    """Both lanes in the same memory: the second run writes over what the first one has not yet computed."""

    class Narrow(HostDevice):
        """Gives the same memory to all that ask for as much."""

        def __init__(self) -> None:
            super().__init__()
            self._given: dict[int, int] = {}

        def allocate(self, size_bytes: int) -> int:
            if size_bytes not in self._given:
                self._given[size_bytes] = super().allocate(size_bytes)
            return self._given[size_bytes]

        def pinned(self, size_bytes: int) -> Bytes:
            found = [memory for memory in self._pinned.values() if memory.nbytes == size_bytes]
            return found[0] if found else super().pinned(size_bytes)

    assert not right(world_bundle, Narrow())


def test_tokens_beside_those_that_came_have_to_be_zero(world_bundle: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is masked is multiplied by nothing, which does not help against what is no number."""

    def careless(block: Array, rows: Array) -> None:
        block[tuple(slice(size) for size in rows.shape)] = rows

    shape, full = (2, 6, 4, 5), (2, 12, 8, 9)
    small, large = inputs_of(world_bundle, "fusion", shape), inputs_of(world_bundle, "fusion", full)
    nan = {name: np.full_like(array, np.nan) if array.dtype.kind == "f" else array for name, array in large.items()}

    def finite(outputs: Mapping[str, Array]) -> bool:
        return all(np.isfinite(array).all() for array in outputs.values())

    def after_nan() -> bool:
        with runner_of(world_bundle, "fusion", HostDevice(), (full,)) as runner:
            for _ in range(2):
                runner(nan)
            return finite(runner(small))

    assert after_nan()
    monkeypatch.setattr("engines.gpu.lanes._pad", careless)
    assert not after_nan()
