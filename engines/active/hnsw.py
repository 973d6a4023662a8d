"""A graph of near neighbours over embeddings in 8 bits (HNSW, arXiv 1603.09320), by faiss: its only home.

Shape letters: N videos, D embedding size, Q queries, K neighbours, B bytes.
"""

from __future__ import annotations

from types import ModuleType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from engines.active.vectors import Float32, Int64

#: Edges of a node per layer, and how widely a new node and a query look around (measured: docs/select.md).
EDGES, BUILD_BREADTH, QUERY_BREADTH = 16, 100, 128
#: Each value's 8 bits reach this share of its range beyond what the first videos had, as later ones may differ.
SPARE_RANGE = 0.25


class Hnsw:
    """8 bits a value and `2 * EDGES` edges a video: 10^6 of 256 values in less than half a gigabyte."""

    kind = "hnsw_sq8"

    def __init__(self, width: int) -> None:
        faiss = _faiss()
        graph = faiss.IndexHNSWSQ(width, faiss.ScalarQuantizer.QT_8bit, EDGES, faiss.METRIC_INNER_PRODUCT)
        graph.hnsw.efConstruction = BUILD_BREADTH
        faiss.downcast_index(graph.storage).sq.rangestat_arg = SPARE_RANGE
        self._graph: Any = graph

    def add(self, embedding_ND: Float32) -> None:
        """Append rows; the first call also fits the range of the 8 bits."""
        if not self._graph.is_trained:
            self._graph.train(embedding_ND)
        self._graph.add(embedding_ND)

    def search(self, query_QD: Float32, k: int) -> tuple[Float32, Int64]:
        """Similarities and places, (Q, K) best first; place -1 where fewer were found."""
        self._graph.hnsw.efSearch = max(QUERY_BREADTH, 2 * k)
        similarity_QK, place_QK = self._graph.search(query_QD, k)
        return np.asarray(similarity_QK, np.float32), np.asarray(place_QK, np.int64)

    def rows(self, places: Int64) -> Float32:
        """As added, in 8 bits a value."""
        return np.asarray(self._graph.reconstruct_batch(places), np.float32)

    def dump(self) -> NDArray[np.uint8]:
        """faiss's own bytes, uint8 (B,)."""
        return np.asarray(_faiss().serialize_index(self._graph), np.uint8)

    @classmethod
    def of_dump(cls, bytes_B: NDArray[np.uint8]) -> Self:
        """Raises `ValueError` when the bytes are no graph."""
        faiss, hnsw = _faiss(), cls.__new__(cls)
        try:
            hnsw._graph = faiss.deserialize_index(bytes_B)
        except RuntimeError as error:
            raise ValueError(f"index: not a graph of faiss: {error}") from error
        return hnsw


def _faiss() -> ModuleType:
    try:
        import faiss
    except ImportError as error:
        raise ValueError(
            "an index of more than some thousands of videos needs faiss: pip install 'earshot[active]'"
        ) from error
    return faiss
