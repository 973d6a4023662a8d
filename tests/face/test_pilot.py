"""`earshot pilot` as a company runs it: its folder, its labels, its costs; stopped, and started again."""

from __future__ import annotations

import csv
import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from engines.active.pool_file import read_pool
from engines.data.world import draw_truth, render_clip
from tests.face.command import earshot, earshot_here
from tests.face.examples import HOSTILE
from tests.services.chromium import ARGS

CLIPS = 18
Done = subprocess.CompletedProcess[str]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Clips of known truth, three of which have no label; a file that is no video; labels with broken rows."""
    folder = tmp_path_factory.mktemp("pilot")
    (folder / "videos" / "more").mkdir(parents=True)
    rows = []
    for index in range(CLIPS):
        truth = draw_truth(11, index)
        file = f"{'more/' if index % 2 else ''}clip-{index:02d}.mp4"
        render_clip(truth, folder / "videos" / file)
        if index < CLIPS - 3:
            title = HOSTILE if index == 0 else truth.title
            rows.append([file, title, truth.labels.clickbait, truth.labels.adult])
    (folder / "videos" / "text.mp4").write_text("no video")
    with (folder / "labels.csv").open("w", newline="") as lines:
        broken = [["clip-99.mp4", "", 1, 0], ["clip-16.mp4", "", "maybe", 0], ["text.mp4", "", 1, 1]]
        csv.writer(lines).writerows([["file", "title", "clickbait", "adult"], *rows, *broken])
    return folder


def start(folder: Path, *more: object) -> Done:
    return earshot("pilot", "start", "videos", "--labels", "labels.csv", "--out", "pilot", *more, folder=folder)


@pytest.fixture(scope="module")
def told(folder: Path) -> Done:
    return start(folder)


@pytest.fixture(scope="module")
def document(folder: Path, told: Done) -> dict[str, Any]:
    """Of a second run, which has nothing left to judge."""
    before = (folder / "pilot" / "judged.jsonl").read_bytes()
    done = start(folder, "--json")
    assert done.returncode == 0, done.stderr
    assert (folder / "pilot" / "judged.jsonl").read_bytes() == before, "what is known is not judged again"
    (line,) = done.stdout.splitlines()
    values: dict[str, Any] = json.loads(line)
    return values


def test_answers_first_and_says_what_is_broken(told: Done) -> None:
    assert told.returncode == 0, told.stderr
    assert told.stdout.startswith("clickbait: ") and "adult: " in told.stdout
    assert "2 rows of labels cannot be used: pilot/rejected.jsonl" in told.stdout
    assert "judging" in told.stderr and "Traceback" not in told.stderr


def test_what_was_judged_is_a_pool_with_its_labels(folder: Path, document: dict[str, Any]) -> None:
    found, rejected = read_pool(folder / document["pool"])
    assert rejected == [] and len(found) == CLIPS, "all but what is no video"
    truths = {n: draw_truth(11, n) for n in range(CLIPS - 3)}
    labels = dict(zip(found.ids, found.labels["adult"].tolist(), strict=True))
    for n, truth in truths.items():
        assert labels[f"{'more/' if n % 2 else ''}clip-{n:02d}.mp4"] == truth.labels.adult
    assert sum(np.isnan(value) for value in labels.values()) == 3
    assert {"vision", "audio", "text"} >= set(found.views) >= {"vision", "audio"}


def test_findings_are_of_the_labelled_videos_that_can_be_judged(folder: Path, document: dict[str, Any]) -> None:
    assert (document["videos"], document["labels"], document["undecodable"]) == (CLIPS + 1, CLIPS - 2, ["text.mp4"])
    truths = [draw_truth(11, index) for index in range(CLIPS - 3)]
    for found in document["findings"]:
        bad = sum(getattr(truth.labels, found["task"]) for truth in truths)
        assert (found["videos"], found["bad"]) == (CLIPS - 3, bad)
        assert len(found["caught"]) + len(found["missed"]) == bad
    assert [found["task"] for found in document["findings"]] == ["clickbait", "adult"]
    rejected = [json.loads(line) for line in (folder / "pilot" / "rejected.jsonl").read_text().splitlines()]
    assert [row["place"] for row in rejected] == ["line 17", "line 18"]


def test_a_stopped_run_judges_only_what_is_left(folder: Path, document: dict[str, Any]) -> None:
    shutil.copytree(folder, folder.with_name("stopped"), dirs_exist_ok=True)
    stopped = folder.with_name("stopped")
    shutil.copystat(folder / "videos" / "clip-00.mp4", stopped / "videos" / "clip-00.mp4")
    store = stopped / "pilot" / "judged.jsonl"
    lines = store.read_bytes().splitlines(keepends=True)
    store.write_bytes(b"".join(lines[:5]) + lines[5][:100])
    done = start(stopped, "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["findings"] == document["findings"]


def test_size_takes_the_share_that_stage_one_calls(folder: Path, document: dict[str, Any]) -> None:
    sizing = ("pilot", "size", "videos", "--pilot", "pilot", "--sample", 3, "--videos-a-day", 86_400, "--json")
    done = earshot(*sizing, folder=folder)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    measured, needs = told["measured"], told["needs"]
    shares = [len(found["ways"][found["best"]]["called"]) / found["videos"] for found in document["findings"]]
    assert measured["called"] == max(shares)
    assert needs["mean_cores"] == pytest.approx(needs["cpu_seconds"])
    assert needs["cores"] >= 1 and needs["looks"] == pytest.approx(86_400 * needs["called"])
    assert measured["fastest"] <= measured["cpu_seconds"] <= measured["slowest"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("start", "nowhere", "--labels", "labels.csv"), "nowhere: came no folder"),
        (("start", "videos", "--labels", "nowhere.csv"), "nowhere.csv"),
        (("start", "videos", "--labels", "bad.csv"), "came no usable label"),
        (("size", "videos", "--pilot", "nowhere"), "run `earshot pilot start` first"),
    ],
)
def test_what_is_wrong_is_said_in_a_line(folder: Path, arguments: tuple[str, ...], message: str) -> None:
    (folder / "bad.csv").write_text("file,adult\nunknown.mp4,1\n")
    done = earshot_here("pilot", *arguments, folder=folder)
    assert done.returncode == 1 and message in done.stderr


@pytest.fixture(scope="module")
def browser(chromium_path: str) -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium_path, args=list(ARGS))
        yield browser
        browser.close()


@pytest.fixture
def opened(browser: Browser, folder: Path, document: dict[str, Any]) -> Iterator[Page]:
    page = browser.new_page(viewport={"width": 375, "height": 900})
    requests: list[str] = []
    complaints: list[str] = []
    page.on("request", lambda request: requests.append(request.url))
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto((folder / "pilot" / "report.html").as_uri())
    yield page
    page.close()
    assert (len(requests), complaints) == (1, [])


def test_the_page_is_quiet_fits_a_telephone_and_shows_videos(opened: Page) -> None:
    assert opened.evaluate("document.documentElement.scrollWidth") == 375
    assert opened.locator("article img").count() > 5 and opened.locator("article .sound").count() > 0
    assert opened.evaluate("window.hacked") is None
    identifiers = opened.eval_on_selector_all("[id]", "all => all.map(element => element.id)")
    assert len(identifiers) == len(set(identifiers))


def test_editing_an_assumption_changes_what_follows(opened: Page, document: dict[str, Any]) -> None:
    sheet = opened.locator("#worth-adult")
    year = sheet.locator('[data-result="year"]')
    assert year.inner_text() == f"{document['worth']['adult']['year']:,.0f}"
    opened.locator("#adult-videos_a_day").fill("20000")
    assert year.inner_text() == f"{2 * document['worth']['adult']['year']:,.0f}"
    opened.locator("#adult-label").fill("1000")
    opened.locator("#adult-miss").fill("0")
    assert sheet.locator('[data-result="answer"]').inner_text() == "No-go"
