"""The sheet in a real browser: a person answers by keys and clicks, and what is saved is taken in by the command."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from engines.data.world import render_world
from streamer.labels.files import read_labels
from streamer.records import LabelRequest, Task
from streamer.report.sheet import asked, sheet
from tests.face.command import earshot
from tests.face.examples import HOSTILE, clip
from tests.face.test_page import LOWEST_CONTRAST, Watch
from tests.services.chromium import ARGS
from tests.wire.samples import REQUEST

#: A right-to-left mark, quotes and a line end of another kind: to be read back as it went in.
STRANGE = "v\u202e'\"<&\u2028>"


def until(condition: str) -> str:
    """A script that ends when the condition holds; playwright's own way to wait needs eval, which the page forbids."""
    return f"() => new Promise(done => {{ const look = () => {condition} ? done() : setTimeout(look, 20); look(); }})"


def request(number: int, video_id: str, task: Task, **changes: Any) -> LabelRequest:
    return msgspec.structs.replace(REQUEST, request_id=f"{number:064x}", video_id=video_id, task=task, **changes)


REQUESTS = (
    request(1, "v-1", Task.CLICKBAIT, title="Ten tricks", query=None),
    request(2, STRANGE, Task.RELEVANCE, title=HOSTILE, reason=HOSTILE, query=HOSTILE, strategy=HOSTILE, uri=HOSTILE),
    request(3, "v-3", Task.ADULT, title="", query=None, uri=None),
)


@pytest.fixture(scope="module")
def browser(chromium_path: str) -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium_path, args=list(ARGS))
        yield browser
        browser.close()


@pytest.fixture
def page_file(tmp_path: Path) -> Path:
    path = tmp_path / "sheet.html"
    items = [asked(REQUESTS[0], clip(), None), *(asked(item, None, None) for item in REQUESTS[1:])]
    path.write_text(sheet(items), "utf-8")
    return path


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    context = browser.new_context(viewport={"width": 1000, "height": 900})
    yield context
    context.close()


def opened(context: BrowserContext, file: Path, watch: Callable[[Page], None] = lambda _: None) -> Page:
    page = context.new_page()
    watch(page)
    page.goto(file.as_uri())
    return page


def saved(page: Page, rater: str = "r-1") -> list[dict[str, Any]]:
    page.fill("#rater", rater)
    with page.expect_download() as download:
        page.click("#save")
    return [json.loads(line) for line in Path(download.value.path()).read_bytes().splitlines()]


def count(page: Page) -> str:
    return page.inner_text("#count")


def test_asks_the_network_for_nothing_and_a_hostile_title_stays_text(context: BrowserContext, page_file: Path) -> None:
    watch = Watch()
    page = opened(context, page_file, watch)
    for key in "11u1s":
        page.keyboard.press(key)
    assert (watch.requests, watch.complaints) == ([page_file.as_uri()], [])
    assert page.evaluate("window.hacked") is None
    assert page.locator("article h2").nth(1).inner_text() == HOSTILE


def test_the_policy_lets_no_other_script_run(context: BrowserContext, page_file: Path) -> None:
    page = opened(context, page_file)
    page.evaluate("""() => {
      const script = document.createElement("script");
      script.textContent = "window.hacked = 1";
      document.body.append(script);
      document.body.insertAdjacentHTML("beforeend", `<img src=x onerror="window.hacked = 1">`);
    }""")
    page.evaluate(until("document.images[document.images.length - 1].complete"))
    assert page.evaluate("window.hacked") is None


def test_keys_answer_move_and_take_back(context: BrowserContext, page_file: Path) -> None:
    page = opened(context, page_file)
    assert count(page) == "0 of 3"
    assert page.is_disabled("#save") and page.is_disabled("#undo")
    page.keyboard.press("1")
    page.keyboard.press("7")  # no answer to anything
    page.keyboard.press("3")
    page.keyboard.press("0")
    assert count(page) == "3 of 3"
    page.keyboard.press("u")
    page.keyboard.press("u")
    assert count(page) == "1 of 3"
    assert page.locator("article.current h2").inner_text() == HOSTILE
    page.keyboard.press("k")
    page.keyboard.press("0")  # another answer to the first; the next open one follows
    assert page.locator("article.current h2").inner_text() == HOSTILE
    page.keyboard.press("u")
    assert page.get_attribute("article:first-child [data-value='1']", "aria-pressed") == "true"


def test_digits_typed_as_the_rater_are_no_answers(context: BrowserContext, page_file: Path) -> None:
    page = opened(context, page_file)
    page.click("#rater")
    page.keyboard.type("r101s")
    assert (count(page), page.input_value("#rater")) == ("0 of 3", "r101s")


