"""What the NVIDIA driver says of this machine, asked through ctypes: no package, no CUDA library, nothing allocated.

Ask here before anything of TensorRT is made: without a driver its builder ends the process instead of raising.
"""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from typing import Protocol, cast

LIBRARY = "libcuda.so.1"

#: `CUdevice_attribute` of the CUDA driver API (cuda.h): the two numbers of the compute capability.
CAPABILITY_MAJOR, CAPABILITY_MINOR = 75, 76

_NAME_BYTES = 256


class Libcuda(Protocol):
    """The calls of the driver that are used, as `ctypes.CDLL` has them: each gives a `CUresult`, 0 when it worked."""

    def cuInit(self, flags: ctypes.c_uint, /) -> int: ...

    def cuGetErrorString(self, result: ctypes.c_int, text: object, /) -> int: ...

    def cuDeviceGetCount(self, count: object, /) -> int: ...

    def cuDeviceGet(self, device: object, ordinal: ctypes.c_int, /) -> int: ...

    def cuDeviceGetName(self, name: object, size: ctypes.c_int, device: ctypes.c_int, /) -> int: ...

    def cuDeviceGetAttribute(self, value: object, attribute: ctypes.c_int, device: ctypes.c_int, /) -> int: ...


@dataclass(frozen=True, slots=True)
class Gpu:
    """A device as the driver counts them: `CUDA_VISIBLE_DEVICES` has been applied. capability: (9, 0) on Hopper."""

    name: str
    capability: tuple[int, int]


class DriverError(RuntimeError):
    """Raised when there is no driver, or it has no device to give."""


def gpus(library: Libcuda | None = None) -> tuple[Gpu, ...]:
    """The devices that this process may use, in the driver's order. Raises `DriverError` where there is none.

    library: another driver than the one of this machine.
    """
    driver = library or _load()
    _expect(driver, driver.cuInit(ctypes.c_uint(0)))
    count = ctypes.c_int()
    _expect(driver, driver.cuDeviceGetCount(ctypes.byref(count)))
    if count.value == 0:
        raise DriverError("the NVIDIA driver has no device for this process; see CUDA_VISIBLE_DEVICES")
    return tuple(_gpu(driver, ordinal) for ordinal in range(count.value))


def gpu_names(library: Libcuda | None = None) -> tuple[str, ...]:
    """Names of the devices, in the driver's order; none where `driver_fault` says why."""
    try:
        return tuple(gpu.name for gpu in gpus(library))
    except DriverError:
        return ()


def driver_fault(device: int = 0, library: Libcuda | None = None) -> str | None:
    """Why the device of that number cannot be used, in words; None when it can.

    A process that has called this must not fork children that use the GPU: the driver does not survive a fork.
    """
    try:
        found = gpus(library)
    except DriverError as error:
        return str(error)
    if device >= len(found):
        return f"came device {device}, expected one of {dict(enumerate(gpu.name for gpu in found))}"
    return None


def _load() -> Libcuda:
    try:
        return cast("Libcuda", ctypes.CDLL(LIBRARY))
    except OSError as error:
        raise DriverError(f"no NVIDIA driver: {LIBRARY} cannot be loaded ({error})") from error


def _gpu(driver: Libcuda, ordinal: int) -> Gpu:
    device = ctypes.c_int()
    _expect(driver, driver.cuDeviceGet(ctypes.byref(device), ctypes.c_int(ordinal)))
    name = ctypes.create_string_buffer(_NAME_BYTES)
    _expect(driver, driver.cuDeviceGetName(name, ctypes.c_int(_NAME_BYTES), device))
    numbers = []
    for attribute in (CAPABILITY_MAJOR, CAPABILITY_MINOR):
        value = ctypes.c_int()
        _expect(driver, driver.cuDeviceGetAttribute(ctypes.byref(value), ctypes.c_int(attribute), device))
        numbers.append(value.value)
    return Gpu(name.value.decode(errors="replace"), (numbers[0], numbers[1]))


def _expect(driver: Libcuda, result: int) -> None:
    """Raise `DriverError` with the driver's own words unless the call worked."""
    if result == 0:
        return
    text = ctypes.c_char_p()
    driver.cuGetErrorString(ctypes.c_int(result), ctypes.byref(text))
    words = text.value.decode(errors="replace") if text.value else "an error that it has no words for"
    raise DriverError(f"the NVIDIA driver answers {result}: {words}")
