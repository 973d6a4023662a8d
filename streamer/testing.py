"""Shipped doubles: a stream that is a list, a clock that only moves when told, a runner that always says the same.

They keep the contracts of what they stand for; the tests run the same cases on a double and on the real part.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from types import TracebackType
from typing import Self

import numpy as np

from engines.runner import Pending
from engines.spec import Array, GraphSpec
from streamer.errors import PublishFailedError
from streamer.offsets import Partition, Prefix
from streamer.records import Message, Outgoing, Position
from streamer.stream import Ownership


class FakeClock:
    """Monotonic seconds that move only by `advance`."""

    def __init__(self, seconds: float = 0.0) -> None:
        self.seconds = seconds

    def __call__(self) -> float:
        return self.seconds

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self.seconds += seconds


class ListStream:
    """Messages from a list, outputs into a list, offsets in a dict; one partition a topic unless positions say else.

    `failures`: the next publishes that fail; each is "before" (nothing happened) or "after" (it happened, and nobody
    was told), as with a broker that stops answering.
    """

    def __init__(self, messages: Sequence[Message] = ()) -> None:
        self.waiting = list(messages)
        self.outputs: list[Outgoing] = []
        self.offsets: dict[Partition, int] = {}
        self.failures: list[str] = []
        self.paused: frozenset[str] = frozenset()
        self.ownership: Ownership | None = None
        self.closed = False

    def open(self, ownership: Ownership) -> None:
        """See `Stream.open`."""
        self.ownership = ownership

    def poll(self, timeout_seconds: float, max_messages: int) -> list[Message]:
        """See `Stream.poll`; never waits."""
        ready = [message for message in self.waiting if message.position.topic not in self.paused][:max_messages]
        for message in ready:
            self.waiting.remove(message)
        return ready

    def pause(self, topics: Collection[str]) -> None:
        """See `Stream.pause`."""
        self.paused = frozenset(topics)

    def publish(self, prefix: Prefix) -> None:
        """See `Stream.publish`."""
        failure = self.failures.pop(0) if self.failures else None
        if failure != "before":
            self.outputs.extend(prefix.outputs)
            self.offsets.update(prefix.next_offsets)
        if failure is not None:
            raise PublishFailedError(f"told to fail {failure} the fact")

    def committed(self, partitions: Collection[Partition]) -> Mapping[Partition, int]:
        """See `Stream.committed`."""
        return {partition: self.offsets[partition] for partition in partitions if partition in self.offsets}

    def assigned(self) -> bool:
        """See `Stream.assigned`."""
        return self.ownership is not None and not self.closed

    def close(self) -> None:
        """See `Stream.close`."""
        self.closed = True


def message_of(output: Outgoing, offset: int, *, partition: int = 0, timestamp_ms: int = 0) -> Message:
    """What a consumer would read where a producer wrote."""
    return Message(Position(output.topic, partition, offset), output.key, output.value, output.headers, timestamp_ms)


class ConstantRunner:
    """A runner whose outputs are all `value`, shaped by its spec; free token axes have one place."""

    def __init__(self, spec: GraphSpec, value: float = 0.0) -> None:
        self._spec = spec
        self._value = value

    @property
    def spec(self) -> GraphSpec:
        """See `Runner`."""
        return self._spec

    @property
    def engine(self) -> str:
        """See `Runner`."""
        return "constant"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """See `Runner`."""

    def __call__(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """See `Runner`."""
        self._spec.check_inputs(inputs)
        sizes = {
            axis: size
            for spec in self._spec.inputs
            for axis, size in zip(spec.axes, inputs[spec.name].shape, strict=True)
            if isinstance(axis, str)
        }
        return {
            spec.name: np.full(
                [axis if isinstance(axis, int) else sizes.get(axis, 1) for axis in spec.axes], self._value, spec.dtype
            )
            for spec in self._spec.outputs
        }

    def start(self, inputs: Mapping[str, Array]) -> Pending:
        """See `Runner`."""
        outputs = self(inputs)
        return lambda: outputs
