"""A pool made of what the stream has judged and remembers, for the commands that need one."""

from __future__ import annotations

from collections.abc import Iterator

from streamer.assemble import open_recaller
from streamer.cache.redis import RedisCache
from streamer.cli.common import progress, since_ms_of
from streamer.cli.label.common import Wanted
from streamer.cli.label.pooled import Pooled, labels_of
from streamer.errors import FetchFailedError, SettingsError
from streamer.kafka.reader import count_offsets, read_positions, read_topics
from streamer.labels.pool import Left, PoolRow, judged, pool_rows
from streamer.labels.pool_file import check_pool_path, write_pool
from streamer.records import TASKS
from streamer.settings import Settings

#: A worker goes on without an answer at once; here one that is lost would be a video that is lost.
_REDIS_SECONDS = 5.0


def write_from_stream(settings: Settings, wanted: Wanted, command: str) -> Pooled:
    """The pool, written. Nothing is written where Redis leaves a question unanswered.

    Raises `SettingsError` for what cannot be, `BrokerError` and `FetchFailedError` for who does not answer.
    """
    if settings.cache.url is None:
        raise SettingsError(f"{command}: came no Redis, expected the stream's cache: --redis URL, or cache.url")
    check_pool_path(wanted.out)
    since_ms, said = since_ms_of(wanted.since), labels_of(wanted)
    cache = RedisCache(settings.cache.model_copy(update={"timeout_seconds": _REDIS_SECONDS}))
    recaller, used = open_recaller(settings, cache)
    kafka, left = settings.kafka, Left()
    topics = [kafka.verdict_topic(task) for task in TASKS]
    with progress("verdicts", count_offsets(kafka, topics, since_ms=since_ms)) as advance:
        messages = (advance(1) or item for item in read_topics(kafka, topics, since_ms=since_ms))
        videos = judged(messages, used.id, left)
    events = read_positions(kafka, [entry.position for entry in videos.values()])
    with progress("embeddings", len(videos)) as advance:
        rows = pool_rows(videos, events, recaller, said, left, advance, views=wanted.views)
        count = write_pool(wanted.out, _whole(rows, cache))
    return Pooled(wanted.out, used.id, count, left, "are secret, bundle and Redis those of the workers?")


def _whole(rows: Iterator[PoolRow], cache: RedisCache) -> Iterator[PoolRow]:
    """All rows. Raises `FetchFailedError` in the end where Redis left a question unanswered."""
    yield from rows
    lost = cache.stats.errors + cache.stats.skipped
    if lost:
        raise FetchFailedError(
            f"Redis left {lost} round trips unanswered, no pool was written; look to it and try again"
        )
