"""How long a batch takes from a large pool, and how good the index is. On procedural embeddings: no pool is so large.

Shape letters: N videos, D embedding size.
"""

from __future__ import annotations

import resource
import time
from collections.abc import Callable, Sequence

import msgspec
import numpy as np

from engines.active.broaden import Lsb
from engines.active.index import Index
from engines.active.pool import Situation
from engines.active.strategies import PUBLISHED
from engines.active.vectors import Float32, nearest
from engines.evaluation.selection.arena import unit

Clock = Callable[[], float]

KINDS, LATENT = 2000, 32
LABELLED, BATCH, QUERIES, K = 500, 60, 500, 10


class Speed(msgspec.Struct, frozen=True):
    """Seconds of one batch. peak_gb: of the process so far."""

    name: str
    videos: int
    seconds: float
    peak_gb: float


class IndexQuality(msgspec.Struct, frozen=True):
    """recall: share of the 10 nearest that are found. bytes_per_video: of its file."""

    kind: str
    videos: int
    build_seconds: float
    seconds_per_query: float
    recall: float
    bytes_per_video: float
    peak_gb: float


def embeddings(count: int, size: int, rng: np.random.Generator) -> Float32:
    """Like those of a network: kinds on a curved surface of few dimensions, unit norm (the ecosystem's benchmark)."""
    centre_KL = rng.standard_normal((KINDS, LATENT)).astype(np.float32)
    lift_LD = rng.standard_normal((LATENT, size)).astype(np.float32)
    parts = []
    for start in range(0, count, 100_000):
        rows = min(100_000, count - start)
        latent = centre_KL[rng.integers(0, KINDS, rows)] + 0.5 * rng.standard_normal((rows, LATENT), np.float32)
        parts.append(unit(np.tanh(latent @ lift_LD / 4) + 0.05 * rng.standard_normal((rows, size), np.float32)))
    return np.concatenate(parts)


def batch_times(
    embedding_ND: Float32,
    names: Sequence[str],
    rng: np.random.Generator,
    clock: Callable[[], float] = time.perf_counter,
) -> list[Speed]:
    """One batch of each strategy; BALD's committee is made up, as models are not what is measured."""
    count = len(embedding_ND)
    score_N = (1 / (1 + np.exp(-6 * embedding_ND @ embedding_ND[0]))).astype(np.float32)
    label_N = np.full(count, np.nan, np.float32)
    labelled = rng.choice(count, LABELLED, replace=False)
    label_N[labelled] = np.arange(LABELLED) % 8 == 0
    reported_N = np.zeros(count, np.bool_)
    reported_N[labelled[:3]] = True
    committee_EN = np.stack([score_N, score_N[::-1]])
    situation = Situation(embedding_ND, score_N, label_N, committee_EN=committee_EN, reported_N=reported_N)
    found = []
    for name in names:
        strategy = Lsb([str(n) for n in range(count)]) if name == Lsb.name else PUBLISHED[name]
        started = clock()
        strategy.query(situation, BATCH, rng)
        found.append(Speed(name, count, clock() - started, peak_gb()))
    return found


def index_quality(embedding_ND: Float32, rng: np.random.Generator, clock: Clock = time.perf_counter) -> IndexQuality:
    """Of the index that a pool of this size gets; queries are videos of the pool, somewhat changed."""
    started = clock()
    index = Index.of("speed", [str(n) for n in range(len(embedding_ND))], embedding_ND)
    built = clock() - started
    chosen = rng.choice(len(embedding_ND), QUERIES, replace=False)
    query_QD = unit(embedding_ND[chosen] + 0.01 * rng.standard_normal((QUERIES, embedding_ND.shape[1]), np.float32))
    started = clock()
    _, place_QK = index.search(query_QD, K)
    searched = clock() - started
    _, best_QK = nearest(query_QD, embedding_ND, K)
    hits = [len(set(mine) & set(best)) for mine, best in zip(place_QK.tolist(), best_QK.tolist(), strict=True)]
    bytes_per_video = index.dump_bytes / len(index)
    return IndexQuality(
        index.kind, len(index), built, searched / QUERIES, sum(hits) / (K * QUERIES), bytes_per_video, peak_gb()
    )


def peak_gb() -> float:
    """The most memory that this process has held, in GB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9
