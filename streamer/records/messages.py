"""What Kafka carries, in and out."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, order=True)
class Position:
    """Where a record stands in Kafka."""

    topic: str
    partition: int
    offset: int

    def __str__(self) -> str:
        return f"{self.topic}[{self.partition}]@{self.offset}"


Headers = tuple[tuple[str, bytes], ...]


@dataclass(frozen=True, slots=True)
class Message:
    """One record as it came from a topic, untouched."""

    position: Position
    key: bytes | None
    value: bytes | None
    headers: Headers
    timestamp_ms: int

    def header(self, name: str) -> str | None:
        """The last header of that name as text; None when absent or not UTF-8."""
        for key, value in reversed(self.headers):
            if key == name and value is not None:
                try:
                    return value.decode()
                except UnicodeDecodeError:
                    return None
        return None

    def __repr__(self) -> str:
        size_bytes = len(self.value) if self.value is not None else None
        return f"Message({self.position}, {size_bytes} bytes)"


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One record on its way to a topic."""

    topic: str
    key: bytes | None
    value: bytes | None
    headers: Headers

    def __repr__(self) -> str:
        size_bytes = len(self.value) if self.value is not None else None
        return f"Outgoing({self.topic}, {size_bytes} bytes)"
