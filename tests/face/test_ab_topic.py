"""Outcomes in a topic: each once, the last of its id; rows of a file become records that say the same."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import msgspec
import pytest

from engines.data.rows import Bad, Good
from engines.outcomes.log import Layout, Table, log_of
from streamer.cli.ab.send import Reading
from streamer.cli.ab.topic import latest, outcome_rows
from streamer.records import Message, Outcome, Position
from streamer.wire import outcome_message
from tests.wire.samples import OUTCOME, arrived

LAYOUT = Layout(("likes", "views"), unit="video_id", arm="bundle", at="when")


def outcome(name: str = "o", unit: str = "u", *, arm: str | None = "control", likes: float = 1, **more: Any) -> Outcome:
    values = {"likes": likes, "views": 10.0}
    return msgspec.structs.replace(OUTCOME, outcome_id=name, unit=unit, arm=arm, values=values, **more)


def message(record: Outcome, *, partition: int = 0, offset: int = 0, timestamp_ms: int = 0) -> Message:
    position = Position("t", partition, offset)
    return replace(arrived(outcome_message(record, "t")), position=position, timestamp_ms=timestamp_ms)


def likes(*messages: Message) -> dict[str, float]:
    return {one.outcome_id: one.values["likes"] for one in latest(messages, "t", None).outcomes.values()}


def test_the_last_of_an_id_wins_by_offset_within_a_partition_and_by_time_between_them() -> None:
    first = message(outcome(likes=1), offset=1, timestamp_ms=50)
    slow_clock = message(outcome(likes=2), offset=2, timestamp_ms=40)
    assert likes(first, slow_clock) == {"o": 2}
    elsewhere = message(outcome(likes=3), partition=1, timestamp_ms=60)
    assert likes(first, elsewhere) == likes(elsewhere, first) == {"o": 3}
    other = message(outcome("p", likes=4), offset=3)
    assert likes(first, other) == {"o": 1, "p": 4}


def test_malformed_records_are_counted_and_listed_with_their_place() -> None:
    broken = replace(message(outcome(), partition=3, offset=17), value=b'{"unit": "u"}')
    found = latest([message(outcome()), broken, message(outcome(), offset=1)], "t", None)
    assert (found.counted.records, found.counted.malformed, found.counted.replaced) == (3, 1, 1)
    (bad,) = found.malformed
    assert (bad.place, bad.row) == ("t, partition 3, offset 17", '{"unit": "u"}')
    assert bad.problem.startswith("$.outcome_id: missing")


def test_one_experiment_is_judged_at_a_time() -> None:
    both = [message(outcome("a", experiment="x")), message(outcome("b", experiment=None), offset=1)]
    with pytest.raises(ValueError, match=r"several experiments, name one with --experiment: \(none named\), x"):
        latest(both, "t", None)
    found = latest(both, "t", "x")
    assert [one.outcome_id for one in found.outcomes.values()] == ["a"] and found.counted.other == 1
    with pytest.raises(ValueError, match="came no outcome of y; there are"):
        latest(both, "t", "y")
    with pytest.raises(ValueError, match="came no outcome of any experiment; there are none; first malformed record"):
        latest([replace(both[0], value=b"{}")], "t", None)


def test_records_join_as_rows_do_by_their_own_arm_or_by_a_table_of_arms() -> None:
    arms = {"u": "control", "v": "treatment"}
    own = [message(outcome(unit, unit, arm=arm, likes=2), offset=n) for n, (unit, arm) in enumerate(arms.items())]
    log = log_of(Table("t", outcome_rows(latest(own, "t", None), LAYOUT)), LAYOUT)
    assert log.experiment.treated_N.tolist() == [False, True] and log.rejected == ()
    none = [message(outcome(unit, unit, arm=None), offset=n) for n, unit in enumerate(("u", "v", "w"))]
    table = Table("arms", [Good(unit, {"video_id": unit, "bundle": arm}) for unit, arm in arms.items()])
    log = log_of(Table("t", outcome_rows(latest(none, "t", None), LAYOUT)), LAYOUT, table)
    assert log.experiment.treated_N.tolist() == [False, True]
    assert [(row.place, row.problem) for row in log.rejected] == [
        ("t, partition 0, offset 2", "the table of arms: came no arm of w, expected one")
    ]


def read(*rows: dict[str, Any], values: tuple[str, ...] = (), experiment: str | None = None) -> list[Outcome | Bad]:
    reading = Reading("unit", "arm", "at", values, experiment)
    return [reading.outcome(Good(f"line {n}", row)) for n, row in enumerate(rows, start=2)]


ROW = {"unit": "u", "arm": "control", "at": "2026-05-05", "likes": "1", "views": "10"}


def test_a_row_becomes_a_record_and_its_correction_has_the_same_id() -> None:
    first, second, later = read(ROW, ROW, {**ROW, "at": 1_777_939_201})
    assert isinstance(first, Outcome) and isinstance(second, Outcome) and isinstance(later, Outcome)
    assert first.values == {"likes": 1, "views": 10}
    assert (first.arm, first.observed_at) == ("control", "2026-05-05T00:00:00+00:00")
    assert later.observed_at == "2026-05-05T00:00:01+00:00"
    assert len({first.outcome_id, second.outcome_id, later.outcome_id}) == 3
    mended, *_ = read({**ROW, "arm": "treatment", "likes": "3"})
    assert isinstance(mended, Outcome) and mended.outcome_id == first.outcome_id
    (elsewhere,) = read(ROW, experiment="x")
    assert isinstance(elsewhere, Outcome) and elsewhere.outcome_id != first.outcome_id
    (named,) = read({**ROW, "outcome_id": "mine", "experiment": "y", "tenant": "acme"}, experiment="x")
    assert isinstance(named, Outcome)
    assert (named.outcome_id, named.experiment, named.tenant) == ("mine", "y", "acme")
    assert named.values == first.values


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"unit": ""}, "unit: came nothing"),
        ({"at": ""}, "at: came nothing, expected when the row was complete"),
        ({"at": "soon"}, "at: came 'soon'"),
        ({"at": 1e20}, "at: came '1e+20'"),
        ({"country": "de"}, "country: came 'de', expected a number; name the columns to send with --value"),
        ({"likes": "", "views": None}, "came no number in likes, views"),
        ({"likes": 1e300}, "Expected `float` <= 1"),
        ({"unit": "a\nb"}, "Expected `str` matching regex"),
    ],
)
def test_a_row_that_cannot_be_sent_says_why(changes: dict[str, Any], says: str) -> None:
    bad, good = read({**ROW, **changes}, ROW)
    assert isinstance(bad, Bad) and bad.place == "line 2"
    assert says in bad.problem
    assert isinstance(good, Outcome)


def test_columns_can_be_named() -> None:
    (found,) = read({**ROW, "country": "de"}, values=("likes",))
    assert isinstance(found, Outcome) and found.values == {"likes": 1}
