"""The page in a real browser: quiet, self-contained, readable, and deaf to what titles ask of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from streamer.report.page import page as report_page
from streamer.report.shown import Part
from tests.face.examples import HOSTILE, reports, summary
from tests.services.chromium import ARGS

WIDTHS = (320, 375, 600, 1280)

#: Texts and the grounds they stand on, as WCAG 2.2 relative luminances; the lowest contrast of all, and where.
LOWEST_CONTRAST = """() => {
  const channel = v => (v /= 255) <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
  const luminance = ([r, g, b]) => 0.2126 * channel(r) + 0.7152 * channel(g) + 0.0722 * channel(b);
  const rgba = text => text.match(/[\\d.]+/g).map(Number);
  const ground = element => {
    for (let at = element; at; at = at.parentElement) {
      const colour = rgba(getComputedStyle(at).backgroundColor);
      if (colour.length === 3 || colour[3] === 1) return colour;
    }
    throw new Error("no opaque ground");
  };
  let lowest = [99, ""];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    if (!walker.currentNode.data.trim() || !element.getClientRects().length || element.tagName === "title") continue;
    const style = getComputedStyle(element);
    const ink = rgba(element instanceof SVGElement ? style.fill : style.color);
    const [light, dark] = [luminance(ink), luminance(ground(element))].sort((a, b) => b - a);
    const ratio = (light + 0.05) / (dark + 0.05);
    if (ratio < lowest[0]) lowest = [ratio, walker.currentNode.data];
  }
  return lowest;
}"""

MARKS = ".mark, .true, .gap, .look, .sound image, .threads line"

OUTSIDE = """all => all.filter(mark => {
  const inner = mark.getBoundingClientRect(), outer = mark.ownerSVGElement.getBoundingClientRect();
  return inner.left < outer.left - 0.5 || inner.right > outer.right + 0.5
      || inner.top < outer.top - 0.5 || inner.bottom > outer.bottom + 0.5;
}).map(mark => mark.outerHTML)"""

Opened = Callable[..., Page]


@pytest.fixture(scope="module")
def browser(chromium_path: str) -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium_path, args=list(ARGS))
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("page") / "report.html"
    path.write_text(report_page([Part("At a glance", tuple(reports()), summary())]), "utf-8")
    return path


@pytest.fixture
def opened(browser: Browser, report: Path) -> Iterator[Opened]:
    pages: list[Page] = []

    def make(width: int = 1280, scheme: Any = "light", watch: Callable[[Page], None] = lambda _: None) -> Page:
        page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
        pages.append(page)
        watch(page)
        page.goto(report.as_uri())
        return page

    yield make
    for page in pages:
        page.close()


class Watch:
    """What a page asks for and complains of: `opened(watch=Watch())`."""

    def __init__(self) -> None:
        self.requests: list[str] = []
        self.complaints: list[str] = []

    def __call__(self, page: Page) -> None:
        page.on("request", lambda request: self.requests.append(request.url))
        page.on("console", lambda message: self.complaints.append(message.text))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))


def test_asks_the_network_for_nothing_and_complains_of_nothing(opened: Opened, report: Path) -> None:
    watch = Watch()
    opened(watch=watch)
    assert (watch.requests, watch.complaints) == ([report.as_uri()], [])


def test_names_stand_beside_their_spans_and_categories_below_their_score(report: Path) -> None:
    text = report.read_text("utf-8")
    assert "heard Gunshot, gunfire 6.0–7.0 s (62 %)" in text
    assert "also heard Speech; Music 0.5–1.5 s" in text
    assert "sexual 0.02, violent 0.97" in text
    assert "heard Gunshot, gunfire 6.0–7.0 s: 62 % of the weight" in text


@pytest.mark.parametrize("width", WIDTHS)
def test_never_scrolls_sideways(opened: Opened, width: int) -> None:
    page = opened(width)
    page.evaluate("document.querySelectorAll('details').forEach(details => details.open = true)")
    assert page.evaluate("document.documentElement.scrollWidth") == width


@pytest.mark.parametrize("width", WIDTHS)
def test_every_mark_stands_inside_its_time_line(opened: Opened, width: int) -> None:
    page = opened(width)
    assert page.locator(".mark").count() > 20
    assert page.eval_on_selector_all(MARKS, OUTSIDE) == []


def test_marks_stand_where_the_evidence_is(opened: Opened) -> None:
    lane = opened().locator("#video-1 .lane").nth(1)
    ground, strongest = lane.bounding_box(), lane.locator("rect.mark.audio").first.bounding_box()
    assert ground is not None and strongest is not None
    start = (strongest["x"] - ground["x"]) / ground["width"]
    assert start == pytest.approx(0.015 + 0.97 * 6 / 12, abs=0.002)
    assert strongest["width"] / ground["width"] == pytest.approx(0.97 / 12, abs=0.002)


def test_a_hostile_title_is_shown_and_does_nothing(opened: Opened) -> None:
    page = opened()
    assert page.evaluate("window.hacked") is None
    assert page.locator("script, iframe, object, embed, link, [onerror], [onload]").count() == 0
    assert page.locator("#video-2 h3").inner_text() == HOSTILE
    assert page.title() == "Earshot: verdicts"


def test_the_policy_stops_scripts_that_got_in_anyhow(opened: Opened) -> None:
    page = opened()
    page.evaluate("document.body.append(Object.assign(document.createElement('script'), {text: 'window.hacked = 1'}))")
    assert page.evaluate("window.hacked") is None


def test_reversed_names_do_not_reverse(opened: Opened) -> None:
    assert opened().locator("#video-4 h3").inner_text() == "\N{REPLACEMENT CHARACTER}gnp.exe"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_from_its_ground(opened: Opened, scheme: str) -> None:
    lowest, text = opened(scheme=scheme).evaluate(LOWEST_CONTRAST)
    assert lowest >= 4.5, text  # WCAG 2.2, 1.4.3 level AA


def test_structure_for_readers_who_do_not_see(opened: Opened) -> None:
    page = opened()
    levels = page.eval_on_selector_all("h1, h2, h3", "all => all.map(heading => Number(heading.tagName[1]))")
    assert levels[0] == 1 and levels.count(1) == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))
    identifiers = page.eval_on_selector_all("[id]", "all => all.map(element => element.id)")
    assert len(identifiers) == len(set(identifiers))
    unnamed = "all => all.filter(element => !(element.alt || element.ariaLabel)).map(element => element.outerHTML)"
    assert page.eval_on_selector_all("img, svg[role=img], [role=region]", unnamed) == []
    assert page.eval_on_selector_all("th:not([scope])", "all => all.length") == 0
    assert page.eval_on_selector_all("img", "all => all.every(img => img.complete && img.naturalWidth)")


def test_the_keyboard_reaches_every_video(opened: Opened) -> None:
    page = opened()
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.wait_for_url("**#video-1")
    assert page.locator("#video-1").evaluate("card => card.matches(':target')")


def test_every_ending_says_why(opened: Opened) -> None:
    page = opened()
    assert "the index (moov) is missing" in page.locator("#video-6 .reason").inner_text()
    assert "missing_object" in page.locator("#video-7 .reason").inner_text()
    assert "nothing lost, nothing twice" in page.locator("main").inner_text()
    assert "Missing: audio" in page.locator("#video-3").inner_text()
