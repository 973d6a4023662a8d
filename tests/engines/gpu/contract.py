"""What every device does: inherited by the tests of the double and by those of a GPU."""

from __future__ import annotations

import re
import threading
from itertools import pairwise

import numpy as np
import pytest

from engines.gpu.device import ALIGNMENT_BYTES, Device, DeviceError, OutOfDeviceMemoryError

SIZE_BYTES = 1 << 20


class DeviceContract:
    """Subclasses have a fixture `device`, which is active."""

    def test_its_name_ends_with_its_architecture(self, device: Device) -> None:
        assert re.search(r"\S sm_\d\d+$", device.name)

    def test_memory_is_aligned_and_ones_own(self, device: Device) -> None:
        addresses = [device.allocate(size) for size in (1, 1000, SIZE_BYTES)]
        assert all(address % ALIGNMENT_BYTES == 0 for address in addresses)
        ordered = sorted(zip(addresses, (1, 1000, SIZE_BYTES), strict=True))
        assert all(one + size <= other for (one, size), (other, _) in pairwise(ordered))
        for address in addresses:
            device.release(address)

    def test_too_much_memory_is_refused_and_nothing_is_lost_by_it(self, device: Device) -> None:
        with pytest.raises(OutOfDeviceMemoryError):
            device.allocate(device.free_bytes() + (1 << 36))
        device.release(device.allocate(SIZE_BYTES))

    def test_page_locked_memory_is_of_zeros(self, device: Device) -> None:
        for _ in range(2):
            memory = device.pinned(1000)
            assert (memory.dtype, memory.shape, memory.any()) == (np.uint8, (1000,), False)
            memory[:] = 1
            device.unpin(memory)

    def test_what_goes_in_comes_out(self, device: Device) -> None:
        source, target = device.pinned(SIZE_BYTES), device.pinned(SIZE_BYTES)
        address, stream = device.allocate(SIZE_BYTES), device.stream()
        source[:] = np.random.default_rng(0).integers(0, 256, SIZE_BYTES)
        device.copy_in(address, source, stream)
        device.copy_out(target, address, stream)
        device.synchronise(stream)
        assert (target == source).all()
        device.close_stream(stream)
        device.release(address)
        for memory in (source, target):
            device.unpin(memory)

    def test_an_event_orders_two_streams_and_the_host(self, device: Device) -> None:
        source, target = device.pinned(SIZE_BYTES), device.pinned(SIZE_BYTES)
        address, inward, outward = device.allocate(SIZE_BYTES), device.stream(), device.stream()
        arrived, left = device.event(), device.event()
        for value in range(1, 20):
            source[:] = value
            device.copy_in(address, source, inward)
            device.record(arrived, inward)
            device.await_event(arrived, outward)
            device.copy_out(target, address, outward)
            device.record(left, outward)
            device.await_on_host(left)
            assert (target == value).all()
        for event in (arrived, left):
            device.close_event(event)
        for stream in (inward, outward):
            device.close_stream(stream)
        device.release(address)
        for memory in (source, target):
            device.unpin(memory)

    def test_what_was_captured_runs_when_it_is_launched_and_as_often(self, device: Device) -> None:
        source, target = device.pinned(1000), device.pinned(1000)
        address, stream = device.allocate(1000), device.stream()
        source[:] = 7
        device.begin_capture(stream)
        device.copy_in(address, source, stream)
        device.copy_out(target, address, stream)
        graph = device.end_capture(stream)
        device.synchronise(stream)
        assert not target.any()
        for value in (8, 9):
            source[:] = value
            device.launch(graph, stream)
            device.synchronise(stream)
            assert (target == value).all()
        device.close_graph(graph)
        device.close_stream(stream)
        device.release(address)
        for memory in (source, target):
            device.unpin(memory)

    def test_a_capture_that_was_not_begun_cannot_end(self, device: Device) -> None:
        stream = device.stream()
        with pytest.raises(DeviceError):
            device.end_capture(stream)
        device.close_stream(stream)

    def test_a_stream_that_is_closed_ends_first(self, device: Device) -> None:
        source, target = device.pinned(SIZE_BYTES), device.pinned(SIZE_BYTES)
        address, stream = device.allocate(SIZE_BYTES), device.stream()
        source[:] = 3
        device.copy_in(address, source, stream)
        device.copy_out(target, address, stream)
        device.close_stream(stream)
        assert (target == 3).all()
        device.release(address)
        for memory in (source, target):
            device.unpin(memory)

    def test_a_healthy_device_is_left_as_it_is(self, device: Device) -> None:
        source, target = device.pinned(1000), device.pinned(1000)
        address, stream, generation = device.allocate(1000), device.stream(), device.generation
        source[:] = 5
        device.copy_in(address, source, stream)
        device.recover()
        device.copy_out(target, address, stream)
        device.synchronise(stream)
        assert (target == 5).all()
        assert device.generation == generation
        device.close_stream(stream)
        device.release(address)
        for memory in (source, target):
            device.unpin(memory)

    def test_other_threads_may_use_it_when_they_are_bound(self, device: Device) -> None:
        taken: list[int] = []

        def take() -> None:
            device.activate()
            taken.append(device.allocate(1000))

        thread = threading.Thread(target=take)
        thread.start()
        thread.join()
        (address,) = taken
        device.release(address)
