"""The commands of the stream against a real broker: what they print, and how they exit."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner, Result

from streamer.assemble import open_parts, open_worker
from streamer.cli import app
from streamer.records import Action
from streamer.settings import load_settings
from tests.services.kafka import Broker
from tests.stream.cluster import Group

pytestmark = pytest.mark.services

#: No record is as young as that.
FAR_OFF = "2100-01-01T00:00:00Z"


def earshot(group: Group | None, *arguments: str, exits: int = 0) -> Result:
    """Run a command with the group's configuration; checks how it exits."""
    config = ["--config", str(group.config)] if group is not None else []
    result = CliRunner().invoke(app, [*arguments, *config])
    assert result.exit_code == exits, (result.stdout, result.stderr, result.exception)
    return result


def json_lines(group: Group, *arguments: str, exits: int = 0) -> list[Any]:
    return [json.loads(line) for line in earshot(group, *arguments, "--json", exits=exits).stdout.splitlines()]


def work_off(group: Group) -> None:
    """A worker of production in this process, until the group has left everything behind."""
    settings = load_settings(group.config)
    with open_parts(settings) as parts, open_worker(settings, parts) as worker:
        goal = sum(group.marks().values())
        looks = 0

        def until() -> bool:
            nonlocal looks
            looks += 1
            return worker.idle and looks % 10 == 0 and group.committed() >= goal

        worker.run(until)


@pytest.fixture
def group(kafka_broker: Broker, tmp_path: Path, clips: list[Path]) -> Group:
    return Group(kafka_broker, tmp_path, clips)


def test_from_submission_over_verdicts_and_letters_to_the_audit(group: Group, clips: Sequence[Path]) -> None:
    good, missing = str(clips[0]), str(clips[0].parent / "nothing.mp4")
    (first,) = json_lines(group, "submit", good, "--title", "a red star", "--query", "a bell")
    (second,) = json_lines(group, "submit", missing)
    assert json_lines(group, "audit") == [
        {"consumed": 0, "verdict_events": 0, "dead_letters": 0, "lost": 0, "duplicated": 0, "in_flight": 2}
    ]
    work_off(group)

    verdicts = json_lines(group, "verdicts")
    assert {(verdict["event_id"], verdict["task"]) for verdict in verdicts} == {
        (first["event_id"], task) for task in ("clickbait", "adult", "relevance")
    }
    assert [verdict["task"] for verdict in json_lines(group, "verdicts", "--task", "adult")] == ["adult"]
    assert first["video_id"] in earshot(group, "verdicts").stdout
    again = json_lines(group, "verdicts", "--since", "1h", "--video", first["video_id"])
    assert sorted(again, key=lambda verdict: verdict["task"]) == sorted(verdicts, key=lambda verdict: verdict["task"])
    assert json_lines(group, "verdicts", "--since", FAR_OFF) == []
    assert json_lines(group, "verdicts", "--video", "another") == []
    by_action = [json_lines(group, "verdicts", "--action", action) for action in Action]
    assert [len(lines) for lines in by_action] == [
        sum(verdict["action"] == action for verdict in verdicts) for action in Action
    ]

    (letter,) = json_lines(group, "dlq", "list", "--reason", "missing_object")
    assert json_lines(group, "dlq", "list", "--since", "1h") == [letter]
    assert json_lines(group, "dlq", "list", "--reason", "too_large") == []
    assert json_lines(group, "dlq", "list", "--since", FAR_OFF) == []
    (shown,) = json_lines(group, "dlq", "show", letter["letter"])
    assert shown["headers"]["dlq.reason"] == "missing_object"
    assert json.loads(shown["value"])["video_id"] == second["video_id"]
    assert json_lines(group, "audit") == [
        {"consumed": 2, "verdict_events": 1, "dead_letters": 1, "lost": 0, "duplicated": 0, "in_flight": 0}
    ]

    assert json_lines(group, "dlq", "replay", "--since", FAR_OFF) == [{"replayed": 0, "refused": 0}]
    assert json_lines(group, "dlq", "replay", letter["letter"])[0]["replayed"] == 1
    work_off(group)
    assert json_lines(group, "audit") == [
        {"consumed": 3, "verdict_events": 1, "dead_letters": 2, "lost": 0, "duplicated": 0, "in_flight": 0}
    ]


