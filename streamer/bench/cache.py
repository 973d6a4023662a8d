"""`earshot bench cache`: an event whose video nobody knows against the same event once everything of it is cached.

Both go the whole way from fetching to the verdict, one at a time, in one thread; only the first is decoded, embedded
and fused. A hit still costs the copy and the hash of the video, the look-up and the verdict. The near cache is measured
as it stands before Redis in every worker; Redis alone is what a re-upload costs that another worker has seen.
"""

from __future__ import annotations

import secrets
import shutil
import statistics
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path

from pydantic import SecretStr

from streamer.assemble import open_parts
from streamer.bench.clips import copies, event_of, renew
from streamer.bench.plan import Plan
from streamer.bench.result import BenchResult
from streamer.cache.redis import CacheOptions
from streamer.errors import InternalError, SettingsError
from streamer.pipeline import Pipeline
from streamer.records import Batch, Event
from streamer.settings import Settings, load_settings

_TIMEOUT_SECONDS = 120.0
_START_SECONDS = 20.0
_HITS = 10

#: Milliseconds of an event by stage.
Stages = dict[str, float]


def bench(plan: Plan) -> BenchResult:
    """Cost of a cold event over that of a hit in the near cache, which every worker has; from Redis in the detail."""
    detail: dict[str, float | str] = {"clip": "30 s, 1080x1920, H.264 and AAC" if not plan.quick else "small"}
    settings = plan.settings()
    ratios = _measured(plan, "memory", settings, detail)
    with _redis(plan) as cache:
        if cache is not None:
            secret = settings.secret or SecretStr(secrets.token_hex(16))
            _measured(plan, "redis", settings.model_copy(update={"cache": cache, "secret": secret}), detail)
    return BenchResult.from_ratios("cache", ratios, detail)


def _measured(plan: Plan, tier: str, settings: Settings, detail: dict[str, float | str]) -> list[float]:
    """Ratios of one tier; what explains them goes into `detail`."""
    cold: list[Stages] = []
    hits: list[Stages] = []
    ratios = []
    with copies(plan, 1) as (path,), open_parts(settings) as parts:
        for run in range(plan.runs + 1):  # the first warms up
            plan.say(f"cache: {tier}, run {run} of {plan.runs}")
            renew([path])
            event = event_of(path, quick=plan.quick)
            first = _cost(parts.pipeline, event, "none")
            again = [_cost(parts.pipeline, event, tier) for _ in range(_HITS)]
            if run:
                cold.append(first)
                hits.extend(again)
                ratios.append(first["all"] / statistics.median(stages["all"] for stages in again))
    detail[f"{tier}_ratio"] = round(statistics.median(ratios), 2)
    for name, costs in (("cold", cold), ("hit", hits)):
        for stage in costs[0]:
            detail[f"{tier}_{name}_{stage}_ms"] = round(statistics.median(stages[stage] for stages in costs), 2)
    return ratios


def _cost(pipeline: Pipeline, event: Event, tier: str) -> Stages:
    """Wall time of one event. Raises `InternalError` when it did not come from the tier that is measured."""
    marks = [time.perf_counter()]
    with pipeline.fetch(event, timeout_seconds=_TIMEOUT_SECONDS) as content:
        marks.append(time.perf_counter())
        case = pipeline.perceive(
            event, content, source=None, received_seconds=time.monotonic(), timeout_seconds=_TIMEOUT_SECONDS
        )
        marks.append(time.perf_counter())
    marks.append(time.perf_counter())
    verdicts = pipeline.judge(Batch((case,), (0.0,)))[0]
    marks.append(time.perf_counter())
    if (came := verdicts[0].lineage.cache_tier) != tier:
        raise InternalError(f"what is known came from tier {came!r}, expected {tier!r}")
    spans = [1000 * (end - begin) for begin, end in pairwise(marks)]
    return dict(zip(("fetch", "perceive", "delete", "judge"), spans, strict=True)) | {"all": sum(spans)}


@contextmanager
def _redis(plan: Plan) -> Iterator[CacheOptions | None]:
    """A cache in Redis alone: in the user's, else in a server of our own; None where there is none."""
    theirs = load_settings(plan.config).cache.url
    program = shutil.which("redis-server")
    if theirs is not None:
        yield _options(theirs)
    elif program is None:
        plan.say("cache: no redis-server on the PATH and no cache.url: memory only")
        yield None
    else:
        with tempfile.TemporaryDirectory(prefix="earshot-redis-") as folder, _server(program, Path(folder)) as url:
            yield _options(SecretStr(url))


def _options(url: SecretStr) -> CacheOptions:
    """Nothing is kept in memory, and a slow moment is no miss."""
    return CacheOptions(url=url, memory_bytes=0, ttl_seconds=60.0, timeout_seconds=1.0)


@contextmanager
def _server(program: str, folder: Path) -> Iterator[str]:
    """A Redis that keeps nothing and listens on a socket file."""
    socket = folder / "redis.sock"
    command = [program, "--port", "0", "--unixsocket", str(socket), "--save", "", "--dir", str(folder)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)  # noqa: S603  # arguments of our own
    try:
        patience = time.monotonic() + _START_SECONDS
        while not socket.exists():
            if process.poll() is not None or time.monotonic() > patience:
                raise SettingsError(f"{program} does not start; mend it, or name a server in cache.url")
            time.sleep(0.01)
        yield f"unix://{socket}"
    finally:
        process.terminate()
        process.wait()
