"""ProbCover (Yehuda et al., arXiv 2205.11320): as many videos as possible within delta of a labelled one."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from engines.active.pool import Situation
from engines.active.vectors import Float32, Int64, chunks


@dataclass(frozen=True)
class ProbCover:
    """Greedy cover by balls: always the video whose ball holds most that no ball holds yet.

    delta as in the paper, section 3.3: the largest at which a ball holds one kind only for 95 % of the videos, kinds
    being clusters of k-means. Ours: ball and cover are of a sample of `sample` videos, as the graph of all pairs does
    not fit at 10^5; those of a pool that is no larger are made once and kept. The paper takes as many clusters as
    classes; a task has two, but videos are of more kinds.
    """

    name: str = "prob_cover"
    purity: float = 0.95
    clusters: int = 20
    sample: int = 8_000
    covers: dict[int, tuple[Float32, Int64, NDArray[np.bool_], float]] = field(
        default_factory=dict, compare=False, repr=False
    )

    def query(self, situation: Situation, count: int, rng: np.random.Generator) -> Int64:
        """As of `Strategy`."""
        sampled, ball_SS, lowest = self._cover(situation, count, rng)
        embedding_SD = situation.embedding_ND[sampled]
        open_S = np.logical_not(_balls(embedding_SD, situation.embedding_ND[situation.labelled], lowest).any(1))
        gain_S = ball_SS[:, open_S].sum(1)
        taken_S = ~np.isin(sampled, situation.unlabelled)
        chosen: list[int] = []
        while len(chosen) < min(count, int((~taken_S).sum()) + len(chosen)):
            gain_S[taken_S] = -1
            place = int(gain_S.argmax())
            chosen.append(place)
            taken_S[place] = True
            new_S = np.flatnonzero(ball_SS[place] & open_S)
            open_S[new_S] = False
            gain_S -= ball_SS[:, new_S].sum(1)
        return sampled[chosen]

    def _cover(
        self, situation: Situation, count: int, rng: np.random.Generator
    ) -> tuple[Int64, NDArray[np.bool_], float]:
        """Places of the sample, which of them lie in the ball of which, and the cosine at delta; of a pool that is
        small enough all of it, once.
        """
        rows = situation.embedding_ND
        whole = len(situation) <= self.sample
        if whole and (known := self.covers.get(id(rows))) and known[0] is rows:
            return known[1:]
        sampled = rng.permutation(situation.unlabelled)[: max(self.sample, count)]
        if whole:
            sampled, rng = np.arange(len(situation)), np.random.default_rng(0)
        lowest = self._lowest_similarity(rows[rng.permutation(sampled)[:2000]], rng)
        ball_SS = _balls(rows[sampled], rows[sampled], lowest)
        if whole:
            self.covers[id(rows)] = rows, sampled, ball_SS, lowest
        return sampled, ball_SS, lowest

    def _lowest_similarity(self, embedding_SD: Float32, rng: np.random.Generator) -> float:
        """The cosine at distance delta."""
        from sklearn.cluster import KMeans

        wanted = min(self.clusters, len(embedding_SD))
        cluster_S = KMeans(wanted, n_init=1, random_state=int(rng.integers(2**31))).fit_predict(embedding_SD)
        similarity_SS = embedding_SD @ embedding_SD.T
        other_S = np.where(cluster_S[:, None] != cluster_S, similarity_SS, -1).max(1)
        # A ball is pure as long as it ends before the nearest video of another kind.
        return float(np.quantile(other_S, self.purity))


def _balls(embedding_SD: Float32, centre_CD: Float32, lowest: float) -> NDArray[np.bool_]:
    """bool (S, C): within delta."""
    within_SC = np.zeros((len(embedding_SD), len(centre_CD)), np.bool_)
    for part in chunks(len(embedding_SD), len(centre_CD)):
        within_SC[part] = embedding_SD[part] @ centre_CD.T > lowest
    return within_SC
