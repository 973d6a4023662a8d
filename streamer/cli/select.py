"""`earshot select`: the next videos to label, of a pool at hand or, live, of what the stream has judged."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from engines.cli import select as of_pool
from engines.cli.common import errors_told as file_errors_told
from streamer.cli import common
from streamer.cli.label import common as label_common
from streamer.cli.label.common import Wanted

if TYPE_CHECKING:
    from streamer.cli.label.pooled import Pooled
    from streamer.settings import Settings

PoolArgument = Annotated[
    Path | None,
    typer.Argument(help="JSONL or Parquet, a row for each video: docs/select.md. With --live it is made anew."),
]
LiveOption = Annotated[
    bool, typer.Option("--live", help="First make the pool of what the stream has judged and its cache remembers.")
]
SendOption = Annotated[bool, typer.Option("--send", help="Also publish the requests to their topic.")]


def select(
    task: of_pool.TaskOption,
    out: of_pool.OutOption,
    pool: PoolArgument = None,
    batch: of_pool.BatchOption = 50,
    strategy: of_pool.StrategyOption = "lsb",
    like: of_pool.LikeOption = None,
    index: of_pool.IndexOption = None,
    state: of_pool.StateOption = None,
    gate: of_pool.GateOption = None,
    watch: of_pool.WatchOption = None,
    seed: of_pool.SeedOption = 0,
    live: LiveOption = False,
    since: common.SinceOption = None,
    labels: label_common.BesideOption = None,
    views: label_common.ViewsOption = True,
    send: SendOption = False,
    brokers: common.BrokersOption = None,
    redis: label_common.RedisOption = None,
    bundle: common.BundleOption = None,
    config: common.ConfigOption = None,
    as_json: common.JsonOption = False,
) -> None:
    """Choose the next videos to label, and say why each.

    Give the same --state every round, and the pool with the labels that came: the selection learns which of its ways
    pay. Example: earshot select pool.jsonl --task clickbait --batch 50 --like vid-17 --like vid-90 --out requests.jsonl

    --live makes the pool itself, as `label pool` does; without POOL it is <out>.pool.jsonl. So three reports are
    hunted in one command: earshot select --live --since 24h --task adult --like vid-17 --like vid-90 --like vid-91
    --out requests.jsonl --send

    --watch FILE writes, beside the requests, which videos look like the reported kind: three reports are enough.
    """
    with common.errors_told(), file_errors_told():
        wish = of_pool.wish_of(task, batch, strategy, like)
        given = {"--since": since, "--labels": labels, "--redis": redis, "--bundle": bundle}
        _refuse_stray(pool, live, {**given, "--no-views": None if views else True}, None if send else brokers)
        settings = _settings(config, brokers, redis, bundle) if live or send else None
        place = pool or out.with_name(f"{out.name}.pool.jsonl")
        if settings is not None and send:
            _require_topic(settings)
        pooled = _pooled(settings, Wanted(place, since, labels, views)) if settings and live else None
        chosen = of_pool.choose(place, wish, of_pool.Files(out, index, state, gate, watch), seed)
        sent = _sent(settings, out, place) if settings is not None and send else None
    if as_json:
        told = chosen.counts() | ({} if pooled is None else {"pool": pooled.counts()})
        common.print_json(told | ({} if sent is None else {"sent": sent}))
        return
    of_pool.show(chosen)
    if sent is not None:
        typer.echo(f"sent {sent} requests")


def _settings(config: Path | None, brokers: str | None, redis: str | None, bundle: str | None) -> Settings:
    return common.settings_from(config, kafka__bootstrap_servers=brokers, cache__url=redis, engine__bundle=bundle)


def _refuse_stray(pool: Path | None, live: bool, of_stream: dict[str, object], brokers: str | None) -> None:
    """Raises `SettingsError` for a call without a pool, and for options that would change nothing."""
    from streamer.errors import SettingsError

    if pool is None and not live:
        raise SettingsError("select: expected a POOL, or --live")
    if stray := [name for name, value in of_stream.items() if value is not None and not live]:
        raise SettingsError(f"select: came {stray[0]} without --live; a pool at hand has its videos already")
    if brokers is not None and not live:
        raise SettingsError("select: came --brokers without --live or --send, expected one of them")


def _require_topic(settings: Settings) -> None:
    """Before anything is written: requests that cannot be sent would count as asked."""
    from streamer.kafka.topics import require_topics

    require_topics(settings.kafka, [settings.kafka.topics.label_requested])


def _pooled(settings: Settings, wanted: Wanted) -> Pooled:
    """The pool of the stream, written; ends the command where it is empty."""
    from streamer.cli.label.from_stream import write_from_stream
    from streamer.cli.label.pooled import tell

    pooled = write_from_stream(settings, wanted, "select --live")
    tell(pooled, err=True)
    pooled.exit_if_empty()
    return pooled


def _sent(settings: Settings, out: Path, pool: Path) -> int:
    """How many requests were published. Raises `BrokerError` saying how to send them later."""
    from streamer.cli.label.common import requests_of
    from streamer.cli.label.request import publish
    from streamer.errors import BrokerError

    try:
        return publish(settings.kafka, requests_of(out, pool))
    except BrokerError as error:
        again = f"earshot label request {out} --pool {pool}"
        raise BrokerError(f"{error}; {out} is written and counts as asked, so send it with: {again}") from error
