"""What every place that objects come from gives."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

from streamer.fetch.pace import Pace


@dataclass(frozen=True, slots=True)
class Incoming:
    """An object on its way. `size_bytes` is what the source said, and may be a lie; None when it said nothing."""

    size_bytes: int | None
    chunks: Iterator[bytes]


class Source(Protocol):
    """A kind of store. Thread-safe."""

    def open(self, uri: str, pace: Pace) -> AbstractContextManager[Incoming]:
        """Starts to give the object; raises poison and retryable errors, then or while chunks are taken."""
