"""`earshot select`: from a pool file to requests, round by round."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from engines.active.index import Index
from engines.data.public.manifest import Labels, Row
from engines.learn.gate import freeze, write_gate
from streamer.cli import app
from tests.engines.active.conftest import NEW_KIND, Planted

RUNNER = CliRunner()
BUNDLE = "a" * 64

Select = Callable[..., Result]


def rows_of(planted: Planted, *, labelled: set[str] = frozenset(), bundle: str = BUNDLE) -> list[dict[str, Any]]:
    situation, found = planted.situation, []
    for n, video_id in enumerate(planted.ids[:800]):
        row = {"video_id": video_id, "embedding": situation.embedding_ND[n].tolist(), "bundle": bundle}
        row["views"] = {"audio": situation.views["audio"][n].tolist()}
        row["scores"] = {"adult": float(situation.score_N[n])}
        if not np.isnan(situation.label_N[n]) or video_id in labelled:
            row["labels"] = {"adult": int(planted.label_N[n])}
        found.append(row)
    return found


@pytest.fixture
def pool(planted: Planted, tmp_path: Path) -> Path:
    path = tmp_path / "pool.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows_of(planted)))
    return path


@pytest.fixture
def select(pool: Path) -> Select:
    def run(*more: str, batch: int = 20) -> Result:
        out = ["--out", str(pool.with_name("requests.jsonl"))]
        return RUNNER.invoke(app, ["select", str(pool), "--task", "adult", "--batch", str(batch), *out, *more])

    return run


def requests_of(pool: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in pool.with_name("requests.jsonl").read_text().splitlines()]


def reports(planted: Planted) -> list[str]:
    new = [planted.ids[n] for n in planted.new if n < 800][:3]
    return [word for video_id in new for word in ("--like", video_id)]


def test_what_looks_like_the_reports_is_written_beside_the_requests(
    planted: Planted, pool: Path, select: Select
) -> None:
    watch = pool.with_name("flagged.jsonl")
    plain = select(*reports(planted))
    asked = requests_of(pool)
    pool.with_name("requests.jsonl.state.json").unlink()
    watched = select(*reports(planted), "--watch", str(watch))
    assert watched.exit_code == 0, watched.output
    assert f"videos in {watch} look like the reported kind" in " ".join(watched.stdout.split())
    assert "look like" not in plain.stdout and requests_of(pool) == asked, "what is asked is as without it"
    rows = [json.loads(line) for line in watch.read_text().splitlines()]
    assert set(rows[0]) == {"video_id", "task", "score", "asked", "bundle"}
    kinds = [int(planted.kind_N[planted.ids.index(row["video_id"])]) for row in rows]
    assert kinds.count(NEW_KIND) >= len(kinds) // 2
    in_review = {one["video_id"] for one in asked}
    assert {row["video_id"] for row in rows if row["asked"]} == in_review & {row["video_id"] for row in rows}


def test_without_reports_nothing_is_watched_for_and_nothing_is_written(pool: Path, select: Select) -> None:
    told = select("--watch", str(pool.with_name("flagged.jsonl")))
    assert told.exit_code == 1 and "--like" in told.stderr
    assert sorted(path.name for path in pool.parent.iterdir()) == ["pool.jsonl"]


def test_reports_find_their_kind_and_every_request_says_why(planted: Planted, pool: Path, select: Select) -> None:
    told = select(*reports(planted))
    assert told.exit_code == 0, told.output
    requests = requests_of(pool)
    kinds = [int(planted.kind_N[planted.ids.index(one["video_id"])]) for one in requests]
    assert kinds.count(NEW_KIND) >= 8
    fields = {"video_id", "task", "strategy", "arm", "reason", "score", "like", "bundle"}
    assert all(set(one) == fields and one["bundle"] == BUNDLE and one["task"] == "adult" for one in requests)
    first = next(one for one in requests if one["arm"] == "reports")
    like = first["like"][0]
    assert like["video_id"] in reports(planted)
    assert like["label"] is None
    assert first["reason"].startswith(f"like {like['video_id']} ({like['similarity']:.2f}")
    assert "which was reported; model " in first["reason"]


def test_rounds_go_on_and_nothing_is_asked_twice(planted: Planted, pool: Path, select: Select) -> None:
    select(*reports(planted))
    first = {one["video_id"] for one in requests_of(pool)}
    select()
    second = {one["video_id"] for one in requests_of(pool)}
    assert len(first) == len(second) == 20
    assert not first & second
    pool.write_text("".join(json.dumps(row) + "\n" for row in rows_of(planted, labelled=first)))
    select()
    state = json.loads(pool.with_name("requests.jsonl.state.json").read_text())["tasks"]["adult"]
    assert state["rounds"] == 1
    assert first.isdisjoint(state["open"])
    assert state["arms"]["reports"]["gained"] > 4
    found = [
        one for one in requests_of(pool) if one["arm"] == "reports" and "which a reviewer called adult" in one["reason"]
    ]
    assert found  # what the reports led to is broadened from in turn


def test_equal_pools_states_and_seeds_give_equal_requests(pool: Path, select: Select, tmp_path: Path) -> None:
    files = []
    for name in ("one", "two"):
        select("--state", str(tmp_path / f"{name}.json"))
        files.append(pool.with_name("requests.jsonl").read_bytes())
    assert files[0] == files[1]


def test_an_index_is_made_kept_and_refused_for_another_bundle(planted: Planted, pool: Path, select: Select) -> None:
    index = ["--index", str(pool.with_name("index"))]
    assert select(*index, *reports(planted)).exit_code == 0
    kinds = [int(planted.kind_N[planted.ids.index(one["video_id"])]) for one in requests_of(pool)]
    assert kinds.count(NEW_KIND) >= 8
    assert len(Index.load(pool.with_name("index"), bundle=BUNDLE)) == 800
    with pool.open("a") as lines:
        lines.write(json.dumps({**rows_of(planted)[0], "video_id": "arrived since", "labels": {}}) + "\n")
    assert select(*index).exit_code == 0
    assert "arrived since" in Index.load(pool.with_name("index"), bundle=BUNDLE)
    other = rows_of(planted, bundle="b" * 64)
    pool.write_text("".join(json.dumps(row) + "\n" for row in other))
    told = select("--state", str(pool.with_name("fresh.json")), *index)
    assert told.exit_code == 1
    assert "index of bundle aaaaaaaaaaaa, expected bbbbbbbbbbbb" in told.stderr
    told = select()
    assert "state of bundle aaaaaaaaaaaa, expected bbbbbbbbbbbb" in told.stderr


def test_broken_rows_are_listed_beside(pool: Path, select: Select) -> None:
    with pool.open("a") as lines:
        lines.write('{"video_id": "broken"}\nnot json\n')
    told = select("--json")
    assert told.exit_code == 0
    assert json.loads(told.stdout)["rejected"] == 2
    listed = pool.with_name("requests.jsonl.rejected.jsonl").read_text().splitlines()
    assert json.loads(listed[0])["video_id"] == "broken"
    assert "left out 2 of 802 rows" in told.stderr


def test_a_pool_without_scores_gets_those_of_a_head(planted: Planted, pool: Path, select: Select) -> None:
    bare = [{key: value for key, value in row.items() if key != "scores"} for row in rows_of(planted)]
    pool.write_text("".join(json.dumps(row) + "\n" for row in bare))
    told = select("--strategy", "margin")
    assert "scores are of a head fitted to your labels" in told.stdout
    assert all(abs(one["score"] - 0.5) < 0.45 for one in requests_of(pool)[:5])


def test_a_pool_without_scores_and_with_labels_of_one_kind(planted: Planted, pool: Path, select: Select) -> None:
    bare = [{key: row[key] for key in ("video_id", "embedding", "bundle")} for row in rows_of(planted)]
    bare[0]["labels"] = {"adult": 1}
    pool.write_text("".join(json.dumps(row) + "\n" for row in bare))
    told = select("--strategy", "margin")
    assert told.exit_code == 1
    assert "came no scores of this task, which this strategy needs; give scores or labels" in told.stderr
    assert select(batch=5).exit_code == 0  # broadening needs none
    assert all(one["score"] is None and "model has not judged it" in one["reason"] for one in requests_of(pool))


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (("--like", "nobody"), "videos 'nobody': not in the pool of 800"),
        (("--strategy", "guess"), "strategy: came 'guess', expected one of lsb, random"),
        (("--strategy", "margin", "--like", "video-1"), "only lsb looks for lookalikes"),
        (("--task", "spam"), "task: came 'spam', expected one of clickbait, adult, relevance"),
    ],
)
def test_what_is_wrong_is_said_and_nothing_is_written(
    more: tuple[str, ...], said: str, pool: Path, select: Select
) -> None:
    told = select(*more)
    assert told.exit_code == 1
    assert said in told.stderr
    assert sorted(path.name for path in pool.parent.iterdir()) == ["pool.jsonl"]


def test_more_than_there_is_gives_all_there_is(pool: Path, select: Select) -> None:
    told = select("--strategy", "random", batch=5000)
    assert told.exit_code == 0
    left = len(requests_of(pool))
    assert f"asked for 5000 videos, only {left} are left to label" in told.stderr
    told = select("--strategy", "random")
    assert told.exit_code == 1
    assert "nothing is left to ask" in told.stderr


def test_clips_of_a_gate_are_never_asked_about(pool: Path, select: Select) -> None:
    assert select(batch=30).exit_code == 0
    wanted = [one["video_id"] for one in requests_of(pool)]
    gate, state = pool.with_name("gate.json"), pool.with_name("fresh.state.json")
    rows = [Row(clip_id=clip, split="test", labels=Labels(adult=0)) for clip in wanted]
    write_gate(gate, freeze(rows, "g"))
    assert select("--gate", str(gate), "--state", str(state), batch=30).exit_code == 0
    assert not {one["video_id"] for one in requests_of(pool)} & set(wanted)
    everything = [Row(clip_id=row["video_id"], split="test", labels=Labels(adult=0)) for row in rows_in(pool)]
    write_gate(pool.with_name("all.json"), freeze(everything, "all"))
    told = select("--gate", str(pool.with_name("all.json")))
    assert told.exit_code == 1 and "left out" in told.stderr


def rows_in(pool: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in pool.read_text().splitlines()]
