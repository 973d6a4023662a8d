"""Publishes finished prefixes at an interval, and finds the truth again after a failure.

After a publish that failed nobody knows whether it happened. So nothing is published again before the committed
offsets have been read: what they cover has happened and is forgotten, the rest is published once more.
"""

from __future__ import annotations

from collections.abc import Callable, Collection

import structlog

from streamer.errors import PublishFailedError
from streamer.metrics import Metrics
from streamer.offsets import OffsetTracker, Partition, Prefix
from streamer.records import Outgoing, Position
from streamer.stream import Stream

log = structlog.get_logger()

_MOST_RECORDS = 1000
_FIRST_WAIT_SECONDS = 0.2
_MOST_WAIT_SECONDS = 5.0


class Committer:
    """Everything between the end of an event's work and its commit. Used by the worker's thread only."""

    def __init__(
        self, stream: Stream, *, interval_seconds: float, metrics: Metrics, clock: Callable[[], float]
    ) -> None:
        self._stream = stream
        self._interval_seconds = interval_seconds
        self._metrics = metrics
        self._clock = clock
        self._tracker = OffsetTracker()
        self._next_seconds = clock()
        self._wait_seconds = _FIRST_WAIT_SECONDS
        self._doubtful: Prefix | None = None

    def __len__(self) -> int:
        """Records delivered and not committed."""
        return len(self._tracker)

    def start(self, position: Position) -> bool:
        """Take a delivered record in; False when it is here already."""
        return self._tracker.start(position)

    def finish(self, position: Position, outputs: tuple[Outgoing, ...]) -> bool:
        """Note the outputs of a record; False when they are not wanted any more."""
        return self._tracker.finish(position, outputs)

    def turn(self) -> None:
        """Publish when the interval is over and something has finished. Raises `BrokerError` (fatal)."""
        if self._clock() >= self._next_seconds:
            self._next_seconds = self._clock() + self._interval_seconds
            self.publish()

    def publish(self) -> bool:
        """Publish what can be published now; False when it failed and will be tried again."""
        try:
            self._reconcile()
            prefix = self._tracker.prefix(_MOST_RECORDS)
            if prefix:
                self._doubtful = prefix
                with self._metrics.timed("publish"):
                    self._stream.publish(prefix)
                self._doubtful = None
                self._tracker.settle(prefix.next_offsets)
                self._metrics.published.inc(len(prefix.outputs))
        except PublishFailedError as error:
            log.warning("publish_failed", error=str(error), wait_seconds=self._wait_seconds)
            self._metrics.publish_failures.inc()
            self._next_seconds = self._clock() + self._wait_seconds
            self._wait_seconds = min(_MOST_WAIT_SECONDS, self._wait_seconds * 2)
            return False
        self._wait_seconds = _FIRST_WAIT_SECONDS
        return True

    def publish_all(self) -> bool:
        """Publish until nothing that has finished is left at the front; False when one of them failed."""
        while self._tracker.prefix(1):
            if not self.publish():
                return False
        return True

    def drop(self, partitions: Collection[Partition]) -> list[Position]:
        """Forget partitions that are somebody else's now; the positions that were still here."""
        return self._tracker.drop(partitions)

    def _reconcile(self) -> None:
        if self._doubtful is None:
            return
        committed = self._stream.committed(self._doubtful.next_offsets)
        self._tracker.settle(committed)
        self._doubtful = None
        log.info("reconciled", partitions=len(committed))
