"""Which offsets may be committed: per partition, the longest run of finished records from the front.

Records finish in any order; outputs leave and offsets move only for a contiguous prefix. Contiguous means in the
order of delivery: offsets have gaps (transaction markers, compaction). Pure; used by one thread.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from streamer.errors import BrokerError
from streamer.records import Outgoing, Position

Partition = tuple[str, int]


@dataclass(slots=True)
class _Entry:
    position: Position
    outputs: tuple[Outgoing, ...] | None = None


@dataclass(frozen=True, slots=True)
class Prefix:
    """What can be published now: the outputs in order, and the next offset to read of each partition."""

    outputs: tuple[Outgoing, ...] = ()
    next_offsets: Mapping[Partition, int] = field(default_factory=dict)
    records: int = 0

    def __bool__(self) -> bool:
        return bool(self.next_offsets)


class OffsetTracker:
    """Every record between delivery and commit, with its outputs once it has finished."""

    def __init__(self) -> None:
        self._queues: dict[Partition, deque[_Entry]] = {}
        self._entries: dict[Position, _Entry] = {}

    def __len__(self) -> int:
        """Records delivered and not yet committed."""
        return len(self._entries)

    def start(self, position: Position) -> bool:
        """Take a delivered record in; False when it is already here (delivered twice by a rebalance).

        Raises `BrokerError` (fatal) when offsets go back: the topic is not the one that was read before.
        """
        if position in self._entries:
            return False
        queue = self._queues.setdefault((position.topic, position.partition), deque())
        if queue and queue[-1].position.offset >= position.offset:
            raise BrokerError(
                f"{position} came after {queue[-1].position}, and offsets of a partition only grow: the topic was "
                "deleted and made anew, or cut short; start the worker again and it goes on with what is there now"
            )
        entry = _Entry(position)
        queue.append(entry)
        self._entries[position] = entry
        return True

    def finish(self, position: Position, outputs: tuple[Outgoing, ...]) -> bool:
        """Note the outputs of a record; False when it is not ours any more or has finished before."""
        entry = self._entries.get(position)
        if entry is None or entry.outputs is not None:
            return False
        entry.outputs = outputs
        return True

    def prefix(self, max_records: int) -> Prefix:
        """The finished records at the front of every partition, up to `max_records`. Nothing is forgotten yet."""
        outputs: list[Outgoing] = []
        next_offsets: dict[Partition, int] = {}
        records = 0
        for partition, queue in self._queues.items():
            for entry in queue:
                if entry.outputs is None or records == max_records:
                    break
                outputs.extend(entry.outputs)
                next_offsets[partition] = entry.position.offset + 1
                records += 1
        return Prefix(tuple(outputs), next_offsets, records)

    def settle(self, next_offsets: Mapping[Partition, int]) -> None:
        """Forget what lies before these offsets: it is committed."""
        for partition, next_offset in next_offsets.items():
            queue = self._queues.get(partition, deque())
            while queue and queue[0].position.offset < next_offset:
                del self._entries[queue.popleft().position]

    def drop(self, partitions: Iterable[Partition]) -> list[Position]:
        """Forget partitions that are no longer ours; the positions that were still here."""
        dropped: list[Position] = []
        for partition in partitions:
            for entry in self._queues.pop(partition, deque()):
                del self._entries[entry.position]
                dropped.append(entry.position)
        return dropped
