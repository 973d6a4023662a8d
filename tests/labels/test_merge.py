"""Several raters come to one value, or to none, and everything that was said is kept."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.labels.agreement import agreements, kappa
from streamer.labels.merge import merge
from streamer.records import Label, Task
from streamer.wire import label_id

COUNTER = itertools.count()


def said(
    rater: str,
    value: int,
    *,
    at: int | None = None,
    adjudicated: bool = False,
    video: str = "v",
    task: Task = Task.ADULT,
) -> Label:
    """at: the second at which it was said; None: nobody knows, and Earshot was told in the order of the calls."""
    fields = {
        "video_id": video,
        "task": task,
        "query": None,
        "value": value,
        "rater": rater,
        "adjudicated": adjudicated,
    }
    labelled_at = None if at is None else f"2026-05-04T09:00:{at:02}+00:00"
    return Label(
        **fields,  # type: ignore[arg-type]
        label_id=label_id(**fields, labelled_at=labelled_at),  # type: ignore[arg-type]
        source="test",
        labelled_at=labelled_at,
        applied_at=f"2026-06-01T00:00:00.{next(COUNTER):06}Z",
    )


def one(*labels: Label) -> tuple[int | None, str]:
    (merged,) = merge(labels)
    return merged.value, merged.how


def test_agreement_majority_and_ties() -> None:
    assert one(said("a", 1), said("b", 1)) == (1, "agreed")
    assert one(said("a", 1), said("b", 0), said("c", 1)) == (1, "majority")
    assert one(said("a", 1), said("b", 0)) == (None, "open")
    relevance = [said(rater, value, task=Task.RELEVANCE) for rater, value in zip("abcd", (0, 1, 1, 3), strict=True)]
    assert one(*relevance) == (None, "open"), "two of four are not more than half"


def test_whoever_decides_is_heard_last() -> None:
    assert one(said("a", 1), said("b", 0), said("lead", 0, adjudicated=True)) == (0, "adjudicated")
    assert one(said("lead", 0, adjudicated=True), said("a", 1), said("b", 1)) == (0, "adjudicated")
    assert one(said("lead", 0, at=2, adjudicated=True), said("lead", 1, at=1, adjudicated=True)) == (0, "adjudicated")


def test_a_rater_may_change_their_mind() -> None:
    assert one(said("a", 1, at=1), said("a", 0, at=2)) == (0, "agreed")
    assert one(said("a", 0, at=2), said("a", 1, at=1)) == (0, "agreed"), "in whatever order it comes"
    assert one(said("a", 1), said("a", 0)) == (0, "agreed"), "without a time, when it was told counts"


def test_everything_that_was_said_is_kept() -> None:
    labels = [said("a", 1, at=1), said("b", 0, at=2), said("lead", 1, at=3, adjudicated=True)]
    (merged,) = merge(reversed(labels))
    assert merged.votes == {"a": 1, "b": 0}
    assert merged.adjudicator == "lead"
    assert merged.label_ids == tuple(label.label_id for label in labels)


def test_a_video_has_a_value_for_each_task() -> None:
    labels = [said("a", 1), said("a", 0, task=Task.CLICKBAIT), said("a", 1, video="w")]
    assert [(item.video_id, item.task, item.value) for item in merge(labels)] == [
        ("v", "adult", 1),
        ("v", "clickbait", 0),
        ("w", "adult", 1),
    ]


VALUES = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=40)


@pytest.mark.train
@given(VALUES)
def test_kappa_is_that_of_scikit_learn(values: list[tuple[int, int]]) -> None:
    from sklearn.metrics import cohen_kappa_score

    ours = kappa(np.array(values), 3)
    if ours is None:
        assert len({value for pair in values for value in pair}) == 1
        return
    left, right = zip(*values, strict=True)
    assert ours == pytest.approx(cohen_kappa_score(left, right, weights="linear", labels=[0, 1, 2, 3]))


def test_kappa_of_cohen_1960() -> None:
    """Two of three classes of his table 1, p. 37, cannot be had from two values; this is worked by hand.

    Of 50 both say yes to 20 and no to 15; the first says yes to 25, the second to 30: chance agrees on half.
    """
    values = [(1, 1)] * 20 + [(1, 0)] * 5 + [(0, 1)] * 10 + [(0, 0)] * 15
    assert kappa(np.array(values), 1) == pytest.approx((0.7 - 0.5) / (1 - 0.5))


def test_only_what_both_answered_counts_and_who_decides_is_no_rater() -> None:
    labels = [said(rater, 1, video=video) for rater in "ab" for video in ("v", "w")]
    labels += [said("a", 0, video="x"), said("lead", 0, adjudicated=True), said("c", 0)]
    rows = {row.raters: row for row in agreements(labels)}
    assert {raters: (row.questions, row.same) for raters, row in rows.items()} == {
        ("a", "b"): (2, 2),
        ("a", "c"): (1, 0),
        ("b", "c"): (1, 0),
    }
    assert rows["a", "b"].kappa is None, "both said one thing of everything"
