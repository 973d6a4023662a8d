"""`earshot label pool`: what the stream has judged, as a pool to select from."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

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


def pool(
    out: Annotated[
        Path, typer.Option("--out", help="One row for each video: id, embedding, views, scores, title, uri.")
    ],
    since: SinceOption = None,
    labels: BesideOption = None,
    views: ViewsOption = True,
    brokers: BrokersOption = None,
    redis: RedisOption = None,
    bundle: BundleOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write what the stream has judged as a pool for `earshot select`: up to the present end of the topics, then stop.

    JSONL, or Parquet where --out ends in .parquet. Embeddings and views come from the stream's cache, so
    EARSHOT_SECRET, bundle and decoding options have to be the workers'. Videos that the cache has forgotten, or another
    bundle has judged, are counted and left out; so is a view that it has forgotten. A uri is written without its query.

    Example: earshot label pool --since 24h --brokers broker:9092 --redis redis://redis:6379/0 --out pool.jsonl
    """
    from streamer.cli.label.from_stream import tell, write_from_stream

    with errors_told():
        settings = settings_from(config, kafka__bootstrap_servers=brokers, cache__url=redis, engine__bundle=bundle)
        pooled = write_from_stream(settings, Wanted(out, since, labels, views), "label pool")
    print_json(pooled.counts()) if as_json else tell(pooled)
    pooled.exit_if_empty()
