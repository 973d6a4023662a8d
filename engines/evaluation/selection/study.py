"""All strategies on all arenas with the same seeds; every run is a line of a file, and is not made again.

Shape letters: S seeds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import msgspec
import numpy as np

from engines.active import watch
from engines.active.arms import ERRORS, LIKELY_ARM, POSITIVES, PROBE, REPORTS, UNCERTAIN, Reach
from engines.active.broaden import Lsb, Options
from engines.active.kernel import GramHead
from engines.active.strategies import PUBLISHED
from engines.active.vectors import Float32
from engines.evaluation.selection.arena import Arena, kernelled
from engines.evaluation.selection.drift import Drift
from engines.evaluation.selection.loop import Make
from engines.evaluation.selection.regimes import Emerging, Steady, emerging, steady, whole_kind
from engines.evaluation.selection.setup import USUAL, Setup

LSB = Lsb.name
STEADY, DRIFT = "steady", "drift"
#: Least confidence and entropy choose what margin chooses; likely is an arm of LSB that nobody published as a strategy.
COMPARED = (
    "random",
    "margin",
    "likely",
    "bald",
    "badge",
    "core_set",
    "seals",
    "anchor_al",
    "typiclust",
    "prob_cover",
    LSB,
)
#: No strategy: all of a new kind is labelled.
WHOLE_KIND = "the whole kind"
#: In a steady stream: chance, and what came first on some pool with weights on values as head.
STREAMED = ("random", "margin", "likely", "badge", "seals", LSB)
#: They take ten times as long as others, so they have fewer seeds.
SLOW, SLOW_SEEDS = ("typiclust", "prob_cover"), 10
#: Whether a promise is kept is beyond a head of one layer, so that a steady stream of it teaches nothing here.
HUNTED_ONLY = "clickbait"
RATES = (0.117, 0.01)


UNSEEDED = (UNCERTAIN, LIKELY_ARM, PROBE)
#: More than any cosine.
NONE_THE_SAME = 2.0
#: Hunts where every clip is there twice, beside LSB as it is.
COPIES_KEPT = "lsb_copies_kept"
#: LSB without one of its parts each; they hunt only, as a steady stream hardly broadens.
ABLATIONS: Mapping[str, Options] = {
    "lsb_fused_only": Options(reach=Reach(views=False)),
    "lsb_equal_views": Options(reach=Reach(power=0)),
    "lsb_not_sharpened": Options(reach=Reach(sharpen=0)),
    "lsb_no_band": Options(reach=Reach(band=False)),
    "lsb_nearest_seed": Options(reach=Reach(nearest_seeds=1)),
    "lsb_rejects_forgotten": Options(reach=Reach(unlike=0)),
    "lsb_k_20": Options(reach=Reach(k=20)),
    "lsb_k_500": Options(reach=Reach(k=500)),
    "lsb_all_slots": Options(unsure=0, unsure_hunting=0, unsure_seeking=0),
    "lsb_half_unsure": Options(unsure_hunting=0.5, unsure_seeking=0.5),
    "lsb_from_reports": Options(arms=(REPORTS, *UNSEEDED)),
    "lsb_from_positives": Options(arms=(POSITIVES, *UNSEEDED)),
    "lsb_from_errors": Options(arms=(ERRORS, *UNSEEDED)),
    COPIES_KEPT: Options(same=NONE_THE_SAME, reach=Reach(same=NONE_THE_SAME)),
}


class Outcome(msgspec.Struct, frozen=True, omit_defaults=True):
    """One run. regime: `STEADY`, `DRIFT`, or the name of the kind that is new."""

    arena: str
    regime: str
    strategy: str
    seed: int
    steady: Steady | None = None
    emerging: Emerging | None = None
    drift: Drift | None = None

    @property
    def key(self) -> tuple[str, str, str, int]:
        """Names the run."""
        return self.arena, self.regime, self.strategy, self.seed


class Run(Protocol):
    """What `run_all` makes an outcome of."""

    @property
    def key(self) -> tuple[str, str, str, int]:
        """As of its outcome."""

    def run(self) -> Outcome:
        """Equal runs give equal outcomes."""


@dataclass(frozen=True)
class Task:
    """A run to be made."""

    arena: Arena
    regime: str
    strategy: str
    seed: int
    setup: Setup = USUAL

    @property
    def key(self) -> tuple[str, str, str, int]:
        """As of its outcome."""
        return self.arena.name, self.regime, self.strategy, self.seed

    def run(self) -> Outcome:
        """Equal tasks give equal outcomes; the strategies of one seed start from the same labels."""
        rng = np.random.default_rng(self.seed)
        if self.regime == STEADY:
            return Outcome(*self.key, steady=steady(self.arena, maker(self.strategy), rng, self.setup))
        kind = next(kind for kind in self.arena.kinds if kind.name == self.regime)
        if self.strategy == WHOLE_KIND:
            return Outcome(*self.key, emerging=whole_kind(self.arena, kind, rng, self.setup))
        return Outcome(*self.key, emerging=emerging(self.arena, kind, maker(self.strategy), rng, self.setup))


def maker(strategy: str) -> Make:
    """A new one for each run."""
    if strategy == LSB or strategy in ABLATIONS:
        return lambda count: Lsb([str(place) for place in range(count)], options=ABLATIONS.get(strategy))
    return lambda _: PUBLISHED[strategy]


def tasks(arenas: Mapping[str, Arena], seeds: Sequence[int], strategies: Sequence[str] = COMPARED) -> list[Task]:
    """Seed by seed, so that a stopped study leaves whole comparisons. Pools with kinds are hunted in too."""
    found = []
    grounds = _grounds(arenas)
    thinned = [
        (arena.at_rate(rate, np.random.default_rng(0)), setup)
        for name, (arena, setup) in grounds.items()
        if name != HUNTED_ONLY
        for rate in RATES
    ]
    twice = [(_twice(arena), setup) for arena, setup in grounds.values()]
    for number, seed in enumerate(seeds):
        quick = [one for one in strategies if one not in SLOW or number < SLOW_SEEDS]
        found += [
            Task(arena, kind.name, one, seed, setup)
            for arena, setup in grounds.values()
            for kind in arena.kinds
            for one in (*quick, WHOLE_KIND)
            if one != COPIES_KEPT
        ]
        if COPIES_KEPT in quick:
            found += [
                Task(arena, kind.name, one, seed, setup)
                for arena, setup in twice
                for kind in arena.kinds
                for one in (LSB, COPIES_KEPT)
            ]
        found += [Task(arena, STEADY, one, seed, setup) for arena, setup in thinned for one in quick if one in STREAMED]
    return found


def _twice(arena: Arena) -> Arena:
    """With every clip of the pool a second time: what re-uploads cost."""
    pool, test = np.repeat(np.arange(len(arena.label_N)), 2), np.arange(len(arena.label_T))
    again = arena.only(pool, test)
    kinds = tuple(replace(kind, name=f"{kind.name}, uploaded twice") for kind in again.kinds)
    return replace(again, name=f"{arena.name}, uploaded twice", kinds=kinds)


def _grounds(arenas: Mapping[str, Arena]) -> dict[str, tuple[Arena, Setup]]:
    """Each arena with the kernel that its heads read; tasks on the same features share one."""
    found: dict[str, tuple[Arena, Setup]] = {}
    shared: tuple[Float32, GramHead] | None = None
    for name, arena in arenas.items():
        known = shared[1].kernel_NM if shared and shared[0] is arena.feature_NF else None
        places, kernel_NM = kernelled(arena, known)
        shared = arena.feature_NF, GramHead(kernel_NM)
        found[name] = places, Setup(head=shared[1], kind_head=replace(shared[1], penalty=watch.PENALTY))
    return found


def run_all(wanted: Sequence[Run], path: Path, on_run: Callable[..., None]) -> list[Outcome]:
    """What is in the file is not made again; a line that was cut off is."""
    done = {outcome.key: outcome for outcome in read_outcomes(path)}
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab") as lines:
        for task in wanted:
            if task.key not in done:
                done[task.key] = task.run()
                lines.write(b"\n" * _cut_off(path) + msgspec.json.encode(done[task.key]) + b"\n")
                lines.flush()
            on_run(note=" ".join(map(str, task.key)))
    return [done[task.key] for task in wanted]


def read_outcomes(path: Path) -> Iterator[Outcome]:
    """Whole lines only."""
    if path.exists():
        for line in path.read_bytes().splitlines():
            try:
                yield msgspec.json.decode(line, type=Outcome)
            except msgspec.MsgspecError:
                continue


def _cut_off(path: Path) -> bool:
    """Whether the last line has no end."""
    with path.open("rb") as lines:
        if not lines.seek(0, 2):
            return False
        lines.seek(-1, 2)
        return lines.read(1) != b"\n"
