"""What people taught a bundle reaches the verdicts of a stream, also of videos that nobody looks at again."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from streamer.cli import app
from tests.services.kafka import Broker
from tests.stream.cluster import Group
from tests.stream.test_commands import json_lines, work_off

pytestmark = pytest.mark.services

STARS, BELLS = "a red star", "a blue bell"
#: For the cache: a worker on a busy machine gives a value up after 50 ms.
PATIENT_SECONDS = 10.0


def group_of(kafka_broker: Broker, redis_url: str, folder: Path, clips: list[Path]) -> Group:
    folder.mkdir()
    cache = {"url": redis_url, "timeout_seconds": PATIENT_SECONDS}
    return Group(kafka_broker, folder, clips, cache=cache, secret="a secret of sixteen")


def test_a_category_joins_the_verdicts_of_what_the_cache_remembers(
    kafka_broker: Broker, redis_url: str, tmp_path: Path, clips: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    before = group_of(kafka_broker, redis_url, tmp_path / "before", clips)
    before.send(12, title=STARS)
    before.send(12, title=BELLS)
    work_off(before)
    pool, labels, mine = tmp_path / "pool.jsonl", tmp_path / "labels.csv", tmp_path / "mine"
    json_lines(before, "label", "pool", "--out", str(pool))
    titles = {row["video_id"]: row["title"] for row in map(json.loads, pool.read_text().splitlines())}
    assert len(titles) == 24
    labels.write_text("video_id,value\n" + "".join(f"{one},{int(title == STARS)}\n" for one, title in titles.items()))
    asked = ["teach", "world", str(pool), "--labels", str(labels), "--name", "stars", "--out", str(mine)]
    taught = CliRunner().invoke(app, asked)
    assert taught.exit_code == 0, taught.output

    monkeypatch.setenv("EARSHOT_ENGINE__BUNDLE", str(mine))
    after = group_of(kafka_broker, redis_url, tmp_path / "after", clips)
    after.send(3, title=STARS)
    after.send(3, title=BELLS)
    work_off(after)
    verdicts = [verdict for verdict in after.verdicts() if verdict["task"] == "adult"]
    assert len(verdicts) == 6
    for verdict in verdicts:
        assert verdict["lineage"]["cache_tier"] == "redis", "teaching changes no key"
        assert (verdict["categories"]["stars"] > 0.5) is (verdict["video_id"] in {"v0", "v1", "v2"})
