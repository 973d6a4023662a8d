"""Stage 2: how much faster a head learns from labels that are chosen than from labels drawn by chance.

All labels are known and hidden: each strategy asks for them round by round, from the same start, and its head is judged
on videos that none of them may ask about.

Shape letters: N videos, D embedding size, R rounds, S seeds.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import msgspec
import numpy as np

from engines.active.broaden import Lsb
from engines.active.learner import Learner
from engines.active.pool import Situation
from engines.active.strategies import PUBLISHED
from engines.active.strategies.protocol import Strategy
from engines.evaluation.metrics import average_precision
from engines.pilot.few_shot import FEWEST, Bool, Float64, Traits

#: In the order in which they are shown: by chance, by what the head is unsure of, by latent space broadening.
STRATEGIES = ("random", "margin", "lsb")
#: Share of the videos that are kept to judge by.
HELD_OUT = 0.35
_BOOTSTRAPS = 2000


@dataclass(frozen=True, slots=True)
class Plan:
    """How the rounds are played: first labels, labels of each round, rounds, and how often all of it."""

    start: int = 40
    batch: int = 20
    rounds: int = 8
    seeds: int = 10

    @property
    def labels(self) -> tuple[int, ...]:
        """After the start and after each round."""
        return tuple(self.start + self.batch * n for n in range(self.rounds + 1))


class Course(msgspec.Struct, frozen=True):
    """One strategy after each number of labels, mean over seeds with a 95 % interval over them.

    quality: average precision on held-out videos. found: share of the bad ones of the pool that have a label.
    """

    strategy: str
    quality: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    found: tuple[float, ...]


class Race(msgspec.Struct, frozen=True, kw_only=True):
    """All courses of a task. shipped: average precision of the bundle as it is, on the same held-out videos.

    saved: labels that broadening needs less than chance to find as many bad ones as chance does in the end, with its
    interval. gain: quality of broadening - chance, mean over all rounds, paired by seeds.
    """

    task: str
    videos: int
    bad: int
    seeds: int
    labels: tuple[int, ...]
    courses: tuple[Course, ...]
    shipped: float
    saved: tuple[float, float, float]
    gain: tuple[float, float, float]


def race(
    task: str,
    traits: Traits,
    bad_N: Bool,
    plan: Plan,
    *,
    seed: int = 0,
    on_run: Callable[..., None] = lambda *_: None,
) -> Race:
    """Play all strategies. Raises `ValueError` when there are too few videos of either kind, or in all."""
    pool = round((1 - HELD_OUT) * len(bad_N))
    if min(bad_N.sum(), (~bad_N).sum()) < 4 * FEWEST or pool < plan.labels[-1]:
        raise ValueError(
            f"{task}: came {bad_N.sum()} bad and {(~bad_N).sum()} good videos with a label, expected {4 * FEWEST} of "
            f"each and {round(plan.labels[-1] / (1 - HELD_OUT)) + 1} in all; label more, or play fewer rounds"
        )
    world, scores_N = _World(traits, bad_N), traits.scores_N
    quality_CSR, found_CSR = (np.zeros((len(STRATEGIES), plan.seeds, plan.rounds + 1)) for _ in range(2))
    shipped_S = np.zeros(plan.seeds)
    for s in range(plan.seeds):
        rng = np.random.default_rng([seed, s])
        held_N, first_N = world.split(plan.start, rng)
        shipped_S[s] = average_precision(bad_N[held_N].astype(float), scores_N[held_N])
        for c, name in enumerate(STRATEGIES):
            played = world.play(name, held_N, first_N, plan, np.random.default_rng([seed, s, c]))
            quality_CSR[c, s], found_CSR[c, s] = played
            on_run()
    gained_SR = quality_CSR[-1] - quality_CSR[0]
    rng = np.random.default_rng(seed)
    return Race(
        task=task,
        videos=len(bad_N),
        bad=int(bad_N.sum()),
        seeds=plan.seeds,
        labels=plan.labels,
        courses=tuple(_course(name, quality_CSR[c], found_CSR[c].mean(0)) for c, name in enumerate(STRATEGIES)),
        shipped=float(shipped_S.mean()),
        saved=_over_seeds(
            lambda chosen_S: saved(found_CSR[0, chosen_S], found_CSR[-1, chosen_S], plan), plan.seeds, rng
        ),
        gain=_over_seeds(lambda chosen_S: float(gained_SR[chosen_S].mean()), plan.seeds, rng),
    )


def saved(chance_SR: Float64, chosen_SR: Float64, plan: Plan) -> float:
    """Labels at the end less those after which choosing has found what chance finds in the end; 0 if never."""
    goal = float(chance_SR.mean(0)[-1])
    best_R = np.maximum.accumulate(chosen_SR.mean(0))
    if best_R[-1] < goal:
        return 0.0
    first = int((best_R >= goal).argmax())
    labels = np.array(plan.labels, float)
    if first == 0:
        return float(labels[-1] - labels[0])
    share = (goal - best_R[first - 1]) / (best_R[first] - best_R[first - 1])
    return float(labels[-1] - labels[first - 1] - share * (labels[first] - labels[first - 1]))


@dataclass(frozen=True)
class _World:
    """All that is known of the videos, labels included."""

    traits: Traits
    bad_N: Bool

    def split(self, start: int, rng: np.random.Generator) -> tuple[Bool, Bool]:
        """Which videos are held out, in proportion; and which of the others have a label at the start, two of each."""
        held_N, first_N = np.zeros_like(self.bad_N), np.zeros_like(self.bad_N)
        for kind in (True, False):
            places = rng.permutation(np.flatnonzero(self.bad_N == kind))
            cut = round(HELD_OUT * len(places))
            held_N[places[:cut]] = True
            first_N[places[cut : cut + 2]] = True
        others = np.flatnonzero(~held_N & ~first_N)
        first_N[rng.choice(others, start - 4, replace=False)] = True
        return held_N, first_N

    def play(
        self, name: str, held_N: Bool, first_N: Bool, plan: Plan, rng: np.random.Generator
    ) -> tuple[Float64, Float64]:
        """Quality and share of bad ones found, float64 (R,) each, after the start and each round."""
        ids = [str(n) for n in range(len(self.bad_N))]
        labels_N = np.where(first_N, self.bad_N.astype(np.float32), np.float32("nan"))
        views = {sense: rows_NV.astype(np.float32) for sense, rows_NV in self.traits.views.items()}
        embeddings_ND, scores_N = (
            part.astype(np.float32) for part in (self.traits.embeddings_ND, self.traits.scores_N)
        )
        situation = Situation(embeddings_ND, scores_N, labels_N, views, asked_N=held_N)
        strategy: Strategy = Lsb(ids) if name == "lsb" else PUBLISHED[name]
        head, features_NF = self.traits.readable()
        learner = Learner(situation, head, strategy, features_NF)
        learner.refit(labels_N, rng)
        rows = [self._judged(learner, held_N)]
        for _ in range(plan.rounds):
            asked = learner.query(plan.batch, rng)
            learner.update(self.bad_N[asked].astype(np.float32), rng)
            if isinstance(strategy, Lsb):
                strategy.learn({ids[n]: int(self.bad_N[n]) for n in asked})
            rows.append(self._judged(learner, held_N))
        quality_R, found_R = np.array(rows).T
        return quality_R, found_R

    def _judged(self, learner: Learner, held_N: Bool) -> tuple[float, float]:
        quality = average_precision(self.bad_N[held_N].astype(float), learner.situation.score_N[held_N])
        known_N = ~np.isnan(learner.situation.label_N)
        return quality, float((known_N & self.bad_N).sum() / (self.bad_N & ~held_N).sum())


def _course(name: str, quality_SR: Float64, found_R: Float64) -> Course:
    mean_R = quality_SR.mean(0)
    error_R = quality_SR.std(0, ddof=1) / np.sqrt(len(quality_SR)) if len(quality_SR) > 1 else 0 * mean_R
    ends = (tuple(map(float, mean_R + sign * 1.96 * error_R)) for sign in (-1, 1))
    low, high = ends
    return Course(name, tuple(map(float, mean_R)), low, high, tuple(map(float, found_R)))


def _over_seeds(
    measure: Callable[[np.ndarray[tuple[int], np.dtype[np.int64]]], float], seeds: int, rng: np.random.Generator
) -> tuple[float, float, float]:
    """A measure of all seeds, with the ends of its bootstrap interval over seeds."""
    values = [measure(rng.integers(seeds, size=seeds)) for _ in range(_BOOTSTRAPS)]
    low, high = np.quantile(values, [0.025, 0.975])
    return measure(np.arange(seeds)), float(low), float(high)
