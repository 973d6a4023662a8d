"""TypiClust (Hacohen et al., arXiv 2202.02794): typical videos of clusters that have no label yet, for few labels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engines.active.pool import Situation
from engines.active.vectors import Float32, Int64, nearest


@dataclass(frozen=True)
class TypiClust:
    """k-means into as many clusters as there are labels and slots together; from the largest without a label its most
    typical video, the one with the smallest mean distance to its neighbours there.

    As in the authors' code: at most 500 clusters, 20 neighbours, clusters under 5 videos are left out, mini-batches
    from 50 clusters on. Ours: clusters are fitted to a sample of `sample` videos of the pool.
    """

    name: str = "typiclust"
    most_clusters: int = 500
    neighbours: int = 20
    fewest: int = 5
    sample: int = 20_000

    def query(self, situation: Situation, count: int, rng: np.random.Generator) -> Int64:
        """As of `Strategy`."""
        from sklearn.cluster import KMeans, MiniBatchKMeans

        open_ones = situation.unlabelled
        sampled = rng.permutation(open_ones)[: self.sample]
        wanted = min(len(situation.labelled) + count, self.most_clusters, len(sampled))
        kind = KMeans if wanted <= 50 else MiniBatchKMeans
        fitted = kind(wanted, n_init=1, random_state=int(rng.integers(2**31))).fit(situation.embedding_ND[sampled])
        cluster_S = fitted.labels_
        labelled_C = np.zeros(wanted, np.int64)
        if len(situation.labelled):
            labelled = fitted.predict(situation.embedding_ND[situation.labelled])
            labelled_C = np.bincount(labelled, minlength=wanted)
        chosen = self._from_clusters(situation.embedding_ND[sampled], cluster_S, labelled_C, count)
        rest = np.setdiff1d(open_ones, sampled[chosen])
        filled = rng.permutation(rest)[: max(0, count - len(chosen))]  # where clusters are exhausted
        return np.concatenate([sampled[chosen], filled])

    def _from_clusters(
        self, embedding_SD: Float32, cluster_S: NDArray[np.int64], labelled_C: Int64, count: int
    ) -> list[int]:
        members = [np.flatnonzero(cluster_S == cluster) for cluster in range(len(labelled_C))]
        covered = labelled_C.copy()
        chosen: list[int] = []
        fewest = min(self.fewest, max(map(len, members)))
        left = [len(one) for one in members]
        ranked: dict[int, list[int]] = {}
        while len(chosen) < count:
            usable = [c for c in range(len(left)) if left[c] and len(members[c]) >= fewest]
            if not usable:
                break
            cluster = min(usable, key=lambda c: (covered[c], -left[c]))
            if cluster not in ranked:
                ranked[cluster] = members[cluster][self._by_typicality(embedding_SD[members[cluster]])].tolist()
            chosen.append(ranked[cluster].pop(0))
            covered[cluster] += 1
            left[cluster] -= 1
        return chosen

    def _by_typicality(self, embedding_MD: Float32) -> Int64:
        similarity_MK, _ = nearest(embedding_MD, embedding_MD, min(self.neighbours + 1, len(embedding_MD)))
        distance_M = np.sqrt(np.maximum(0, 2 - 2 * similarity_MK)).sum(1)  # its own distance is 0
        return np.argsort(distance_M, kind="stable")
