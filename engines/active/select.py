"""From a pool to requests for labels: scores where the pool lacks them, a strategy, and the reason of each pick."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec
import numpy as np

from engines.active.allocate import Pick
from engines.active.broaden import Lsb
from engines.active.index import Index, neighbours_in
from engines.active.learner import committee
from engines.active.memory import Memory
from engines.active.pool import FUSED, Pool, Situation
from engines.active.reasons import Explainer, Like
from engines.active.senses import SensesHead, side_by_side
from engines.active.strategies import PUBLISHED
from engines.active.vectors import Float32
from engines.spec import TASKS

LSB = Lsb.name
STRATEGIES = (LSB, *PUBLISHED)
#: Share of a pool that has views, from which on a head reads them.
MOSTLY = 0.9


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """One video that is worth a label. score: P(positive) as the model sees it; None: not judged.

    arm: which part of the strategy chose it. like: the seed it is like, then the nearest labelled video.
    """

    video_id: str
    task: str
    strategy: str
    arm: str
    reason: str
    score: float | None
    like: tuple[Like, ...]
    bundle: str


@dataclass(frozen=True, kw_only=True)
class Wish:
    """What is asked for. Raises `ValueError` for a task, strategy or number that there is not."""

    task: str
    count: int
    strategy: str = LSB
    like: Sequence[str] = ()

    def __post_init__(self) -> None:
        for name, value, known in (("task", self.task, TASKS), ("strategy", self.strategy, STRATEGIES)):
            if value not in known:
                raise ValueError(f"{name}: came {value!r}, expected one of {', '.join(known)}")
        if self.count < 1:
            raise ValueError(f"batch: came {self.count}, expected 1 or more")
        if self.like and self.strategy != LSB:
            raise ValueError(f"like: came with strategy {self.strategy}; only {LSB} looks for lookalikes")


@dataclass(frozen=True)
class Selection:
    """requests: most wanted first. head: whether scores are those of a head fitted to the labels. left: unlabelled
    videos that were not chosen.
    """

    requests: tuple[Request, ...]
    head: bool
    left: int


def select(pool: Pool, wish: Wish, memory: Memory, rng: np.random.Generator, index: Index | None = None) -> Selection:
    """The next batch. The memory learns from labels that came since, and keeps what is asked now.

    index: of the pool's embeddings, maybe of more; None: neighbours are found by looking at all.

    Raises `ValueError` when nothing is left to label, a video to be like is not in the pool, or the strategy lacks
    scores.
    """
    lsb = Lsb(pool.ids, memory)
    lsb.learn(_labels(pool, wish.task))
    pool.find(wish.like)
    memory.reported += [video_id for video_id in wish.like if video_id not in memory.reported]
    situation = pool.situation(wish.task, asked=list(memory.open), like=memory.reported_among(pool.places))
    if not len(situation.unlabelled):
        raise ValueError(f"pool: all {len(pool)} videos are labelled, reported or asked about; nothing is left to ask")
    if index is not None:
        situation = replace(situation, near=neighbours_in(index, pool.ids))
    situation, head = _with_scores(situation, wish, rng)
    if wish.strategy == LSB:
        picks = lsb.picks(situation, wish.count, rng)
    else:
        chosen = PUBLISHED[wish.strategy].query(situation, wish.count, rng)
        picks = lsb.remember([Pick(int(place), wish.strategy, None) for place in chosen], situation)
    explainer = Explainer(pool.ids, situation, wish.task, rng)
    requests = tuple(_request(pool, situation, wish, pick, explainer) for pick in picks)
    return Selection(requests, head, len(situation.unlabelled) - len(picks))


def indexed(path: Path, pool: Pool) -> Index:
    """The index in this file with all videos of the pool; a new one where there is no file. It is not written.

    Raises `ValueError` for an index of another bundle.
    """
    if not path.exists():
        return Index.of(pool.bundle, pool.ids, pool.embedding_ND)
    index = Index.load(path, bundle=pool.bundle)
    new = [place for place, video_id in enumerate(pool.ids) if video_id not in index]
    index.add([pool.ids[place] for place in new], pool.embedding_ND[new], bundle=pool.bundle)
    return index


def write_requests(path: Path, requests: Sequence[Request]) -> None:
    """JSONL, one a line; whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.part")
    part.write_bytes(msgspec.json.Encoder().encode_lines(requests))
    part.replace(path)


def _labels(pool: Pool, task: str) -> dict[str, int]:
    label_N = pool.labels[task]
    return {pool.ids[place]: int(label_N[place]) for place in np.flatnonzero(~np.isnan(label_N)).tolist()}


def _with_scores(situation: Situation, wish: Wish, rng: np.random.Generator) -> tuple[Situation, bool]:
    """Scores of a head where the pool has none, and a committee where the strategy needs one."""
    both = all(len(situation.of_label(label)) for label in (0, 1))
    lacking = bool(np.isnan(situation.score_N).all())
    if not both or not (lacking or wish.strategy == "bald"):
        return situation, False
    # The embedding keeps what its tasks need; of a policy that the network does not know, single senses tell far more.
    widths, rows_NF = side_by_side(_readable(situation))
    head, known = SensesHead(widths), situation.labelled
    if wish.strategy == "bald":
        situation = replace(situation, committee_EN=committee(head, rows_NF, situation.label_N, rng))
    if not lacking:
        return situation, False
    head = head.fit(rows_NF[known], situation.label_N[known], rng)
    return replace(situation, score_N=head.scores(rows_NF)), True


def _readable(situation: Situation) -> dict[str, Float32]:
    """By name. Views are none where not nearly all videos have any: a head that reads them knows nothing of others."""
    has_N = np.zeros(len(situation), np.bool_)
    for rows_NV in situation.views.values():
        has_N |= rows_NV.any(axis=1)
    return situation.spaces if has_N.mean() >= MOSTLY else {FUSED: situation.embedding_ND}


def _request(pool: Pool, situation: Situation, wish: Wish, pick: Pick, explainer: Explainer) -> Request:
    reason, score = explainer.of(pick), float(situation.score_N[pick.place])
    return Request(
        video_id=pool.ids[pick.place],
        task=wish.task,
        strategy=wish.strategy,
        arm=pick.arm,
        reason=reason.sentence,
        score=None if np.isnan(score) else round(score, 4),
        like=reason.like,
        bundle=pool.bundle,
    )
