"""Go, no-go or label more: the rule on findings made by hand, and the videos it asks to label."""

from __future__ import annotations

import pytest

from engines.pilot.finding import Finding, Way
from engines.pilot.labels import Label, Labels
from engines.pilot.uncertainty import share
from streamer.cli.pilot.judging import Judged
from streamer.cli.pilot.start import answer_of
from streamer.cli.pilot.worth import MOST_MORE, Terms, sheet_of
from streamer.records import Event, Task
from tests.face.examples import verdict

LABELS = Labels({"0.mp4": Label("0.mp4", {"adult": True})}, (), ())


def terms(miss: float, label: float = 0.5, base_rate: float | None = None) -> Terms:
    return Terms(label, miss, 0.0, 1000, 0.04, base_rate)


def finding(bad: int, caught: int, good: int, called: int, task: str = "adult") -> Finding:
    nothing = share(0, 1)
    way = Way(share(caught, bad) if bad else nothing, share(called, good) if good else nothing, nothing, ())
    return Finding(task, bad + good, bad, {"shipped": way}, "shipped", None, (), (), ())


def judged(scores: list[float], task: Task = Task.ADULT) -> list[Judged]:
    files = [f"{n}.mp4" for n in range(len(scores))]
    event = Event(event_id="e", source="/tests", video_id="v", uri="file:///v")
    return [Judged(file, file, event, (verdict(task, score),)) for file, score in zip(files, scores, strict=True)]


def answered(
    found: Finding, given: Terms, scores: tuple[float, ...] = (0.99, 0.2, 0.9, 0.4)
) -> tuple[str, str, tuple[str, ...]]:
    answer = answer_of(found, sheet_of(found, given, 0.5), judged(list(scores)), LABELS)
    return answer.answer, answer.reason, answer.label_next


def test_go_when_even_the_worst_ends_save() -> None:
    answer, reason, asked = answered(finding(40, 39, 200, 4), terms(miss=2.0))
    assert (answer, asked) == ("go", ())
    assert reason.startswith("1,000 videos cost ") and "less than when all pass; at worst" in reason


def test_no_go_when_not_even_the_best_ends_save() -> None:
    answer, reason, _ = answered(finding(40, 20, 200, 100), terms(miss=50.0))
    assert answer == "no-go" and "at best" in reason and "would not tell" not in reason


def test_label_more_of_the_kind_that_the_width_comes_from() -> None:
    found = finding(10, 10, 200, 4)
    answer, _, asked = answered(found, terms(miss=60.0))
    more = int(answer.split()[1])
    assert answer == f"label {more} more bad ones" and 10 <= more <= MOST_MORE and more % 10 == 0
    assert asked == ("2.mp4", "3.mp4", "1.mp4"), "unlabelled ones, likely bad ones first"


def test_so_many_more_labels_would_indeed_tell() -> None:
    """Were the shares to stay as they are, the same rule would answer go."""
    given = terms(miss=60.0)
    answer, _, _ = answered(finding(10, 10, 200, 4), given)
    more = int(answer.split()[1])
    grown = sheet_of(finding(10 + more, 10 + more, 200, 4), terms(miss=60.0, base_rate=10 / 210), 0.5)
    assert grown.numbers()["saving_low"] > -0.25 * grown.numbers()["saving"]


def test_a_difference_too_small_for_labels_is_no_go() -> None:
    answer, reason, _ = answered(finding(20, 12, 60, 10), terms(miss=0.92))
    assert answer == "no-go" and f"{MOST_MORE} more labels would not tell" in reason


@pytest.mark.parametrize(("bad", "good", "kind"), [(2, 40, "bad"), (40, 3, "good"), (0, 40, "bad"), (1, 1, "bad")])
def test_too_few_of_a_kind_are_asked_for_first(bad: int, good: int, kind: str) -> None:
    found = finding(bad, bad, good, 0)
    answer = answer_of(found, None, judged([0.99, 0.2, 0.9, 0.4]), LABELS)
    assert answer.answer == f"label {20 - (bad if kind == 'bad' else good)} more {kind} ones"
    likely = ("2.mp4", "3.mp4", "1.mp4")
    assert answer.label_next == (likely if kind == "bad" else likely[::-1])


def test_relevance_is_bad_where_it_is_low() -> None:
    found = finding(2, 2, 40, 0, task="relevance")
    answer = answer_of(found, None, judged([0.99, 0.2, 0.9, 0.4], Task.RELEVANCE), LABELS)
    assert answer.label_next == ("1.mp4", "3.mp4", "2.mp4", "0.mp4")


def test_a_base_rate_that_is_said_replaces_that_of_the_labels() -> None:
    found = finding(40, 39, 200, 4)
    numbers = sheet_of(found, terms(miss=50.0, base_rate=0.01), 0.5).numbers()
    assert (numbers["base_rate"], numbers["nobody"]) == (0.01, 500.0)
    by_hand = 1000 * (0.01 * (1 - 0.975) * 50 + (0.01 * 0.975 + 0.99 * 0.02) * 0.5 + 0.5 / 3600 * 0.04)
    assert numbers["earshot"] == pytest.approx(by_hand)
