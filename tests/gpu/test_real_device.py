"""A GPU keeps what every device promises."""

from __future__ import annotations

import pytest

from engines.gpu.device import Device
from engines.gpu.machine import Machine, open_machine
from engines.runner import RunnerError
from tests.engines.gpu.contract import DeviceContract

pytestmark = pytest.mark.gpu


class TestCudaDevice(DeviceContract):
    @pytest.fixture
    def device(self, machine: Machine) -> Device:
        return machine.device


def test_a_device_that_is_not_there_is_named() -> None:
    with pytest.raises(RunnerError, match=r"came device 99, expected one of \{0: "):
        open_machine(99)
