"""Neighbours of embeddings by cosine similarity: exact for small pools, an HNSW graph for large ones.

An index belongs to the bundle that made its embeddings: embeddings of two bundles are of different spaces, and their
similarity means nothing. On disk it is one safetensors file with the bundle's id in its header.

Shape letters: N videos, D embedding size, Q queries, K neighbours, B bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol, Self

import msgspec
import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from engines.active.hnsw import Hnsw
from engines.active.vectors import Float32, Int64, nearest, refuse_repeated, unit_rows

#: From this many videos on an HNSW graph answers faster than a product with all of them (measured: docs/select.md).
EXACT_UP_TO = 20_000
SCHEMA = "earshot-index/1"


class Search(Protocol):
    """Rows of unit norm, numbered in the order in which they were added."""

    kind: str

    def add(self, embedding_ND: Float32) -> None:
        """Append rows."""

    def search(self, query_QD: Float32, k: int) -> tuple[Float32, Int64]:
        """Similarities and places, (Q, K) best first; place -1 where fewer were found."""

    def rows(self, places: Int64) -> Float32:
        """What was added, as far as it is kept: float32 (Q, D)."""

    def dump(self) -> NDArray[np.generic]:
        """All there is, as one array."""


class Exact:
    """All rows in memory; every answer is right."""

    kind = "exact"

    def __init__(self, embedding_ND: Float32) -> None:
        self._embedding_ND = embedding_ND

    def add(self, embedding_ND: Float32) -> None:
        """Append rows."""
        self._embedding_ND = np.concatenate([self._embedding_ND, embedding_ND])

    def search(self, query_QD: Float32, k: int) -> tuple[Float32, Int64]:
        """As of `Search`."""
        return nearest(query_QD, self._embedding_ND, k)

    def rows(self, places: Int64) -> Float32:
        """As added."""
        return self._embedding_ND[places]

    def dump(self) -> Float32:
        """float32 (N, D)."""
        return self._embedding_ND


class Index:
    """Videos by id, and who is near whom. Places are counted in the order in which videos were added."""

    def __init__(self, bundle: str, width: int, *, exact: bool = True) -> None:
        """Empty. `exact=False`: an HNSW graph, whose first `add` should bring some thousands of videos or more."""
        self.bundle = bundle
        self.width = width
        self.ids: list[str] = []
        self._known: set[str] = set()
        self._search: Search = Exact(np.zeros((0, width), np.float32)) if exact else Hnsw(width)

    @classmethod
    def of(cls, bundle: str, ids: Sequence[str], embedding_ND: NDArray[np.floating]) -> Self:
        """Of a whole pool; exact up to `EXACT_UP_TO` videos."""
        index = cls(bundle, embedding_ND.shape[1], exact=len(ids) <= EXACT_UP_TO)
        index.add(ids, embedding_ND, bundle=bundle)
        return index

    @property
    def kind(self) -> str:
        """`exact` or `hnsw_sq8`."""
        return self._search.kind

    @property
    def dump_bytes(self) -> int:
        """How much its rows take on disk."""
        return int(self._search.dump().nbytes)

    def __len__(self) -> int:
        return len(self.ids)

    def __contains__(self, video_id: str) -> bool:
        return video_id in self._known

    def add(self, ids: Sequence[str], embedding_ND: NDArray[np.floating], *, bundle: str) -> None:
        """Append videos; all or none.

        Raises `ValueError` for embeddings of another bundle, ids that are there already, and rows that are NaN, zero
        or of another width, each named.
        """
        if bundle != self.bundle:
            raise ValueError(
                f"index: came embeddings of bundle {_short(bundle)}, expected those of {_short(self.bundle)}; "
                "similarities between bundles mean nothing"
            )
        refuse_repeated(ids, self._known)
        unit_ND = unit_rows(ids, embedding_ND, self.width)
        if len(ids):
            self._search.add(unit_ND)
        self.ids.extend(ids)
        self._known.update(ids)

    def search(self, query_QD: NDArray[np.floating], k: int) -> tuple[Float32, Int64]:
        """The k most similar videos of each query, best first: similarities in [-1, 1] and places, (Q, K).

        K is k or, in a smaller index, all; place -1 where the graph found fewer.
        """
        if k < 1:
            raise ValueError(f"neighbours: came k = {k}, expected 1 or more")
        unit_QD = unit_rows([f"query {n}" for n in range(len(query_QD))], query_QD, self.width)
        return self._search.search(unit_QD, min(k, len(self)))

    def like(self, places: Int64, k: int) -> Int64:
        """The k most similar videos of each video of the index, itself among them: places (Q, K), -1 as of `search`."""
        return self._search.search(self._search.rows(places), min(k, len(self)))[1]

    def save(self, path: Path) -> None:
        """Write one file; a file that was there is replaced whole or not at all."""
        ids_B = np.frombuffer(msgspec.json.encode(self.ids), np.uint8)
        header = {"schema": SCHEMA, "bundle": self.bundle, "kind": self.kind, "width": str(self.width)}
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(f"{path.name}.part")
        save_file({"ids": ids_B, "rows": self._search.dump()}, part, header)
        part.replace(path)

    @classmethod
    def load(cls, path: Path, *, bundle: str) -> Self:
        """Raises `ValueError` when the file is no index, or one of another bundle."""
        try:
            with safe_open(path, "numpy") as stored:
                header = stored.metadata() or {}
                if header.get("schema") != SCHEMA:
                    raise ValueError(f"{path}: came schema {header.get('schema')!r}, expected {SCHEMA}")
                if header["bundle"] != bundle:
                    raise ValueError(
                        f"{path}: came an index of bundle {_short(header['bundle'])}, expected {_short(bundle)}; "
                        "name another file, and it is made anew"
                    )
                ids_B, rows = stored.get_tensor("ids"), stored.get_tensor("rows")
        except (OSError, SafetensorError) as error:
            raise ValueError(f"{path}: not an index: {error}") from error
        index = cls(bundle, int(header["width"]))
        index.ids = msgspec.json.decode(ids_B.tobytes(), type=list[str])
        index._known = set(index.ids)
        index._search = Exact(rows) if header["kind"] == Exact.kind else Hnsw.of_dump(rows)
        return index


def neighbours_in(index: Index, ids: Sequence[str]) -> Callable[[Int64, int], Int64]:
    """`Situation.near` of a pool whose ids, by place, are all in the index; other videos there count as missing."""
    place_of = {video_id: place for place, video_id in enumerate(ids)}
    pool_place_P = np.array([place_of.get(video_id, -1) for video_id in index.ids] + [-1], np.int64)  # -1 stays -1
    index_place_N = np.argsort(pool_place_P[:-1], kind="stable")[int((pool_place_P[:-1] < 0).sum()) :]

    def near(videos: Int64, k: int) -> Int64:
        return pool_place_P[index.like(index_place_N[videos], k)]

    return near


def _short(bundle: str) -> str:
    return bundle[:12] or "(none named)"
