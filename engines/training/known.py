"""Which training clips a network keeps to measure novelty by."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def representatives(embedding_ND: NDArray[np.float32], count: int) -> NDArray[np.float32]:
    """`count` of the unit-norm rows that leave no row far from all of them; repeated rows where there are fewer.

    Greedy k-centre (Gonzalez 1985; Core-Set, arXiv 1708.00489): the first row, then always the one farthest from
    those taken. At most twice the smallest possible radius, and the same for the same rows.
    """
    if not len(embedding_ND):
        raise ValueError("came no embeddings, expected those of the training clips")
    taken = [0]
    nearest_N = embedding_ND @ embedding_ND[0]
    while len(taken) < count:
        taken.append(int(nearest_N.argmin()))
        nearest_N = np.maximum(nearest_N, embedding_ND @ embedding_ND[taken[-1]])
    return embedding_ND[taken]
