"""Verdicts -> the rows of a pool: each video once, with its scores, its fused embedding and its views.

A verdict of the stream knows its scores and where its event stands; the event knows the words; words and content lead
to what the cache remembers of the fusion network's answer, a view of each sense among it. So nothing of the stream is
fetched, decoded or encoded anew.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice

import msgspec
import numpy as np

from engines.known import joined
from streamer.fetch import redact
from streamer.labels.choices import LEAST_YES
from streamer.labels.merge import Merged
from streamer.recall import Recaller
from streamer.records import Event, Fused, Message, Modality, Position, Rejected, Task, Verdict
from streamer.views import Views, worded
from streamer.wire import parse_event, parse_verdict

#: Videos whose fused embeddings are asked for in one round trip: about 0.5 MB of answers.
_LOOKUP_VIDEOS = 64
#: Of an embedding's numbers; single precision has no more of those that matter in a unit vector.
_DIGITS = 7
#: Of a view's; it is made of half precision.
_VIEW_DIGITS = 5


class PoolRow(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One video, as `earshot select` reads it.

    embedding: D numbers, unit norm, of the bundle that gave the scores, which are in [0, 1]. views: of each sense that
    the video has, D numbers, unit norm. labels: 1 where people say that the task's label applies, else 0.
    """

    video_id: str
    embedding: list[float]
    scores: dict[Task, float]
    bundle: str
    event_id: str
    novelty: float | None
    views: dict[Modality, list[float]] = {}
    title: str = ""
    uri: str | None = None
    query: str | None = None
    tenant: str | None = None
    labels: dict[Task, int] = {}


@dataclass(slots=True)
class Judged:
    """What the latest event about a video was judged to be."""

    event_id: str
    bundle_id: str
    timestamp_ms: int
    position: Position
    content_sha256: str
    scores: dict[Task, float] = field(default_factory=dict)


@dataclass(slots=True)
class Left:
    """Videos that did not get into the pool, by why."""

    unscored: int = 0
    other_bundle: int = 0
    event_gone: int = 0
    not_remembered: int = 0


def judged(messages: Iterable[Message], bundle_id: str, left: Left) -> dict[str, Judged]:
    """The scored videos of verdicts, by id; of several events about a video the latest counts."""
    found: dict[str, Judged] = {}
    unscored: set[str] = set()
    others: set[str] = set()
    for message in messages:
        verdict = parse_verdict(message)
        if verdict is None:
            continue
        if verdict.lineage.bundle_id != bundle_id:
            others.add(verdict.video_id)
        elif (entry := _entry(verdict, message.timestamp_ms)) is None:
            unscored.add(verdict.video_id)
        else:
            _keep(found, verdict, entry)
    left.unscored += len(unscored - found.keys())
    left.other_bundle += len(others - found.keys() - unscored)
    return found


def pool_rows(
    videos: Mapping[str, Judged],
    events: Iterable[Message],
    recaller: Recaller,
    labels: Mapping[str, Mapping[Task, int]],
    left: Left,
    advance: Callable[[int], None],
    *,
    views: bool,
) -> Iterator[PoolRow]:
    """The rows of those videos whose events are among the messages, as far as the cache remembers them.

    advance: told how many videos more are done. views: whether rows have them.
    """
    names = {entry.position: video_id for video_id, entry in videos.items()}
    found = (
        (event, videos[names[message.position]])
        for message in events
        if message.position in names and not isinstance(event := parse_event(message), Rejected)
    )
    seen = 0
    while some := list(islice(found, _LOOKUP_VIDEOS)):
        yield from rows_of(_remembered(some, recaller, left), labels, views=views)
        seen += len(some)
        advance(len(some))
    left.event_gone += len(videos) - seen


@dataclass(frozen=True, slots=True)
class Known:
    """A video whose fused embedding is known."""

    event: Event
    bundle_id: str
    scores: Mapping[Task, float]
    fused: Fused


def rows_of(known: Iterable[Known], labels: Mapping[str, Mapping[Task, int]], *, views: bool) -> Iterator[PoolRow]:
    """The rows of these videos, with their labels by id."""
    for one in known:
        yield _row(one, worded(one.event, one.fused.views) if views else {}, labels.get(one.event.video_id, {}))


def labels_by_video(labels: Iterable[Merged]) -> dict[str, dict[Task, int]]:
    """1 where people say that the task's label applies to the video, else 0; those that nobody decided are left out."""
    values: dict[str, dict[Task, int]] = {}
    for item in labels:
        if item.value is not None:
            values.setdefault(item.video_id, {})[item.task] = int(item.value >= LEAST_YES[item.task])
    return values


def _remembered(some: Sequence[tuple[Event, Judged]], recaller: Recaller, left: Left) -> list[Known]:
    answers = recaller.fused([(event, entry.content_sha256) for event, entry in some])
    known = [
        Known(event, entry.bundle_id, entry.scores, fused)
        for (event, entry), fused in zip(some, answers, strict=True)
        if fused is not None
    ]
    left.not_remembered += len(some) - len(known)
    return known


def _row(known: Known, views: Views, labels: Mapping[Task, int]) -> PoolRow:
    event = known.event
    return PoolRow(
        video_id=event.video_id,
        embedding=known.fused.embedding_D.astype(np.float64).round(_DIGITS).tolist(),
        scores=dict(known.scores),
        bundle=known.bundle_id,
        event_id=event.event_id,
        novelty=joined(known.fused.novelty.values()),
        views={sense: view_D.astype(np.float64).round(_VIEW_DIGITS).tolist() for sense, view_D in views.items()},
        title=event.title,
        uri=redact(event.uri),
        query=event.query,
        tenant=event.tenant,
        labels=dict(labels),
    )


def _entry(verdict: Verdict, timestamp_ms: int) -> Judged | None:
    """What a verdict says, without its score; None where nothing was scored."""
    content, source = verdict.lineage.content_sha256, verdict.source
    if verdict.score is None or content is None or source is None:
        return None
    position = Position(source.topic, source.partition, source.offset)
    return Judged(verdict.event_id, verdict.lineage.bundle_id, timestamp_ms, position, content)


def _keep(found: dict[str, Judged], verdict: Verdict, entry: Judged) -> None:
    """Add the score to those of the same event; those of an earlier one go."""
    there = found.get(verdict.video_id)
    if there is None or (there.position != entry.position and there.timestamp_ms <= entry.timestamp_ms):
        found[verdict.video_id] = there = entry
    if there.position == entry.position and verdict.score is not None:
        there.scores[verdict.task] = verdict.score
