"""TypiClust (Hacohen et al., arXiv 2202.02794): typical videos of clusters that have no label yet, for few labels."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from engines.active.pool import Situation
from engines.active.vectors import Float32, Int64, nearest


@dataclass(frozen=True)
class TypiClust:
    """k-means into as many clusters as there are labels and slots together; from the largest without a label its most
    typical video, the one with the smallest mean distance to its neighbours there.

    As in the authors' code: at most 500 clusters, 20 neighbours, clusters under 5 videos are left out, mini-batches
    from 50 clusters on. Ours: of a pool larger than `sample` only so many unlabelled videos are clustered; of a smaller
    one clusters are fitted once for each number of them, and kept, so that all who ask get the same.
    """

    name: str = "typiclust"
    most_clusters: int = 500
    neighbours: int = 20
    fewest: int = 5
    sample: int = 20_000
    fitted: dict[tuple[int, int], tuple[Float32, Int64]] = field(default_factory=dict, compare=False, repr=False)

    def query(self, situation: Situation, count: int, rng: np.random.Generator) -> Int64:
        """As of `Strategy`."""
        sampled = self._sample(situation, rng)
        wanted = min(len(situation.labelled) + count, self.most_clusters, len(sampled))
        cluster_S = self._clusters(situation.embedding_ND, sampled, wanted, rng)
        open_S = np.isin(sampled, situation.unlabelled)
        labelled_C = np.bincount(cluster_S[np.isin(sampled, situation.labelled)], minlength=wanted)
        candidates = sampled[open_S]
        chosen = self._from_clusters(situation.embedding_ND[candidates], cluster_S[open_S], labelled_C, count)
        rest = np.setdiff1d(situation.unlabelled, candidates[chosen])
        filled = rng.permutation(rest)[: max(0, count - len(chosen))]  # where clusters are exhausted
        return np.concatenate([candidates[chosen], filled])

    def _sample(self, situation: Situation, rng: np.random.Generator) -> Int64:
        """Places that are clustered, in order: all of a pool that is small enough."""
        if len(situation) <= self.sample:
            return np.arange(len(situation))
        drawn = rng.permutation(situation.unlabelled)[: self.sample]
        return np.union1d(drawn, situation.labelled)

    def _clusters(self, embedding_ND: Float32, sampled: Int64, wanted: int, rng: np.random.Generator) -> Int64:
        """Of each place of the sample. Of a whole pool they are fitted once for each number of clusters."""
        from sklearn.cluster import KMeans, MiniBatchKMeans

        whole = len(sampled) == len(embedding_ND)
        if whole and (known := self.fitted.get((id(embedding_ND), wanted))) and known[0] is embedding_ND:
            return known[1]
        kind = KMeans if wanted <= 50 else MiniBatchKMeans
        seed = 0 if whole else int(rng.integers(2**31))
        cluster_S = np.asarray(kind(wanted, n_init=1, random_state=seed).fit(embedding_ND[sampled]).labels_, np.int64)
        if whole:
            self.fitted[id(embedding_ND), wanted] = embedding_ND, cluster_S
        return cluster_S

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
