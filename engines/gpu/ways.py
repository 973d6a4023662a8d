"""A loaded plan with all it needs to run: streams, memory, and the lanes of each bucket."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from itertools import cycle

from engines.gpu.buckets import Shape
from engines.gpu.device import Compiled, Context, Device, DeviceError
from engines.gpu.lanes import LANES, Block, Lane, Streams
from engines.gpu.plans import PlanHeader
from engines.spec import Array, GraphSpec

_LOG = logging.getLogger(__name__)

#: What lay in a context that is gone, kept as long as the process, which `engines.trt.MOST_LOST_CONTEXTS` bounds: its
#: numbers and addresses may be those of others by now, also what TensorRT's own objects would give back when nobody
#: knows them any more.
_GONE: list[Ways] = []


class Ways:
    """Every way that rows may take through a plan. Raises `DeviceError` when it cannot be opened."""

    def __init__(
        self, device: Device, compiled: Compiled, spec: GraphSpec, header: PlanHeader, buckets: tuple[Shape, ...]
    ) -> None:
        self.generation = device.generation
        self.lanes: list[Lane] = []
        self.size_bytes = 0
        self._device, self._spec, self._header = device, spec, header
        self._compiled = compiled  # contexts live as long as it does
        self._turns: dict[Shape, Iterator[Lane]] = {}
        self._streams, self._memory = ExitStack(), ExitStack()
        try:
            self._open(compiled, buckets)
        except BaseException:
            self.close()
            raise

    def next_lane(self, shape: Shape) -> Lane:
        """The lane of a bucket whose turn it is."""
        return next(self._turns[shape])

    def collect(self, outputs: Mapping[str, Array]) -> None:
        """Wait for what is on its way to these outputs."""
        for lane in self.lanes:
            if lane.flight is not None and lane.flight.outputs is outputs:
                lane.collect()

    def close(self) -> None:
        """Give all of it back, when what runs has ended. What a fault has made unusable is left to the driver."""
        if self.generation != self._device.generation:
            _GONE.append(self)
            return
        try:
            with self._memory, self._streams:  # from last to first: what runs may still write to the memory
                pass
        except DeviceError as error:
            _LOG.warning("%s: not all could be given back: %s", self._spec.name, error)

    def _open(self, compiled: Compiled, buckets: tuple[Shape, ...]) -> None:
        device = self._device
        streams = Streams(self._stream(), self._stream(), self._stream())
        # Runs of one plan follow each other on one stream, so that they can share what lies between.
        most_bytes = max(compiled.memory_bytes(self._profile(shape)) for shape in buckets)
        workspace = device.allocate(most_bytes)
        self._memory.callback(device.release, workspace)
        self.size_bytes += most_bytes
        for shape in buckets:
            profile, sizes = self._profile(shape), self._sizes(shape)
            given = {tensor.name: tensor.shape(sizes) for tensor in self._spec.inputs}
            context = compiled.context(profile, given, workspace, streams.compute)
            lanes = [self._lane(context, sizes, streams) for _ in range(LANES)]
            self.lanes += lanes
            self._turns[shape] = cycle(lanes)

    def _lane(self, context: Context, sizes: Mapping[str, int], streams: Streams) -> Lane:
        blocks = []
        for tensors in (self._spec.inputs, self._spec.outputs):
            block = Block(self._device, tensors, sizes)
            self._memory.callback(block.close)
            self.size_bytes += block.host.nbytes
            blocks.append(block)
        lane = Lane(self._device, context, blocks[0], blocks[1], streams)
        self._memory.callback(lane.close)
        if reason := lane.warm():
            _LOG.warning("%s: runs are launched one by one, not as a CUDA graph: %s", self._spec.name, reason)
        return lane

    def _stream(self) -> int:
        stream = self._device.stream()
        self._streams.callback(self._device.close_stream, stream)
        return stream

    def _profile(self, shape: Shape) -> int:
        return self._header.buckets.index(shape)

    def _sizes(self, shape: Shape) -> dict[str, int]:
        return {**self._header.fixed, **dict(zip(self._spec.ranges, shape, strict=True))}
