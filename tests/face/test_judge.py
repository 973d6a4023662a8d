"""`earshot judge` on files at hand: answers for people, wire verdicts for scripts, reasons for what is wrong."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path
from typing import Any

import msgspec
import pytest

from engines.data.world import draw_truth, render_clip
from streamer.errors import UndecodableError
from streamer.pipeline import Pipeline
from streamer.records import Clip, Verdict
from tests.face.command import earshot, earshot_here


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("judge")
    render_clip(draw_truth(5, 0), folder / "clip.mp4")
    (folder / "text.mp4").write_text("no video")
    return folder


def test_prints_wire_verdicts_with_the_file(folder: Path) -> None:
    done = earshot("judge", "--json", "clip.mp4", "text.mp4", "--title", "a red star", "--query", "bell", folder=folder)
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert [(line["file"], line["task"]) for line in lines] == [
        (file, task) for file in ("clip.mp4", "text.mp4") for task in ("clickbait", "adult", "relevance")
    ]
    for line in lines:
        verdict = msgspec.convert(line, Verdict)
        assert (verdict.state == "undecodable") == (line["file"] == "text.mp4")
        assert (verdict.score is None) == (verdict.state == "undecodable")
    assert lines[0]["evidence"] and lines[0]["coverage"]["frames"] > 0
    assert set(lines[0]["latency_ms"]) >= {"fetch", "recall", "decode", "embed", "score", "total"}


def test_the_starter_judges_a_file_that_nobody_wrote_a_word_about(folder: Path) -> None:
    done = earshot("judge", "--json", "clip.mp4", "--bundle", "starter", folder=folder)
    assert done.returncode == 0, done.stderr
    verdicts = [msgspec.convert(json.loads(line), Verdict) for line in done.stdout.splitlines()]
    assert [verdict.task for verdict in verdicts] == ["clickbait", "adult"]
    for verdict in verdicts:
        assert verdict.score is not None and 0 <= verdict.score <= 1
        assert abs(sum(item.weight for item in verdict.evidence)) <= 1 + 1e-4
        assert any(item.name for item in verdict.evidence)
    assert {"sexual", "violent"} <= {*verdicts[1].categories}


def test_tells_people_scores_reasons_and_coverage(folder: Path) -> None:
    done = earshot("judge", "clip.mp4", folder=folder)
    assert done.returncode == 0, done.stderr
    for word in ("clip.mp4", "clickbait", "adult", "frames, largest gap", "heard", "decode"):
        assert word in done.stdout
    assert "relevance" not in done.stdout, "nobody asked"
    assert "\x1b" not in done.stdout


def test_a_page_shows_every_file_once_it_is_judged(folder: Path) -> None:
    """The clip comes twice: what is remembered is shown as what was looked at. What is not there is shown, too."""
    media = ("clip.mp4", "text.mp4", "nowhere.mp4", "clip.mp4")
    done = earshot("judge", *media, "--title", "<b>red</b> & loud", "--report", "pages/judged.html", folder=folder)
    assert done.returncode == 1 and "nowhere.mp4" in done.stderr
    assert "page   pages/judged.html" in done.stdout
    html = (folder / "pages" / "judged.html").read_text("utf-8")
    assert html.count("<article") == len(media)
    assert html.count('class="film"') == html.count('class="sound"') == 2
    assert "unsupported_container" in html and "not judged: missing_object" in html
    assert "<b>red" not in html and "&lt;b&gt;red&lt;/b&gt; &amp; loud" in html


def test_a_full_disk_is_told_and_costs_no_verdict(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    done = earshot_here("judge", "clip.mp4", "--report", "full.html", folder=folder)
    assert done.returncode == 2
    assert "clickbait" in done.stdout and "cannot write full.html: No space left on device" in done.stderr
    assert not list(folder.glob("full.html*"))


def test_a_second_look_that_fails_costs_no_verdict(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    look, looks = Pipeline.look, []

    def once(*arguments: Any) -> Clip:
        looks.append(arguments)
        if len(looks) > 1:
            raise UndecodableError("timed_out", "too slow this time")
        return look(*arguments)

    monkeypatch.setattr(Pipeline, "look", once)
    done = earshot_here("judge", "--json", "clip.mp4", "clip.mp4", "--report", "twice.html", folder=folder)
    assert done.returncode == 0, done.stderr
    assert len(looks) == 2 and len(done.stdout.splitlines()) == 4
    assert (folder / "twice.html").read_text("utf-8").count('class="film"') == 1


def test_a_folder_stands_for_its_videos(folder: Path) -> None:
    done = earshot("judge", "--json", ".", folder=folder)
    assert done.returncode == 0, done.stderr
    assert {json.loads(line)["file"] for line in done.stdout.splitlines()} == {"clip.mp4", "text.mp4"}


def test_a_page_changes_nothing_for_scripts(folder: Path) -> None:
    done = earshot("judge", "--json", "clip.mp4", "--report", "clip.html", folder=folder)
    assert done.returncode == 0, done.stderr
    assert [json.loads(line)["task"] for line in done.stdout.splitlines()] == ["clickbait", "adult"]
    assert (folder / "clip.html").stat().st_size > 0


def test_one_bad_file_costs_only_itself(folder: Path) -> None:
    done = earshot("judge", "--json", "nowhere.mp4", "clip.mp4", folder=folder)
    assert done.returncode == 1
    assert "nowhere.mp4" in done.stderr and "Traceback" not in done.stderr
    assert {json.loads(line)["file"] for line in done.stdout.splitlines()} == {"clip.mp4"}


def test_secrets_in_links_are_not_told(folder: Path) -> None:
    done = earshot_here("judge", "https://user:hunter2@127.0.0.1/video.mp4?signature=hunter3", folder=folder)
    assert done.returncode == 1
    assert "127.0.0.1" in done.stderr
    assert "hunter" not in done.stderr + done.stdout


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ((), "FILE|FOLDER|URI"),
        (("clip.mp4", "--bundle", "nonsense"), "nonsense"),
        (("clip.mp4", "-c", "none.yaml"), "none.yaml"),
        (("clip.mp4", "--report", "."), "--report .: came a folder, expected a file"),
        (("clip.mp4", "--engine", "cuda"), "engine.kind: Input should be 'auto', 'ort', 'ort-cuda' or 'trt'"),
    ],
)
def test_wrong_use_says_what_came(folder: Path, arguments: tuple[str, ...], expected: str) -> None:
    done = earshot_here("judge", *arguments, folder=folder)
    assert done.returncode == 2
    assert expected in done.stderr


def test_a_gpu_that_is_not_there_is_told_before_anything_runs(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a machine with a GPU too: the driver has none for a process that may see none."""
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    for kind in ("trt", "ort-cuda"):
        done = earshot("judge", "clip.mp4", "--engine", kind, folder=folder)
        assert done.returncode == 2
        assert f"engine.kind {kind}: " in done.stderr and "NVIDIA driver" in done.stderr
        assert "'ort' runs on the CPU" in done.stderr and "Traceback" not in done.stderr
    done = earshot("judge", "--json", "clip.mp4", "--engine", "auto", folder=folder)
    assert done.returncode == 0
    assert {json.loads(line)["lineage"]["engine"].rpartition("-")[2] for line in done.stdout.splitlines()} == {"cpu"}
