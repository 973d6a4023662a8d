"""The lowest boundary to a GPU: memory, streams, events, graphs. `engines.gpu.cuda` is the real one.

Addresses and handles are plain integers, so that nothing above knows whose they are. A stream runs in order; an event
orders two streams. What is captured on a stream becomes a graph, which one call launches again.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from engines.gpu.turns import Turns

Bytes = NDArray[np.uint8]

#: What TensorRT asks of the addresses of tensors and of its memory.
ALIGNMENT_BYTES = 256


class DeviceError(RuntimeError):
    """Raised when the device or its driver reports a fault."""


class OutOfDeviceMemoryError(DeviceError):
    """Raised when the device has not as much memory left as was asked for."""


class Device(Protocol):
    """One GPU of this process. `activate` binds the calling thread to it; every other call needs that."""

    @property
    def name(self) -> str:
        """Model and architecture, as in the names of plans: "NVIDIA H100 80GB HBM3 sm_90"."""
        ...

    @property
    def generation(self) -> int:
        """Grows when `recover` had to start anew: handles and addresses of before are gone."""
        ...

    @property
    def turns(self) -> Turns:
        """Of the threads that use it."""
        ...

    def activate(self) -> None:
        """Bind the calling thread to this device."""
        ...

    def recover(self) -> None:
        """Make the device usable after a fault. Raises `DeviceError` when it is beyond that."""
        ...

    def free_bytes(self) -> int:
        """Memory that nobody has taken."""
        ...

    def allocate(self, size_bytes: int) -> int:
        """Address of memory from the pool that all engines share, aligned. Raises `OutOfDeviceMemoryError`."""
        ...

    def release(self, address: int) -> None:
        """Give memory back to the pool."""
        ...

    def pinned(self, size_bytes: int) -> Bytes:
        """Page-locked host memory of zeros, which copies run from and to without the CPU."""
        ...

    def unpin(self, memory: Bytes) -> None:
        """Give page-locked memory back."""
        ...

    def stream(self) -> int:
        """A new stream."""
        ...

    def close_stream(self, stream: int) -> None:
        """Give a stream back; what runs on it ends first."""
        ...

    def synchronise(self, stream: int) -> None:
        """Wait until all is done that was put on the stream."""
        ...

    def event(self) -> int:
        """A new event, not recorded."""
        ...

    def close_event(self, event: int) -> None:
        """Give an event back."""
        ...

    def record(self, event: int, stream: int) -> None:
        """The event happens when the stream has come to here."""
        ...

    def await_event(self, event: int, stream: int) -> None:
        """The stream goes on when the event has happened."""
        ...

    def await_on_host(self, event: int) -> None:
        """The calling thread goes on when the event has happened."""
        ...

    def copy_in(self, address: int, source: Bytes, stream: int) -> None:
        """Put a copy from page-locked memory to the device on the stream."""
        ...

    def copy_out(self, target: Bytes, address: int, stream: int) -> None:
        """Put a copy from the device to page-locked memory on the stream."""
        ...

    def begin_capture(self, stream: int) -> None:
        """What this thread puts on the stream from now on is remembered, not run."""
        ...

    def end_capture(self, stream: int) -> int:
        """The graph of what was remembered. Raises `DeviceError` when something in it cannot be captured."""
        ...

    def launch(self, graph: int, stream: int) -> None:
        """Put all of a graph on the stream."""
        ...

    def close_graph(self, graph: int) -> None:
        """Give a graph back."""
        ...


class Context(Protocol):
    """A compiled graph at fixed shapes, in memory that was given to it."""

    def bind(self, name: str, address: int) -> None:
        """Where a tensor lies on the device."""
        ...

    def enqueue(self, stream: int) -> None:
        """Put one run on the stream. Raises `DeviceError`."""
        ...


class Compiled(Protocol):
    """A plan that was loaded. Its profiles are numbered as they were built."""

    def memory_bytes(self, profile: int) -> int:
        """What a context of that profile needs for what lies between inputs and outputs."""
        ...

    def context(self, profile: int, shapes: Mapping[str, tuple[int, ...]], memory: int, stream: int) -> Context:
        """A context for inputs of these shapes that works in `memory`. Raises `DeviceError`."""
        ...


class Loader(Protocol):
    """Turns the bytes of a plan into something that runs."""

    @property
    def version(self) -> str:
        """What plans have to be built with: "tensorrt-10.6.0"."""
        ...

    def load(self, plan: bytes) -> Compiled:
        """A plan, ready on the device that is active. Raises `DeviceError` when it does not fit."""
        ...