def test_what_is_saved_is_what_was_said(context: BrowserContext, page_file: Path) -> None:
    page = opened(context, page_file)
    page.click("article:nth-child(3) [data-value='0']")
    page.click("article:nth-child(2) [data-value='2']")
    found = saved(page)
    assert [(row["video_id"], row["task"], row["value"], row["request_id"]) for row in found] == [
        (STRANGE, "relevance", 2, REQUESTS[1].request_id),
        ("v-3", "adult", 0, REQUESTS[2].request_id),
    ]
    assert found[0]["query"] == HOSTILE and "query" not in found[1]
    assert {row["rater"] for row in found} == {"r-1"}
    assert all(row["labelled_at"].endswith("Z") for row in found)


def test_nothing_is_saved_for_nobody_or_for_an_address(context: BrowserContext, page_file: Path) -> None:
    page = opened(context, page_file)
    page.keyboard.press("1")
    downloads: list[object] = []
    page.on("download", lambda download: downloads.append(download))
    page.click("#save")
    assert "Who are you?" in page.inner_text("#said")
    page.fill("#rater", "jane@example.com")
    page.click("#save")
    assert "opaque id" in page.inner_text("#said")
    assert downloads == []


def test_a_page_that_is_closed_goes_on_where_it_was(context: BrowserContext, page_file: Path) -> None:
    page = opened(context, page_file)
    page.fill("#rater", "r-9")
    page.click("article:first-child [data-value='1']")
    page.close()
    again = opened(context, page_file)
    assert (count(again), again.input_value("#rater")) == ("1 of 3", "r-9")
    assert again.locator("article.current h2").inner_text() == HOSTILE
    assert saved(again, "r-9")[0]["video_id"] == "v-1"


@pytest.mark.parametrize("width", [320, 600, 1280])
def test_never_scrolls_sideways(browser: Browser, page_file: Path, width: int) -> None:
    context = browser.new_context(viewport={"width": width, "height": 900})
    page = opened(context, page_file)
    page.evaluate("document.querySelectorAll('details').forEach(details => details.open = true)")
    assert page.evaluate("document.documentElement.scrollWidth") == width
    context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_can_be_read(browser: Browser, page_file: Path, scheme: Any) -> None:
    context = browser.new_context(color_scheme=scheme)
    page = opened(context, page_file)
    page.evaluate("document.querySelectorAll('details').forEach(details => details.open = true)")
    page.keyboard.press("1")
    ratio, text = page.evaluate(LOWEST_CONTRAST)
    assert ratio >= 4.5, text
    context.close()


def test_why_it_is_asked_is_folded_away_at_first(context: BrowserContext, page_file: Path) -> None:
    page = opened(context, page_file)
    why = page.locator("article:first-child details p").first
    assert not why.is_visible()
    page.click("article:first-child summary")
    assert why.is_visible()
    assert "like v-7 (0.91)" in page.locator("article:first-child details li").first.inner_text()


def test_from_requests_over_the_browser_to_labels(context: BrowserContext, tmp_path: Path) -> None:
    (truth,) = render_world(tmp_path / "videos", clips=1, seed=5)
    (tmp_path / "videos" / "broken.mp4").write_bytes(b"no video")
    picks = [
        {"video_id": video, "task": "adult", "strategy": "lsb", "reason": "unsure", "bundle": "b", "uri": uri}
        for video, uri in (("v1", f"s3://m/{truth.file}"), ("v2", "s3://m/broken.mp4"), ("v3", None))
    ]
    (tmp_path / "requests.jsonl").write_text("".join(json.dumps(pick) + "\n" for pick in picks))
    done = earshot(
        "label", "sheet", "requests.jsonl", "--videos", "videos", "--out", "s.html", "--json", folder=tmp_path
    )
    assert json.loads(done.stdout) == {"out": "s.html", "requests": 3, "pictured": 1}, done.stderr
    page = opened(context, tmp_path / "s.html")
    assert page.locator("article:first-child .film img").count() > 0
    assert page.locator("article:first-child .sound image").count() > 0
    assert [page.locator(f"article:nth-child({n}) .reason").count() for n in (1, 2, 3)] == [0, 1, 1]
    page.evaluate("document.querySelector('video').load()")
    page.evaluate(until("document.querySelector('video').networkState !== 2"))
    page.keyboard.press("1")
    page.keyboard.press("0")
    (tmp_path / "answers.jsonl").write_text("".join(json.dumps(row) + "\n" for row in saved(page)))
    taken = earshot("label", "import", "answers.jsonl", "--requests", "requests.jsonl", "--json", folder=tmp_path)
    assert json.loads(taken.stdout)["added"] == 2, taken.stderr
    labels = read_labels(tmp_path / "labels.jsonl")
    assert [(label.video_id, label.value, label.source) for label in labels] == [("v1", 1, "sheet"), ("v2", 0, "sheet")]
