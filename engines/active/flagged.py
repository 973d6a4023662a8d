"""Videos of a pool that are of the kind that was reported, as a head of its own for the kind sees them.

A hunt asks people; this is what a reported kind can be acted on with meanwhile. On five development seeds of the
composed pool and seven kinds, three reports and 30 to 1,000 videos that nobody has labelled as the other side give a
recall of 0.30 at 5 % false positives on average, which as many labelled 0 do not better (0.31).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec
import numpy as np

from engines.active import watch
from engines.active.arms import REPORTS, Reach
from engines.active.broaden import Lsb
from engines.active.kernel import KernelHead
from engines.active.memory import Memory
from engines.active.pool import FUSED, Pool, Situation
from engines.active.spaces import agreement, backgrounds, sharpened
from engines.active.vectors import Float32, Int64
from engines.data.rows import write_whole

#: Negatives below which unlabelled videos stand in for what is missing: few of them are of the kind.
FEWEST_NEGATIVES = 300
#: Of the pool's senses; on development seeds 0.29 to 0.49 of a kind, with 0 0.26 to 0.48, with 1 0.18 to 0.33.
SHARPEN = 0.5


class Flagged(msgspec.Struct, frozen=True, kw_only=True):
    """One video. score: P(of the kind) as the kind's head says, against as many others as it learnt from: an order,
    not a calibrated probability. asked: whether it is in review already.
    """

    video_id: str
    task: str
    score: float
    asked: bool
    bundle: str


def flagged(
    pool: Pool, task: str, memory: Memory, rng: np.random.Generator, share: float = watch.SHARE
) -> tuple[Flagged, ...]:
    """The share of the videos without a label that is most of the reported kind, the likeliest first.

    Reports themselves are left out. Raises `ValueError` where nothing was reported.
    """
    situation = pool.situation(task, like=memory.reported_among(pool.places))
    kin = Lsb(pool.ids, memory).seeds(REPORTS, situation)
    if not len(kin):
        raise ValueError("watch: came no reported video of this task, expected some; name them with --like")
    open_ones = np.setdiff1d(np.flatnonzero(np.isnan(situation.label_N)), kin)
    if not len(open_ones):
        return ()
    score_O = _scores(situation, kin, open_ones, rng)
    order = np.argsort(-score_O, kind="stable")[: int(np.ceil(share * len(open_ones)))]
    asked = set(memory.open)
    return tuple(
        Flagged(
            video_id=pool.ids[place],
            task=task,
            score=round(float(score), 4),
            asked=pool.ids[place] in asked,
            bundle=pool.bundle,
        )
        for place, score in zip(open_ones[order].tolist(), score_O[order], strict=True)
    )


def write_flagged(path: Path, found: Sequence[Flagged]) -> None:
    """JSONL, one a line; whole or not at all."""
    write_whole(path, msgspec.json.Encoder().encode_lines(found))


def _scores(situation: Situation, kin: Int64, open_ones: Int64, rng: np.random.Generator) -> Float32:
    """P(of the kind) of the open ones. What the head reads: single senses where the pool has them, else the fused
    embedding.

    No video is judged by a head that took it for a negative: each half of the pool stands in for the other.
    """
    spaces = situation.views or {FUSED: situation.embedding_ND}
    senses = [sharpened(rows_NV, rng, SHARPEN) for rows_NV in spaces.values()]
    feature_NF, widths = np.concatenate(senses, axis=1), tuple(rows_NV.shape[1] for rows_NV in senses)
    weights = _weights(spaces, kin, rng)
    place_L, label_L = watch.of_kind(situation.label_N, kin)
    lacking = max(0, FEWEST_NEGATIVES - int((label_L == 0).sum()))
    order = rng.permutation(len(open_ones))
    score_O = np.zeros(len(open_ones), np.float32)
    for judged, others in ((order[::2], order[1::2]), (order[1::2], order[::2])):
        stand_ins = open_ones[others[:lacking]]
        places = np.concatenate([place_L, stand_ins])
        labels = np.concatenate([label_L, np.zeros(len(stand_ins), np.float32)])
        if labels.all():  # nothing to tell the kind from
            continue
        head = KernelHead(widths, watch.PENALTY, weights).fit(feature_NF[places], labels, rng)
        score_O[judged] = head.scores(feature_NF[open_ones[judged]])
    return score_O


def _weights(spaces: Mapping[str, Float32], kin: Int64, rng: np.random.Generator) -> tuple[float, ...]:
    """Of the senses: half of each by where the kind agrees, as broadening has them, half equal.

    On six development seeds that has 0.40 of a kind at 5 % false positives from three reports, where equal weights have
    0.32, and as much as those after 120 labels (0.55); by agreement alone it is 0.40 and 0.51.
    """
    sharp = {name: sharpened(rows_NV, rng, Reach.sharpen) for name, rows_NV in spaces.items()}
    agreed = agreement(sharp, backgrounds(sharp, rng), kin, Reach.power)
    return tuple((agreed[name] + 1 / len(spaces)) / 2 for name in spaces)
