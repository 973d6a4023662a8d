"""Doubles at the lowest boundary to a GPU: a device in host memory, and a compiler whose plans ONNX Runtime runs.

They are stricter than a device has to be. What is put on a stream runs as late as it may, when somebody waits for it,
and never before what it was told to wait for: an order that was not asked for is not there, and what the host
overwrites too early is gone.
"""

from __future__ import annotations

import ctypes
from collections import deque
from collections.abc import Callable, Mapping, Sequence, Sized
from itertools import count

import msgspec
import numpy as np
import onnxruntime

from engines.gpu.compiler import BuildError, BuildOptions, Built, Profile
from engines.gpu.device import ALIGNMENT_BYTES, Bytes, DeviceError, OutOfDeviceMemoryError
from engines.gpu.turns import Turns
from engines.spec import Array

Work = Callable[[], None]


class HostDevice:
    """A device of `memory_bytes`. `fail_next` runs fail and leave it `poisoned`, as faults do: see `recover`."""

    def __init__(self, memory_bytes: int = 1 << 30, name: str = "Host double sm_00") -> None:
        self.name = name
        self.generation = 0
        self.turns = Turns()
        self.memory_bytes = memory_bytes
        self.fail_next = 0
        self.poisoned = False
        self._taken: dict[int, tuple[Array, int]] = {}
        self._pinned: dict[int, Array] = {}
        self._numbers = count(1)
        self._streams: dict[int, deque[Work]] = {}
        self._graphs: dict[int, list[Work]] = {}
        self._events: dict[int, tuple[int, int]] = {}
        self._put: dict[int, int] = {}
        self._done: dict[int, int] = {}
        self._capturing: dict[int, list[Work]] = {}

    @property
    def held(self) -> int:
        """How many pieces of memory, streams, events and graphs nobody has given back."""
        kinds: tuple[Sized, ...] = (self._taken, self._pinned, self._streams, self._events, self._graphs)
        return sum(len(kind) for kind in kinds)

    def activate(self) -> None:
        """There is only one."""

    def recover(self) -> None:
        """Forget all that was there, where a fault has poisoned it. Numbers start anew: others get those of before."""
        if self.poisoned:
            self.poisoned = False
            self.generation += 1
            self._numbers = count(1)
            for held in (self._taken, self._pinned, self._streams, self._events, self._graphs, self._capturing):
                held.clear()

    def free_bytes(self) -> int:
        """Memory that nobody has taken."""
        return self.memory_bytes - sum(size for _, size in self._taken.values())

    def allocate(self, size_bytes: int) -> int:
        """Memory full of what was there before: bytes that are no numbers. Raises `OutOfDeviceMemoryError`."""
        self._check()
        if size_bytes > self.free_bytes():
            raise OutOfDeviceMemoryError(f"asked for {size_bytes} bytes of {self.free_bytes()}")
        memory = np.full(size_bytes + ALIGNMENT_BYTES, 0xFF, np.uint8)
        address = -(-memory.ctypes.data // ALIGNMENT_BYTES) * ALIGNMENT_BYTES
        self._taken[address] = (memory, size_bytes)
        return address

    def release(self, address: int) -> None:
        """Give memory back."""
        self._taken.pop(address, None)

    def pinned(self, size_bytes: int) -> Bytes:
        """Host memory of zeros."""
        memory = np.zeros(size_bytes, np.uint8)
        self._pinned[memory.ctypes.data] = memory
        return memory

    def unpin(self, memory: Bytes) -> None:
        """Give host memory back."""
        self._pinned.pop(memory.ctypes.data, None)

    def stream(self) -> int:
        """A new stream."""
        number = next(self._numbers)
        self._streams[number] = deque()
        self._put[number] = self._done[number] = 0
        return number

    def close_stream(self, stream: int) -> None:
        """What is on it still runs."""
        if stream in self._streams:
            self.synchronise(stream)
            del self._streams[stream]

    def synchronise(self, stream: int) -> None:
        """Run all that was put on the stream."""
        self._run_to(stream, self._put[stream])

    def event(self) -> int:
        """A new event, which has happened as long as it is not recorded."""
        number = next(self._numbers)
        self._events[number] = (0, 0)
        return number

    def close_event(self, event: int) -> None:
        """Give an event back."""
        self._events.pop(event, None)

    def record(self, event: int, stream: int) -> None:
        """The event happens when the stream has come to here."""
        self._events[event] = (stream, self._put[stream])

    def await_event(self, event: int, stream: int) -> None:
        """The stream goes on when the event has happened."""
        target = self._events[event]
        self.put(stream, lambda: self._run_to(*target))

    def await_on_host(self, event: int) -> None:
        """Run what leads to the event, and nothing else."""
        self._run_to(*self._events[event])

    def copy_in(self, address: int, source: Bytes, stream: int) -> None:
        """Copies what is in the source when its turn comes."""
        self.put(stream, lambda: _move(address, source.ctypes.data, source.nbytes))

    def copy_out(self, target: Bytes, address: int, stream: int) -> None:
        """Copies what is on the device when its turn comes."""
        self.put(stream, lambda: _move(target.ctypes.data, address, target.nbytes))

    def begin_capture(self, stream: int) -> None:
        """What is put on the stream from now on is remembered, not run."""
        self._check()
        self._capturing[stream] = []

    def end_capture(self, stream: int) -> int:
        """The graph of what was remembered."""
        works = self._capturing.pop(stream, None)
        if works is None:
            raise DeviceError(f"nothing is being captured on stream {stream}")
        number = next(self._numbers)
        self._graphs[number] = works
        return number

    def launch(self, graph: int, stream: int) -> None:
        """Put all of a graph on the stream."""
        for work in self._graphs[graph]:
            self.put(stream, work)

    def close_graph(self, graph: int) -> None:
        """Give a graph back."""
        self._graphs.pop(graph, None)

    def put(self, stream: int, work: Work) -> None:
        """Put anything on a stream."""
        self._check()
        if stream in self._capturing:
            self._capturing[stream].append(work)
            return
        self._streams[stream].append(work)
        self._put[stream] += 1

    def run(self, work: Work) -> None:
        """What a kernel does; it may have been told to fail."""
        if self.fail_next:
            self.fail_next -= 1
            self.poisoned = True
        self._check()
        work()

    def _run_to(self, stream: int, place: int) -> None:
        self._check()
        while stream and self._done[stream] < place:
            self._done[stream] += 1
            self._streams[stream].popleft()()

    def _check(self) -> None:
        if self.poisoned:
            raise DeviceError("an illegal memory access was encountered")


class HostCompiler:
    """Plans are the graph itself beside its profiles. `loops`: runs cannot be captured."""

    def __init__(self, device: HostDevice, version: str = "double-1.0", *, loops: bool = False) -> None:
        self.version = version
        self.timings = b""
        self._device = device
        self._loops = loops

    def build(
        self, model: bytes, profiles: Sequence[Profile], options: BuildOptions, on_share: Callable[[float], None]
    ) -> Built:
        """Raises `BuildError` where ONNX Runtime cannot read the graph."""
        try:
            onnxruntime.InferenceSession(model, _quiet(), providers=["CPUExecutionProvider"])
        except Exception as error:  # pybind raises its own and bare RuntimeError classes alike
            raise BuildError(f"{self.version} cannot read the graph: {error}") from error
        self.timings += b"."
        on_share(1.0)
        plan = msgspec.msgpack.encode(([dict(profile) for profile in profiles], model))
        return Built(plan, {f"level {options.level}": 1})

    def load(self, plan: bytes) -> HostCompiled:
        """Raises `DeviceError` for what is no plan."""
        try:
            profiles, model = msgspec.msgpack.decode(plan, type=tuple[list[dict[str, tuple[int, ...]]], bytes])
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise DeviceError(f"{self.version} does not load a plan of {len(plan)} bytes: {error}") from error
        session = onnxruntime.InferenceSession(model, _quiet(), providers=["CPUExecutionProvider"])
        return HostCompiled(session, profiles, self._device, self._loops)


class HostCompiled:
    """A plan that was loaded."""

    def __init__(
        self,
        session: onnxruntime.InferenceSession,
        profiles: Sequence[Profile],
        device: HostDevice,
        loops: bool,
    ) -> None:
        self._session, self._profiles, self._device, self._loops = session, profiles, device, loops

    def memory_bytes(self, profile: int) -> int:
        """As much as the inputs."""
        return 4 * sum(int(np.prod(shape)) for shape in self._profiles[profile].values())

    def context(self, profile: int, shapes: Mapping[str, tuple[int, ...]], memory: int, stream: int) -> HostContext:
        """Raises `DeviceError` for shapes that are not the profile's."""
        if dict(self._profiles[profile]) != dict(shapes):
            raise DeviceError(f"profile {profile} is {self._profiles[profile]}, came {dict(shapes)}")
        return HostContext(self._session, shapes, self._device, self._loops)


class HostContext:
    """Runs the graph on what lies at its addresses when its turn comes."""

    def __init__(
        self,
        session: onnxruntime.InferenceSession,
        shapes: Mapping[str, tuple[int, ...]],
        device: HostDevice,
        loops: bool,
    ) -> None:
        self._session, self._shapes, self._device, self._loops = session, shapes, device, loops
        self._addresses: dict[str, int] = {}

    def bind(self, name: str, address: int) -> None:
        """Where a tensor lies."""
        self._addresses[name] = address

    def enqueue(self, stream: int) -> None:
        """Put one run on the stream, with the addresses of now."""
        if self._loops and stream in self._device._capturing:  # the two doubles are one
            raise DeviceError("operation not permitted when stream is capturing")
        addresses = dict(self._addresses)
        self._device.put(stream, lambda: self._device.run(lambda: self._compute(addresses)))

    def _compute(self, addresses: Mapping[str, int]) -> None:
        feeds = {
            node.name: _at(addresses[node.name], _dtype(node.type), self._shapes[node.name]).copy()
            for node in self._session.get_inputs()
        }
        names = [node.name for node in self._session.get_outputs()]
        for name, output in zip(names, self._session.run(names, feeds), strict=True):
            _at(addresses[name], output.dtype, output.shape)[...] = output


def _quiet() -> onnxruntime.SessionOptions:
    settings = onnxruntime.SessionOptions()
    settings.log_severity_level = 4
    settings.intra_op_num_threads = 1
    return settings


def _dtype(name: str) -> np.dtype[np.generic]:
    words = name.removeprefix("tensor(").removesuffix(")")
    return np.dtype({"float": "float32", "double": "float64"}.get(words, words))


def _at(address: int, dtype: np.dtype[np.generic], shape: Sequence[int]) -> Array:
    size = int(np.prod(shape)) * dtype.itemsize
    memory = np.ctypeslib.as_array((ctypes.c_uint8 * size).from_address(address))
    return memory.view(dtype).reshape(shape)


def _move(target: int, source: int, size_bytes: int) -> None:
    ctypes.memmove(target, source, size_bytes)
