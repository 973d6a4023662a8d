"""`earshot label pool`: what the stream has judged, as a pool to select from."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from streamer.cli.common import (
    BrokersOption,
    BundleOption,
    ConfigOption,
    JsonOption,
    errors_told,
    print_json,
    progress,
    settings_from,
    since_ms_of,
)

if TYPE_CHECKING:
    from streamer.cache.redis import RedisCache
    from streamer.labels.merge import Merged
    from streamer.labels.pool import Left, PoolRow
    from streamer.settings import Settings

#: A worker goes on without an answer at once; here one that is lost would be a video that is lost.
_REDIS_SECONDS = 5.0


def pool(
    out: Annotated[Path, typer.Option("--out", help="One line for each video: id, embedding, scores, title, uri.")],
    since: Annotated[
        str | None, typer.Option("--since", help="Verdicts from then on: 30m, 12h, 7d, or a time with its zone.")
    ] = None,
    labels: Annotated[Path | None, typer.Option("--labels", help="Labels to put beside the videos.")] = None,
    brokers: BrokersOption = None,
    redis: Annotated[str | None, typer.Option("--redis", help="The stream's cache; instead of cache.url.")] = None,
    bundle: BundleOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write what the stream has judged as a pool for `earshot select`: up to the present end of the topics, then stop.

    Embeddings come from the stream's cache, so EARSHOT_SECRET, bundle and decoding options have to be the workers'.
    Videos that the cache has forgotten, or another bundle has judged, are counted and left out. A uri is written
    without its query.

    Example: earshot label pool --since 24h --brokers broker:9092 --redis redis://redis:6379/0 --out pool.jsonl
    """
    from streamer.errors import SettingsError
    from streamer.labels.files import read_labels
    from streamer.labels.merge import merge
    from streamer.labels.pool import Left

    with errors_told():
        settings = settings_from(config, kafka__bootstrap_servers=brokers, cache__url=redis, engine__bundle=bundle)
        if settings.cache.url is None:
            raise SettingsError("label pool: came no Redis, expected the stream's cache: --redis URL, or cache.url")
        since_ms = since_ms_of(since) if since is not None else None
        left, said = Left(), merge(read_labels(labels)) if labels is not None else []
        count, used = _written(out, settings, since_ms, said, left)
    counts = {"videos": count, **{name: getattr(left, name) for name in Left.__slots__}}
    if as_json:
        print_json({"out": str(out), "bundle": used, **counts})
    else:
        typer.echo(f"{count} videos in {out}" + "".join(f", {n} {name.replace('_', ' ')}" for name, n in _few(counts)))
    if not count:
        typer.echo("earshot: no video could be taken; are secret, bundle and Redis those of the workers?", err=True)
        raise typer.Exit(1)


def _written(
    out: Path, settings: Settings, since_ms: int | None, labels: Sequence[Merged], left: Left
) -> tuple[int, str]:
    """How many videos were written, and the bundle that judged them. Raises `BrokerError` and `FetchFailedError`."""
    from streamer.assemble import open_recaller
    from streamer.cache.redis import RedisCache
    from streamer.kafka.reader import count_offsets, read_positions, read_topics
    from streamer.labels.files import write_lines
    from streamer.labels.pool import judged, pool_rows
    from streamer.records import TASKS

    kafka = settings.kafka
    cache = RedisCache(settings.cache.model_copy(update={"timeout_seconds": _REDIS_SECONDS}))
    recaller, used = open_recaller(settings, cache)
    topics = [kafka.verdict_topic(task) for task in TASKS]
    with progress("verdicts", count_offsets(kafka, topics, since_ms=since_ms)) as advance:
        messages = (advance(1) or item for item in read_topics(kafka, topics, since_ms=since_ms))
        videos = judged(messages, used.id, left)
    events = read_positions(kafka, [entry.position for entry in videos.values()])
    with progress("embeddings", len(videos)) as advance:
        rows = pool_rows(videos, events, recaller, labels, left, advance)
        return write_lines(out, (msgspec.json.encode(row) for row in _whole(rows, cache))), used.id


def _whole(rows: Iterator[PoolRow], cache: RedisCache) -> Iterator[PoolRow]:
    """All rows. Raises `FetchFailedError` in the end where Redis left a question unanswered."""
    from streamer.errors import FetchFailedError

    yield from rows
    lost = cache.stats.errors + cache.stats.skipped
    if lost:
        raise FetchFailedError(
            f"Redis left {lost} round trips unanswered, no pool was written; look to it and try again"
        )


def _few(counts: dict[str, int]) -> list[tuple[str, int]]:
    return [(name, number) for name, number in counts.items() if number and name != "videos"]
