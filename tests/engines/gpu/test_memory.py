"""Too little memory on the device, and runs that cannot be captured: slower, said so, and still right."""

from __future__ import annotations

import pytest

from engines.bundle import Bundle
from engines.gpu.lanes import LANES
from engines.parity import compare
from engines.runner import RunnerError
from engines.spec import GRAPHS
from engines.testing import HostDevice
from tests.engines.gpu.doubles import BUCKETS, TOLERANCE, inputs_of, ort_of, runner_of

BY_ROWS = ((2,), (4,), (8,), (16,))


def taken_bytes(bundle: Bundle, count: int) -> int:
    """What the first buckets take of a device."""
    device = HostDevice()
    free = device.free_bytes()
    with runner_of(bundle, "vision", device, BY_ROWS[:count]):
        return free - device.free_bytes()


@pytest.mark.parametrize("fitting", [1, 2, 3])
def test_the_largest_buckets_are_left_out_and_said_so(
    world_bundle: Bundle, caplog: pytest.LogCaptureFixture, fitting: int
) -> None:
    device = HostDevice(taken_bytes(world_bundle, fitting + 1) - 1)
    batches = [inputs_of(world_bundle, "vision", (rows,), rows) for rows in (1, 2, 3, 7, 15, 16, 17, 40)]
    with runner_of(world_bundle, "vision", device, BY_ROWS) as runner, ort_of(world_bundle, "vision") as ort:
        assert runner.bucket_rows == tuple(rows for (rows,) in BY_ROWS[:fitting])
        assert compare(runner, ort, batches).worst <= TOLERANCE
        assert runner.captured
    warnings = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert len(warnings) == len(BY_ROWS) - fitting
    for warning, (rows,) in zip(warnings, reversed(BY_ROWS), strict=False):
        expected = f"vision: too little memory on the device for runs of {rows} rows, so they have {rows // 2} at most"
        assert warning.startswith(f"{expected}: asked for ")
    assert device.held == 0


def test_all_that_fits_is_kept(world_bundle: Bundle, caplog: pytest.LogCaptureFixture) -> None:
    device = HostDevice(taken_bytes(world_bundle, len(BY_ROWS)))
    with runner_of(world_bundle, "vision", device, BY_ROWS) as runner:
        assert runner.bucket_rows == (2, 4, 8, 16)
    assert caplog.records == []


def test_too_little_for_any_is_refused(world_bundle: Bundle) -> None:
    device = HostDevice(taken_bytes(world_bundle, 1) - 1)
    runner = runner_of(world_bundle, "vision", device, BY_ROWS)
    with pytest.raises(RunnerError, match=r"vision: double-1\.0-fp32 failed: asked for \d+ bytes of \d+"):
        runner.__enter__()
    assert device.held == 0


def test_what_others_took_is_gone(world_bundle: Bundle) -> None:
    """Two runners on one device: the second one has what the first one left."""
    device = HostDevice(taken_bytes(world_bundle, 3) + taken_bytes(world_bundle, 2))
    with (
        runner_of(world_bundle, "vision", device, BY_ROWS[:3]) as first,
        runner_of(world_bundle, "vision", device, BY_ROWS[:3]) as second,
    ):
        assert (first.bucket_rows, second.bucket_rows) == ((2, 4, 8), (2, 4))
    assert device.held == 0


def test_buckets_that_alone_have_room_for_long_texts_are_not_left_out(world_bundle: Bundle) -> None:
    buckets = ((2, 4), (16, 30))
    roomy = HostDevice()
    free = roomy.free_bytes()
    with runner_of(world_bundle, "text", roomy, buckets):
        device = HostDevice(free - roomy.free_bytes() - 1)
    runner = runner_of(world_bundle, "text", device, buckets)
    with pytest.raises(RunnerError, match=r"text: double-1\.0-fp32 failed: asked for \d+ bytes of \d+"):
        runner.__enter__()
    assert device.held == 0


@pytest.mark.parametrize("graph", GRAPHS)
def test_what_cannot_be_captured_is_launched_run_by_run(
    world_bundle: Bundle, device: HostDevice, caplog: pytest.LogCaptureFixture, graph: str
) -> None:
    *_, largest = BUCKETS[graph]
    batches = [inputs_of(world_bundle, graph, (rows, *largest[1:]), rows) for rows in (1, 2, 3, 2 * largest[0] + 1)]
    with runner_of(world_bundle, graph, device, loops=True) as runner, ort_of(world_bundle, graph) as ort:
        assert not runner.captured
        assert compare(runner, ort, batches).worst <= TOLERANCE
        first, second = (runner.start(batch) for batch in batches[:2])
        assert compare(lambda _: second(), ort, batches[1:2]).worst <= TOLERANCE
        assert compare(lambda _: first(), ort, batches[:1]).worst <= TOLERANCE
    said = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    reason = "operation not permitted when stream is capturing"
    expected = f"{graph}: runs are launched one by one, not as a CUDA graph: {reason}"
    assert said == [expected] * (LANES * len(BUCKETS[graph]))
    assert device.held == 0
