"""What the driver says: each answer by a double of libcuda, and the real answer of this machine."""

from __future__ import annotations

import ctypes
from typing import Any

import pytest

from engines.driver import CAPABILITY_MAJOR, CAPABILITY_MINOR, LIBRARY, DriverError, Gpu, driver_fault, gpu_names, gpus

INVALID_VALUE = 1


class Driver:
    """libcuda with these devices, as ctypes would reach it; a call named in `broken` gives that result."""

    def __init__(self, *devices: Gpu, **broken: int) -> None:
        self.devices = devices
        self.broken = broken
        self.asked = False

    def cuInit(self, flags: ctypes.c_uint) -> int:
        self.asked = flags.value == 0
        return self.broken.get("cuInit", 0)

    def cuGetErrorString(self, result: ctypes.c_int, text: Any) -> int:
        if result.value not in ERRORS:
            return INVALID_VALUE
        text._obj.value = ERRORS[result.value]
        return 0

    def cuDeviceGetCount(self, count: Any) -> int:
        count._obj.value = len(self.devices)
        return self.broken.get("cuDeviceGetCount", 0)

    def cuDeviceGet(self, device: Any, ordinal: ctypes.c_int) -> int:
        device._obj.value = 100 + ordinal.value
        return self.broken.get("cuDeviceGet", 0)

    def cuDeviceGetName(self, name: Any, size: ctypes.c_int, device: ctypes.c_int) -> int:
        name.value = self.devices[device.value - 100].name.encode()[: size.value - 1]
        return self.broken.get("cuDeviceGetName", 0)

    def cuDeviceGetAttribute(self, value: Any, attribute: ctypes.c_int, device: ctypes.c_int) -> int:
        numbers = dict(
            zip((CAPABILITY_MAJOR, CAPABILITY_MINOR), self.devices[device.value - 100].capability, strict=True)
        )
        value._obj.value = numbers[attribute.value]
        return self.broken.get("cuDeviceGetAttribute", 0)


#: As the driver words them (cuGetErrorString, CUDA 12).
ERRORS = {
    3: b"initialization error",
    100: b"no CUDA-capable device is detected",
    803: b"system has unsupported display driver / cuda driver combination",
}
HOPPER, TURING = Gpu("NVIDIA H100 80GB HBM3", (9, 0)), Gpu("Tesla T4", (7, 5))


def test_devices_are_named_in_the_drivers_order() -> None:
    driver = Driver(HOPPER, TURING)
    assert gpus(driver) == (HOPPER, TURING)
    assert gpu_names(driver) == ("NVIDIA H100 80GB HBM3", "Tesla T4")
    assert driver.asked
    assert driver_fault(0, driver) is None
    assert driver_fault(1, driver) is None


def test_a_device_that_is_not_there_is_told_beside_those_that_are() -> None:
    fault = driver_fault(1, Driver(HOPPER))
    assert fault == "came device 1, expected one of {0: 'NVIDIA H100 80GB HBM3'}"


@pytest.mark.parametrize(
    ("broken", "fault"),
    [
        ({"cuInit": 100}, "the NVIDIA driver answers 100: no CUDA-capable device is detected"),
        ({"cuInit": 803}, "answers 803: system has unsupported display driver"),
        ({"cuInit": 31337}, "answers 31337: an error that it has no words for"),
        ({"cuDeviceGetCount": 3}, "answers 3: initialization error"),
        ({"cuDeviceGet": 3}, "answers 3"),
        ({"cuDeviceGetName": 3}, "answers 3"),
        ({"cuDeviceGetAttribute": 3}, "answers 3"),
    ],
)
def test_an_error_is_told_in_the_drivers_words(broken: dict[str, int], fault: str) -> None:
    driver = Driver(HOPPER, **broken)
    assert fault in (driver_fault(0, driver) or "")
    assert gpu_names(driver) == ()
    with pytest.raises(DriverError, match="the NVIDIA driver answers"):
        gpus(driver)


def test_a_driver_may_have_no_device_for_this_process() -> None:
    assert "CUDA_VISIBLE_DEVICES" in (driver_fault(0, Driver()) or "")


def test_the_real_answer_of_this_machine_is_devices_or_a_reason() -> None:
    """Without the library the reason is that; with it, names without a fault or no name and the driver's words."""
    fault = driver_fault()
    try:
        ctypes.CDLL(LIBRARY)
    except OSError:
        assert "no NVIDIA driver: libcuda.so.1 cannot be loaded" in str(fault)
        assert gpu_names() == ()
    else:
        assert (fault is None) == bool(gpu_names())
        assert fault is None or "the NVIDIA driver" in fault
