"""Assumptions in a page: the same numbers with the script as without it, and others when a reader changes one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from streamer.report.assumptions import Assumption, Result, Sheet
from streamer.report.shell import shell
from streamer.report.tag import tag
from tests.services.chromium import ARGS

SHEET = Sheet(
    "part",
    (
        Assumption("videos", 'Videos "<b>a day</b>"', 12_345, "", "said"),
        Assumption("rate", "Bad ones", 0.123456, "%", "measured", {"rate_low": 0.05, "rate_high": 0.2}),
        Assumption("cost", "Cost of a miss", 0.4, "", "said"),
    ),
    (
        Result("bad", "Bad ones a day", "videos * rate", digits=1),
        Result("paid", "Paid", "-min(bad, 1000) * cost + max(0, 3) ** 2 - abs(0 - 5) / 2", digits=2),
        Result("spread", "Spread", "rate_high - rate_low", unit="%", digits=1),
        Result("hidden", "", "ceil(bad / 100)", hidden=True),
        Result("answer", "Answer", "(bad > 1000) - (rate < 0.01)", texts={"1": "Go", "0": "More", "-1": "No"}),
    ),
)


@pytest.fixture(scope="module")
def browser(chromium_path: str) -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium_path, args=list(ARGS))
        yield browser
        browser.close()


@pytest.fixture
def opened(browser: Browser, tmp_path: Path) -> Iterator[Page]:
    path = tmp_path / "sheet.html"
    heading = tag("h1", "Sheet")
    path.write_text(
        shell("Sheet", heading, SHEET.element(heading="Part"), styles=["study.css"], script="assumptions.js")
    )
    page = browser.new_page()
    page.on("pageerror", lambda error: pytest.fail(str(error)))
    page.goto(path.as_uri())
    yield page
    page.close()


def shown(page: Page) -> dict[str, str]:
    outputs = page.locator("output").all()
    return {str(output.get_attribute("data-result")): output.inner_text() for output in outputs}


def test_values_are_those_of_the_formulas() -> None:
    values = SHEET.values()
    assert values["rate"] == 0.1235, "as it is written in the page"
    assert values["bad"] == pytest.approx(12_345 * 0.1235)
    assert values["paid"] == pytest.approx(-1000 * 0.4 + 9 - 2.5)
    assert (values["hidden"], values["answer"]) == (16, 1)
    assert SHEET.values(rate=np.array([0.0, 0.1]))["answer"].tolist() == [-1, 1]
    assert [SHEET.told(name) for name in ("bad", "spread", "answer")] == ["1,524.6", "15.0 %", "Go"]


@pytest.mark.parametrize(
    "formula", ["__import__('os')", "videos.real", "videos if rate else cost", "sum(videos)", "'a'"]
)
def test_a_formula_can_do_nothing_but_arithmetic(formula: str) -> None:
    with pytest.raises(ValueError, match="formula: came"):
        _ = Result("x", "", formula).tree


def test_the_script_computes_what_the_page_was_written_with(opened: Page) -> None:
    before = shown(opened)
    assert before == {name: SHEET.told(name) for name in ("bad", "paid", "spread", "answer")}
    opened.locator("#part-videos").fill("12345")
    assert shown(opened) == before


def test_another_assumption_gives_other_numbers(opened: Page) -> None:
    opened.locator("#part-rate").fill("0.5")
    changed = SHEET.values(rate=0.005)
    assert shown(opened) == {
        item.name: item.told(float(changed[item.name])) for item in SHEET.results if not item.hidden
    }
    assert shown(opened)["answer"] == "No"
    opened.locator("#part-rate_high").fill("35")
    assert shown(opened)["spread"] == "30.0 %"


def test_nothing_typed_is_no_number(opened: Page) -> None:
    opened.locator("#part-videos").fill("")
    assert shown(opened)["bad"] == "–" and shown(opened)["answer"] == "–"
    opened.locator("#part-videos").fill("100")
    assert shown(opened)["bad"] == "12.3"


def test_labels_are_text_and_every_entry_has_a_name(opened: Page) -> None:
    assert opened.get_by_label('Videos "<b>a day</b>"').input_value() == "12345"
    assert opened.get_by_label("Bad ones, at most").input_value() == "20"


def test_the_policy_lets_no_other_script_run(opened: Page) -> None:
    policy = opened.locator("meta[http-equiv]").get_attribute("content")
    assert policy is not None and "unsafe" not in policy and "http" not in policy
    opened.evaluate(
        "document.body.append(Object.assign(document.createElement('script'), {text: 'window.hacked = 1'}))"
    )
    assert opened.evaluate("window.hacked") is None
