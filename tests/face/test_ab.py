"""`earshot ab` from a log to an answer, a page and the rows that are broken."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, sync_playwright

from tests.face.command import earshot, earshot_here
from tests.services.chromium import ARGS

RAIL = ("--guardrail", "revenue_per_view=revenue/views:40%")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("ab")
    done = earshot("ab", "simulate", "log.csv", "--quality-lift", 0.1, "--units", 8000, folder=folder)
    assert done.returncode == 0, done.stderr
    with (folder / "log.csv").open("a") as lines:
        lines.write('"<script>window.hacked=1</script>",treatment,9,many,1,1\n' * 100)
    return folder


@pytest.fixture(scope="module")
def told(folder: Path) -> subprocess.CompletedProcess[str]:
    return earshot("ab", "log.csv", *RAIL, folder=folder)


def test_tells_the_answer_and_where_broken_rows_are(folder: Path, told: subprocess.CompletedProcess[str]) -> None:
    assert told.returncode == 0, told.stderr
    assert told.stdout.startswith("ship: quality_view_rate gains more than 0 (+")
    assert "100 broken rows in out/ab/rejected.jsonl" in told.stdout
    assert len((folder / "out/ab/rejected.jsonl").read_text().splitlines()) == 100


def test_scripts_get_the_numbers(folder: Path) -> None:
    done = earshot("ab", "judge", "log.csv", "--json", "--out", "again", folder=folder)
    document = json.loads(done.stdout)
    assert document["rejected"] == 100 and document["judged"]["answer"] == "ship"
    assert document["judged"] == json.loads((folder / "again/result.json").read_text())
    assert 0.05 < document["judged"]["goal"]["lift"] < 0.15
    assert not list(folder.rglob("*.part"))


def test_a_log_without_broken_rows_leaves_no_list_of_them(folder: Path, told: object) -> None:
    earshot("ab", "simulate", "whole.jsonl", "--units", 1000, folder=folder)
    done = earshot("ab", "whole.jsonl", folder=folder)
    assert done.returncode == 0 and done.stdout.startswith("go on: ")
    assert not (folder / "out/ab/rejected.jsonl").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("log.csv", "--goal", "rate"), "expected name=numerator/denominator"),
        (("log.csv", "--goal", "ctr=clicks/views"), "clicks: came 'None', expected a number"),
        (("log.csv", "--treatment", "B"), "came no unit of B; the arms are control, treatment"),
        (("log.txt",), "expected .csv, .jsonl, .parquet"),
        (("log.csv", "--share", "1.5"), "expected one between 0 and 1"),
    ],
)
def test_what_is_wrong_is_said_in_a_line(folder: Path, arguments: tuple[str, ...], message: str) -> None:
    done = earshot_here("ab", *arguments, "--out", "wrong", folder=folder)
    assert done.returncode == 1 and message in done.stderr
    assert not (folder / "wrong").exists(), "nothing half-written"


def test_a_log_is_csv_or_jsonl(folder: Path) -> None:
    done = earshot_here("ab", "simulate", "log.txt", folder=folder)
    assert done.returncode == 1 and "expected .csv or .jsonl" in done.stderr


@pytest.fixture
def opened(chromium_path: str, folder: Path) -> Iterator[Page]:
    done = earshot("ab", "log.csv", *RAIL, "--out", "page", folder=folder)
    assert done.returncode == 0, done.stderr
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium_path, args=list(ARGS))
        yield browser.new_page(viewport={"width": 375, "height": 900})
        browser.close()


def test_the_page_is_quiet_and_draws_the_course(opened: Page, folder: Path) -> None:
    requests: list[str] = []
    complaints: list[str] = []
    opened.on("request", lambda request: requests.append(request.url))
    opened.on("console", lambda message: complaints.append(message.text))
    opened.goto((folder / "page/report.html").as_uri())
    assert (len(requests), complaints) == (1, [])
    assert opened.evaluate("document.documentElement.scrollWidth") == 375
    assert opened.locator(".answer.yes strong").inner_text() == "Ship"
    assert opened.locator(".curve").count() > 50 and opened.locator(".reach").count() == 2
    assert "100 broken rows" in opened.locator("main").inner_text()
