"""A stream whose source changes: rounds of labelling from one pool, then from another, with one model and one memory.

Shape letters: N videos, T of the test, R rounds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import msgspec
import numpy as np

from engines.active.bandit import Record
from engines.active.broaden import Lsb, Options
from engines.active.kernel import KernelHead
from engines.active.strategies.protocol import Strategy
from engines.active.vectors import Int64
from engines.evaluation.metrics import average_precision
from engines.evaluation.selection.arena import Arena
from engines.evaluation.selection.loop import Loop, Make, Round
from engines.evaluation.selection.setup import BATCH, START, START_POSITIVES, Setup

BEFORE, AFTER = 6, 8


@dataclass(frozen=True)
class Stream:
    """Two sources in one space of features, the second from round `BEFORE` on."""

    name: str
    before: Arena
    after: Arena


class Drift(msgspec.Struct, frozen=True):
    """One run. slots, worth: of all rounds, by arm; empty for strategies without arms.

    average_precision: on the second source's test before the shift and after each round since, (AFTER + 1,).
    found: positives of the second source after each round, (AFTER,).
    """

    average_precision: tuple[float, ...]
    found: tuple[int, ...]
    slots: tuple[dict[str, int], ...]
    worth: tuple[dict[str, float], ...]


class Frozen(Lsb):
    """LSB whose allocation stays as it was when this was made; its seeds are still those of the last round."""

    def learn(self, labels: Mapping[str, int]) -> None:
        """As of `Lsb`, but for the arms' records."""
        kept = {arm: Record(record.gained, record.missed) for arm, record in self.memory.arms.items()}
        super().learn(labels)
        self.memory.arms.clear()
        self.memory.arms.update(kept)


def drift(stream: Stream, make: Make, rng: np.random.Generator, *, frozen: bool = False) -> Drift:
    """From `START` labels of the first source on, `BEFORE` rounds of `BATCH` in it, then `AFTER` in the second.

    Old labels stay, old videos without a label are gone. frozen: the allocation of LSB learns no more after the shift.
    """
    setup = Setup(head=KernelHead(stream.before.widths))
    loop = Loop(stream.before, make, _start(stream.before, rng), np.zeros(0, np.int64), rng, setup)
    rounds = [loop.round(BATCH) for _ in range(BEFORE)]
    old = loop.labelled
    joined = _joined(stream, old)
    carried = _carried(loop.strategy, old, joined, frozen)
    loop = Loop(joined, lambda _: carried, np.arange(len(old)), old[:0], rng, setup)
    quality, found = [average_precision(joined.label_T, loop.test_scores())], [0]
    for _ in range(AFTER):
        rounds.append(loop.round(BATCH))
        found.append(found[-1] + int(joined.label_N[rounds[-1].chosen].sum()))
        quality.append(average_precision(joined.label_T, loop.test_scores()))
    return Drift(tuple(quality), tuple(found[1:]), *_of_arms(rounds))


def _start(arena: Arena, rng: np.random.Generator) -> Int64:
    positives, negatives = (np.flatnonzero(arena.label_N == label) for label in (1, 0))
    few = START_POSITIVES
    return np.concatenate([rng.choice(positives, few, False), rng.choice(negatives, START - few, False)])


def _joined(stream: Stream, old: Int64) -> Arena:
    """The labelled videos of the first source, then all of the second."""
    before, after = stream.before, stream.after
    return replace(
        after,
        feature_NF=np.concatenate([before.feature_NF[old], after.feature_NF]),
        embedding_ND=np.concatenate([before.embedding_ND[old], after.embedding_ND]),
        views={name: np.concatenate([before.views[name][old], rows]) for name, rows in after.views.items()},
        label_N=np.concatenate([before.label_N[old], after.label_N]),
    )


def _carried(strategy: Strategy, old: Int64, joined: Arena, frozen: bool) -> Strategy:
    """The same strategy over the joined pool; LSB with its memory."""
    if not isinstance(strategy, Lsb):
        return strategy
    ids = [strategy.ids[place] for place in old] + [f"new-{place}" for place in range(len(joined.label_N) - len(old))]
    options: Options = strategy.options
    return (Frozen if frozen else Lsb)(ids, strategy.memory, options)


def _of_arms(rounds: list[Round]) -> tuple[tuple[dict[str, int], ...], tuple[dict[str, float], ...]]:
    return tuple(one.slots for one in rounds), tuple(one.worth for one in rounds)
