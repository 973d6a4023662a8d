"""`earshot label pool`: what the stream has judged, or media at hand, as a pool to select from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from streamer.cli.common import (
    BrokersOption,
    BundleOption,
    ConfigOption,
    JsonOption,
    SinceOption,
    errors_told,
    print_json,
    settings_from,
)
from streamer.cli.label.common import BesideOption, RedisOption, ViewsOption, Wanted

if TYPE_CHECKING:
    from streamer.cli.label.pooled import Pooled
    from streamer.settings import Settings


def pool(
    out: Annotated[
        Path, typer.Option("--out", help="One row for each video: id, embedding, views, scores, title, uri.")
    ],
    media: Annotated[
        list[str] | None,
        typer.Argument(metavar="[FILE|FOLDER|URI]...", help="Media at hand, instead of what the stream has judged."),
    ] = None,
    events: Annotated[
        str | None,
        typer.Option(
            "--events", help="The same with titles and queries: JSON lines, one event's data each; '-': stdin."
        ),
    ] = None,
    since: SinceOption = None,
    labels: BesideOption = None,
    views: ViewsOption = True,
    brokers: BrokersOption = None,
    redis: RedisOption = None,
    bundle: BundleOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write a pool for `earshot select`: of what the stream has judged up to now, or of media at hand.

    JSONL, or Parquet where --out ends in .parquet. Of the stream embeddings and views come from its cache, so
    EARSHOT_SECRET, bundle and decoding options have to be the workers'. Videos that the cache has forgotten, or another
    bundle has judged, are counted and left out; so is a view that it has forgotten. A uri is written without its query.

    Example: earshot label pool --since 24h --brokers broker:9092 --redis redis://redis:6379/0 --out pool.jsonl

    Files are judged here and need neither broker nor Redis: earshot label pool videos/ --out pool.jsonl
    """
    from streamer.cli.label.pooled import tell

    with errors_told():
        settings = settings_from(config, kafka__bootstrap_servers=brokers, cache__url=redis, engine__bundle=bundle)
        wanted = Wanted(out, since, labels, views)
        if media or events:
            _not_of_the_stream({"--since": since, "--brokers": brokers, "--redis": redis})
            pooled = _of_files(settings, wanted, media or (), events)
        else:
            pooled = _of_the_stream(settings, wanted)
    print_json(pooled.counts()) if as_json else tell(pooled)
    pooled.exit_if_empty()


def _of_files(settings: Settings, wanted: Wanted, media: Sequence[str], events: str | None) -> Pooled:
    from streamer.cli.label.from_files import events_of, write_from_files

    return write_from_files(settings, wanted, events_of(media, events))


def _of_the_stream(settings: Settings, wanted: Wanted) -> Pooled:
    from streamer.cli.label.from_stream import write_from_stream

    return write_from_stream(settings, wanted, "label pool")


def _not_of_the_stream(options: Mapping[str, str | None]) -> None:
    """Raises `SettingsError` (fatal) for an option of the stream beside media at hand."""
    from streamer.errors import SettingsError

    if given := [name for name, value in options.items() if value is not None]:
        raise SettingsError(f"label pool: came media and {', '.join(given)} of the stream, expected one of the two")
