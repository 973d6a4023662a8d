"""The round of labels on a real broker and a real Redis: verdicts to a pool, picks to requests, answers to labels."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engines.active.pool import Pool
from engines.active.pool_file import read_pool
from streamer.kafka.reader import count_offsets, read_positions, read_topics
from streamer.records import TASKS, Position
from streamer.wire import parse_label
from tests.services.kafka import Broker
from tests.stream.cluster import Group, plain_read
from tests.stream.test_commands import earshot, json_lines, work_off

pytestmark = pytest.mark.services

#: For the cache: a worker on a busy machine gives a value up after 50 ms, and what it forgot is in no pool.
PATIENT_SECONDS = 10.0


@pytest.fixture
def group(kafka_broker: Broker, redis_url: str, tmp_path: Path, clips: list[Path]) -> Group:
    return Group(
        kafka_broker,
        tmp_path,
        clips,
        cache={"url": redis_url, "timeout_seconds": PATIENT_SECONDS},
        secret="a secret of sixteen",
    )


def lines(path: Path, items: Sequence[Any]) -> Path:
    path.write_text("".join(json.dumps(item) + "\n" for item in items))
    return path


def test_what_the_stream_judged_becomes_a_pool(group: Group, tmp_path: Path) -> None:
    group.send(5, title="a red star")
    work_off(group)
    out = tmp_path / "pool.jsonl"
    (told,) = json_lines(group, "label", "pool", "--out", str(out))
    assert (told["videos"], told["not_remembered"], told["event_gone"]) == (5, 0, 0)
    rows = {row["video_id"]: row for row in map(json.loads, out.read_text().splitlines())}
    verdicts = {(verdict["video_id"], verdict["task"]): verdict for verdict in group.verdicts()}
    assert set(rows) == {f"v{number}" for number in range(5)}
    for video_id, row in rows.items():
        assert row["scores"] == {task: verdicts[video_id, task]["score"] for task in TASKS}
        assert row["novelty"] == verdicts[video_id, "adult"]["novelty"]
        assert (row["title"], row["query"]) == ("a red star", "a bell")
        assert np.linalg.norm(row["embedding"]) == pytest.approx(1, abs=1e-3)
        assert row["views"].keys() == {"vision", "audio", "text"}
        assert all(np.linalg.norm(view) == pytest.approx(1, abs=1e-3) for view in row["views"].values())
    assert rows["v0"]["embedding"] == rows["v3"]["embedding"] != rows["v1"]["embedding"], "three clips in turn"


def test_views_are_of_one_sense_each(group: Group, tmp_path: Path) -> None:
    group.send(3, title="a red star")
    group.send(3, title="a blue bell")
    work_off(group)
    out = tmp_path / "pool.parquet"
    json_lines(group, "label", "pool", "--out", str(out))
    views = pool_of(out).views
    for sense in ("vision", "audio"):  # v0 and v3 are one clip under two titles
        np.testing.assert_array_equal(views[sense][0], views[sense][3])
        assert views[sense][0] @ views[sense][1] < 0.9999
    np.testing.assert_array_equal(views["text"][0], views["text"][1])
    assert views["text"][0] @ views["text"][3] < 0.9999

    (told,) = json_lines(group, "label", "pool", "--no-views", "--out", str(out))
    assert told["videos"] == 6
    assert not any(view_NV.any() for view_NV in pool_of(out).views.values())


def pool_of(path: Path) -> Pool:
    """As `earshot select` reads it, in the order of ids."""
    found, rejected = read_pool(path)
    assert rejected == []
    order = sorted(found.ids)
    return Pool(order, found.bundle, found.embedding_ND, {n: v[found.find(order)] for n, v in found.views.items()})


def test_a_later_event_about_a_video_replaces_the_earlier_one(group: Group, tmp_path: Path) -> None:
    group.send(1, video_id="same", title="a red star")
    work_off(group)
    group.send(1, video_id="same", title="a blue bell")
    work_off(group)
    out = tmp_path / "pool.jsonl"
    json_lines(group, "label", "pool", "--out", str(out))
    (row,) = map(json.loads, out.read_text().splitlines())
    assert row["title"] == "a blue bell"
    latest = {verdict["task"]: verdict["score"] for verdict in group.verdicts() if verdict["event_id"] == "e1"}
    assert row["scores"] == latest


def test_what_is_forgotten_undecodable_or_of_another_bundle_is_counted(
    group: Group, tmp_path: Path, redis_url: str, clips: list[Path]
) -> None:
    from tests.services.redis import flush

    broken = clips[0].parent / "broken.mp4"
    broken.write_bytes(b"no video")
    group.send(1)
    group.send(1, uri=broken.as_uri())
    work_off(group)
    out = tmp_path / "pool.jsonl"
    flush(redis_url)
    arguments = ("label", "pool", "--out", str(out))
    (told,) = json_lines(group, *arguments, exits=1)
    assert (told["videos"], told["not_remembered"], told["unscored"]) == (0, 1, 1)
    (told,) = json_lines(group, *arguments, "--bundle", "starter", exits=1)
    assert (told["videos"], told["other_bundle"]) == (0, 2)
    (told,) = json_lines(group, *arguments, "--since", "2100-01-01T00:00:00Z", exits=1)
    assert {told[name] for name in ("not_remembered", "other_bundle", "unscored", "event_gone")} == {0}


def test_a_pool_is_whole_or_not_written(group: Group, tmp_path: Path) -> None:
    group.send(1)
    work_off(group)
    out = tmp_path / "pool.jsonl"
    out.write_text("an older pool")
    refused = earshot(group, "label", "pool", "--out", str(out), "--redis", "redis://127.0.0.1:1/0", exits=1)
    assert "Redis left 1 round trips unanswered" in refused.stderr
    assert out.read_text() == "an older pool"


def test_requests_and_labels_go_to_their_topics_and_each_is_one(group: Group, tmp_path: Path) -> None:
    pick = {"video_id": "v1", "task": "adult", "strategy": "lsb", "arm": "uncertain", "reason": "unsure", "score": 0.5}
    picks = lines(tmp_path / "requests.jsonl", [{**pick, "bundle": "b"}, {**pick, "video_id": "v2", "bundle": "b"}])
    request = ("label", "request", str(picks))
    assert "earshot topics apply" in earshot(group, *request, exits=2).stderr
    earshot(group, "topics", "apply")
    first = json_lines(group, *request)
    assert json_lines(group, *request) == first
    shown = json_lines(group, "label", "show", "requested")
    assert len(shown) == 2, "twice requested is one request"
    assert {item["request_id"] for item in shown} == {item["request_id"] for item in first}

    answers = lines(
        tmp_path / "answers.jsonl",
        [{"video_id": video, "task": "adult", "value": 1, "rater": "r1"} for video in ("v1", "v2", "v9")],
    )
    take = ("label", "import", str(answers), "--requests", str(picks), "--publish", "--out", str(tmp_path / "l.jsonl"))
    (told,) = json_lines(group, *take)
    assert (told["added"], told["published"], told["rejected"]) == (2, 2, 1)
    (again,) = json_lines(group, *take)
    assert (again["added"], again["published"]) == (0, 2)
    raw = plain_read(group.broker.bootstrap, [group.kafka.topics.label_applied])
    assert len(raw) == 4 and len({json.loads(value)["label_id"] for value in raw}) == 2
    applied = json_lines(group, "label", "show", "applied")
    assert sorted((label["video_id"], label["value"], label["rater"]) for label in applied) == [
        ("v1", 1, "r1"),
        ("v2", 1, "r1"),
    ]
    assert [
        label
        for message in read_topics(group.kafka, [group.kafka.topics.label_applied])
        if (label := parse_label(message))
    ]

    copy = lines(tmp_path / "copy.jsonl", applied)
    (told,) = json_lines(group, "label", "import", str(copy), "--out", str(tmp_path / "l.jsonl"))
    assert (told["added"], told["known"]) == (0, 2), "the topic and the file agree on what is the same"


def test_records_are_found_by_position_and_by_time(group: Group) -> None:
    group.send(40)
    topic = group.kafka.topics.uploaded
    messages = list(read_topics(group.kafka, [topic]))
    assert count_offsets(group.kafka, [topic]) == len(messages) == 40
    some = [message.position for message in messages[3::7]]
    gone = [Position(topic, 0, 10_000), Position("nowhere", 0, 0)]
    found = [message.position for message in read_positions(group.kafka, [*some, *gone])]
    assert sorted(found) == sorted(some)
    assert list(read_positions(group.kafka, [])) == []

    newest = max(message.timestamp_ms for message in messages)
    assert count_offsets(group.kafka, [topic], since_ms=newest + 1) == 0
    assert list(read_topics(group.kafka, [topic], since_ms=newest + 1)) == []
    late = list(read_topics(group.kafka, [topic], since_ms=newest))
    assert 0 < len(late) == count_offsets(group.kafka, [topic], since_ms=newest)
