"""The GPU of this process with TensorRT on it. The driver is asked first: without one TensorRT ends the process."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from engines.driver import driver_fault
from engines.gpu.compiler import Compiler
from engines.gpu.device import Device, DeviceError
from engines.runner import RunnerError


@dataclass(frozen=True, slots=True)
class Machine:
    """A device, and what builds and loads its plans."""

    device: Device
    compiler: Compiler


@cache
def open_machine(index: int = 0) -> Machine:
    """The device of that number, one for the whole process: all engines on it have to hear of a fault.

    Raises `RunnerError` saying what is missing, before any object of TensorRT exists.
    """
    if fault := machine_fault(index):
        raise RunnerError(fault)
    from engines.gpu.cuda import CudaDevice
    from engines.gpu.trt_library import TensorRt

    try:
        return Machine(CudaDevice(index), TensorRt())
    except DeviceError as error:
        raise RunnerError(f"TensorRT: {error}") from error


def machine_fault(index: int = 0) -> str | None:
    """Why TensorRT cannot run on that device, and what to do; None when it can."""
    if fault := driver_fault(index):
        return f"TensorRT needs a GPU: {fault}"
    try:
        import engines.gpu.cuda
        import engines.gpu.trt_library  # noqa: F401  # asked whether it is there
    except ImportError as error:
        return f"TensorRT needs its packages ({error}): pip install 'earshot[tensorrt]'"
    return None
