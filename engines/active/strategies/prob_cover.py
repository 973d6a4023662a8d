"""ProbCover (Yehuda et al., arXiv 2205.11320): as many videos as possible within delta of a labelled one."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engines.active.pool import Situation
from engines.active.vectors import Float32, Int64, chunks


@dataclass(frozen=True)
class ProbCover:
    """Greedy cover by balls: always the video whose ball holds most that no ball holds yet.

    delta as in the paper, section 3.3: the largest at which a ball holds one kind only for 95 % of the videos, kinds
    being clusters of k-means. Ours: ball and cover are of a sample of `sample` videos, as the graph of all pairs does
    not fit at 10^5. The paper takes as many clusters as classes; a task has two, but videos are of more kinds.
    """

    name: str = "prob_cover"
    purity: float = 0.95
    clusters: int = 20
    sample: int = 8_000
    steps: int = 40

    def query(self, situation: Situation, count: int, rng: np.random.Generator) -> Int64:
        """As of `Strategy`."""
        sampled = rng.permutation(situation.unlabelled)[: max(self.sample, count)]
        embedding_SD = situation.embedding_ND[sampled]
        lowest = self._lowest_similarity(embedding_SD[:2000], rng)
        ball_SS = _balls(embedding_SD, embedding_SD, lowest)
        open_S = np.logical_not(_balls(embedding_SD, situation.embedding_ND[situation.labelled], lowest).any(1))
        gain_S = ball_SS[:, open_S].sum(1)
        chosen: list[int] = []
        while len(chosen) < min(count, len(sampled)):
            place = int(gain_S.argmax())
            chosen.append(place)
            new_S = np.flatnonzero(ball_SS[place] & open_S)
            open_S[new_S] = False
            gain_S -= ball_SS[:, new_S].sum(1)
            gain_S[chosen] = -1
        return sampled[chosen]

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
