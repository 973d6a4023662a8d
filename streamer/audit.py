"""The conservation law, proved from the topics alone.

Every consumed event ends in exactly one terminal state: verdicts on all its tasks, or one dead letter. An event is
known by its position in the event topic; verdicts, retries and dead letters carry that position.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import msgspec

from streamer import wire
from streamer.offsets import Partition
from streamer.records import Message, Position, Rejected, Source, Task


class AuditReport(msgspec.Struct, frozen=True, kw_only=True):
    """Counts of events, by where they stand. `lost` and `duplicated` have to be 0.

    consumed: committed by the group, or ended. in_flight: not consumed yet, or waiting in the retry topic.
    """

    consumed: int
    verdict_events: int
    dead_letters: int
    lost: int
    duplicated: int
    in_flight: int


@dataclass(slots=True)
class Audit:
    """Collects what the topics say, in any order of topics, and then reports."""

    _verdicts: Counter[tuple[Position, Task]] = field(default_factory=Counter)
    _letters: Counter[Position] = field(default_factory=Counter)
    _waiting: set[Position] = field(default_factory=set)
    _events: dict[Position, frozenset[Task] | None] = field(default_factory=dict)

    def add_events(self, messages: Iterable[Message]) -> None:
        """The event topic. What cannot be parsed is an event too: it has to end as a dead letter."""
        for message in messages:
            event = wire.parse_event(wire.as_new(message))
            self._events[message.position] = None if isinstance(event, Rejected) else frozenset(event.tasks)

    def add_verdicts(self, messages: Iterable[Message]) -> None:
        """The verdict topics."""
        for message in messages:
            verdict = wire.parse_verdict(message)
            if verdict is not None and verdict.source is not None:
                self._verdicts[_position(verdict.source), verdict.task] += 1

    def add_letters(self, messages: Iterable[Message]) -> None:
        """The dead-letter topic."""
        for message in messages:
            position = wire.letter_position(message)
            if position is not None:
                self._letters[position] += 1

    def add_retries(self, messages: Iterable[Message], committed: Mapping[Partition, int]) -> None:
        """The retry topic: what lies beyond the committed offsets still waits."""
        for message in messages:
            place = message.position
            if place.offset >= committed.get((place.topic, place.partition), 0):
                self._waiting.add(_position(wire.source_of(message)))

    def report(self, committed: Mapping[Partition, int]) -> AuditReport:
        """The balance, against the group's committed offsets of the event topic."""
        judged: dict[Position, set[Task]] = {}
        for position, task in self._verdicts:
            judged.setdefault(position, set()).add(task)
        repeated = {position for (position, _), count in self._verdicts.items() if count > 1}
        repeated |= {position for position, count in self._letters.items() if count > 1}
        repeated |= judged.keys() & self._letters.keys()

        consumed = lost = 0
        for position, tasks in self._events.items():
            complete = position in self._letters or (tasks is not None and judged.get(position, set()) >= tasks)
            passed = position.offset < committed.get((position.topic, position.partition), 0)
            if position in self._waiting:
                continue
            consumed += complete or passed
            lost += passed and not complete
        known = self._events.keys()
        return AuditReport(
            consumed=consumed,
            verdict_events=len(judged.keys() & known),
            dead_letters=len(self._letters.keys() & known),
            lost=lost,
            duplicated=len(repeated & known),
            in_flight=len(known) - consumed,
        )


def _position(source: Source) -> Position:
    return Position(source.topic, source.partition, source.offset)
