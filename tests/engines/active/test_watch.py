"""A head of its own for a reported kind: what it learns from, how two heads are one score, and whom it flags."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from engines.active.arms import REPORTS
from engines.active.flagged import flagged
from engines.active.memory import Memory
from engines.active.pool import Pool
from engines.active.watch import Joint, of_kind, of_the_rest
from tests.engines.active.conftest import NEW_KIND, Planted

TASK = "adult"


def pool_of(planted: Planted, *, labels: bool = True, views: bool = True) -> Pool:
    situation = planted.situation
    return Pool(
        ids=planted.ids,
        bundle="b" * 64,
        embedding_ND=situation.embedding_ND,
        views=situation.views if views else {},
        labels={TASK: situation.label_N} if labels else {},
    )


def memory_of(planted: Planted, reports: int = 3) -> Memory:
    return Memory(reported=[planted.ids[place] for place in planted.new[:reports]])


def test_the_kind_is_told_from_negatives_and_the_task_learns_from_all_the_rest() -> None:
    label_N = np.array([1, 1, 0, 0, np.nan, np.nan], np.float32)
    place_L, label_L = of_kind(label_N, [4, 0, 4])
    assert dict(zip(place_L.tolist(), label_L.tolist(), strict=True)) == {0: 1, 4: 1, 2: 0, 3: 0}
    place_L, label_L = of_the_rest(label_N, [4, 0])
    assert dict(zip(place_L.tolist(), label_L.tolist(), strict=True)) == {1: 1, 2: 0, 3: 0}


def test_what_the_kind_flags_comes_after_what_the_task_is_surest_of_and_before_the_rest() -> None:
    rng = np.random.default_rng(0)
    task_N, kind_N = rng.random((2, 2000)).astype(np.float32)
    joint = Joint.of(task_N, kind_N, share=0.02, level=0.05)
    both_N = joint.scores(task_N, kind_N)
    flags_N = kind_N >= np.sort(kind_N)[-40]
    assert (both_N[~flags_N] == task_N[~flags_N]).all()
    raised_N = flags_N & (task_N < joint.floor)
    assert raised_N.sum() > 30
    assert both_N[raised_N].max() < np.quantile(task_N, 0.96) and both_N[raised_N].min() > np.quantile(task_N, 0.94)
    by_kind_N = both_N[raised_N][np.argsort(kind_N[raised_N])]
    assert (np.diff(by_kind_N) >= 0).all() and len(np.unique(by_kind_N)) > 20, "in the order of the kind's head"


@pytest.mark.parametrize(("labels", "views"), [(True, True), (False, True), (False, False)])
def test_three_reports_flag_their_kind_with_and_without_labels(planted: Planted, labels: bool, views: bool) -> None:
    pool, memory = pool_of(planted, labels=labels, views=views), memory_of(planted)
    found = flagged(pool, TASK, memory, np.random.default_rng(0))
    places = [pool.places[one.video_id] for one in found]
    open_ones = len(pool) - 3 - (200 if labels else 0)
    assert len(found) == int(np.ceil(0.025 * open_ones))
    right = np.mean(planted.kind_N[places] == NEW_KIND)
    assert right >= 10 * np.mean(planted.kind_N == NEW_KIND), "a kind is one in thirty"
    assert [one.score for one in found] == sorted((one.score for one in found), reverse=True)
    assert not {one.video_id for one in found} & set(memory.reported)
    assert {(one.task, one.bundle, one.asked) for one in found} == {(TASK, pool.bundle, False)}


def test_what_was_found_by_reports_teaches_and_what_is_in_review_is_marked(planted: Planted) -> None:
    pool, memory = pool_of(planted), memory_of(planted)
    before = flagged(pool, TASK, memory, np.random.default_rng(0), share=0.04)
    more = planted.new[3:18]
    label_N = planted.situation.label_N.copy()
    label_N[more] = 1
    memory.kin[REPORTS] = [planted.ids[place] for place in more]
    after = flagged(replace(pool, labels={TASK: label_N}), TASK, memory, np.random.default_rng(0), share=0.04)
    right = [
        np.mean([planted.kind_N[pool.places[one.video_id]] == NEW_KIND for one in found]) for found in (before, after)
    ]
    assert right[1] > 0.5 and not {one.video_id for one in after} & set(memory.kin[REPORTS])


def test_nothing_reported_is_told_and_a_pool_of_reports_flags_nothing(planted: Planted) -> None:
    rng = np.random.default_rng(0)
    with pytest.raises(ValueError, match="expected some; name them with --like"):
        flagged(pool_of(planted), TASK, Memory(), rng)
    gone = Memory(reported=["a video of another pool"])
    with pytest.raises(ValueError, match="came no reported video"):
        flagged(pool_of(planted), TASK, gone, rng)
    three = pool_of(planted).without(set(planted.ids) - {planted.ids[place] for place in planted.new[:3]})
    assert flagged(three, TASK, memory_of(planted), rng) == ()
    four = pool_of(planted, labels=False).without(set(planted.ids) - {planted.ids[place] for place in planted.new[:4]})
    (only,) = flagged(four, TASK, memory_of(planted), rng)
    assert only.video_id == planted.ids[planted.new[3]]
