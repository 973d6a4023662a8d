"""Small pools with planted clusters: known answers."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest
from numpy.typing import NDArray

from engines.active.learner import LogisticHead
from engines.active.pool import Situation

#: Clusters of positives that the first labels show, and the one that is new.
KNOWN_KINDS, NEW_KIND = (0, 1, 2), 3


@dataclass(frozen=True)
class Planted:
    """A pool of 30 clusters, of which four are positive; nobody has labelled the fourth."""

    situation: Situation
    kind_N: NDArray[np.int64]
    label_N: NDArray[np.float32]
    ids: tuple[str, ...]

    @property
    def new(self) -> NDArray[np.int64]:
        """Places of the videos of the new kind."""
        return np.flatnonzero(self.kind_N == NEW_KIND)

    def with_labels(self, places: NDArray[np.int64]) -> Situation:
        """As after a round: these are labelled too, and the head is fitted anew."""
        return fitted(self.situation, self.label_N, places)


def unit(rows_ND: NDArray[np.floating]) -> NDArray[np.float32]:
    return np.asarray(rows_ND / np.linalg.norm(rows_ND, axis=1, keepdims=True), np.float32)


def fitted(situation: Situation, truth_N: NDArray[np.float32], places: NDArray[np.int64]) -> Situation:
    label_N = situation.label_N.copy()
    label_N[places] = truth_N[places]
    known, rows = ~np.isnan(label_N), situation.embedding_ND
    head = LogisticHead().fit(rows[known], label_N[known], np.random.default_rng(0))
    return replace(situation, label_N=label_N, score_N=head.scores(rows))


@pytest.fixture(scope="session")
def planted() -> Planted:
    rng = np.random.default_rng(7)
    kind_N = rng.integers(0, 30, 1500)
    centre_KD = rng.standard_normal((30, 32))
    embedding_ND = unit(centre_KD[kind_N] + 0.7 * rng.standard_normal((1500, 32)))
    # The new kind is heard: pictures are noise, sound is its cluster.
    vision_NV = unit(rng.standard_normal((1500, 16)))
    audio_NV = unit(centre_KD[kind_N, :16] + 0.4 * rng.standard_normal((1500, 16)))
    label_N = np.isin(kind_N, (*KNOWN_KINDS, NEW_KIND)).astype(np.float32)
    blank_N = np.full(1500, np.nan, np.float32)
    views = {"vision": vision_NV, "audio": audio_NV}
    start = rng.permutation(np.flatnonzero(kind_N != NEW_KIND))[:200]
    situation = fitted(Situation(embedding_ND, blank_N, blank_N, views), label_N, start)
    return Planted(situation, kind_N, label_N, tuple(f"video-{n}" for n in range(1500)))


def reported(planted: Planted, count: int = 3) -> Situation:
    """The same pool when so many videos of the new kind were reported."""
    reported_N = np.zeros(len(planted.ids), np.bool_)
    reported_N[planted.new[:count]] = True
    return replace(planted.situation, reported_N=reported_N, asked_N=reported_N)
