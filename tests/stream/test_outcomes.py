"""Outcomes on a real broker: a file to the topic, the topic to an answer, arms of their own or of verdicts."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from streamer.decide import decide_unseen
from streamer.kafka.reader import read_topics
from streamer.kafka.sender import send
from streamer.kafka.topics import apply_topics
from streamer.records import Outgoing, State, Task
from streamer.wire import event_message, outcome_message, verdict_message
from tests.services.kafka import Broker
from tests.stream.cases import judgement
from tests.stream.cluster import Group
from tests.stream.test_commands import earshot, json_lines
from tests.wire.samples import OUTCOME

pytestmark = pytest.mark.services

UNITS = 600


@pytest.fixture
def group(kafka_broker: Broker, tmp_path: Path, clips: list[Path]) -> Group:
    group = Group(kafka_broker, tmp_path, clips)
    apply_topics(group.kafka, [group.kafka.topics.outcome_observed])
    return group


def table(path: Path, *, arms: bool = True, quality: int = 7, broken: int = 0) -> Path:
    """Every second unit is treated, and has as many quality views of ten; the others have four."""
    rows = []
    for n in range(UNITS):
        arm = {"arm": "treatment" if n % 2 else "control"} if arms else {}
        liked = (quality if n % 2 else 4) + n % 3 - 1
        rows.append({"unit": f"v{n}", "at": 60 * n, **arm, "views": 10, "quality_views": liked})
    rows += [{"unit": f"x{n}", "at": "never", "views": 1} for n in range(broken)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def judged(group: Group, folder: Path, *more: str) -> Any:
    (told,) = json_lines(group, "ab", "judge", "--from-topic", "--out", str(folder / "ab"), *more)
    return told


def test_a_file_is_sent_and_the_topic_says_what_the_file_says(group: Group, tmp_path: Path) -> None:
    file = table(tmp_path / "log.jsonl", broken=3)
    (told,) = json_lines(group, "ab", "send", str(file))
    assert (told["sent"], told["rejected"]) == (UNITS, 3)
    assert len(Path(told["rejected_file"]).read_text().splitlines()) == 3
    json_lines(group, "ab", "send", str(file))
    topic = group.kafka.topics.outcome_observed
    send(group.kafka, [Outgoing(topic, b"k", b"rubbish", ())] * 2)

    found = judged(group, tmp_path)
    assert found["judged"]["answer"] == "ship"
    counts = {"records": 2 * UNITS + 2, "malformed": 2, "replaced": UNITS, "other": 0}
    assert found["topic"] == {"topic": topic, **counts}
    assert found["rejected"] == 2
    listed = [json.loads(line) for line in (tmp_path / "ab/rejected.jsonl").read_text().splitlines()]
    assert all(item["row"] == "rubbish" and "partition" in item["place"] for item in listed)

    whole = table(tmp_path / "whole.jsonl")
    (of_file,) = json_lines(group, "ab", "judge", str(whole), "--out", str(tmp_path / "file"))
    assert of_file["judged"] == found["judged"]


def test_a_mended_file_replaces_what_was_sent(group: Group, tmp_path: Path) -> None:
    earshot(group, "ab", "send", str(table(tmp_path / "log.jsonl")))
    assert judged(group, tmp_path)["judged"]["goal"]["treatment"] == pytest.approx(0.7, abs=0.01)
    earshot(group, "ab", "send", str(table(tmp_path / "log.jsonl", quality=5)))
    found = judged(group, tmp_path)
    assert found["judged"]["goal"]["treatment"] == pytest.approx(0.5, abs=0.01)
    assert (found["topic"]["replaced"], found["rejected"]) == (UNITS, 0)


def test_experiments_in_one_topic_are_judged_apart(group: Group, tmp_path: Path) -> None:
    for name, quality in (("a", 7), ("b", 4)):
        earshot(group, "ab", "send", str(table(tmp_path / "l.jsonl", quality=quality)), "--experiment", name)
    told = earshot(group, "ab", "--from-topic", "--out", str(tmp_path / "ab"), exits=1).stderr
    assert "several experiments, name one with --experiment: a, b" in told
    assert judged(group, tmp_path, "--experiment", "a")["judged"]["answer"] == "ship"
    found = judged(group, tmp_path, "--experiment", "b")
    assert found["judged"]["goal"]["lift"] == pytest.approx(0, abs=0.01)
    assert found["topic"]["other"] == UNITS


def test_arms_of_videos_are_the_bundles_that_judged_them(group: Group, tmp_path: Path) -> None:
    send(group.kafka, verdicts(group))
    earshot(group, "ab", "send", str(table(tmp_path / "log.jsonl", arms=False)))
    told = earshot(group, "ab", "--from-topic", "--out", str(tmp_path / "ab"), exits=1).stderr
    assert "came no unit of control and treatment" in told and "came no arm of v" in told
    found = judged(group, tmp_path, "--arms-from-topic", "--control", "old", "--treatment", "new")
    assert (found["judged"]["answer"], found["rejected"]) == ("ship", 1)
    assert (found["judged"]["control_units"], found["judged"]["treatment_units"]) == (UNITS // 2, UNITS // 2 - 1)
    (line,) = (tmp_path / "ab/rejected.jsonl").read_text().splitlines()
    assert json.loads(line)["problem"] == "the table of arms: came no arm of v599, expected one"


def verdicts(group: Group) -> Iterable[Outgoing]:
    """Two of each video but the last, by the old bundle and the new one in turn."""
    kafka = group.kafka
    for n, event in enumerate(group.events(UNITS - 1)):
        made = decide_unseen(
            judgement(),
            event,
            State.UNDECODABLE,
            "x",
            content_sha256=None,
            latency_ms={},
            source=None,
            decided_at="2026-01-01T00:00:00+00:00",
        )
        for verdict in made[:2]:
            lineage = msgspec.structs.replace(verdict.lineage, bundle_id="new" if n % 2 else "old")
            whole = msgspec.structs.replace(verdict, lineage=lineage)
            yield verdict_message(whole, kafka.verdict_topic(Task(verdict.task)))


def test_a_topic_is_read_to_the_end_that_it_had_at_the_start(group: Group) -> None:
    topic = group.kafka.topics.outcome_observed

    def more(first: int, last: int) -> None:
        named = (msgspec.structs.replace(OUTCOME, outcome_id=f"o{n}", unit=f"u{n}") for n in range(first, last))
        send(group.kafka, [outcome_message(item, topic) for item in named])

    more(0, 50)
    reading = read_topics(group.kafka, [topic])
    names = {json.loads(next(reading).value or b"")["outcome_id"]}
    more(50, 100)
    names |= {json.loads(message.value or b"")["outcome_id"] for message in reading}
    assert names == {f"o{n}" for n in range(50)}
    assert len(list(read_topics(group.kafka, [topic]))) == 100
    send(group.kafka, [event_message(event, group.kafka.topics.uploaded) for event in group.events(3)])
    assert len(list(read_topics(group.kafka, [topic, group.kafka.topics.uploaded, "nowhere"]))) == 103


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["ab", "--share", "0.5"], "expected a LOG, or --from-topic; one of the two"),
        (["ab", "log.csv", "--from-topic"], "expected a LOG, or --from-topic; one of the two"),
        (["ab", "log.csv", "--experiment", "x"], "came --experiment without --from-topic"),
        (["ab", "log.csv", "--since", "1d"], "came --since without --from-topic"),
        (["ab", "--from-topic", "--since", "soon"], "--since soon: expected 30m, 12h, 7d"),
        (["ab", "--from-topic", "--arms", "a.csv", "--arms-from-topic"], "expected at most one of them"),
        (["ab", "log.csv", "--brokers", "b:1"], "came --brokers, expected --from-topic or --arms-from-topic"),
    ],
)
def test_options_that_do_not_fit_are_refused(group: Group, arguments: list[str], says: str) -> None:
    assert says in earshot(group, *arguments, exits=2).stderr


def test_a_missing_topic_is_named_with_the_command_that_makes_it(
    kafka_broker: Broker, tmp_path: Path, clips: list[Path]
) -> None:
    group = Group(kafka_broker, tmp_path, clips)
    for arguments in (("ab", "send", str(table(tmp_path / "log.jsonl"))), ("ab", "--from-topic")):
        assert "earshot topics apply" in earshot(group, *arguments, exits=2).stderr
    assert earshot(group, "topics", "apply").stdout.count(group.kafka.topics.outcome_observed) == 1
