"""The CUDA driver behind the `Device` protocol, through NVIDIA's own bindings (`cuda-bindings`): nothing is compiled.

The primary context is used, which TensorRT and torch use, too. Memory comes from the device's stream-ordered pool and
stays there between uses (CUDA driver API, "Stream Ordered Memory Allocator").
"""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np
from cuda.bindings import driver

from engines.gpu.device import Bytes, DeviceError, OutOfDeviceMemoryError
from engines.gpu.turns import Turns

_KEEP_ALL = (1 << 64) - 1


class CudaDevice:
    """One GPU by its number. Raises `DeviceError` when the driver or the device is not there."""

    def __init__(self, index: int = 0) -> None:
        _call(driver.cuInit(0))
        (count,) = _call(driver.cuDeviceGetCount())
        if not 0 <= index < count:
            raise DeviceError(f"device: came number {index}, this machine has {count}")
        (self._device,) = _call(driver.cuDeviceGet(index))
        self._name = _name(self._device)
        self._turns = Turns()
        self._generation = 0
        self._addresses: dict[int, Any] = {}
        self._handles: dict[int, Any] = {}
        self._open()

    @property
    def name(self) -> str:
        """Model and architecture."""
        return self._name

    @property
    def generation(self) -> int:
        """Grows when the context had to be made anew."""
        return self._generation

    @property
    def turns(self) -> Turns:
        """Of the threads that use it."""
        return self._turns

    def activate(self) -> None:
        """Bind the calling thread to this device."""
        _call(driver.cuCtxSetCurrent(self._context))

    def recover(self) -> None:
        """Take the primary context down where a fault has poisoned it, with all that lies in it, and make another."""
        if driver.cuCtxSynchronize()[0] == driver.CUresult.CUDA_SUCCESS:
            return
        _call(driver.cuDevicePrimaryCtxReset(self._device))
        self._addresses.clear()
        self._handles.clear()
        self._generation += 1
        self._open()

    def free_bytes(self) -> int:
        """Memory that nobody has taken."""
        free, _ = _call(driver.cuMemGetInfo())
        return int(free)

    def allocate(self, size_bytes: int) -> int:
        """Address of memory from the pool. Raises `OutOfDeviceMemoryError`."""
        (pointer,) = _call(driver.cuMemAllocAsync(max(1, size_bytes), self._stream))
        _call(driver.cuStreamSynchronize(self._stream))
        self._addresses[int(pointer)] = pointer
        return int(pointer)

    def release(self, address: int) -> None:
        """Give memory back to the pool; what lies in a context of before is gone already."""
        if pointer := self._addresses.pop(address, None):
            _call(driver.cuMemFreeAsync(pointer, self._stream))

    def pinned(self, size_bytes: int) -> Bytes:
        """Page-locked host memory of zeros."""
        size = max(1, size_bytes)
        (address,) = _call(driver.cuMemHostAlloc(size, 0))
        memory = np.ctypeslib.as_array((ctypes.c_uint8 * size).from_address(int(address)))
        memory[:] = 0
        self._addresses[memory.ctypes.data] = address
        return memory

    def unpin(self, memory: Bytes) -> None:
        """Give page-locked memory back."""
        if self._addresses.pop(memory.ctypes.data, None) is not None:
            _call(driver.cuMemFreeHost(memory.ctypes.data))

    def stream(self) -> int:
        """A new stream, which does not wait for the default one."""
        (stream,) = _call(driver.cuStreamCreate(driver.CUstream_flags.CU_STREAM_NON_BLOCKING))
        return self._keep(stream)

    def close_stream(self, stream: int) -> None:
        """Give a stream back."""
        if handle := self._handles.pop(stream, None):
            _call(driver.cuStreamSynchronize(handle))
            _call(driver.cuStreamDestroy(handle))

    def synchronise(self, stream: int) -> None:
        """Wait until all is done that was put on the stream."""
        _call(driver.cuStreamSynchronize(self._handles[stream]))

    def event(self) -> int:
        """A new event without a time; the host sleeps while it waits."""
        flags = driver.CUevent_flags.CU_EVENT_DISABLE_TIMING | driver.CUevent_flags.CU_EVENT_BLOCKING_SYNC
        (event,) = _call(driver.cuEventCreate(flags))
        return self._keep(event)

    def close_event(self, event: int) -> None:
        """Give an event back."""
        if handle := self._handles.pop(event, None):
            _call(driver.cuEventDestroy(handle))

    def record(self, event: int, stream: int) -> None:
        """The event happens when the stream has come to here."""
        _call(driver.cuEventRecord(self._handles[event], self._handles[stream]))

    def await_event(self, event: int, stream: int) -> None:
        """The stream goes on when the event has happened."""
        _call(driver.cuStreamWaitEvent(self._handles[stream], self._handles[event], 0))

    def await_on_host(self, event: int) -> None:
        """The calling thread goes on when the event has happened."""
        _call(driver.cuEventSynchronize(self._handles[event]))

    def copy_in(self, address: int, source: Bytes, stream: int) -> None:
        """Put a copy to the device on the stream."""
        _call(driver.cuMemcpyHtoDAsync(address, source.ctypes.data, source.nbytes, self._handles[stream]))

    def copy_out(self, target: Bytes, address: int, stream: int) -> None:
        """Put a copy from the device on the stream."""
        _call(driver.cuMemcpyDtoHAsync(target.ctypes.data, address, target.nbytes, self._handles[stream]))

    def begin_capture(self, stream: int) -> None:
        """What this thread puts on the stream from now on is remembered, not run."""
        mode = driver.CUstreamCaptureMode.CU_STREAM_CAPTURE_MODE_THREAD_LOCAL
        _call(driver.cuStreamBeginCapture(self._handles[stream], mode))

    def end_capture(self, stream: int) -> int:
        """The graph of what was remembered, ready to be launched."""
        (graph,) = _call(driver.cuStreamEndCapture(self._handles[stream]))
        try:
            (ready,) = _call(driver.cuGraphInstantiate(graph, 0))
        finally:
            _call(driver.cuGraphDestroy(graph))
        return self._keep(ready)

    def launch(self, graph: int, stream: int) -> None:
        """Put all of a graph on the stream."""
        _call(driver.cuGraphLaunch(self._handles[graph], self._handles[stream]))

    def close_graph(self, graph: int) -> None:
        """Give a graph back."""
        if handle := self._handles.pop(graph, None):
            _call(driver.cuGraphExecDestroy(handle))

    def _open(self) -> None:
        (self._context,) = _call(driver.cuDevicePrimaryCtxRetain(self._device))
        self.activate()
        (self._stream,) = _call(driver.cuStreamCreate(driver.CUstream_flags.CU_STREAM_NON_BLOCKING))
        (pool,) = _call(driver.cuDeviceGetDefaultMemPool(self._device))
        threshold = driver.CUmemPool_attribute.CU_MEMPOOL_ATTR_RELEASE_THRESHOLD
        _call(driver.cuMemPoolSetAttribute(pool, threshold, driver.cuuint64_t(_KEEP_ALL)))

    def _keep(self, handle: Any) -> int:
        self._handles[int(handle)] = handle
        return int(handle)


def _name(device: Any) -> str:
    (raw,) = _call(driver.cuDeviceGetName(100, device))
    attributes = driver.CUdevice_attribute
    (major,) = _call(driver.cuDeviceGetAttribute(attributes.CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR, device))
    (minor,) = _call(driver.cuDeviceGetAttribute(attributes.CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR, device))
    model = raw.split(b"\0")[0].decode()
    return f"{model} sm_{major}{minor}"


def _call(answer: tuple[Any, ...]) -> tuple[Any, ...]:
    """The values of an answer of the driver. Raises `DeviceError` in the driver's words."""
    code, *values = answer
    if code == driver.CUresult.CUDA_SUCCESS:
        return tuple(values)
    _, text = driver.cuGetErrorString(code)
    words = f"{code.name}: {text.decode() if text else 'no description'}"
    if code == driver.CUresult.CUDA_ERROR_OUT_OF_MEMORY:
        raise OutOfDeviceMemoryError(words)
    raise DeviceError(words)
