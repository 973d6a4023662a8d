"""What there is to teach with: views of a pool's videos, and what people said of some of them.

Shape letters: N videos of the pool, L labelled ones, D embedding size.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import msgspec
import numpy as np
from numpy.typing import NDArray

from engines.active.pool import Pool
from engines.bundle import Bundle
from engines.known import pooled_tokens
from engines.ort import OrtRunner
from engines.taught import Float32
from engines.teaching.told import Told

#: Videos that have to have a sense, for it to be one to tell a category by.
FEWEST_WITH = 8


@dataclass(frozen=True)
class Material:
    """view_ND: by sense, unit norm, zeros where a video lacks it. place_L: the labelled videos in the pool.

    of: id of the bundle that the views are of. graphs: `Bundle.views_id`. sha256: of what is learnt from.
    """

    view_ND: Mapping[str, Float32]
    place_L: NDArray[np.int64]
    label_L: NDArray[np.bool_]
    of: str
    graphs: str
    sha256: str

    @property
    def means(self) -> dict[str, Float32]:
        """float32 (D,) by sense, of the videos that have it."""
        return {name: view_ND[view_ND.any(axis=1)].mean(axis=0) for name, view_ND in self.view_ND.items()}

    @property
    def labelled(self) -> dict[str, Float32]:
        """float32 (L, D) by sense, as `view_ND`."""
        return {name: view_ND[self.place_L] for name, view_ND in self.view_ND.items()}

    @property
    def counts(self) -> tuple[int, int]:
        """How many were labelled no, and yes."""
        yes = int(self.label_L.sum())
        return len(self.label_L) - yes, yes

    def others(self) -> list[dict[str, Float32]]:
        """Views of each video that nobody labelled."""
        open_N = np.ones(len(next(iter(self.view_ND.values()))), np.bool_)
        open_N[self.place_L] = False
        return [
            {name: view_ND[n] for name, view_ND in self.view_ND.items() if view_ND[n].any()}
            for n in np.flatnonzero(open_N)
        ]


def gather(bundle: Bundle, pool: Pool, told: Told, senses: Sequence[str]) -> Material:
    """Raises `ValueError` when the pool is of another bundle, or has none of these senses."""
    same = [lesson.of for lesson in bundle.lessons.values() if lesson.graphs == bundle.views_id]
    of_pools = {bundle.id, *same}
    if pool.bundle not in of_pools:
        raise ValueError(
            f"pool: came views of bundle {pool.bundle[:12] or 'none'}, expected of {bundle.id[:12]}; make one with "
            "`earshot label pool --bundle`"
        )
    views = {
        name: pool.views[name]
        for name in senses
        if name in pool.views and pool.views[name].any(axis=1).sum() >= FEWEST_WITH
    }
    if not views:
        counts = {name: int(view_ND.any(axis=1).sum()) for name, view_ND in pool.views.items()}
        raise ValueError(
            f"pool: came views {counts or 'of no video'}, expected those of {FEWEST_WITH} videos or more for one of "
            f"{', '.join(senses)}; make it with `earshot label pool`"
        )
    for name, view_ND in views.items():
        if view_ND.shape[1] != bundle.embedding_size:
            raise ValueError(f"pool: {name} came {view_ND.shape[1]} wide, expected {bundle.embedding_size}")
    if "text" in views:  # in the stream a video without words has the token that stands for none
        views["text"] = np.where(views["text"].any(axis=1, keepdims=True), views["text"], _nothing_said(bundle))
    answers = dict(sorted(told.answers.items()))
    place_L, label_L = pool.find(list(answers)), np.array(list(answers.values()), np.bool_)
    digest = hashlib.sha256(msgspec.json.encode(answers, order="deterministic"))
    for name in sorted(views):
        digest.update(np.ascontiguousarray(views[name]).tobytes())
    return Material(views, place_L, label_L, pool.bundle, bundle.views_id, digest.hexdigest())


def _nothing_said(bundle: Bundle) -> Float32:
    ids_L, segments_L = bundle.tokenizer.encode({})
    given = {"ids_NL": ids_L[None], "segments_NL": segments_L[None], "mask_NL": np.ones((1, len(ids_L)), np.bool_)}
    with OrtRunner(bundle.graph_path("text"), bundle.graphs["text"]) as runner:
        mean_D = pooled_tokens(runner(given)["tokens_NLD"][0])
    return np.asarray(mean_D / np.linalg.norm(mean_D), np.float32)
