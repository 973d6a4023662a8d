"""Settings -> running parts. The only file that knows which class stands behind each protocol.

The sandbox is started before anything that owns threads or a Kafka client, because it forks.
"""

from __future__ import annotations

import hashlib
import hmac
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

import streamer
from engines.bundle import Bundle, BundleError
from engines.engine_set import EngineOptions, EngineSet, numerics_of
from engines.opening import open_sets
from engines.runner import RunnerError
from streamer.admin import Health, admin_server
from streamer.cache.protocol import Cache
from streamer.cache.redis import open_cache
from streamer.categories import Categories
from streamer.commit import Committer
from streamer.embed import Embedder
from streamer.errors import SettingsError
from streamer.evidence import Naming
from streamer.fetch import Fetcher
from streamer.flow import Flow
from streamer.kafka.options import KafkaOptions
from streamer.kafka.stream import KafkaStream
from streamer.metrics import Metrics
from streamer.outbox import Outbox
from streamer.pipeline import Pipeline
from streamer.policy import Judgement, PolicyOptions
from streamer.recall import Recaller
from streamer.records import TASKS, Lineage, Modality
from streamer.sample import ClipShape
from streamer.sandbox.host import Sandbox
from streamer.score import Scorer
from streamer.settings import Settings
from streamer.settle import Settlement
from streamer.stream import Stream
from streamer.worker import Clocks, Worker

#: Stands in where no secret is set: everything works, but whoever reads this knows which frames are looked at.
_PUBLIC_SECRET = b"earshot without a secret"


@dataclass(frozen=True, slots=True)
class Parts:
    """A pipeline that is ready, and what it was built from."""

    pipeline: Pipeline
    bundle: Bundle
    sandbox: Sandbox
    lineage: Lineage
    #: Why this kind of engine and not another, for people; empty where it was named.
    engine_why: str = ""
    #: Whether there is a GPU that these engines do not use, though they might.
    gpu_unused: bool = False


def load_bundle(name: str) -> Bundle:
    """The bundle of that name or folder. Raises `SettingsError` (fatal) naming both sides of a mismatch."""
    try:
        return Bundle.load(name)
    except BundleError as error:
        raise SettingsError(str(error)) from error


def clip_shape(bundle: Bundle) -> ClipShape:
    """How large a clip the bundle wants."""
    sizes = bundle.preprocessing
    return ClipShape(
        frame_pixels=sizes.frame_pixels,
        sample_rate_hz=sizes.sample_rate_hz,
        window_samples=sizes.window_samples,
        max_frames=sizes.max_frames,
        max_windows=sizes.max_windows,
        most_frames=sizes.most_frames,
    )


def event_bytes(bundle: Bundle) -> int:
    """The most memory that one event may hold: its clip, and as much again for tokens and copies on the way."""
    sizes = bundle.preprocessing
    return 2 * (sizes.most_frames * 3 * sizes.frame_pixels**2 + sizes.max_windows * sizes.window_samples * 4)


def categories_of(bundle: Bundle, policy: PolicyOptions) -> Categories:
    """What of the bundle's own knowledge raises scores. Raises `SettingsError` (fatal) for a category it has not."""
    try:
        counted = policy.counted(bundle.calibration.categories)
    except ValueError as error:
        raise SettingsError(f"{error} ({bundle.name})") from error
    priors = {Modality(name): names for name, names in bundle.priors.items()}
    return Categories(bundle.calibration, priors, counted, bundle.taught)


def naming_of(bundle: Bundle) -> Naming:
    """How the bundle calls what it sees and hears."""
    return Naming(
        {Modality(name): classes for name, classes in bundle.classes.items()},
        {Modality(name): members for name, members in bundle.members.items()},
    )


@contextmanager
def open_parts(settings: Settings) -> Iterator[Parts]:
    """Everything between an event and its verdicts, started and warmed. Raises `SettingsError` (fatal)."""
    bundle = load_bundle(settings.engine.bundle)
    categories = categories_of(bundle, settings.policy)
    with ExitStack() as stack:
        sandbox = stack.enter_context(Sandbox(settings.sandbox, settings.decode, clip_shape(bundle)))
        sets = stack.enter_context(_running(bundle, settings))
        lineage = Lineage(
            content_sha256=None,
            bundle_id=bundle.id,
            engine=sets[0].engine,
            preprocessing_id=bundle.preprocessing.id,
            calibration_id=bundle.calibration.id,
            policy_version=settings.policy.version,
            cache_tier="none",
            ffmpeg_version="8",
            earshot_version=streamer.__version__,
        )
        thresholds = {task: bundle.thresholds[task] for task in TASKS}
        pipeline = Pipeline(
            fetcher=stack.enter_context(Fetcher(settings.fetch)),
            sandbox=sandbox,
            recaller=_recaller(settings, bundle, sandbox, open_cache(settings.cache), sets[0].numerics),
            engines=[
                (Embedder(engines, bundle.embedding_size), Scorer(engines.fusion, categories, bundle.known))
                for engines in sets
            ],
            judgement=Judgement(settings.policy, thresholds, lineage, naming_of(bundle)),
            secret=derived(_secret(settings), b"sampling"),
        )
        yield Parts(pipeline, bundle, sandbox, lineage, sets[0].why, sets[0].gpu_unused)


