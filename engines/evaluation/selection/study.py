"""All strategies on all arenas with the same seeds; every run is a line of a file, and is not made again.

Shape letters: S seeds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import msgspec
import numpy as np

from engines.active.arms import Reach
from engines.active.broaden import Lsb, Options
from engines.active.strategies import PUBLISHED
from engines.evaluation.selection.arena import Arena
from engines.evaluation.selection.drift import Drift
from engines.evaluation.selection.loop import Make
from engines.evaluation.selection.regimes import Emerging, Steady, emerging, steady
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
#: They fit k-means every round, so they have fewer seeds.
SLOW, SLOW_SEEDS = ("typiclust", "prob_cover"), 4
#: Whether a promise is kept is beyond a head of one layer, so that a steady stream of it teaches nothing here.
HUNTED_ONLY = "clickbait"
RATES = (0.117, 0.01)


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
    "lsb_all_slots": Options(unsure=0, unsure_hunting=0),
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
        return Outcome(*self.key, emerging=emerging(self.arena, kind, maker(self.strategy), rng, self.setup))


def maker(strategy: str) -> Make:
    """A new one for each run."""
    if strategy == LSB or strategy in ABLATIONS:
        return lambda count: Lsb([str(place) for place in range(count)], options=ABLATIONS.get(strategy))
    return lambda _: PUBLISHED[strategy]


def tasks(arenas: Mapping[str, Arena], seeds: Sequence[int], strategies: Sequence[str] = COMPARED) -> list[Task]:
    """Seed by seed, so that a stopped study leaves whole comparisons. Pools with kinds are hunted in too."""
    found = []
    streams = [arena for name, arena in arenas.items() if name != HUNTED_ONLY]
    thinned = [arena.at_rate(rate, np.random.default_rng(0)) for arena in streams for rate in RATES]
    for number, seed in enumerate(seeds):
        quick = [one for one in strategies if one not in SLOW or number < SLOW_SEEDS]
        found += [
            Task(arena, kind.name, one, seed) for arena in arenas.values() for kind in arena.kinds for one in quick
        ]
        found += [Task(arena, STEADY, one, seed) for arena in thinned for one in quick if one not in ABLATIONS]
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