def test_an_audit_that_finds_a_loss_or_a_duplicate_exits_1(group: Group) -> None:
    from streamer import wire
    from streamer.decide import decide_unseen
    from streamer.kafka.sender import send
    from streamer.records import Source, State, Task
    from tests.stream.cases import judgement

    (event,) = group.events(1)
    send(group.kafka, [wire.event_message(event, group.kafka.topics.uploaded)])
    (place,) = (place for place, end in group.marks().items() if end)
    verdicts = decide_unseen(
        judgement(),
        event,
        State.UNDECODABLE,
        "x",
        content_sha256=None,
        latency_ms={},
        source=Source(topic=place[0], partition=place[1], offset=0),
        decided_at="2026-01-01T00:00:00+00:00",
    )
    twice = [wire.verdict_message(verdicts[0], group.kafka.verdict_topic(Task(verdicts[0].task)))] * 2
    send(group.kafka, twice)
    (report,) = json_lines(group, "audit", exits=1)
    assert report["duplicated"] == 1


def test_topics_are_planned_and_applied(kafka_broker: Broker, tmp_path: Path, clips: list[Path]) -> None:
    group = Group(kafka_broker, tmp_path, clips, kafka={"topics": {"partitions": 2}})
    values = group.values
    values["kafka"]["group"] += "x"
    group.config.write_text(yaml.safe_dump(values))
    plans = json_lines(group, "topics", "plan")
    options = group.kafka
    assert {plan["topic"]: plan["exists"] for plan in plans} == {
        **{topic: options.group not in topic for topic in options.all_topics},
        **dict.fromkeys(options.further_topics, False),
    }
    told = earshot(group, "run", exits=2).stderr
    assert told.count("earshot topics apply") == 1
    (chosen,) = [json.loads(line) for line in told.splitlines() if "engine_chosen" in line]
    assert "-" in chosen["engine"] and "TensorRT" in chosen["why"]
    assert all(plan["exists"] and plan["partitions"] == 2 for plan in json_lines(group, "topics", "apply"))


def test_the_configuration_is_shown_with_its_sources_and_without_secrets(
    group: Group, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EARSHOT_KAFKA__SASL_PASSWORD", "hunter2")
    shown = earshot(group, "config", "show").stdout
    assert f"kafka.group = '{group.kafka.group}'  ({group.config})" in shown
    assert "(EARSHOT_KAFKA__SASL_PASSWORD)" in shown
    assert "hunter2" not in shown + earshot(group, "config", "show", "--json").stdout
    earshot(group, "config", "check")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["submit"], "expected URIs or files, or --events FILE"),
        (["submit", "--events", "/nowhere.jsonl"], "/nowhere.jsonl"),
        (["verdicts", "--task", "beauty"], "expected one of clickbait, adult, relevance"),
        (["verdicts", "--action", "praise"], "expected one of allow, review, restrict, block"),
        (["verdicts", "--since", "lately"], "--since lately: expected 30m, 12h, 7d"),
        (["dlq", "show", "7:7"], "dlq list"),
        (["dlq", "show", "the first"], "dlq list"),
        (["dlq", "replay", "7:7", "--yes"], "dlq list"),
    ],
)
def test_what_is_used_wrongly_exits_2_and_says_what_was_expected(group: Group, arguments: list[str], says: str) -> None:
    result = earshot(group, *arguments, exits=2)
    assert says in result.stderr
    assert result.stdout == ""


def test_events_that_no_worker_would_take_are_refused_before_any_is_sent(group: Group, tmp_path: Path) -> None:
    lines = tmp_path / "events.jsonl"
    lines.write_text('{"uri": "https://host/v.mp4"}\n{"uri": "no uri"}\n')
    result = earshot(group, "submit", "--events", str(lines), exits=2)
    assert "event 2" in result.stderr
    assert sum(group.marks().values()) == 0
    lines.write_text('{"uri": "https://host/v.mp4", "event_id": "mine"}\n\n{"uri": "https://host/w.mp4"}\n')
    assert json_lines(group, "submit", "--events", str(lines))[0]["event_id"] == "mine"
    assert sum(group.marks().values()) == 2


def test_a_broken_configuration_exits_2_with_every_fault(tmp_path: Path) -> None:
    config = tmp_path / "bad.yaml"
    config.write_text("kafka:\n  group: ''\n  colour: red\n")
    result = CliRunner().invoke(app, ["config", "check", "--config", str(config)])
    assert result.exit_code == 2
    assert "kafka.group" in result.stderr
    assert "kafka.colour" in result.stderr


def test_a_broker_that_is_not_there_exits_1(group: Group, monkeypatch: pytest.MonkeyPatch) -> None:
    from streamer.kafka import reader

    monkeypatch.setattr(reader, "_TIMEOUT_SECONDS", 1.0)
    monkeypatch.setenv("EARSHOT_KAFKA__BOOTSTRAP_SERVERS", "127.0.0.1:1")
    assert "no answer from Kafka" in earshot(group, "audit", exits=1).stderr