@contextmanager
def _running(bundle: Bundle, settings: Settings) -> Iterator[list[EngineSet]]:
    """Loaded engines for each engine thread. Raises `SettingsError` (fatal) when they cannot be had."""
    chosen = settings.engine
    options = EngineOptions(
        kind=chosen.kind,
        threads=chosen.threads,
        device=chosen.device,
        precision=chosen.precision,
        plans=chosen.plans,
        build=chosen.build,
        traffic=chosen.traffic,
    )
    with ExitStack() as stack:
        try:
            sets = stack.enter_context(open_sets(bundle, options, settings.flow.engine_threads))
        except RunnerError as error:
            raise SettingsError(f"engine.kind {chosen.kind}: {error}") from error
        yield sets


def open_recaller(settings: Settings, cache: Cache) -> tuple[Recaller, Bundle]:
    """What the workers under these settings remember, to be read without an engine or a decoder; and their bundle.

    Under `engine.kind: auto` that is what workers on a CPU remember.
    """
    bundle = load_bundle(settings.engine.bundle)
    sandbox = Sandbox(settings.sandbox, settings.decode, clip_shape(bundle))
    numerics = numerics_of(settings.engine.kind, settings.engine.precision)
    return _recaller(settings, bundle, sandbox, cache, numerics), bundle


def _recaller(settings: Settings, bundle: Bundle, sandbox: Sandbox, cache: Cache, numerics: str) -> Recaller:
    secret = _secret(settings)
    plan_id = f"{sandbox.plan_id}.{derived(secret, b'plan').hex()[:8]}"
    return Recaller(bundle, cache, plan_id=plan_id, secret=derived(secret, b"cache"), numerics=numerics)


def _secret(settings: Settings) -> bytes:
    return settings.secret.get_secret_value().encode() if settings.secret else _PUBLIC_SECRET


def derived(secret: bytes, purpose: bytes) -> bytes:
    """A key of its own for each purpose, so that one leaking says nothing of the others."""
    return hmac.digest(secret, b"earshot " + purpose, hashlib.sha256)


@contextmanager
def open_worker(
    settings: Settings, parts: Parts, stream: Stream | None = None, metrics: Metrics | None = None
) -> Iterator[Worker]:
    """The worker of production, with its admin port. `stream`: something else than Kafka. `metrics`: to look at."""
    kafka = settings.kafka
    metrics = metrics or Metrics()
    clocks = Clocks(time.monotonic, lambda: time.time_ns() // 1_000_000)
    version = {"earshot": streamer.__version__, "bundle": parts.bundle.id, "engine": parts.lineage.engine}
    metrics.engine.info(version)
    metrics.gpu_unused.set(parts.gpu_unused)
    asked = {"engine_kind": settings.engine.kind} | ({"engine_why": parts.engine_why} if parts.engine_why else {})
    health = Health(clocks.monotonic, version | asked)
    if stream is None:
        stream = KafkaStream(kafka, metrics.on_lag)
    worker = Worker(
        stream=stream,
        flow=Flow(parts.pipeline, settings.flow, settings.batch, settings.brake, metrics, clocks.monotonic),
        settlement=Settlement(outbox(kafka), parts.pipeline, settings.retry, metrics, clocks.unix_ms),
        committer=Committer(
            stream, interval_seconds=kafka.commit_interval_seconds, metrics=metrics, clock=clocks.monotonic
        ),
        options=settings.worker,
        event_bytes=event_bytes(parts.bundle),
        event_topic=kafka.topics.uploaded,
        retry_topic=kafka.retry_topic,
        metrics=metrics,
        health=health,
        clocks=clocks,
    )
    with admin_server(settings.admin, health, metrics):
        yield worker


def outbox(kafka: KafkaOptions) -> Outbox:
    """Where the records of a group go."""
    return Outbox(kafka.verdict_topic, kafka.retry_topic, kafka.dead_letter_topic)
