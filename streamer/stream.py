"""The protocol between the worker and whatever carries records: Kafka, or the shipped list in `testing.py`."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Protocol

from streamer.offsets import Partition, Prefix
from streamer.records import Message


class Ownership(Protocol):
    """Told, inside `Stream.poll`, which partitions come and go."""

    def on_revoked(self, partitions: Collection[Partition]) -> None:
        """They leave when this returns: the last moment to publish what has finished."""
        ...

    def on_lost(self, partitions: Collection[Partition]) -> None:
        """They are gone already; somebody else may be working on them."""
        ...


class Stream(Protocol):
    """One consumer with its producer. Used by one thread."""

    def open(self, ownership: Ownership) -> None:
        """Join the group. Raises `SettingsError` when topics are missing, `BrokerError` when nobody answers."""
        ...

    def poll(self, timeout_seconds: float, max_messages: int) -> list[Message]:
        """The next messages, waiting for the first at most that long. Raises `BrokerError` (fatal)."""
        ...

    def pause(self, topics: Collection[str]) -> None:
        """Take no more from these topics, and take again from all others; partitions to come included."""
        ...

    def publish(self, prefix: Prefix) -> None:
        """Outputs and offsets, in one transaction where the delivery asks for it.

        Raises `PublishFailedError` when it is not known to have happened: compare `committed` before trying again.
        Raises `BrokerError` (fatal) when this process cannot publish any more.
        """
        ...

    def committed(self, partitions: Collection[Partition]) -> Mapping[Partition, int]:
        """The next offset to read of each partition, as the broker knows it. Raises `PublishFailedError`."""
        ...

    def assigned(self) -> bool:
        """Whether the group has given this member its share, even an empty one."""
        ...

    def close(self) -> None:
        """Leave the group."""
        ...
