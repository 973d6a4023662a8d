"""Embeddings as rows of unit norm; what is no embedding is refused with its rows named.

Shape letters: N videos, D embedding size, Q queries, K neighbours.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

Float32 = NDArray[np.float32]
Int64 = NDArray[np.int64]

#: Rows that an error names.
MOST_NAMED = 5
#: Similarities that are held at a time: 64 MB.
CHUNK_VALUES = 1 << 24


def named(ids: Sequence[str], places: Sequence[int] | Int64) -> str:
    """The first ids of these places, and how many more there are."""
    shown = ", ".join(repr(ids[int(place)]) for place in places[:MOST_NAMED])
    more = len(places) - MOST_NAMED
    return f"{shown} and {more} more" if more > 0 else shown


def unit_rows(ids: Sequence[str], embedding_ND: NDArray[np.floating], width: int | None = None) -> Float32:
    """The rows scaled to norm 1, float32 (N, D).

    Raises `ValueError` for another number of rows than ids, another width, and for rows that are not finite or zero.
    """
    if embedding_ND.ndim != 2 or len(embedding_ND) != len(ids):
        raise ValueError(f"embeddings: came shape {embedding_ND.shape}, expected ({len(ids)}, D), a row for each id")
    if width is not None and embedding_ND.shape[1] != width:
        raise ValueError(f"embeddings of {named(ids, range(len(ids)))}: came {embedding_ND.shape[1]} wide, not {width}")
    finite_N = np.isfinite(embedding_ND).all(axis=1)
    if not finite_N.all():
        raise ValueError(f"embeddings of {named(ids, np.flatnonzero(~finite_N))}: came NaN or infinity, not numbers")
    norm_N = np.linalg.norm(np.asarray(embedding_ND, np.float32), axis=1)
    if not norm_N.all():
        raise ValueError(f"embeddings of {named(ids, np.flatnonzero(norm_N == 0))}: came zero, which has no direction")
    return np.asarray(embedding_ND / norm_N[:, None], np.float32)


def refuse_repeated(ids: Sequence[str], known: set[str] | frozenset[str] = frozenset()) -> None:
    """Raise `ValueError` naming the ids that occur twice, or that are `known` already."""
    seen = set(known)
    repeated: list[int] = []
    for place, one in enumerate(ids):
        if one in seen:
            repeated.append(place)
        seen.add(one)
    if repeated:
        raise ValueError(f"video ids {named(ids, repeated)}: came again, expected each once")


def chunks(rows: int, columns: int) -> Iterator[slice]:
    """Slices of `rows`, so that a chunk of rows by columns has at most `CHUNK_VALUES` values."""
    size = max(1, CHUNK_VALUES // max(1, columns))
    return (slice(start, min(start + size, rows)) for start in range(0, rows, size))


def nearest(query_QD: Float32, embedding_ND: Float32, k: int) -> tuple[Float32, Int64]:
    """The k most similar rows of each query, best first: similarities and places, (Q, K) with K = min(k, N)."""
    k = min(k, len(embedding_ND))
    similarity_QK = np.empty((len(query_QD), k), np.float32)
    place_QK = np.empty((len(query_QD), k), np.int64)
    for part in chunks(len(query_QD), len(embedding_ND)):
        product_QN = query_QD[part] @ embedding_ND.T
        if k < len(embedding_ND):
            top_QK = np.argpartition(product_QN, -k, axis=1)[:, -k:]
        else:
            top_QK = np.broadcast_to(np.arange(k), product_QN.shape)
        value_QK = np.take_along_axis(product_QN, top_QK, axis=1)
        order_QK = np.argsort(-value_QK, axis=1, kind="stable")
        similarity_QK[part] = np.take_along_axis(value_QK, order_QK, axis=1)
        place_QK[part] = np.take_along_axis(top_QK, order_QK, axis=1)
    return similarity_QK, place_QK


def highest(embedding_ND: Float32, seed_SD: Float32) -> tuple[Float32, Int64]:
    """For each row the similarity of its nearest seed, and which that is: (N,) both; -1 and 0 without seeds."""
    similarity_N = np.full(len(embedding_ND), -1, np.float32)
    place_N = np.zeros(len(embedding_ND), np.int64)
    if len(seed_SD):
        for part in chunks(len(embedding_ND), len(seed_SD)):
            product_NS = embedding_ND[part] @ seed_SD.T
            place_N[part] = product_NS.argmax(axis=1)
            similarity_N[part] = product_NS.max(axis=1)
    return similarity_N, place_N
