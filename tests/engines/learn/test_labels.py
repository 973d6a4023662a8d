"""Labels on rows: what does not fit is listed with its reason, and the rest counts."""

from __future__ import annotations

import json

from engines.data.public.manifest import Labels, Row
from engines.learn.labels import take, with_labels

ROWS = [
    Row(clip_id="a", split="train", query="cats", labels=Labels(clickbait=0)),
    Row(clip_id="b", split="val"),
    Row(clip_id="c", split="train"),
]


def read(*values: object) -> bytes:
    return b"\n".join(value if isinstance(value, bytes) else json.dumps(value).encode() for value in values)


def test_good_lines_count_and_broken_ones_are_listed() -> None:
    taken = take(
        read(
            {"video_id": "a", "task": "clickbait", "value": 1, "how": "majority", "votes": {"r": 1}},
            {"video_id": "a", "task": "relevance", "value": 3, "query": "cats"},
            b"{",
            {"video_id": "z", "task": "adult", "value": 1},
            {"video_id": "b", "task": "adult", "value": 2},
            {"video_id": "b", "task": "adult", "value": None, "how": "open"},
            {"video_id": "b", "task": "taste", "value": 1},
            {"video_id": "b", "task": "adult", "value": 1, "how": "pseudo"},
            {"video_id": "c", "task": "relevance", "value": 1, "query": "dogs"},
            b"\xff\xfe",
            {"video_id": "b", "task": "adult", "value": 0},
        ),
        ROWS,
    )
    assert taken.values == {"a": {"clickbait": 1, "relevance": 3}, "b": {"adult": 0}}
    assert [one.line for one in taken.refused] == [3, 4, 5, 6, 7, 8, 9, 10]
    said = {one.line: one.reason for one in taken.refused}
    assert "no clip of that id" in said[4] and "expected 0 to 1" in said[5] and "adjudicate" in said[6]
    assert "no label of people" in said[8] and "'dogs'" in said[9]
    labelled = with_labels(ROWS, taken.values)
    assert labelled[0].labels == Labels(clickbait=1, relevance=3) and labelled[2] == ROWS[2]
    assert taken.counts["clickbait"] == {"1": 1}


def test_lines_that_contradict_each_other_do_not_count() -> None:
    one, other = ({"video_id": "a", "task": "adult", "value": value} for value in (0, 1))
    assert take(read(one, one), ROWS).values == {"a": {"adult": 0}}
    taken = take(read(one, other, one), ROWS)
    assert taken.values == {"a": {}} and [refused.line for refused in taken.refused] == [2, 3]
    assert "line 1" in taken.refused[0].reason
