"""How tensors come to a bucket's run and go: two lanes each, so that one is filled while the other one computes.

A lane has one block of page-locked memory and one on the device for all inputs, and one for all outputs: a run costs
one copy either way, however many tensors the graph has.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass

import numpy as np

from engines.gpu.buckets import Shape
from engines.gpu.device import ALIGNMENT_BYTES, Context, Device, DeviceError, OutOfDeviceMemoryError
from engines.spec import Array, TensorSpec

#: One is filled and emptied by the host while the other one is with the device.
LANES = 2


@dataclass(frozen=True, slots=True)
class Streams:
    """What comes in, computes and goes out at the same time, of different runs."""

    inward: int
    compute: int
    outward: int


class Block:
    """Tensors of fixed shapes in one piece, on the device and in page-locked memory of the host."""

    def __init__(self, device: Device, tensors: Sequence[TensorSpec], sizes: Mapping[str, int]) -> None:
        self._device = device
        self.shapes = {tensor.name: tensor.shape(sizes) for tensor in tensors}
        offsets, end = {}, 0
        for tensor in tensors:
            offsets[tensor.name] = end
            size = math.prod(self.shapes[tensor.name]) * np.dtype(tensor.dtype).itemsize
            end += -(-size // ALIGNMENT_BYTES) * ALIGNMENT_BYTES
        self._address = device.allocate(end)
        try:
            self.host = device.pinned(end)
        except DeviceError:
            device.release(self._address)
            raise
        self.addresses = {name: self._address + offset for name, offset in offsets.items()}
        self.arrays: dict[str, Array] = {
            tensor.name: _view(self.host, offsets[tensor.name], tensor.dtype, self.shapes[tensor.name])
            for tensor in tensors
        }

    def come(self, stream: int) -> None:
        """Put the copy to the device on the stream."""
        self._device.copy_in(self._address, self.host, stream)

    def go(self, stream: int) -> None:
        """Put the copy to the host on the stream."""
        self._device.copy_out(self.host, self._address, stream)

    def close(self) -> None:
        """Give both pieces back."""
        self.arrays = {}
        self._device.unpin(self.host)
        self._device.release(self._address)


@dataclass(eq=False, slots=True)
class Flight:
    """Rows that are on their way through a lane, and where their outputs belong."""

    outputs: Mapping[str, Array]
    start: int
    count: int


class Lane:
    """One of the ways through a bucket. Not thread-safe."""

    def __init__(self, device: Device, context: Context, inputs: Block, outputs: Block, streams: Streams) -> None:
        self._device, self._context, self._streams = device, context, streams
        self._inputs, self._outputs = inputs, outputs
        self._graph: int | None = None
        self.flight: Flight | None = None
        with ExitStack() as stack:  # gives the first ones back when a later one is not to be had
            self._arrived, self._computed, self._left = (_event(device, stack) for _ in range(3))
            self._events = stack.pop_all()

    @property
    def captured(self) -> bool:
        """Whether one call launches the whole run."""
        return self._graph is not None

    def warm(self) -> str | None:
        """Run once on zeros, so that all is in its place, then capture the run; why not, where that fails."""
        stream = self._streams.compute
        self._inputs.come(stream)
        self._bind()
        self._context.enqueue(stream)
        self._device.synchronise(stream)
        self._device.begin_capture(stream)
        try:
            self._context.enqueue(stream)
            self._graph = self._device.end_capture(stream)
        except DeviceError as error:
            with suppress(DeviceError):  # what was begun has to be ended, and has failed already
                self._device.close_graph(self._device.end_capture(stream))
            if isinstance(error, OutOfDeviceMemoryError):
                raise
            return str(error)
        return None

    def submit(self, flight: Flight, inputs: Mapping[str, Array]) -> None:
        """Start a run for rows `flight.start` and `flight.count` on. The lane has to be empty."""
        rows = slice(flight.start, flight.start + flight.count)
        self._fill({name: array[rows] for name, array in inputs.items()})
        device, streams = self._device, self._streams
        self._inputs.come(streams.inward)
        device.record(self._arrived, streams.inward)
        device.await_event(self._arrived, streams.compute)
        self._run()
        device.record(self._computed, streams.compute)
        device.await_event(self._computed, streams.outward)
        self._outputs.go(streams.outward)
        device.record(self._left, streams.outward)
        self.flight = flight

    def collect(self) -> None:
        """Wait for what is on its way, if anything is, and put its outputs where they belong."""
        if self.flight is None:
            return
        flight, self.flight = self.flight, None
        self._device.await_on_host(self._left)
        for name, target in flight.outputs.items():
            rows = (slice(flight.count), *map(slice, target.shape[1:]))
            target[flight.start : flight.start + flight.count] = self._outputs.arrays[name][rows]

    def settle(self, inputs: Mapping[str, Array]) -> None:
        """Put inputs on the device to stay there. The lane has to be empty."""
        self._fill(inputs)
        self._inputs.come(self._streams.compute)
        self.wait()

    def launch(self) -> None:
        """Put a run of what lies on the device on the stream, and nothing else."""
        self._run()

    def wait(self) -> None:
        """Wait for all runs that were launched."""
        self._device.synchronise(self._streams.compute)

    def close(self) -> None:
        """Give its graph and its events back."""
        with self._events:
            if self._graph is not None:
                self._device.close_graph(self._graph)

    def _fill(self, inputs: Mapping[str, Array]) -> None:
        for name, rows in inputs.items():
            _pad(self._inputs.arrays[name], rows)

    def _run(self) -> None:
        if self._graph is None:
            self._bind()
            self._context.enqueue(self._streams.compute)
        else:
            self._device.launch(self._graph, self._streams.compute)

    def _bind(self) -> None:
        for name, address in {**self._inputs.addresses, **self._outputs.addresses}.items():
            self._context.bind(name, address)


def _event(device: Device, stack: ExitStack) -> int:
    event = device.event()
    stack.callback(device.close_event, event)
    return event


def _pad(block: Array, rows: Array) -> None:
    """Copy rows in, zeros beside their tokens: what is masked there must be finite, too. Further rows are let be."""
    for axis, (room, size) in enumerate(zip(block.shape[1:], rows.shape[1:], strict=True), start=1):
        if size < room:
            block[(slice(len(rows)), *(slice(None),) * (axis - 1), slice(size, None))] = 0
    block[(slice(len(rows)), *(slice(size) for size in rows.shape[1:]))] = rows


def _view(memory: Array, offset: int, dtype: str, shape: Shape) -> Array:
    count = math.prod(shape)
    return np.frombuffer(memory.data, np.dtype(dtype), count, offset).reshape(shape)
