"""The arms of latent space broadening: each ranks the videos it would ask about, best first.

Shape letters: N videos, C candidates, S seeds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from engines.active.lookalike import SAME, Band, calibrated
from engines.active.pool import FUSED, Situation
from engines.active.spaces import Background, agreement, backgrounds, likeness, sharpened
from engines.active.strategies.uncertainty import LIKELY, MARGIN
from engines.active.vectors import Float32, Int64, nearest

UNCERTAIN, LIKELY_ARM, PROBE = "uncertain", "likely", "random"
REPORTS, POSITIVES, ERRORS = "reports", "positives", "errors"
#: Arms that broaden from seeds.
BROADENING = (REPORTS, POSITIVES, ERRORS)
ARMS = (*BROADENING, UNCERTAIN, LIKELY_ARM, PROBE)


#: Times k neighbours are asked of an index, as some are labelled and its cosines are not those of sharpened spaces.
INDEXED = 4


@dataclass(frozen=True, kw_only=True)
class Reach:
    """How far broadening goes. k: neighbours of each seed in each space. most_seeds: the latest ones of an arm.

    power: of the agreement of the seeds (`spaces.agreement`). sharpen: of the spaces (`spaces.sharpened`).
    nearest_seeds: over how many the likeness is a mean. unlike: how much likeness to a video labelled 0 counts against
    a candidate. views: whether single senses count beside the fused embedding. band: whether candidates must lie in it.
    same: upper end of the band.
    """

    k: int = 100
    most_seeds: int = 64
    power: float = 2.0
    sharpen: float = 1.0
    nearest_seeds: int = 8
    unlike: float = 0.5
    views: bool = True
    band: bool = True
    same: float = SAME


@dataclass(frozen=True)
class Ranked:
    """Candidates of one arm, best first; seeds: the one that each is most like, or None."""

    places: Int64
    seeds: Int64 | None = None

    def seed_of(self, rank: int) -> int | None:
        """Of the candidate at this rank."""
        return None if self.seeds is None else int(self.seeds[rank])


class Lookalikes:
    """Neighbours of seeds inside the lookalike band, in the spaces where the seeds agree."""

    def __init__(
        self, situation: Situation, reach: Reach, rng: np.random.Generator, known: Lookalikes | None = None
    ) -> None:
        """known: of an earlier round, whose spaces serve again as long as the embeddings are the same."""
        self.situation, self.reach = situation, reach
        if known is not None and known.situation.embedding_ND is situation.embedding_ND:
            self.spaces: Mapping[str, Float32] = known.spaces
            self.backgrounds: dict[str, Background] = known.backgrounds
        else:
            given = situation.spaces if reach.views else {FUSED: situation.embedding_ND}
            self.spaces = {name: sharpened(rows_NV, rng, reach.sharpen) for name, rows_NV in given.items()}
            self.backgrounds = backgrounds(self.spaces, rng)
        positives = np.union1d(situation.of_label(1), situation.reported)
        others = rng.permutation(np.setdiff1d(np.arange(len(situation)), positives))[:2000]
        #: Of each space.
        self.bands: dict[str, Band] = {
            name: calibrated(space_NV, positives, others, rng, reach.same) for name, space_NV in self.spaces.items()
        }

    def weights(self, seeds: Int64) -> dict[str, float]:
        """Of the spaces, by where these seeds agree."""
        return agreement(self.spaces, self.backgrounds, seeds, self.reach.power)

    def ranked(self, seeds: Sequence[int] | Int64, against: Int64) -> Ranked:
        """Unlabelled videos like a seed and unlike those of `against`."""
        seeds = np.asarray(seeds, np.int64)[-self.reach.most_seeds :]
        if not len(seeds) or not len(self.situation.unlabelled):
            return Ranked(np.zeros(0, np.int64))
        weights = self.weights(seeds)
        candidates = self._broadened(seeds, weights)
        like_C, which_C = self._likeness(weights, candidates, seeds, self.reach.nearest_seeds)
        if len(against) and self.reach.unlike:
            unlike_C, _ = self._likeness(weights, candidates, against[-4 * self.reach.most_seeds :], 1)
            like_C -= np.float32(self.reach.unlike) * np.maximum(0, unlike_C)
        order = np.argsort(-like_C, kind="stable")
        return Ranked(candidates[order], seeds[which_C[order]])

    def _broadened(self, seeds: Int64, weights: Mapping[str, float]) -> Int64:
        """The union over seeds and spaces of the k nearest unlabelled videos inside the band."""
        kept = []
        for name, weight in weights.items():
            if weight > 0:
                similarity_SK, place_SK = self._near(name, seeds)
                inside_SK = self.bands[name].holds(similarity_SK) if self.reach.band else np.full(place_SK.shape, True)
                kept.append(place_SK[inside_SK])
        return np.intersect1d(np.concatenate(kept), self.situation.unlabelled)

    def _near(self, name: str, seeds: Int64) -> tuple[Float32, Int64]:
        """Similarities in this space and places, (S, K). An index holds the fused embedding as it is: it gives more."""
        space_NV, open_ones = self.spaces[name], self.situation.unlabelled
        if name == FUSED and self.situation.near is not None:
            place_SK = self.situation.near(seeds, INDEXED * self.reach.k)
            similarity_SK = np.stack([space_NV[of] @ space_NV[seed] for seed, of in zip(seeds, place_SK, strict=True)])
            return np.where(place_SK < 0, np.float32(-1), similarity_SK), place_SK
        similarity_SK, near_SK = nearest(space_NV[seeds], space_NV[open_ones], self.reach.k)
        return similarity_SK, open_ones[near_SK]

    def _likeness(
        self, weights: Mapping[str, float], candidates: Int64, seeds: Int64, nearest_seeds: int
    ) -> tuple[Float32, Int64]:
        return likeness(self.spaces, self.backgrounds, weights, candidates, seeds, nearest_seeds=nearest_seeds)


def by_score(arm: str, situation: Situation, count: int, rng: np.random.Generator) -> Ranked:
    """The arms without seeds; those that need scores have no candidates where there are none.

    Uncertain videos are chosen by margin: on development seeds BADGE was better on one pool and worse on three.
    """
    if arm == PROBE:
        return Ranked(rng.permutation(situation.unlabelled)[:count])
    judged = situation.unlabelled[~np.isnan(situation.score_N[situation.unlabelled])]
    if not len(judged):
        return Ranked(judged)
    return Ranked((MARGIN if arm == UNCERTAIN else LIKELY).query(situation, count, rng))
