"""The double keeps what every device promises, and forgets all of it after a fault."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from engines.gpu.device import DeviceError
from engines.testing import HostDevice
from tests.engines.gpu.contract import DeviceContract


class TestHostDevice(DeviceContract):
    @pytest.fixture(autouse=True)
    def gives_all_back(self, device: HostDevice) -> object:
        yield
        assert device.held == 0


def test_nothing_works_after_a_fault_until_it_recovers(device: HostDevice) -> None:
    stream = device.stream()
    device.fail_next = 1
    with pytest.raises(DeviceError, match="illegal memory access"):
        device.run(lambda: None)
    broken: list[Callable[[], object]] = [
        lambda: device.allocate(1),
        lambda: device.put(stream, lambda: None),
        lambda: device.synchronise(stream),
        lambda: device.begin_capture(stream),
    ]
    for call in broken:
        with pytest.raises(DeviceError, match="illegal memory access"):
            call()
    device.recover()
    assert (device.generation, device.held) == (1, 0)
    assert device.stream() == stream  # numbers are given anew, as the driver's may be
