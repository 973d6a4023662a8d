"""What is known of the videos that may be labelled: embeddings, scores, labels so far, reports.

Shape letters: N videos, D embedding size, V size of a view, E members of a committee.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engines.active.vectors import Float32, Int64, named

#: The name of the fused embedding beside the views of single senses.
FUSED = "fused"


@dataclass(frozen=True, repr=False)
class Situation:
    """A pool as a query strategy sees it: one task, one moment. Videos are numbered by their place in the pool.

    embedding_ND: float32, unit norm. views: what single senses make of it, float32 (N, V), unit norm, or zero where a
    video lacks that sense. score_N: calibrated P(positive), NaN where the model has not judged. label_N: 0, 1 or NaN.
    committee_EN: what each model of an ensemble says, for strategies that need one. reported_N: bool, said to be
    positive by a report. asked_N: bool, in review already: not to be asked again. near: an index of the embeddings;
    videos (S,) and k -> the k nearest of each, (S, K), -1 where there are fewer.
    """

    embedding_ND: Float32
    score_N: Float32
    label_N: Float32
    views: Mapping[str, Float32] = field(default_factory=dict)
    committee_EN: Float32 | None = None
    reported_N: NDArray[np.bool_] | None = None
    asked_N: NDArray[np.bool_] | None = None
    near: Callable[[Int64, int], Int64] | None = None

    def __len__(self) -> int:
        return len(self.embedding_ND)

    @cached_property
    def unlabelled(self) -> Int64:
        """Those that may be asked about."""
        open_N = np.isnan(self.label_N)
        if self.asked_N is not None:
            open_N &= ~self.asked_N
        return np.flatnonzero(open_N)

    @cached_property
    def scored(self) -> Int64:
        """Those that may be asked about and that the model has judged. Raises `ValueError` where it judged none."""
        found = self.unlabelled[~np.isnan(self.score_N[self.unlabelled])]
        if not len(found) and len(self.unlabelled):
            raise ValueError(
                "pool: came no scores of this task, which this strategy needs; give scores or labels of 0 and 1"
            )
        return found

    @cached_property
    def labelled(self) -> Int64:
        """Those with a label."""
        return np.flatnonzero(~np.isnan(self.label_N))

    def of_label(self, label: int) -> Int64:
        """Those with this label."""
        return np.flatnonzero(self.label_N == label)

    @cached_property
    def reported(self) -> Int64:
        """Those that were reported, but for those that a reviewer has found negative since."""
        if self.reported_N is None:
            return np.zeros(0, np.int64)
        return np.flatnonzero(self.reported_N & (self.label_N != 0))

    @cached_property
    def spaces(self) -> dict[str, Float32]:
        """The fused embedding and the views, by name."""
        return {FUSED: self.embedding_ND, **self.views}


@dataclass(frozen=True, repr=False)
class Pool:
    """All videos, by place, as read from a file. Arrays are those of `Situation`, by task."""

    ids: Sequence[str]
    bundle: str
    embedding_ND: Float32
    views: Mapping[str, Float32] = field(default_factory=dict)
    scores: Mapping[str, Float32] = field(default_factory=dict)
    labels: Mapping[str, Float32] = field(default_factory=dict)
    reported: Mapping[str, NDArray[np.bool_]] = field(default_factory=dict)
    titles: Sequence[str] = ()
    uris: Sequence[str] = ()

    def __len__(self) -> int:
        return len(self.ids)

    @cached_property
    def places(self) -> dict[str, int]:
        """Of each id."""
        return {video_id: place for place, video_id in enumerate(self.ids)}

    def without(self, ids: Collection[str]) -> Pool:
        """The others. Raises `ValueError` where none is left."""
        kept = np.array([place for place, one in enumerate(self.ids) if one not in ids], np.int64)
        if not len(kept):
            raise ValueError(f"pool: all {len(self)} videos are left out; nothing is left to choose from")

        def rows(arrays: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
            return {name: array[kept] for name, array in arrays.items()}

        return Pool(
            ids=[self.ids[place] for place in kept],
            bundle=self.bundle,
            embedding_ND=self.embedding_ND[kept],
            views=rows(self.views),
            scores=rows(self.scores),
            labels=rows(self.labels),
            reported=rows(self.reported),
            titles=[self.titles[place] for place in kept] if self.titles else (),
            uris=[self.uris[place] for place in kept] if self.uris else (),
        )

    def find(self, ids: Sequence[str]) -> Int64:
        """Their places. Raises `ValueError` naming those that are not in the pool."""
        missing = [place for place, one in enumerate(ids) if one not in self.places]
        if missing:
            raise ValueError(f"videos {named(ids, missing)}: not in the pool of {len(self)}")
        return np.array([self.places[one] for one in ids], np.int64)

    def situation(self, task: str, *, asked: Sequence[str] = (), like: Sequence[str] = ()) -> Situation:
        """Of one task. `asked`: in review already; `like`: reported just now; both by id.

        Ids that were asked about and have left the pool since are no matter; one to be like has to be there.
        """
        unknown_N = np.full(len(self), np.nan, np.float32)
        reported_N = self.reported.get(task, np.zeros(len(self), np.bool_)).copy()
        reported_N[self.find(like)] = True
        asked_N = reported_N.copy()
        asked_N[[self.places[one] for one in asked if one in self.places]] = True
        return Situation(
            self.embedding_ND,
            self.scores.get(task, unknown_N),
            self.labels.get(task, unknown_N),
            self.views,
            reported_N=reported_N,
            asked_N=asked_N,
        )
