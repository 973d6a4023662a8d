"""How many clips a second engines serve: through the engine threads of production, and one by one.

No decoding, no Kafka: cases are at hand (`random_cases`), and everything else is what happens to them in a worker.
"""

from __future__ import annotations

import queue
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager

import streamer
from engines.bundle import Bundle
from engines.engine_set import EngineSet
from streamer.assemble import categories_of, naming_of
from streamer.batch import BatchOptions
from streamer.cache.flights import Flights
from streamer.cache.redis import CacheOptions, open_cache
from streamer.embed import Embedder
from streamer.judge import Judge, Shared
from streamer.judging import Judging
from streamer.metrics import Metrics
from streamer.policy import Judgement, PolicyOptions
from streamer.recall import Recaller
from streamer.records import TASKS, Batch, Case, Lineage, Verdict
from streamer.score import Scorer


@contextmanager
def open_judges(bundle: Bundle, open_set: Callable[[], EngineSet], threads: int) -> Iterator[list[Judge]]:
    """So many judges, each with a set of engines of its own, sharing a cache in memory as in a worker.

    Raises `RunnerError` when engines cannot be opened.
    """
    policy, flights = PolicyOptions(), Flights[str, Shared]()
    recaller = Recaller(bundle, open_cache(CacheOptions()), plan_id="bench", secret=b"bench")
    with ExitStack() as stack:
        sets = [stack.enter_context(open_set()) for _ in range(threads)]
        thresholds = {task: bundle.thresholds[task] for task in TASKS}
        judgement = Judgement(policy, thresholds, _lineage(bundle, sets[0].engine), naming_of(bundle))
        categories = categories_of(bundle, policy)
        yield [
            Judge(
                Embedder(engines, bundle.embedding_size),
                Scorer(engines.fusion, categories, bundle.known),
                judgement,
                recaller,
                flights,
            )
            for engines in sets
        ]


def served_rate(judges: Sequence[Judge], cases: Sequence[Case], options: BatchOptions) -> float:
    """Clips a second when all cases come at once, with a thread for each judge. Raises what judging raised.

    The threads stay until the process ends, as a worker's do.
    """
    results: queue.SimpleQueue[tuple[Verdict, ...] | Exception] = queue.SimpleQueue()
    judging: Judging[None] = Judging(
        [judge.judge for judge in judges], options, Metrics(), time.monotonic, lambda _, result: results.put(result)
    )
    started = time.perf_counter()
    for case in cases:
        judging.submit(None, case)
    for _ in cases:
        if isinstance(result := results.get(), Exception):
            raise result
    return len(cases) / (time.perf_counter() - started)


def naive_rate(judge: Judge, cases: Sequence[Case]) -> float:
    """Clips a second when each is a request of its own, one after the other. Raises what judging raises."""
    started = time.perf_counter()
    for case in cases:
        judge.judge(Batch((case,), (0.0,)))
    return len(cases) / (time.perf_counter() - started)


def _lineage(bundle: Bundle, engine: str) -> Lineage:
    return Lineage(
        content_sha256=None,
        bundle_id=bundle.id,
        engine=engine,
        preprocessing_id=bundle.preprocessing.id,
        calibration_id=bundle.calibration.id,
        policy_version="bench",
        cache_tier="none",
        ffmpeg_version="none",
        earshot_version=streamer.__version__,
    )
