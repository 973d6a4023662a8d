"""The terminal: everything is named, nothing is wider than the screen, and no title moves the cursor."""

from __future__ import annotations

import io
import re
from dataclasses import replace

import pytest
from rich.console import Console, RenderableType

from streamer.audit import AuditReport
from streamer.records import Task
from streamer.report import words
from streamer.report.shown import Truth
from streamer.report.table import answer, audit_line, reupload_line, run_table
from tests.face.examples import reports, summary


def printed(*parts: RenderableType, width: int = 100, terminal: bool = False) -> str:
    text = io.StringIO()
    console = Console(file=text, width=width, force_terminal=terminal, color_system="truecolor" if terminal else None)
    for part in parts:
        console.print(part)
    return text.getvalue()


def test_names_every_video_with_scores_reasons_and_times() -> None:
    text = printed(run_table(reports()))
    assert all(item.file in text for item in reports())
    for word in (
        "0.97",
        "block",
        "Gunshot, gunfire",
        "6.0–7.0 s",
        "dead letter",
        "missing_object",
        "undecodable",
        "81",
    ):
        assert word in text


def test_an_answer_names_what_is_seen_and_heard_beside_its_span() -> None:
    text = printed(answer(reports()[0]), width=140)
    for line in (
        "heard Gunshot, gunfire 6.0–7.0 s (62 %)",
        "also heard Speech; Music 0.5–1.5 s",
        "sexual 0.02, violent 0.97",
    ):
        assert line in text
    assert "heard 0.98" not in text


@pytest.mark.parametrize("width", [60, 80, 100, 160])
def test_fits_the_screen(width: int) -> None:
    text = printed(run_table(reports()), *map(answer, reports()[:-1]), width=width)
    assert max(map(len, text.splitlines())) <= width


def test_a_pipe_gets_plain_text() -> None:
    assert "\x1b" not in printed(run_table(reports()), *map(answer, reports()[:-1]))


def test_strangers_cannot_speak_to_the_terminal() -> None:
    item = reports()[0]
    evil = "\x1b]0;owned\x07\x1b[2J\x9b31m[bold]not markup[/bold]\u202e"
    shown = replace(
        item,
        file=evil,
        event=item.event.__class__(event_id="e", source="s", video_id="v", uri="u", title=evil),
        truth=Truth(evil, {}),
    )
    text = printed(run_table([shown]), answer(shown), terminal=True)
    assert re.sub(r"\x1b\[[\d;]*m", "", text).count("\x1b") == 0
    assert not set("\x07\x9b\u202e") & set(text)
    assert "[bold]not" in text


def test_lines_below_the_table() -> None:
    run = summary()
    assert run.audit is not None and run.reupload is not None
    line = printed(audit_line(run.audit))
    assert "7 events consumed = 6 with verdicts + 1 dead letter" in line
    assert "0 lost" in line and "0 duplicated" in line
    assert "88x" in printed(reupload_line(run.reupload))


@pytest.mark.parametrize(("lost", "duplicated", "holds"), [(0, 0, True), (1, 0, False), (0, 1, False)])
def test_conservation_holds_only_when_nothing_is_lost_or_twice(lost: int, duplicated: int, holds: bool) -> None:
    report = AuditReport(consumed=5, verdict_events=4, dead_letters=1, lost=lost, duplicated=duplicated, in_flight=0)
    assert words.balanced(report) is holds


def test_agreement_counts_scored_verdicts_of_known_truth() -> None:
    assert words.agreement(reports()) == (4, 5)


def test_the_gravest_verdict_is_told_first() -> None:
    gravest = words.gravest(reports()[0].verdicts)
    assert gravest is not None and gravest.task == Task.ADULT


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.0, "0.0 s"), (3.24, "3.2 s"), (59.94, "59.9 s"), (59.96, "1:00"), (64.4, "1:04"), (3600.0, "60:00")],
)
def test_seconds(value: float, text: str) -> None:
    assert words.seconds(value) == text


@pytest.mark.parametrize(
    ("value", "text"), [(0.42, "0.42 ms"), (7.31, "7.3 ms"), (212.4, "212 ms"), (1204, "1,204 ms")]
)
def test_milliseconds(value: float, text: str) -> None:
    assert words.milliseconds(value) == text


def test_clean_keeps_what_people_write() -> None:
    kept = "Größe, 日本語, עברית, नमस्ते, 👩‍👩‍👧 & <b>"
    assert words.clean(kept) == kept
    assert words.clean("a\nb\x00c\ud800d\u2066e") == "a b\ufffdc\ufffdd\ufffde"
