"""The demo as a stranger runs it: the whole way on the embedded broker, and everything accounted for."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.face.command import earshot, earshot_here
from tests.imports import ROOT

ROLES = ["silent", "audio-only", "portrait", "adult-heard", "adult-seen"]
BROKEN = ["truncated", "text", "missing"]
FILES = [f"{name}.mp4" for name in (*ROLES, *BROKEN)]
SAMPLES_FOLDER = ROOT / "engines/data/samples"
SAMPLES = [path.name for path in SAMPLES_FOLDER.glob("*.mp4")]

Done = subprocess.CompletedProcess[str]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("demo")


@pytest.fixture(scope="module")
def told(folder: Path) -> Done:
    return earshot("demo", "--clips", len(ROLES), "--work", "clips", "--report", "pages/told.html", folder=folder)


@pytest.fixture(scope="module")
def document(folder: Path, told: Done) -> dict[str, Any]:
    """After `told`, so that clips are there already."""
    before = rendered(folder)
    done = earshot("demo", "--json", "--clips", len(ROLES), "--work", "clips", "--report", "again.html", folder=folder)
    assert done.returncode == 0, done.stderr
    assert rendered(folder) == before, "a second run renders nothing again"
    (line,) = done.stdout.splitlines()
    values: dict[str, Any] = json.loads(line)
    return values


@pytest.fixture(scope="module")
def samples(document: dict[str, Any]) -> dict[str, Any]:
    part: dict[str, Any] = document["parts"][0]
    return part


@pytest.fixture(scope="module")
def world(document: dict[str, Any]) -> dict[str, Any]:
    part: dict[str, Any] = document["parts"][1]
    return part


@pytest.fixture(scope="module")
def videos(world: dict[str, Any]) -> dict[str, Any]:
    return {video["file"]: video for video in world["videos"]}


def rendered(folder: Path) -> dict[str, int]:
    return {path.name: path.stat().st_mtime_ns for role in ROLES for path in folder.glob(f"clips/*/{role}.mp4")}


def test_the_table_names_every_video_and_the_audit_finds_nothing_lost(told: Done) -> None:
    assert told.returncode == 0, told.stderr
    assert all(file in "".join(told.stdout.split()) or file[:12] in told.stdout for file in SAMPLES)
    assert "8 events consumed = 8 with verdicts + 0 dead letters · 0 lost · 0 duplicated · 0 in flight" in told.stdout
    assert all(file in told.stdout for file in FILES)
    assert "9 events consumed = 8 with verdicts + 1 dead letter · 0 lost · 0 duplicated · 0 in flight" in told.stdout
    assert "from the memory cache" in told.stdout and "same scores" in told.stdout
    assert "Traceback" not in told.stderr and "rdkafka" not in told.stderr


def test_progress_is_told_on_the_other_stream(told: Done) -> None:
    assert "rendering clips" in told.stderr and "judging" in told.stderr
    assert "rendering clips" not in told.stdout


def test_the_page_shows_every_video(folder: Path, told: Done) -> None:
    page = (folder / "pages" / "told.html").read_text("utf-8")
    assert all(file in page for file in (*FILES, *SAMPLES))
    assert page.count("<article") == len(FILES) + len(SAMPLES)
    assert page.count("data:image/png;base64,") > 4 * (len(ROLES) + len(SAMPLES)), "frames and sound of every clip"


def test_every_event_has_all_its_verdicts_or_a_dead_letter(videos: dict[str, Any]) -> None:
    assert list(videos) == FILES
    for file, video in videos.items():
        tasks = [verdict["task"] for verdict in video["verdicts"]]
        if file == "missing.mp4":
            assert video["dead_letter"]["reason"] == "missing_object" and tasks == []
        else:
            assert video["dead_letter"] is None and tasks[:2] == ["clickbait", "adult"]


def test_what_is_broken_says_why(videos: dict[str, Any]) -> None:
    for file in ("truncated.mp4", "text.mp4"):
        for verdict in videos[file]["verdicts"]:
            assert verdict["state"] == "undecodable" and verdict["reason"] and verdict["score"] is None


def test_what_is_missing_is_said(videos: dict[str, Any]) -> None:
    absent = {file: videos[file]["verdicts"][0]["missing_modalities"] for file in ("silent.mp4", "audio-only.mp4")}
    assert absent == {"silent.mp4": ["audio"], "audio-only.mp4": ["vision"]}
    assert videos["portrait.mp4"]["verdicts"][0]["missing_modalities"] == []


def test_truth_stands_beside_the_verdicts(videos: dict[str, Any]) -> None:
    assert videos["adult-heard.mp4"]["truth"]["labels"]["adult"] is True
    assert "siren" in videos["adult-heard.mp4"]["truth"]["text"]
    assert "seal" in videos["adult-seen.mp4"]["truth"]["text"]


def test_real_clips_are_judged_by_the_starter_beside_their_truth(samples: dict[str, Any]) -> None:
    assert samples["bundle"].startswith("starter ")
    assert sorted(video["file"] for video in samples["videos"]) == sorted(SAMPLES)
    by_file = {video["file"]: video for video in samples["videos"]}
    assert by_file["weapon-seen.mp4"]["truth"]["labels"]["adult"] is True
    (adult,) = (verdict for verdict in by_file["weapon-seen.mp4"]["verdicts"] if verdict["task"] == "adult")
    assert adult["score"] >= adult["threshold"] and "revolver" in adult["evidence"][0]["name"]
    verdicts = [verdict for video in samples["videos"] for verdict in video["verdicts"]]
    assert len(verdicts) == 3 * len(SAMPLES) and all(verdict["state"] == "decided" for verdict in verdicts)


def test_whose_the_sample_clips_are_is_said_of_each() -> None:
    notice = (SAMPLES_FOLDER / "NOTICE").read_text("utf-8")
    assert all(f"\n{name}\n" in notice for name in SAMPLES)
    assert sum(path.stat().st_size for path in SAMPLES_FOLDER.iterdir() if path.is_file()) < 3_000_000


def test_the_reupload_comes_from_the_cache_and_costs_less(world: dict[str, Any]) -> None:
    reupload = world["reupload"]
    assert reupload["cache_tier"] == "memory" and reupload["same_scores"]
    assert reupload["cached_ms"] < reupload["cold_ms"]
    assert world["audit"] == {
        "consumed": 9,
        "verdict_events": 8,
        "dead_letters": 1,
        "lost": 0,
        "duplicated": 0,
        "in_flight": 0,
    }


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("--clips", 2), "greater than or equal to 3"),
        (("--work", "taken/below"), "--work"),
        (("--report", "taken/page.html"), "--report"),
    ],
)
def test_wrong_use_says_what_was_expected(tmp_path: Path, arguments: tuple[object, ...], expected: str) -> None:
    (tmp_path / "taken").write_text("a file, no folder")
    done = earshot_here("demo", *arguments, folder=tmp_path)
    assert done.returncode == 2
    assert expected in done.stderr
