"""Records of topics to rows of a log: outcomes, each once, and the arms that verdicts know."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import msgspec

from engines.data.rows import Bad, Good
from engines.outcomes.log import Layout
from streamer.records import Message, Outcome, Position, Rejected
from streamer.wire import parse_outcome, parse_verdict

#: Characters of a malformed record that are listed.
_SHOWN = 2_000


class Counted(msgspec.Struct, frozen=True, kw_only=True):
    """Records of the topic of outcomes. replaced: by a later one of the same id. other: of other experiments."""

    topic: str
    records: int
    malformed: int
    replaced: int
    other: int


@dataclass(frozen=True)
class Latest:
    """Each outcome once, by where it stands; records that are none; how many there were of what."""

    outcomes: dict[str, Outcome]
    malformed: tuple[Bad, ...]
    counted: Counted


def latest(messages: Iterable[Message], topic: str, experiment: str | None) -> Latest:
    """The last record of each id. Raises `ValueError` for none, and for several experiments where none is named.

    Last is what comes later in a partition; between partitions, what has the later timestamp.
    """
    kept: dict[str, _Kept] = {}
    malformed: list[Bad] = []
    records = other = good = 0
    names: set[str | None] = set()
    for records, message in enumerate(messages, start=1):  # noqa: B007 (counts an iterable that is read once)
        outcome = parse_outcome(message)
        if isinstance(outcome, Rejected):
            shown = (message.value or b"")[:_SHOWN].decode("utf-8", "replace")
            malformed.append(Bad(_place(message.position), outcome.error, shown))
            continue
        names.add(outcome.experiment)
        if experiment not in (None, outcome.experiment):
            other += 1
            continue
        good += 1
        found = _Kept(message.position, message.timestamp_ms, outcome)
        there = kept.get(outcome.outcome_id)
        if there is None or found.later(there):
            kept[outcome.outcome_id] = found
    there_are = ", ".join(sorted(name or "(none named)" for name in names)) or "none"
    if not kept:
        first = f"; first malformed record: {malformed[0].place}: {malformed[0].problem}" if malformed else ""
        raise ValueError(f"{topic}: came no outcome of {experiment or 'any experiment'}; there are {there_are}{first}")
    if experiment is None and len(names) > 1:
        raise ValueError(f"{topic}: came outcomes of several experiments, name one with --experiment: {there_are}")
    counted = Counted(topic=topic, records=records, malformed=len(malformed), replaced=good - len(kept), other=other)
    return Latest({_place(one.position): one.outcome for one in kept.values()}, tuple(malformed), counted)


@dataclass(frozen=True, slots=True)
class _Kept:
    """What is kept of a record; a topic may have millions."""

    position: Position
    timestamp_ms: int
    outcome: Outcome

    def later(self, there: _Kept) -> bool:
        """Records of a partition come in order."""
        return self.position.partition == there.position.partition or self.timestamp_ms >= there.timestamp_ms


def _place(at: Position) -> str:
    """For lists of broken rows: "TOPIC, partition 2, offset 17"."""
    return f"{at.topic}, partition {at.partition}, offset {at.offset}"


def outcome_rows(found: Latest, layout: Layout) -> Iterator[Good | Bad]:
    """As rows of a log whose columns are called as the layout has them."""
    yield from found.malformed
    for place, outcome in found.outcomes.items():
        known = {layout.arm: outcome.arm, layout.at: outcome.observed_at, layout.unit: outcome.unit}
        yield Good(place, {**outcome.values, **known})


def arm_rows(messages: Iterable[Message], layout: Layout) -> Iterator[Good | Bad]:
    """Verdicts as rows; the unit is the video."""
    for message in messages:
        verdict = parse_verdict(message)
        if verdict is None:
            yield Bad(_place(message.position), "came no verdict, expected one")
        else:
            yield Good(_place(message.position), msgspec.to_builtins(verdict) | {layout.unit: verdict.video_id})
