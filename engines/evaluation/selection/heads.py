"""The study with the real head: the fusion network is tuned anew each round, beside a logistic head on the same clips.

What the network has learnt before the first label is of clips that are in no pool, and of other tasks (`beforehand`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

import numpy as np
from numpy.typing import NDArray

from engines.active.learner import Head, LogisticHead
from engines.data.public.manifest import Row
from engines.evaluation.selection import composed
from engines.evaluation.selection.arena import Arena
from engines.evaluation.selection.setup import PENALTY, Setup
from engines.evaluation.selection.study import LSB, STEADY, Task
from engines.models.grounded import GroundedFusion
from engines.training.beforehand import Beforehand, begun
from engines.training.features import TEST, TRAIN, VAL
from engines.training.starter import open_features
from engines.training.tuning.refine import FusionHead, RefineOptions, Refiner, tokens_of
from engines.training.tuning.state import Epoch

TASK, RATE = "adult", 0.117
#: Kinds that no clip shows which the network learns from beforehand; and those of them that are hunted.
UNSEEN = ("gunshot heard", "gun seen")
HUNTED = UNSEEN[:1]
BEFORE_CLIPS, VAL_CLIPS, TEST_CLIPS = 3400, 300, 1000
#: Labels that each round brings: fewer and larger rounds than with a logistic head, as a fit takes seconds.
BATCHES, HUNTS = (120, 200), (60,)

LOGISTIC, VLMAE, VL, UNFUSED = "logistic", "VLMAE", "VL", "VLMAE, LSB sees towers"
FUSED_ONLY = "lsb_fused_only"
#: By head, and by what LSB sees: strategies of a steady stream, and those of a hunt.
COMPARED: Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    LOGISTIC: (("random", "margin", LSB), ("random", "margin", LSB, FUSED_ONLY)),
    VLMAE: (("random", "margin", LSB), ("random", "margin", LSB, FUSED_ONLY)),
    UNFUSED: ((), (LSB, FUSED_ONLY)),
    VL: ((), ("random", LSB)),
}


@dataclass(frozen=True)
class Clips:
    """Rows by what they are for, each in order: those that the network learns from beforehand, the pool, the test."""

    before: Beforehand
    pool: NDArray[np.int64]
    test: NDArray[np.int64]

    @classmethod
    def of(cls, rows: Sequence[Row]) -> Clips:
        """The same for the same rows."""
        rng = np.random.default_rng(0)
        train, val, test = (
            rng.permutation([n for n, row in enumerate(rows) if row.split == split]) for split in (TRAIN, VAL, TEST)
        )
        things = {thing for kind in UNSEEN for thing in composed.RESTRICTED[kind]}
        shows_N = np.array([any(span.thing in things for span in row.spans) for row in rows])
        learnt, checked = (np.sort(part[~shows_N[part]]) for part in (train[:BEFORE_CLIPS], val[:VAL_CLIPS]))
        before = Beforehand(TASK, learnt, checked)
        return cls(before, np.sort(train[BEFORE_CLIPS:]), np.sort(test[:TEST_CLIPS]))


@dataclass(frozen=True)
class Ground:
    """A head, and the arena as it reads it.

    judged: after a hunt too. The fusion network is not: its first fit, which strategies share, says what is found.
    """

    arena: Arena
    head: Head
    fused: bool = False
    judged: bool = False

    def tasks(
        self, strategies: tuple[tuple[str, ...], tuple[str, ...]], regimes: Sequence[str], seed: int
    ) -> list[Task]:
        """Of one seed."""
        setup = Setup(self.head, BATCHES, HUNTS, fused=self.fused, judged=self.judged)
        thinned = replace(self.arena.at_rate(RATE, np.random.default_rng(0)), name=self.arena.name)
        arenas = {regime: thinned if regime == STEADY else self.arena for regime in regimes}
        return [
            Task(arena, regime, one, seed, setup)
            for regime, arena in arenas.items()
            for one in strategies[regime != STEADY]
        ]


def grounds(
    features: Path,
    words: Path,
    start: Path,
    options: RefineOptions,
    on_epoch: Callable[[Epoch], None] = lambda _: None,
) -> dict[str, Ground]:
    """By the names of `COMPARED`. The network that learnt beforehand is kept in `start`, and trained where it is not.

    Raises `ValueError` when a folder is not whole.
    """
    feature_set, vectors = open_features(features, words)
    rows = feature_set.rows
    clips = Clips.of(rows)
    model = begun(feature_set, vectors, clips.before, start, on_epoch)
    fusion = cast("GroundedFusion", model.body.get_submodule("fusion"))
    both = np.concatenate([clips.pool, clips.test])
    hearing, deaf = (
        FusionHead(Refiner(tokens_of(model, feature_set, both, deaf=deaf), fusion, TASK, options))
        for deaf in (False, True)
    )
    of_split = {split: [n for n, row in enumerate(rows) if row.split == split] for split in (TRAIN, TEST)}
    towers = composed.arenas(features, words)[TASK].only(
        np.searchsorted(of_split[TRAIN], clips.pool), np.searchsorted(of_split[TEST], clips.test)
    )
    towers = replace(towers, kinds=tuple(kind for kind in towers.kinds if kind.name in HUNTED))
    number_M = np.arange(len(both), dtype=np.float32)[:, None]
    numbered = replace(towers, feature_NF=number_M[: len(clips.pool)], feature_TF=number_M[len(clips.pool) :])
    unheard = {name: view for name, view in towers.views.items() if name != "audio"}
    return {
        LOGISTIC: Ground(replace(towers, name=LOGISTIC), LogisticHead(PENALTY), judged=True),
        VLMAE: Ground(replace(numbered, name=VLMAE), hearing, fused=True),
        UNFUSED: Ground(replace(numbered, name=UNFUSED), hearing),
        VL: Ground(replace(numbered, name=VL, views=unheard), deaf, fused=True),
    }


def tasks(found: Mapping[str, Ground], seeds: Sequence[int]) -> list[Task]:
    """Seed by seed, so that a stopped study leaves whole comparisons; by regime, as first fits are shared."""
    return [
        task
        for seed in seeds
        for regime in (STEADY, *HUNTED)
        for name, ground in found.items()
        for task in ground.tasks(COMPARED[name], [regime], seed)
    ]
