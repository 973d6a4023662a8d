"""`earshot label pool` of media at hand: a pool without a stream, which the other commands take."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engines.data.world import draw_truth, render_clip
from tests.face.command import earshot, earshot_here

EVENTS = (
    {"uri": "clips/0.mp4", "title": "a red star", "query": "bell"},
    {"uri": "clips/1.mp4", "title": "a blue square", "video_id": "square"},
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pool")
    (folder / "clips").mkdir()
    for number in range(3):
        render_clip(draw_truth(5, number), folder / "clips" / f"{number}.mp4")
    (folder / "clips" / "notes.txt").write_text("no video, and no name of one")
    (folder / "text.mp4").write_text("no video")
    (folder / "events.jsonl").write_text("".join(f"{json.dumps(event)}\n" for event in EVENTS))
    return folder


@pytest.fixture(scope="module")
def rows(folder: Path) -> dict[str, dict[str, Any]]:
    media = ("clips", "text.mp4", "nowhere.mp4")
    pool = ("label", "pool", *media, "--events", "events.jsonl", "--bundle", "world", "--out", "pool.jsonl")
    done = earshot(*pool, folder=folder)
    assert done.returncode == 0, done.stderr
    assert "4 videos in pool.jsonl, 2 unscored" in done.stdout and "nowhere.mp4" in done.stderr
    return {row["video_id"]: row for row in map(json.loads, (folder / "pool.jsonl").read_text().splitlines())}


def test_a_folder_files_and_events_make_one_row_a_video(rows: dict[str, dict[str, Any]], folder: Path) -> None:
    assert set(rows) == {"clips/0.mp4", "clips/1.mp4", "clips/2.mp4", "square"}
    told, untold = rows["clips/0.mp4"], rows["clips/2.mp4"]
    assert (told["title"], told["query"]) == ("a red star", "bell"), "the event says more than the folder"
    assert set(told["scores"]) == {"clickbait", "adult", "relevance"} and set(untold["scores"]) == {
        "clickbait",
        "adult",
    }
    assert told["uri"] == (folder / "clips" / "0.mp4").resolve().as_uri()
    assert len({row["bundle"] for row in rows.values()}) == 1


def test_vectors_are_those_of_the_video(rows: dict[str, dict[str, Any]]) -> None:
    for row in rows.values():
        assert np.linalg.norm(row["embedding"]) == pytest.approx(1, abs=1e-5)
    assert "text" in rows["square"]["views"] and "text" not in rows["clips/2.mp4"]["views"]
    same, other = rows["clips/1.mp4"]["views"]["vision"], rows["clips/2.mp4"]["views"]["vision"]
    assert rows["square"]["views"]["vision"] == same != other


def test_the_pool_is_one_to_select_from(rows: dict[str, dict[str, Any]], folder: Path) -> None:
    wish = ("--task", "adult", "--batch", "2", "--like", "square", "--out", "requests.jsonl")
    done = earshot("select", "pool.jsonl", *wish, folder=folder)
    assert done.returncode == 0, done.stderr
    picks = [json.loads(line)["video_id"] for line in (folder / "requests.jsonl").read_text().splitlines()]
    assert len(picks) == 2 and set(picks) < set(rows)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("clips", "--since", "1h"), "came media and --since"),
        (("clips", "--out", "pool.txt"), "expected .jsonl or .parquet"),
        (("empty",), "came no video"),
        (("--events", "nowhere.jsonl"), "nowhere.jsonl"),
        (("--events", "unnamed.jsonl"), "event 1: "),
    ],
)
def test_wrong_use_says_what_came(folder: Path, arguments: tuple[str, ...], expected: str) -> None:
    (folder / "empty").mkdir(exist_ok=True)
    (folder / "unnamed.jsonl").write_text('{"title": "of no video"}\n')
    done = earshot_here("label", "pool", "--out", "pool.jsonl", *arguments, "--bundle", "world", folder=folder)
    assert done.returncode == 2
    assert expected in done.stderr


def test_a_pool_of_nothing_is_a_failure(folder: Path) -> None:
    done = earshot_here("label", "pool", "text.mp4", "--bundle", "world", "--out", "none.jsonl", folder=folder)
    assert done.returncode == 1
    assert "none could be read and decoded" in done.stderr
