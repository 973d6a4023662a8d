"""Rows become labels, or a reason that says which field came how and what was expected."""

from __future__ import annotations

from typing import Any

import pytest

from engines.data.public.manifest import RELEVANT
from engines.data.public.table import HIGHEST
from streamer.labels.check import Checker, Facts, Known
from streamer.labels.choices import LEAST_YES, WORDS
from streamer.labels.rows import Row
from streamer.records import HIGHEST_VALUE, Label, Task
from tests.wire.samples import REQUEST

NOW = "2026-11-27T15:00:00+00:00"
GOOD = {"video_id": "v-1", "task": "adult", "value": "1", "rater": "r1"}


def checker(known: Known | None = None, **more: Any) -> Checker:
    return Checker(known or Known(), applied_at=NOW, source="csv", **more)


def label(*, known: Known | None = None, more: dict[str, Any] | None = None, **changes: Any) -> Label:
    return checker(known, **(more or {})).label(Row(1, {**GOOD, **changes}))


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"video_id": ""}, "video_id: came nothing"),
        ({"video_id": 1.5}, "video_id: came 1.5, expected text"),
        ({"video_id": "a\x00b"}, "video_id"),
        ({"video_id": "v\ufffd"}, "expected UTF-8"),
        ({"video_id": "\ud800"}, "that UTF-8 can write"),
        ({"task": "beauty"}, "task: came 'beauty', expected one of clickbait, adult, relevance"),
        ({"value": None}, r"value: came None, expected 0 \(no\), 1 \(yes\)"),
        ({"value": "2"}, r"value: came '2'"),
        ({"value": "perhaps"}, "value: came 'perhaps'"),
        ({"task": "relevance", "value": "yes"}, "value: came 'yes', expected 0 .not at all., 1 .a little."),
        ({"rater": None}, "rater: came nothing"),
        ({"rater": "jane@example.com"}, "e-mail address"),
        ({"labelled_at": "yesterday"}, "labelled_at: came 'yesterday'"),
        ({"labelled_at": "2026-05-04T09:30:00"}, "with its zone"),
        ({"labelled_at": "9999-12-31T23:59:59-23:00"}, "with its zone"),
        ({"request_id": "seven"}, "request_id"),
    ],
)
def test_what_is_wrong_is_said(changes: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        label(**changes)


def test_an_address_is_not_repeated() -> None:
    with pytest.raises(ValueError) as error:
        label(rater="jane@example.com")
    assert "jane" not in str(error.value)


@pytest.mark.parametrize("answer", [1, True, 1.0, "1", "1.0", "yes", " YES ", "true"])
def test_a_yes_may_be_said_in_many_ways(answer: object) -> None:
    assert label(value=answer).value == 1


def test_every_word_means_its_value() -> None:
    for task, words in WORDS.items():
        assert [label(task=task, value=word).value for word in words] == list(range(HIGHEST_VALUE[task] + 1))


def test_values_are_those_of_the_data_that_bundles_are_trained_on() -> None:
    assert {str(task): highest for task, highest in HIGHEST_VALUE.items()} == HIGHEST
    assert LEAST_YES[Task.RELEVANCE] == RELEVANT


def test_the_same_moment_is_the_same_label_however_it_is_written() -> None:
    times = ("2026-05-04T09:30:00Z", "2026-05-04t11:30:00+02:00", "2026-05-04T09:30:00.000+00:00")
    assert len({label(labelled_at=time).label_id for time in times}) == 1
    assert label(labelled_at=times[0]).label_id != label().label_id


def test_unknown_videos_are_refused_where_it_is_said_which_there_are() -> None:
    known = Known("pool.jsonl", {"v-1": Facts(tenant="acme")})
    assert label(known=known).tenant == "acme"
    with pytest.raises(ValueError, match=r"video_id: 'v-2' is not in pool\.jsonl"):
        label(known=known, video_id="v-2")


def test_an_answer_belongs_to_the_request_that_it_names_or_to_the_only_one() -> None:
    known = Known("requests.jsonl", requests={REQUEST.request_id: REQUEST})
    asked = {"task": "relevance", "value": 2}
    assert label(known=known, **asked).request_id == REQUEST.request_id
    assert label(known=known, **asked, query="another").query == REQUEST.query
    assert label(known=known, **asked, request_id=REQUEST.request_id) == label(known=known, **asked)
    with pytest.raises(ValueError, match="request_id: asked about 'v-1' and relevance"):
        label(known=known, request_id=REQUEST.request_id)


def test_two_values_of_one_rater_need_to_be_ordered() -> None:
    one = checker()
    first = one.label(Row(1, GOOD))
    assert one.label(Row(2, GOOD)) == first
    one.label(Row(3, {**GOOD, "rater": "r2", "value": 0}))
    with pytest.raises(ValueError, match="line 1 says 1 for the same video, task and rater"):
        one.label(Row(4, {**GOOD, "value": 0}))
    assert one.label(Row(5, {**GOOD, "value": 0, "labelled_at": "2026-05-04T09:30:00Z"})).value == 0


def test_what_rows_do_not_say_may_be_said_for_all() -> None:
    said = label(rater=None, more={"rater": "r9", "adjudicated": True})
    assert (said.rater, said.adjudicated, said.source, said.applied_at) == ("r9", True, "csv", NOW)
